"""Tests of the recipe loader."""
