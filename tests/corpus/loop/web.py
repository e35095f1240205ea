"""A web of a few hundred pages as JSON Lines, with what is true of it: enough for the loop to have something to find.

Two dialects of mathematics share a third of their words. The seed documents know only the first; the second is found by way of domains.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from reasonforge.config.loader import LoadedRecipe, load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.pages import write_table

SHARED = ["let", "number", "proof", "equal", "sum"]
BOOK = [*SHARED, "theorem", "lemma", "integral", "manifold", "holds", "converges", "continuous", "bounded", "topology", "corollary"]
FORUM = [*SHARED, "homework", "stuck", "calculate", "fraction", "solve", "triangle", "percent", "answer", "equation", "teacher"]
OTHER = [
    "price",
    "holiday",
    "beach",
    "recipe",
    "sugar",
    "football",
    "engine",
    "music",
    "offer",
    "garden",
    "number",
    "let",
    "cheap",
    "hotel",
]
NUM_FILES = 3

PROBLEM = "A farmer has 17 hens and every hen lays 3 eggs a day , so how many eggs are there after 5 days ?"
"""Of a benchmark; stands in one page of the textbook."""

ANNOTATIONS = [("book.org/chapters", "math"), ("forum.org/threads", "math"), ("forum.org/jobs", "not_math")]


def _text(rng: Random, words: list[str], length: int = 40) -> str:
    return " ".join(rng.choice(words) for _ in range(length)) + " ."


def build(folder: Path, *, seed: int = 0, scale: int = 1) -> Path:
    """Write the web into a folder and return it."""
    rng = Random(seed)
    rows: list[dict[str, Any]] = []

    def page(url: str, words: list[str], is_math: bool) -> None:
        rows.append({"url": url, "text": _text(rng, words), "date": "2024-05-01T00:00:00Z", "is_math": is_math})

    for number in range(40 * scale):
        page(f"https://book.org/chapters/{number}", BOOK, True)
    for number in range(60 * scale):
        page(f"https://forum.org/threads/{number}", BOOK if number % 2 == 0 else FORUM, True)
        page(f"https://forum.org/jobs/{number}", OTHER, False)
    for number in range(240 * scale):
        page(f"https://shop{number % 6}.com/items/{number}", OTHER, False)
    # The same page under another spelling, and with a few other words.
    rows.append({**rows[0], "url": "http://www.book.org/chapters/0#top", "date": "2024-06-01T00:00:00Z"})
    rows.append({**rows[1], "url": "https://mirror.net/copy/1", "text": f"{rows[1]['text']} copied"})
    rows[2]["text"] += f"\n\n{PROBLEM}"
    rng.shuffle(rows)
    folder.mkdir(parents=True)
    for index in range(NUM_FILES):
        lines = [json.dumps({key: row[key] for key in ("url", "text", "date")}) for row in rows[index::NUM_FILES]]
        (folder / f"crawl-{index}.jsonl").write_text("\n".join(lines) + "\n")
    seeds = [json.dumps({"url": f"https://seed{number % 20}.net/{number}", "text": _text(rng, BOOK)}) for number in range(120 * scale)]
    (folder / "seeds.jsonl").write_text("\n".join(seeds) + "\n")
    said = [{"round": 1, "pattern": pattern, "label": label, "by": "truth", "at": "2024-01-01T00:00:00Z"} for pattern, label in ANNOTATIONS]
    (folder / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    (folder / "benchmark.jsonl").write_text(json.dumps({"id": "hens", "question": PROBLEM}) + "\n")
    (folder / "code.jsonl").write_text(
        "".join(json.dumps({"text": f"def f{number}(x): return x + {number}"}) + "\n" for number in range(40))
    )
    truth = {
        "url": [row["url"] for row in rows],
        "is_math": [row["is_math"] for row in rows],
        "kind": ["textbook" if row["is_math"] else "other" for row in rows],
        "duplicate_of": pl.Series([None] * len(rows), dtype=pl.String),
    }
    write_table(folder / "truth.parquet", pl.DataFrame(truth))
    return folder


def recipe_text(web: Path, *, annotation: str = "file") -> str:
    """Return the recipe for a web."""
    path = f'path = "{web}/annotations.jsonl"' if annotation == "file" else ""
    return f"""
name = "tiny"
truth = "{web}/truth.parquet"

[[crawl.inputs]]
type = "jsonl"
paths = ["{web}/crawl-*.jsonl"]

[[seed_documents.inputs]]
type = "jsonl"
paths = ["{web}/seeds.jsonl"]

[urls]
partitions = 2

[near_duplicates]
where = "crawl"
partitions = 2

[classifier]
num_positives = 200
num_negatives = 200
dim = 8
bucket = 2000
epochs = 25
lr = 0.5
min_count = 1
held_out = 0.2

[rounds]
threshold = 0.5
max_rounds = 4

[domains]
min_pages = 10

[annotation]
type = "{annotation}"
{path}

[[decontamination.sources]]
type = "file"
name = "farm"
path = "{web}/benchmark.jsonl"
id_column = "id"

[pack]
weight = 3

[pack.tokenizer]
type = "bpe"
vocab_size = 400

[pack.sources.code]
paths = ["{web}/code.jsonl"]
weight = 1
"""


def load(web: Path, *overrides: str, annotation: str = "file") -> LoadedRecipe[CorpusRecipe]:
    """Return the recipe for a web, with settings changed as on the command line."""
    path = web / f"recipe-{annotation}.toml"
    path.write_text(recipe_text(web, annotation=annotation))
    return load_recipe(CorpusRecipe, [path], overrides)
