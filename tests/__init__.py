"""Tests, mirroring ``src`` by path."""
