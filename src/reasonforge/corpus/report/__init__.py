"""The page about a corpus: what each round collected, what went and why, and what is in the shards."""
