"""Batches, the one place that aligns and pads them, masked arithmetic, and the chunked log-probability head."""
