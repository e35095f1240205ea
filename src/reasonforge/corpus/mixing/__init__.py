"""Mixing: named sources read in stated shares, entry by entry, from anywhere."""
