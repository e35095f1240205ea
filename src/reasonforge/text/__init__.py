"""Text to token ids and back: tokenizers (loaded, trained, saved), prompt layouts and chat templates, conversations to ids and loss mask."""
