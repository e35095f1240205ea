"""reasonforge: from a web crawl to a reasoning language model, in floors one can read from the ground up."""

__version__ = "0.1.0"
