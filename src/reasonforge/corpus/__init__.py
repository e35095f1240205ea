"""From a web crawl to training shards: extraction, mining round by round, decontamination, mixing, packing. Torch-free."""
