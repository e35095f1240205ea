"""The classifier's rate: the folded model with our tokenisation beside the library's predict, documents per CPU second.

    python benchmarks/corpus/classifier.py [--repeats 5] [--documents 5000] [--train 6000] [--untrained | --small]

Trains the paper's model (256 wide, word 3-grams, 2,000,000 buckets: 2 GB of memory and of disk) on generated documents, folds it, and
scores other documents of the same kind, all ways in turns: the whole model one document a call, as datatrove's filter calls it, on raw
text (``raw``: it knows fewer of those words, and they are fewer) and on tokens; the whole model on lists; the folded model on lists; the
folded model from raw text, tokenisation included, which is what scores pages. Medians of CPU seconds. Memory is that of a process of its
own that loads the model, above what it had before. ``--untrained`` trains nothing but the dictionary and draws the weights, which costs a
third and makes most labels a close call; the result says so. ``--small`` is for trying the script out.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import cpu_seconds, medians, report

from reasonforge.corpus.classifier.binary import fold, read_layout
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import NEGATIVE, POSITIVE, Classifier, train
from reasonforge.corpus.classifier.tokenise import tokenised, tokens_of

TARGET, TARGET_MEMORY, TARGET_DIFFERENCE = 4.0, 50, 1e-5
NUM_WORDS = 40_000
BATCH = 1024
DIM_AT, BUCKET_AT = 8, 40
"""Where a model file says them."""
SEED = 0


class Writer:
    """Writes documents of two kinds: words by Zipf's law, some of them of one kind; formulas and prices; some Chinese."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(SEED)  # the same words for every writer
        syllables = [a + b for a in "bcdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "on")]
        self._words = ["".join(draw.choice(syllables) for _ in range(draw.randint(1, 4))) for _ in range(NUM_WORDS)]
        self._weights = list(accumulate(1 / (rank + 10) for rank in range(NUM_WORDS)))
        self._draw = random.Random(seed)

    def document(self, *, maths: bool) -> str:
        draw = self._draw
        if draw.random() < 0.05:
            return "".join(
                draw.choice("数学定理证明函数群环域积分" if maths else "新闻天气价格商店汽车假期音乐")
                for _ in range(draw.randint(100, 600))
            )
        count = int(draw.lognormvariate(5.4, 0.6))
        words = draw.choices(self._words, cum_weights=self._weights, k=count)
        for index, word in enumerate(words):
            chance = draw.random()
            if chance < 0.03:
                words[index] = self._formula() if maths or draw.random() < 0.1 else f"${draw.randint(1, 900)}.{draw.randint(10, 99)}"
            elif chance < 0.06:
                words[index] = word[::-1] if maths else word + word  # words that only one kind uses
            elif chance < 0.14:
                words[index] = word.capitalize()
            if draw.random() < 0.12:
                words[index] += draw.choice([",", ".", ".\n\n", ";", " —", " “so”"])
        return " ".join(words)

    def _formula(self) -> str:
        draw = self._draw
        a, b = draw.choice("abcxyzn"), draw.choice("ijkmpq")
        forms = (rf"\frac{{{a}}}{{{b}}}", f"{a}_{b}^{draw.randint(2, 9)}", rf"\sum_{{{b}=1}}^n {a}_{b}", rf"\alpha {a} \le \beta")
        return f"${draw.choice(forms)} = {draw.randint(0, 99)}$"


def documents(count: int, seed: int) -> tuple[list[bool], list[str]]:
    """Return kinds and texts."""
    writer = Writer(seed)
    kinds = [index % 2 == 0 for index in range(count)]
    return kinds, [writer.document(maths=kind) for kind in kinds]


def trained(folder: Path, config: ClassifierConfig, count: int, *, untrained: bool) -> tuple[Path, Path, dict[str, float]]:
    """Train and fold; return both files, and CPU seconds."""
    kinds, texts = documents(count, seed=1)
    with (folder / "train.txt").open("w", encoding="utf-8") as file:
        file.writelines(f"{POSITIVE if kind else NEGATIVE} {line}\n" for kind, line in zip(kinds, tokens_of(texts), strict=True))
    start = time.process_time()
    if untrained:
        train(folder / "train.txt", config.model_copy(update={"dim": 1, "bucket": 1, "epochs": 1}), folder / "words.bin")
        widened(folder / "words.bin", folder / "model.bin", config)
    else:
        train(folder / "train.txt", config, folder / "model.bin")
    middle = time.process_time()
    fold(folder / "model.bin", folder / "folded.bin")
    return folder / "model.bin", folder / "folded.bin", {"train": middle - start, "fold": time.process_time() - middle}


def widened(source: Path, target: Path, config: ClassifierConfig) -> None:
    """Write a model with the dictionary of another, as wide and with as many buckets as ``config`` says, and weights drawn at random."""
    layout, draw = read_layout(source), np.random.default_rng(SEED)
    head = bytearray(layout.head)
    struct.pack_into("<i", head, DIM_AT, config.dim)
    struct.pack_into("<i", head, BUCKET_AT, config.bucket)
    with target.open("wb") as out:
        out.write(head)
        for num_rows in (layout.num_words + config.bucket, 2):
            out.write(b"\0" + struct.pack("<2q", num_rows, config.dim))
            for first in range(0, num_rows, 1 << 14):
                out.write(draw.standard_normal((min(1 << 14, num_rows - first), config.dim), np.float32).tobytes())


def memory_of(model: Path, lines: Path) -> int:
    """Return the bytes that a process of its own needs for a model."""
    found = subprocess.run([sys.executable, __file__, "--memory", str(model), str(lines)], capture_output=True, text=True, check=True)
    return int(found.stdout)


def print_memory(model: Path, lines: Path) -> None:
    """Print the memory that loading a model and scoring with it adds to this process."""
    texts = lines.read_text(encoding="utf-8").split("\n")[:-1]
    process = psutil.Process()
    import fasttext  # noqa: F401  (the library itself does not count)

    before = process.memory_info().rss
    classifier = Classifier(model)
    used = process.memory_info().rss - before
    assert len(classifier.probabilities(texts)) == len(texts)
    print(used)


def compare(whole_path: Path, folded_path: Path, texts: list[str], repeats: int) -> dict[str, Any]:
    """Time all ways in turns; compare what they answer."""
    import fasttext

    column, lines = pl.Series(texts), tokens_of(texts)
    whole, folded, classifier = fasttext.load_model(str(whole_path)), fasttext.load_model(str(folded_path)), Classifier(folded_path)

    def per_document(model: Any, given: list[str]) -> Callable[[], object]:
        return lambda: [model.predict(text.strip().replace("\n", " "), k=-1) for text in given]

    def scored() -> np.ndarray:
        parts = (column[first : first + BATCH] for first in range(0, len(column), BATCH))
        return np.concatenate([classifier.probabilities(tokens_of(part)) for part in parts])

    taken = medians(
        cpu_seconds(
            {
                "whole_per_document_raw": per_document(whole, texts),
                "whole_per_document": per_document(whole, lines),
                "whole_list": lambda: whole.predict(lines, k=-1),
                "folded_per_document": per_document(folded, lines),
                "folded_list": lambda: folded.predict(lines, k=-1),
                "folded_with_tokenising": scored,
                "tokenising": lambda: [tokens_of(column[first : first + BATCH]) for first in range(0, len(column), BATCH)],
            },
            repeats=repeats,
        )
    )
    labels, values = whole.predict(lines, k=-1)
    labels_folded, values_folded = folded.predict(lines, k=-1)
    first, first_folded = [label[0] for label in labels], [label[0] for label in labels_folded]
    by_label = [dict(zip(*pair, strict=True))[POSITIVE] for pair in zip(labels, values, strict=True)]
    by_label_folded = [dict(zip(*pair, strict=True))[POSITIVE] for pair in zip(labels_folded, values_folded, strict=True)]
    num_bytes = sum(len(text.encode()) for text in texts)
    whole_with_tokenising = taken["whole_per_document"] + taken["tokenising"]
    return {
        "documents": len(texts),
        "bytes_per_document": round(num_bytes / len(texts)),
        "tokens_per_document": round(sum(line.count(" ") + 1 for line in lines) / len(lines)),
        "docs_per_cpu_second": {name: round(len(texts) / seconds) for name, seconds in taken.items()},
        "ratio_predict_alone": round(taken["whole_per_document"] / taken["folded_list"], 2),
        "ratio_both_with_tokenising": round(whole_with_tokenising / taken["folded_with_tokenising"], 2),
        "ratio_ours_with_tokenising_library_without": round(taken["whole_per_document"] / taken["folded_with_tokenising"], 2),
        "ratio_ours_with_tokenising_library_on_raw_text": round(taken["whole_per_document_raw"] / taken["folded_with_tokenising"], 2),
        "tokenising_mb_per_cpu_second": round(num_bytes / taken["tokenising"] / 1e6, 1),
        "labels_that_differ": sum(one != other for one, other in zip(first, first_folded, strict=True)),
        "max_abs_difference": float(np.abs(np.array(by_label) - np.array(by_label_folded)).max()),
    }


def main() -> None:
    """Train, fold, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--train", type=int, default=6000)
    parser.add_argument("--untrained", action="store_true", help="the whole model with random weights: rates and memory are the same")
    parser.add_argument("--small", action="store_true", help="a small model: no figure to quote")
    parser.add_argument("--memory", nargs=2, type=Path, metavar=("MODEL", "LINES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print_memory(*options.memory)
        return
    config = ClassifierConfig.tiny() if options.small else ClassifierConfig()
    kinds, texts = documents(options.documents, seed=2)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole, folded, seconds = trained(folder, config, options.train, untrained=options.untrained)
        (folder / "lines.txt").write_bytes(tokenised(texts))
        memory = {path.stem: memory_of(path, folder / "lines.txt") for path in (whole, folded)}
        size = {path.stem: path.stat().st_size for path in (whole, folded)}
        found = compare(whole, folded, texts, options.repeats)
        accuracy = float(((Classifier(folded).probabilities(tokens_of(texts)) > 0.5) == np.array(kinds)).mean())
    result = {
        **found,
        "weights": "random" if options.untrained else "trained",
        "accuracy": None if options.untrained else round(accuracy, 4),
        "file_bytes": {**size, "ratio": round(size["model"] / size["folded"], 1)},
        "memory_bytes": {**memory, "ratio": round(memory["model"] / memory["folded"], 1)},
        "cpu_seconds": {name: round(value, 1) for name, value in seconds.items()},
        "model": config.model_dump(include={"dim", "bucket", "word_ngrams", "min_count", "epochs", "loss"}),
        "targets": {"ratio": TARGET, "memory_ratio": TARGET_MEMORY, "max_abs_difference": TARGET_DIFFERENCE},
    }
    if options.small:
        print(json.dumps(result, indent=2))
    else:
        report("corpus_classifier", result, packages=("fasttext-community", "numpy", "polars"))


if __name__ == "__main__":
    main()
