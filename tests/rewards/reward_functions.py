"""Reward functions of a user, good and bad; run in the reward process."""

import asyncio
import fractions
import os
import pathlib
import subprocess
import time

import numpy as np


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


def leaves_on_b(question, answer, completion, meta):
    if completion == "b":
        os._exit(3)
    return 1.0


def process(question, answer, completion, meta):
    return os.getpid()


def process_group(question, answer, completion, meta):
    return os.getpgrp()


def starts_another(question, answer, completion, meta):
    with pathlib.Path(completion).open("w") as pipe:
        subprocess.Popen(["sleep", "60"], stdout=pipe)
    return 1.0


def returns_by_name(question, answer, completion, meta):
    return {
        "bool": True,
        "numpy float": np.float32(0.5),
        "numpy int": np.int64(3),
        "numpy array of one": np.array(0.25),
        "fraction": fractions.Fraction(1, 8),
        "numpy nan": np.float64("nan"),
        "numpy text": np.str_("3"),
        "digits": "3",
        "list": [3],
        "several": np.arange(2),
        "huge": 10**400,
    }[completion]


def language(question, answer, completion, meta):
    return meta["language"]


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return {"score": float(solution_str == ground_truth and (extra_info or {})["level"] == 3 and bool(data_source)), "acc": True}


async def asks_somebody(data_source, solution_str, ground_truth, extra_info=None):
    await asyncio.sleep(0)
    return {"score": len(solution_str)}


def solution_only(solution_str, ground_truth, **others):
    assert not others
    return float(len(solution_str) - len(ground_truth))


def any_names(**given):
    return sum(name in given for name in ("question", "answer", "completion", "meta")) + 10 * len(given)


_calls = 0


def counts(question, answer, completion, meta):
    global _calls
    _calls += 1
    return float(_calls)


def sleeps(question, answer, completion, meta):
    time.sleep(float(completion))
    return float(completion)


not_callable = 3
