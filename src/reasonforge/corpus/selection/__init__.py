"""From scores to a selection: the best pages up to a budget of tokens, without sorting them."""
