"""Mathematics of reinforcement and preference learning: advantages, ratios, surrogates, averaging, divergences. Tensors in, tensors out.

An algorithm is one choice from each module; none knows a paper's name for the whole. ``docs/papers.md`` leads from equation to function.
"""
