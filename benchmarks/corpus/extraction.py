"""WARC to text: ours against datatrove, one file, one worker, CPU seconds.

    python benchmarks/corpus/extraction.py --peer /tmp/peer/bin/python [--repeats 5] [--pages 600]

The file is written by ``corpus/crawl.py``: 30 to 100 KB of HTML a page, two of five with formulas. Each side is a process of its own and
writes compressed JSON Lines with metadata: ours as ``reasonforge corpus extract`` does it, but in one process; datatrove as its
documentation puts its parts together, WarcReader, Trafilatura, JsonlWriter, on its local executor with one task. Its limit of one second
of time on the wall for a page is raised to a minute: on a busy machine it would drop pages and be measured on fewer.

User and system time of the process, from its start to its end, and of all that it started and waited for; sides in turns; medians.
``ratio`` is of all that; ``ratio_without_start`` takes off on both sides what a file of two pages takes: a file of a crawl has 40,000.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import zstandard
from common import report
from corpus.crawl import FORMULAS, write_crawl
from corpus.peer import peer_venv, peer_versions

TARGET = 5.0

OURS = """
import sys
from pathlib import Path
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.export import extract_files
from reasonforge.corpus.pool import InProcess
asked = IngestConfig.model_validate({"inputs": [{"type": "warc", "paths": [sys.argv[1] + "/crawl.warc.gz"]}]})
extract_files(asked, Path(sys.argv[2]) / "pages.jsonl.zst", InProcess())
"""

THEIRS = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
if __name__ == "__main__":
    parts = [
        WarcReader(sys.argv[1], glob_pattern="*.warc.gz"),
        Trafilatura(favour_precision=True, timeout=60),
        JsonlWriter(sys.argv[2], output_filename="pages.jsonl.gz"),
    ]
    LocalPipelineExecutor(pipeline=parts, tasks=1, workers=1, logging_dir=sys.argv[2] + "/logs").run()
"""

PARTS = """
import json, sys, time
from reasonforge.corpus.ingest.captures import Capture, captures
from reasonforge.corpus.ingest.config import Limits, WarcFiles
from reasonforge.corpus.ingest.warc import records
path = sys.argv[1] + "/crawl.warc.gz"
start = time.process_time()
for _ in records(open(path, "rb")): pass
parsed = time.process_time()
count = 0
for item in captures(open(path, "rb"), path, WarcFiles(paths=(path,)), Limits()):
    if isinstance(item, Capture): item.read()
decoded = time.process_time()
print(json.dumps({"read records": parsed - start, "read and decode": decoded - parsed}))
"""


def written_rows(path: Path) -> list[dict[str, Any]]:
    """Return what a side wrote."""
    packed = path.read_bytes()
    plain = gzip.decompress(packed) if path.name.endswith(".gz") else zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    return [json.loads(line) for line in plain.splitlines()]


def once(python: str, script: Path, folder: Path) -> tuple[float, list[dict[str, Any]]]:
    """Run one side and return its CPU seconds and what it wrote."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([python, str(script), str(folder), out], env=environment, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{script.name} failed:\n{done.stderr[-3000:]}")
        rows = [row for path in sorted(Path(out).glob("pages.jsonl.*")) for row in written_rows(path)]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, rows


def compare(peer: str, *, pages: int, repeats: int) -> dict[str, Any]:
    """Run both sides in turns."""
    with tempfile.TemporaryDirectory(prefix="bench-extraction-") as name:
        folder = Path(name) / "in"
        folder.mkdir()
        html_bytes = write_crawl(folder / "crawl.warc.gz", pages=pages)
        sides = {"ours": (sys.executable, OURS), "datatrove": (peer, THEIRS)}
        short = Path(name) / "short"
        short.mkdir()
        write_crawl(short / "crawl.warc.gz", pages=2)
        scripts = {side: Path(name) / f"run_{side}.py" for side in sides}
        for side, (_, code) in sides.items():
            scripts[side].write_text(code)
        taken: dict[str, list[float]] = {side: [] for side in sides}
        started: dict[str, list[float]] = {side: [] for side in sides}
        wall: dict[str, list[float]] = {side: [] for side in sides}
        written: dict[str, list[dict[str, Any]]] = {}
        for repeat in range(-1, repeats):
            for side, (python, _) in sides.items():
                start = time.monotonic()
                seconds, written[side] = once(python, scripts[side], folder)
                if repeat >= 0:
                    taken[side].append(round(seconds, 3))
                    wall[side].append(round(time.monotonic() - start, 3))
                    started[side].append(round(once(python, scripts[side], short)[0], 3))
        (Path(name) / "parts.py").write_text(PARTS)
        parts = json.loads(
            subprocess.run([sys.executable, str(Path(name) / "parts.py"), str(folder)], check=True, capture_output=True).stdout
        )
    medians = {side: statistics.median(seconds) for side, seconds in taken.items()}
    net = {side: seconds - statistics.median(started[side]) for side, seconds in medians.items()}
    return {
        "pages": pages,
        "html_mb": round(html_bytes / 1e6, 1),
        "cpu_seconds": taken,
        "cpu_seconds_of_two_pages": started,
        "wall_seconds": wall,
        "pages_per_cpu_second": {side: round(pages / seconds, 1) for side, seconds in medians.items()},
        "ratio": round(medians["datatrove"] / medians["ours"], 2),
        "ratio_without_start": round(net["datatrove"] / net["ours"], 2),
        "target_ratio": TARGET,
        "pages_out": {side: len(rows) for side, rows in written.items()},
        "mean_chars_out": {side: round(statistics.mean(len(row["text"]) for row in rows)) for side, rows in written.items()},
        "formulas_out": {side: sum(row["text"].count(formula) for row in rows for formula in FORMULAS) for side, rows in written.items()},
        "ms_per_page": {name: round(1e3 * seconds / pages, 3) for name, seconds in parts.items()},
        "share_of_all": {name: round(seconds / medians["ours"], 4) for name, seconds in parts.items()},
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", default="", help="Python of an environment with datatrove; default: one is made in a temporary folder.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pages", type=int, default=600)
    arguments = parser.parse_args()
    peer = arguments.peer or str(peer_venv(Path(tempfile.gettempdir()) / "reasonforge-peer"))
    result = compare(peer, pages=arguments.pages, repeats=arguments.repeats)
    theirs = peer_versions(Path(peer), "datatrove", "trafilatura", "lxml", "lxml_html_clean", "warcio")
    report("corpus_extraction", {**result, "peer_versions": theirs}, packages=("resiliparse", "polars", "pyarrow", "lxml"))


if __name__ == "__main__":
    main()
