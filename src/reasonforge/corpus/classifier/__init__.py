"""The classifier that tells mathematics from the rest of the web: fastText, trained as the paper does, folded for scoring."""
