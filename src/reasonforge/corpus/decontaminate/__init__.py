"""Benchmark text out of the corpus: runs of ten grams that a page shares with a problem, and short problems word for word."""
