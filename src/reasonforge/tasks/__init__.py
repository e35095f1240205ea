"""Where problems come from: procedural families that know their own verifier, data files, and the recipe sections that name them."""
