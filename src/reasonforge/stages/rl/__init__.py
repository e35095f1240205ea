"""Reinforcement learning from verifiable rewards. Start with ``loop.py``."""
