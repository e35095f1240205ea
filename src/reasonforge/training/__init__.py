"""The learner: gradients by micro-batches that cannot change them, AdamW and Muon, schedules, checkpoints."""
