"""Choose the problems that are worth training on, from what a policy did with them."""
