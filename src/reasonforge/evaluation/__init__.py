"""How good a model is: estimators (pass@k, maj@k, intervals) and the loop that samples, grades and summarises."""
