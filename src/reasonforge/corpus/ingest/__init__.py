"""From files of a crawl to rows of text: readers, decoding, and the unit that makes ``pages.parquet``."""
