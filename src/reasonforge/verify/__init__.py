"""Judging an answer: where it stands in a completion, what it says, whether it equals the reference. Exact and bounded, no evaluation."""
