"""Text to token ids and back: tokenizers loaded, trained and saved; prompt layouts and chat templates; ids with their loss mask."""
