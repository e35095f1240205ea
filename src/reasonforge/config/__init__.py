"""Recipes: the base of every settings model, the TOML loader with overlays and overrides, and the text of its errors."""
