"""Turn two sets of answers into preferred pairs: which of the two does a judge find better, asked in both orders?

    python examples/judge_pairs.py answers.jsonl pairs.jsonl --url http://localhost:8000/v1 --model judge

Each row of the input holds a ``prompt`` and two answers, ``first`` and ``second``. The output is what a data table of type ``pairs`` reads.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.errors import ReasonforgeError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import SamplingParams
from reasonforge.rewards.judge import Comparison, PairwiseJudge
from reasonforge.sampling.http import HttpModel
from reasonforge.tasks.fields import text_of
from reasonforge.tasks.files import read_rows
from reasonforge.tasks.pairs import Pair, write_pairs


def main(arguments: list[str] | None = None) -> int:
    """Judge a file; return the exit code."""
    parser = argparse.ArgumentParser(description="Judge pairs of answers.")
    parser.add_argument("answers", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--margin", type=float, default=1.0)
    options = parser.parse_args(arguments)

    model = HttpModel(EndpointConfig(url=options.url, name=options.model))
    params = SamplingParams(max_new_tokens=2048, temperature=0.7)
    judge = PairwiseJudge(model, params, margin=options.margin)
    try:
        comparisons = [
            Comparison(
                id=str(number),
                messages=(Message("user", text_of(row, ("prompt",), "prompt")),),
                first=text_of(row, ("first",), "first answer"),
                second=text_of(row, ("second",), "second answer"),
            )
            for number, row in enumerate(read_rows(options.answers))
        ]
        rulings = judge.compare(comparisons, seed=0)
    except ReasonforgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    assert rulings is not None  # nobody asked it to stop
    pairs = []
    for item, ruling in zip(comparisons, rulings, strict=True):
        if ruling.kept:
            chosen, rejected = (item.first, item.second) if ruling.mean > 0 else (item.second, item.first)
            margin = abs(ruling.mean)
            pairs.append(Pair(id=item.id, messages=item.messages, chosen=chosen, rejected=rejected, margin=margin, source="judged"))
    write_pairs(options.pairs, pairs)
    failed = sum(bool(ruling.failure) for ruling in rulings)
    print(f"{len(pairs)} of {len(rulings)} pairs kept, {failed} without a verdict, {model.usage.requests} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
