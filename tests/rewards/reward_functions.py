"""Reward functions of a user, good and bad; run in the reward process."""

import os
import time


def length(question, answer, completion, meta):
    return len(completion)


def prints(question, answer, completion, meta):
    print("chatter on stdout", completion)
    return 1.0


def raises(question, answer, completion, meta):
    raise ValueError("cannot judge\nthis")


def returns_nan(question, answer, completion, meta):
    return float("nan")


def returns_text(question, answer, completion, meta):
    return "good"


def returns_none(question, answer, completion, meta):
    return None


def hangs_on_b(question, answer, completion, meta):
    while completion == "b":
        time.sleep(0.01)
    return 1.0


def hangs(question, answer, completion, meta):
    while True:
        time.sleep(0.01)


def leaves(question, answer, completion, meta):
    os._exit(3)


not_callable = 3
