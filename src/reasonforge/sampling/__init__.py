"""Drawing completions: one protocol, a local engine over KV slots, and the warp that sampler and learner share."""
