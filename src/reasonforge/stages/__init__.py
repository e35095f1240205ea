"""The stages of training: each takes a model and data, and gives a model. They share one driver (steps, checkpoints, evaluation)."""
