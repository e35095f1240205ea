"""Pre-training: next-token prediction on documents."""
