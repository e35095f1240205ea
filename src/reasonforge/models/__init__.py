"""The decoder (one definition trains and samples), its cache, and Hugging Face folders in and out."""
