"""Public benchmarks in the files they are published in: one table of names, and a rule for each that turns rows into problems."""
