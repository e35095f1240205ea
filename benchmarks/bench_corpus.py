"""The corpus half against datatrove (and, for formulas, trafilatura), on data that the benchmarks build: all of benchmarks/corpus in order.

    python benchmarks/bench_corpus.py [--peers FOLDER] [--only extraction loop ...] [--stored]

Each part is a script of its own in ``benchmarks/corpus/``, says what it measures at its top, and writes ``results/corpus_NAME.json``. What
must come out stands in ``PARTS``: each figure is printed with its bound, and one that is missed makes the exit code 1. ``--stored`` holds
the results that are there against the bounds and measures nothing. The peers want other versions of our own dependencies, so they live in
virtual environments below ``FOLDER``, made at the first call. All parts take about twenty minutes of a quiet machine.

Two things that a corpus must do are no figures but tests: that it can be killed anywhere and goes on to the same bytes
(``tests/corpus/test_kill.py``, ``tests/cluster/test_ray_units.py``), and what becomes of broken files (``tests/corpus/ingest``).
"""

from __future__ import annotations

import argparse
import json
import operator
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from common import RESULTS

sys.path.insert(0, str(Path(__file__).parent))

from corpus.peer import DATATROVE, TRAFILATURA, peer_venv

Comparison = Literal[">=", "<=", "<", "=="]
COMPARISONS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "<": operator.lt, "==": operator.eq}


class Must(NamedTuple):
    """A figure and what it has to be."""

    path: str
    """In the result; names of entries, dots between them."""
    comparison: Comparison
    bound: float


class Part(NamedTuple):
    """A script, and what must come out."""

    musts: tuple[Must, ...]
    peer: tuple[str, ...] | None = None
    """Packages of the environment it is handed; None = it needs none."""


PARTS = {
    "extraction": Part(
        (
            Must("text.ratio", ">=", 5),
            Must("scored.ratio", ">=", 5),
            Must("scored.pages_out.ours", ">=", 5_000),
            Must("scored.pages_out.datatrove", ">=", 5_000),
        ),
        peer=DATATROVE,
    ),
    "classifier": Part(
        (
            Must("ratio_ours_with_tokenising_library_on_raw_text", ">=", 4),
            Must("labels_that_differ", "==", 0),
            Must("max_abs_difference", "<", 1e-5),
            Must("memory_bytes.ratio", ">=", 50),
        )
    ),
    "neardup": Part((Must("ratio_unit", ">=", 20),), peer=DATATROVE),
    "decontamination": Part(
        (
            Must("ratio", ">=", 30),
            Must("planted_missed.ours", "==", 0),
            Must("clean_flagged.ours", "==", 0),
            Must("frequent.flagged_with_ignore_frequent", "==", 0),
            Must("frequent.planted_missed_with_ignore_frequent", "==", 0),
        ),
        peer=DATATROVE,
    ),
    "formulas": Part(
        (
            Must("pages", ">=", 30),
            Must("carriers", ">=", 12),
            Must("extractors.ours.formula_recall_micro", ">=", 0.95),
            Must("extractors.ours.formula_recall_macro", ">=", 0.95),
            Must("extractors.ours.sentences_kept", ">=", 0.95),
            Must("extractors.ours.boilerplate_removed", ">=", 0.95),
            Must("blind.extractors.ours.formula_recall_micro", ">=", 0.95),
            Must("blind.extractors.ours.sentences_kept", ">=", 0.95),
        ),
        peer=TRAFILATURA,
    ),
    "tokenise": Part((Must("rate_of_encode_batch.packed", ">=", 0.95),)),
    "urls": Part(()),
    "loop": Part(
        (
            Must("webs", ">=", 20),
            Must("smallest_gain_of_recall_from_round_1_to_3", ">=", 0.10),
            Must("smallest_overlap_of_the_last_round", ">=", 0.95),
            Must("leaks.missed", "==", 0),
            Must("leaks.clean_flagged", "==", 0),
            Must("leaks_of_the_web.missed", "==", 0),
            Must("leaks_of_the_web.clean_flagged", "==", 0),
        )
    ),
}
SCRIPTS = {"loop": "loop_seeds"}
"""Where a part's script is not named as its result."""


class Verdict(NamedTuple):
    """A figure beside its bound."""

    must: Must
    found: float | None
    """None = the result has no such figure."""

    @property
    def is_met(self) -> bool:
        """Return whether it is what it has to be; NaN never is."""
        return self.found is not None and COMPARISONS[self.must.comparison](self.found, self.must.bound)

    def __str__(self) -> str:
        """Return a line of the list."""
        found = "no such figure" if self.found is None else f"{self.found:g}"
        return f"  {self.must.path}: {found} (must be {self.must.comparison} {self.must.bound:g}){'' if self.is_met else '  MISSED'}"


def verdicts(name: str, result: dict[str, Any]) -> Iterator[Verdict]:
    """Yield the figures of a part's result that have a bound."""
    for must in PARTS[name].musts:
        found: Any = result
        for key in must.path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        yield Verdict(must, found if isinstance(found, int | float) else None)


def measure(name: str, peers: Path) -> None:
    """Run the script of a part."""
    packages = PARTS[name].peer
    more = [] if packages is None else ["--peer", str(peer_venv(peers, packages))]
    command = [sys.executable, str(Path(__file__).parent / "corpus" / f"{SCRIPTS.get(name, name)}.py"), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(given: list[str] | None = None, *, results: Path = RESULTS) -> int:
    """Run the parts, print what came out beside what must; exit code 1 = something was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    peers = Path(tempfile.gettempdir()) / "reasonforge-peers"
    parser.add_argument("--peers", type=Path, default=peers, help="folder of the peers' environments")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--stored", action="store_true", help="measure nothing, judge the results that are there")
    arguments = parser.parse_args(given)
    missed: list[Verdict] = []
    for name in arguments.only:
        print(f"corpus/{SCRIPTS.get(name, name)}.py", flush=True)
        if not arguments.stored:
            measure(name, arguments.peers)
        stored = results / f"corpus_{name}.json"
        for verdict in verdicts(name, json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}):
            print(verdict, flush=True)
            missed += [] if verdict.is_met else [verdict]
    print(f"{len(missed)} missed" if missed else "all as it must be")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
