"""Facts of a corpus that was never made."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.report.facts import Benchmark, Bin, Corpus, Domain, Found, HeldOut, Hit, Round, Sample, Scores, Source, Stage


def round_of(number: int, **changes: Any) -> Round:
    given: dict[str, Any] = {
        "number": number,
        "pages": 100 * number,
        "tokens": 40_000 * number,
        "held_out": HeldOut(pr_auc=0.9, positives=40, pages=300, few=False),
        "scores": Scores(bins=tuple(Bin(pages=64 - i, math=i // 2) for i in range(64)), place=0.5, cut=0.5),
        "found": Found(recall=0.3 * number, precision=0.9, by_kind={"forum": 0.2 * number, "near_maths": 0.01, "other": 0.0}),
        "domains": 10 * number,
        "gained": (Domain(name="a.example", pages=50, collected=20),),
        "num_gained": 3,
        "paths": {"math": 4, "not_math": 2},
        "authors": {"human": 5, "model accepted": 1},
        "positives": 30 * number,
        "overlap": None if number == 1 else 0.9,
    }
    return Round(**{**given, **changes})


def corpus_of(**changes: Any) -> Corpus:
    given: dict[str, Any] = {
        "name": "toy",
        "state": "complete",
        "message": "",
        "rounds": (round_of(1), round_of(2), round_of(3)),
        "overlap": ((100, 90, 80), (90, 200, 190), (80, 190, 300)),
        "annotated_by": "file",
        "samples": (
            Sample(group="collected", score=0.99, url="https://a.example/1", title="Groups", text="Let $G$ be a group.", kind="textbook"),
            Sample(group="just left out", score=0.49, url="https://b.example/2", title="Tax", text="1 + 1", kind="near_maths"),
        ),
        "stages": (Stage(name="pages", taken=1000, kept=990, dropped={"empty_body": 10}, noted={"formulas": 5000}),),
        "reasons": {"empty_body": "a response without a body"},
        "benchmarks": (
            Benchmark(name="gsm8k", pages=7, items=5, by_length={10: 8, 4: 1}, top=(Hit(item="gsm8k-3", pages=2, gram="on market day"),)),
        ),
        "shared": 7,
        "decontaminated": True,
        "sources": (
            Source(name="mined", tokens=120_000, documents=300, weight=0.56, epochs=2.5),
            Source(name="code", tokens=30_000, documents=40, weight=0.44, epochs=None),
        ),
        "total_tokens": 500_000,
        "quarantine": (),
    }
    return Corpus(**{**given, **changes})
