"""Reward models: a decoder with a head of one number, trained on verdicts, on labels of steps or on preferred pairs."""
