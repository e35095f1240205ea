"""The corpus half against datatrove (and, for formulas, trafilatura), on data that the benchmarks build: all of benchmarks/corpus in order.

    python benchmarks/bench_corpus.py [--repeats 5] [--peers FOLDER] [--only extraction neardup ...]

Each part is a script of its own in ``benchmarks/corpus/``, says what it measures at its top, and writes ``results/corpus_NAME.json``. The
peers want other versions of our own dependencies, so they live in virtual environments below ``FOLDER``, made at the first call.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

from common import RESULTS

sys.path.insert(0, str(Path(__file__).parent))

from corpus.peer import DATATROVE, TRAFILATURA, peer_venv


class Part(NamedTuple):
    """A script, and which of its figures have a target."""

    peer: tuple[str, ...] | None
    """Packages of the environment it is handed; None = it needs none."""
    ratios: dict[str, float]
    """Figure, by its path in the result, to the least it should be."""


PARTS = {
    "extraction": Part(DATATROVE, {"text.ratio": 5.0, "scored.ratio": 5.0}),
    "classifier": Part(None, {"ratio_ours_with_tokenising_library_on_raw_text": 4.0}),
    "neardup": Part(DATATROVE, {"ratio": 20.0}),
    "decontamination": Part(DATATROVE, {"ratio": 30.0}),
    "formulas": Part(TRAFILATURA, {}),
    "tokenise": Part(None, {}),
    "urls": Part(None, {}),
}


def main() -> int:
    """Run the parts, print what came out beside the targets; exit code 1 = one was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    peers = Path(tempfile.gettempdir()) / "reasonforge-peers"
    parser.add_argument("--peers", type=Path, default=peers, help="folder of the peers' environments")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    arguments = parser.parse_args()
    missed = False
    for name in arguments.only:
        part = PARTS[name]
        command = [sys.executable, str(Path(__file__).parent / "corpus" / f"{name}.py"), "--repeats", str(arguments.repeats)]
        if part.peer is not None:
            command += ["--peer", str(peer_venv(arguments.peers, part.peer))]
        print(f"corpus/{name}.py", flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result: dict[str, Any] = json.loads((RESULTS / f"corpus_{name}.json").read_text(encoding="utf-8"))
        for figure, least in part.ratios.items():
            found = reduce(getitem, figure.split("."), result)
            missed |= found < least
            print(f"  {figure}: {found:g} (at least {least:g}){'' if found >= least else '  MISSED'}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
