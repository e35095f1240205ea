"""Reward functions of a user; run in the reward process."""


def fails_on_threes(question, answer, completion, meta):
    if "3" in completion:
        raise ValueError("a three")
    return float(len(completion))
