"""Supervised fine-tuning: likelihood of worked solutions under a prompt template."""
