"""Tests of the decoder, its cache and Hugging Face folders."""
