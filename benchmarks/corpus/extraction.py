"""WARC to text, and WARC to scored text: ours against datatrove, one file, one worker, CPU seconds.

    python benchmarks/corpus/extraction.py --peer PYTHON [--repeats 3] [--pages 2000] [--scored-pages 5000] [--scored-repeats 3]

The file is written by ``corpus/crawl.py``: 30 to 100 KB of HTML a page, two of five with formulas. Each side is a process of its own, and
both read the same file.

``text``: JSON Lines with metadata, not compressed on either side. Ours as ``reasonforge corpus extract`` does it, but in one process;
datatrove as its documentation puts its parts together, WarcReader, Trafilatura, JsonlWriter, on its local executor with one task. Its limit
of one second of time on the wall for a page is raised to a minute: on a busy machine it would drop pages and be measured on fewer.

``scored``: a classifier with the paper's options (256 wide, word 3-grams, 2,000,000 buckets: 2 GB), trained here on pages of another such
crawl. Ours as a corpus run does it, the pages and then their scores by the folded model, as two tables, which are compressed; datatrove
with FastTextClassifierFilter between, which calls the whole model page by page, on each page's text with its line ends made blanks, and
writes JSON Lines that are not.

User and system time of the process, from its start to its end, and of all that it started and waited for; sides in turns; medians.
``ratio`` and ``pages_per_cpu_second`` are of all that. ``pages_per_cpu_second_without_start`` takes off what a file of two pages takes: a
file of a crawl has 40,000, and it is this rate that costs are reckoned with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl
from common import report
from corpus.crawl import FORMULAS, write_crawl
from corpus.peer import peer_venv, peer_versions

from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.train import FOLDED, MANIFEST, MODEL, plan_train
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store, file_input

TARGET = 5.0
FEW = 2
"""Pages of the file that shows what a start takes."""
TRAINED_ON = 1_500

OURS = """
import sys
from pathlib import Path
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.export import extract_files
from reasonforge.corpus.pool import InProcess
asked = IngestConfig.model_validate({"inputs": [{"type": "warc", "paths": [sys.argv[1] + "/crawl.warc.gz"]}]})
extract_files(asked, Path(sys.argv[2]) / "pages.jsonl", InProcess())
"""

THEIRS = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import FastTextClassifierFilter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
if __name__ == "__main__":
    parts = [WarcReader(sys.argv[1], glob_pattern="*.warc.gz"), Trafilatura(favour_precision=True, timeout=60)]
    if len(sys.argv) > 3:
        # All pages pass: without labels to keep it fails.
        keep = {"keep_labels": ("positive", 0.0), "newline_replacement": " "}
        parts.append(FastTextClassifierFilter(sys.argv[3] + "/model.bin", **keep))
    parts.append(JsonlWriter(sys.argv[2], output_filename="pages.jsonl", compression=None))
    LocalPipelineExecutor(pipeline=parts, tasks=1, workers=1, logging_dir=sys.argv[2] + "/logs").run()
"""

OURS_SCORED = """
import sys
from pathlib import Path
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.score import plan_scores
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store, file_input
root, model = Path(sys.argv[2]), Path(sys.argv[3])
store = Store(root)
asked = IngestConfig.model_validate({"inputs": [{"type": "warc", "paths": [sys.argv[1] + "/crawl.warc.gz"]}]})
done = run_all(plan_pages(asked, store), store, InProcess())
given = {"model": file_input(model / "folded.bin", root), "manifest": file_input(model / "model.json", root)}
pages = [(store.input(receipt, PAGES), ()) for receipt in done]
run_all(plan_scores(ClassifierConfig(), pages=pages, **given), store, InProcess())
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


class Run(NamedTuple):
    """What one process took and wrote."""

    cpu_seconds: float
    wall_seconds: float
    rows: list[dict[str, Any]]


class Side(NamedTuple):
    """One of those compared."""

    python: str
    code: str


def written_rows(folder: Path) -> list[dict[str, Any]]:
    """Return what a side wrote."""
    rows = [json.loads(line) for path in folder.glob("pages.jsonl") for line in path.read_bytes().splitlines()]
    for path in sorted(folder.glob(f"pages/*/{PAGES}")):
        rows += read_table(path, ["text"]).to_dicts()
    return rows


def once(side: Side, scratch: Path, *more: str, pages: int) -> Run:
    """Run one side on the file of so many pages."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    environment["HF_ASSETS_CACHE"] = str(scratch / "assets")  # where datatrove puts a copy of the model, before it is timed
    script = scratch / "run.py"
    script.write_text(side.code)
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            [side.python, str(script), str(crawl(scratch, pages)), out, *more], env=environment, capture_output=True, text=True
        )
        after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        if done.returncode:
            raise SystemExit(f"{side.python} failed:\n{done.stderr[-3000:]}")
        rows = written_rows(Path(out))
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(round(seconds, 3), round(end - start, 3), rows)


def crawl(scratch: Path, pages: int, *, seed: int = 0) -> Path:
    """Return a folder with a file of so many pages."""
    folder = scratch / f"crawl-{pages}-{seed}"
    if not folder.exists():
        folder.mkdir()
        write_crawl(folder / "crawl.warc.gz", pages=pages, seed=seed)
    return folder


