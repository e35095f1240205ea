"""Preference learning: DPO on pairs of a better and a worse response, offline or in rounds of fresh samples."""
