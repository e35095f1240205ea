"""Have a model compare sampled responses, and leave the pairs it is sure of for other stages."""