def compare(sides: dict[str, Side], scratch: Path, *more: str, pages: int, repeats: int) -> dict[str, Any]:
    """Run both sides in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    starts: dict[str, list[Run]] = {name: [] for name in sides}
    for side in sides.values():
        once(side, scratch, *more, pages=FEW)
    for _ in range(repeats):
        for name, side in sides.items():
            runs[name].append(once(side, scratch, *more, pages=pages))
            starts[name].append(once(side, scratch, *more, pages=FEW))
    whole = {name: statistics.median(run.cpu_seconds for run in taken) for name, taken in runs.items()}
    start = {name: statistics.median(run.cpu_seconds for run in taken) for name, taken in starts.items()}
    texts = {name: [str(row["text"]) for row in taken[-1].rows] for name, taken in runs.items()}
    return {
        "pages": pages,
        "cpu_seconds": {name: [run.cpu_seconds for run in taken] for name, taken in runs.items()},
        "cpu_seconds_of_two_pages": {name: [run.cpu_seconds for run in taken] for name, taken in starts.items()},
        "wall_seconds": {name: [run.wall_seconds for run in taken] for name, taken in runs.items()},
        "pages_per_cpu_second": {name: round(pages / seconds, 1) for name, seconds in whole.items()},
        "pages_per_cpu_second_without_start": {name: round((pages - FEW) / (seconds - start[name]), 1) for name, seconds in whole.items()},
        "ratio": round(whole["datatrove"] / whole["ours"], 2),
        "target_ratio": TARGET,
        "pages_out": {name: len(written) for name, written in texts.items()},
        "mean_chars_out": {name: round(statistics.mean(map(len, written))) for name, written in texts.items()},
        "mean_bytes_out": {name: round(statistics.mean(len(text.encode()) for text in written)) for name, written in texts.items()},
        "formulas_out_per_page": {
            name: round(sum(text.count(formula) for text in written for formula in FORMULAS) / len(written), 2)
            for name, written in texts.items()
        },
    }


def trained(scratch: Path, config: ClassifierConfig) -> tuple[Path, dict[str, Any]]:
    """Train on pages of another crawl; return the folder of the model, and what is known of it."""
    store = Store(scratch / "training")
    asked = IngestConfig.model_validate(
        {"inputs": [{"type": "warc", "paths": [str(crawl(scratch, TRAINED_ON, seed=1) / "crawl.warc.gz")]}]}
    )
    (done,) = run_all(plan_pages(asked, store), store, InProcess())
    number = pl.col("path").str.extract(r"/(\d+)-").cast(pl.UInt64)
    examples = read_table(store.output(done, PAGES)).select("id", "domain", "text", rank=number, positive=number % 5 < 2)
    candidates = scratch / "candidates.parquet"
    examples.write_parquet(candidates)
    # The peer's filter reads the library's model.
    unit = plan_train(config.model_copy(update={"keep_library_model": True}), [file_input(candidates, store.root)])
    start = time.process_time()
    (model,) = run_all([unit], store, InProcess())
    about = {
        "examples": examples.height,
        "train_cpu_seconds": round(time.process_time() - start, 1),
        "bytes": {name: store.output(model, name).stat().st_size for name in (MODEL, FOLDED)},
        "pr_auc": json.loads(store.output(model, MANIFEST).read_bytes())["pr_auc"],
    }
    return store.output(model, MODEL).parent, about


def parts_of(scratch: Path, pages: int, cpu_seconds: float) -> dict[str, Any]:
    """Return what reading takes of the CPU seconds of all."""
    script = scratch / "parts.py"
    script.write_text(PARTS)
    done = subprocess.run([sys.executable, str(script), str(crawl(scratch, pages))], check=True, capture_output=True)
    parts: dict[str, float] = json.loads(done.stdout)
    return {
        "ms_per_page": {name: round(1e3 * seconds / pages, 3) for name, seconds in parts.items()},
        "share_of_all": {name: round(seconds / cpu_seconds, 4) for name, seconds in parts.items()},
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", default="", help="Python of an environment with datatrove; default: one is made in a temporary folder.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--scored-pages", type=int, default=5_000, help="0 = leave the part with the classifier out.")
    parser.add_argument("--scored-repeats", type=int, help="Default: as many as --repeats.")
    parser.add_argument("--small", action="store_true", help="A small model: for trying the script out.")
    arguments = parser.parse_args()
    sys.argv = ["PYTHON" if argument == arguments.peer else argument for argument in sys.argv]  # stored with the result
    peer = arguments.peer or str(peer_venv(Path(tempfile.gettempdir()) / "reasonforge-peers"))
    with tempfile.TemporaryDirectory(prefix="bench-extraction-") as name:
        scratch = Path(name)
        sides = {"ours": Side(sys.executable, OURS), "datatrove": Side(peer, THEIRS)}
        text = compare(sides, scratch, pages=arguments.pages, repeats=arguments.repeats)
        result: dict[str, Any] = {"text": text | parts_of(scratch, arguments.pages, statistics.median(text["cpu_seconds"]["ours"]))}
        print(json.dumps(result), file=sys.stderr, flush=True)
        if arguments.scored_pages:
            model, about = trained(scratch, ClassifierConfig.tiny() if arguments.small else ClassifierConfig())
            sides = {"ours": Side(sys.executable, OURS_SCORED), "datatrove": Side(peer, THEIRS)}
            repeats = arguments.scored_repeats or arguments.repeats
            result["scored"] = compare(sides, scratch, str(model), pages=arguments.scored_pages, repeats=repeats) | {"model": about}
    theirs = peer_versions(Path(peer), "datatrove", "trafilatura", "lxml", "lxml_html_clean", "warcio")
    report("corpus_extraction", {**result, "peer_versions": theirs}, packages=("resiliparse", "polars", "pyarrow", "lxml"))


if __name__ == "__main__":
    main()
