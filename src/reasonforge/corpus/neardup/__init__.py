"""Pages that are nearly the same: MinHash signatures, bands, verified pairs, clusters. Masks beside the pages, never rewrites."""
