"""Near-duplicates: MinHash signatures per CPU second, ours and datatrove's on the same documents in turns; and what ours finds.

    python benchmarks/corpus/neardup.py --peer PYTHON [--repeats 5] [--documents 1000]

``PYTHON`` is that of an environment made by ``peer.py``, with ``spacy`` installed into it, which datatrove needs and does not bring. Both
sides take runs of five words and 128 permutations; datatrove as 16 buckets of 8, with its word tokenizer. *signatures* is our function
alone, *unit* all that a unit does: read Parquet, sign, hash the bands, sort, write Parquet. The peer's pass is its whole step: its buckets
are sorted and written, too. ``ratio_unit`` compares like with like. CPU seconds, medians.

*found*: pairs of documents with a known share of words changed. Those with a Jaccard similarity of at least 0.8 (by sets of tuples of
words) are to be found; the S-curve says how many are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl
from common import report
from dedup_common import Peer, Prose, turns

from reasonforge.corpus.hashing import grams
from reasonforge.corpus.neardup.clusters import bucket_pairs
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.signatures import band_keys, jaccard, shingle_sets, signatures
from reasonforge.corpus.neardup.units import plan_bands, write_bands
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.units import Counts, Output, Receipt, Store, Unit, Work

TARGET = 20.0
CONFIG = NearDupConfig()


def exact(first: str, second: str) -> float:
    """Return the similarity of two texts by sets of tuples of words."""
    one, other = (
        {tuple(words[at : at + CONFIG.shingle]) for at in range(len(words) - CONFIG.shingle + 1)} for words in (grams(first), grams(second))
    )
    return len(one & other) / len(one | other)


def found(prose: Prose, count: int) -> dict[str, float | int]:
    """Return how many of the planted near-duplicates are found, how many pairs that are none, and what the S-curve expects."""
    texts: list[str] = []
    for _ in range(count):
        words = prose.document().split(" ")
        texts.append(" ".join(words))
        for _ in range(prose.draw.randrange(1, 16)):
            words[prose.draw.randrange(len(words))] = "changed"
        texts.append(" ".join(words))
    similar = [exact(first, second) for first, second in zip(texts[0::2], texts[1::2], strict=True)]
    wanted = {2 * number for number, value in enumerate(similar) if value >= CONFIG.jaccard}
    values = signatures(texts, shingle=CONFIG.shingle, permutations=CONFIG.permutations).values
    keys = band_keys(values, bands=CONFIG.bands, rows=CONFIG.rows)
    table = pl.DataFrame({"key": keys.ravel(), "row": [row for row in range(len(texts)) for _ in range(CONFIG.bands)]})
    table = table.select("key", pl.col("row").cast(pl.UInt32), id=pl.col("row").cast(pl.String).str.zfill(6), file=pl.lit(0, pl.UInt32))
    pairs, _ = bucket_pairs(table, max_bucket=CONFIG.max_bucket)
    sets = shingle_sets(texts, shingle=CONFIG.shingle)
    kept = {(a, b) for _, a, _, b in pairs.iter_rows() if jaccard(sets[a], sets[b]) >= CONFIG.jaccard}
    return {
        "pairs_to_find": len(wanted),
        "found": sum((row, row + 1) in kept for row in wanted),
        "expected_by_s_curve": round(sum(CONFIG.probability(similar[row // 2]) for row in wanted), 1),
        "candidates": len(pairs),
        "found_that_are_none": sum(b != a + 1 or a not in wanted for a, b in kept),
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="interpreter of an environment with datatrove and spacy")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, default=1000)
    options = parser.parse_args()
    sys.argv = ["PYTHON" if argument == options.peer else argument for argument in sys.argv]  # stored with the result
    prose = Prose(0)
    documents = [prose.document() for _ in range(options.documents)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "corpus")
        unit = Unit(stage="pages", function="-")
        store.folder(unit).mkdir(parents=True)
        pl.DataFrame({"id": [f"{row:032}" for row in range(len(documents))], "text": documents}).write_parquet(store.folder(unit) / PAGES)
        pages = Receipt(key=unit.key, unit=unit, outputs={PAGES: Output(0, "")}, counts=Counts())
        (bands,) = plan_bands([pages], store, CONFIG)
        (folder / "out").mkdir()
        peer = Peer(options.peer, "neardup", folder, documents=documents)
        ours = {
            "signatures": lambda: signatures(documents, shingle=CONFIG.shingle, permutations=CONFIG.permutations),
            "unit": lambda: write_bands(Work(bands, store.root, folder / "out")),
        }
        seconds = turns(ours, peer, repeats=options.repeats)
        peer.close()
    rates = {name: round(len(documents) / taken) for name, taken in seconds.items()}
    result = {
        "documents": len(documents),
        "bytes_per_document": round(sum(len(text.encode()) for text in documents) / len(documents)),
        "documents_per_cpu_second": rates,
        "ratio_unit": round(seconds["peer"] / seconds["unit"], 1),
        "ratio_of_signatures_alone_to_the_whole_step": round(seconds["peer"] / seconds["signatures"], 1),
        "target": TARGET,
        "found": found(prose, 400),
        "peer_versions": peer.versions,
    }
    report("corpus_neardup", result, packages=("numpy", "polars"))


if __name__ == "__main__":
    main()
