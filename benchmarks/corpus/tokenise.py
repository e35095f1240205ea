"""Packing against the tokenizer alone: what is left of ``encode_batch``'s rate when ids are checked, closed and written as shards.

    .venv/bin/python benchmarks/corpus/tokenise.py [--megabytes 16] [--repeats 7]

Bare: the ``tokenizers`` library's ``encode_batch`` over batches of 1,024 texts, ids taken. Packing: JSON Lines in, shard out, through the
unit of work that a corpus run uses, reading and writing included; a process reads its tokenizer once, before the first turn that counts
here. CPU seconds of one thread, in turns. ``rate_of_encode_batch`` is the
median over the turns of the time of ``encode_batch`` in a turn to the other's in the same turn: neighbours on the machine slow both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from operator import truediv
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

from common import cpu_seconds, medians, report
from tokenizers import Tokenizer as Backend

from reasonforge.corpus.packing.documents import Text
from reasonforge.corpus.packing.encode import encode_documents
from reasonforge.corpus.packing.units import PackInput, pack_files, plan_pack
from reasonforge.corpus.units import Counts, Work, file_input
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import SpecialTokens, train_bpe

_SYLLABLES = [onset + vowel + coda for onset in "bcdfglmnprstv" for vowel in "aeiou" for coda in ("", "n", "r", "st")]
_FORMULAS = ("$x^2 + 3x = {}$", "$\\frac{{{}}}{{7}}$", "$a_{{{}}} \\le \\sum_k b_k$")


def words(count: int, draws: random.Random) -> list[str]:
    """Return invented words, short ones more often."""
    return ["".join(draws.choices(_SYLLABLES, k=1 + int(draws.expovariate(1.0)))) for _ in range(count)]


def texts(num_bytes: int, *, seed: int) -> list[str]:
    """Return invented documents of about 1.8 KB with words of Zipf's frequencies and some formulas."""
    draws = random.Random(seed)
    vocabulary = words(20_000, random.Random(0))
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    found: list[str] = []
    size = 0
    while size < num_bytes:
        length = max(20, int(draws.lognormvariate(5.4, 0.6)))
        parts = draws.choices(vocabulary, weights, k=length)
        for at in range(0, length, 25):
            parts[at] = draws.choice(_FORMULAS).format(draws.randrange(1000))
        found.append(" ".join(parts))
        size += len(found[-1])
    return found


def rates(taken: dict[str, list[float]]) -> dict[str, float]:
    """Return the rate of each, as the median over the turns of its share of what ``encode_batch`` had in the same turn."""
    bare = taken["encode_batch"]
    return {name: round(statistics.median(map(truediv, bare, seconds)), 3) for name, seconds in taken.items()}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=16.0)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    documents = texts(int(chosen.megabytes * 1e6), seed=1)
    tokenizer = train_bpe(texts(2_000_000, seed=2), vocab_size=32_000, special_tokens=SpecialTokens(eos="<|endoftext|>"))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tokenizer.save(root / "tokenizer")
        path = root / "documents.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
        (unit,) = plan_pack([PackInput(file=file_input(path))], root / "tokenizer")
        bare, ours = Backend.from_file(str(root / "tokenizer" / "tokenizer.json")), Tokenizer.load(root / "tokenizer")
        counts = [0, 0, 0]

        def encode_bare() -> None:
            counts[0] = 0
            for start in range(0, len(documents), 1024):
                for encoding in bare.encode_batch(documents[start : start + 1024], add_special_tokens=False):
                    counts[0] += len(encoding.ids)

        def encode_fast() -> None:
            for start in range(0, len(documents), 1024):
                for encoding in bare.encode_batch_fast(documents[start : start + 1024], add_special_tokens=False):
                    len(encoding.ids)

        def encode_ours() -> None:
            stream = (Text("", text) for text in documents)
            counts[1] = sum(len(batch.tokens) for batch in encode_documents(stream, ours, Counts()))

        def pack() -> None:
            out = root / "out"
            out.mkdir(exist_ok=True)
            work = Work(unit, root, out)
            pack_files(work)
            counts[2] = work.counts.noted["tokens"]

        taken = cpu_seconds({"encode_batch": encode_bare, "encoded": encode_ours, "packed": pack}, repeats=chosen.repeats)
        fast = cpu_seconds({"encode_batch": encode_bare, "encode_batch_fast": encode_fast}, repeats=min(3, chosen.repeats))
    assert counts[1] == counts[2] == counts[0] + len(documents), counts
    seconds = medians(taken)
    report(
        "corpus_tokenise",
        {
            "documents": len(documents),
            "tokens": counts[0],
            "megabytes": round(sum(map(len, documents)) / 1e6, 2),
            "cpu_seconds": {name: [round(one, 3) for one in all_] for name, all_ in taken.items()},
            "cpu_seconds_of_encode_batch_fast": [round(one, 3) for one in fast["encode_batch_fast"]],
            "tokens_per_cpu_second": {name: round(counts[0] / one) for name, one in seconds.items()},
            "rate_of_encode_batch": {**rates(fast), **rates(taken)},
        },
        packages=("tokenizers", "numpy"),
    )


if __name__ == "__main__":
    main()
