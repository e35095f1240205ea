"""A recipe's stages in order: one run directory, resumable at any point."""
