"""The peer of ``neardup.py`` and ``decontamination.py``: datatrove's own steps, in an environment of its own. Started by them, not by hand.

    PYTHON dedup_peer.py neardup|decontamination FOLDER

Reads ``FOLDER/documents.jsonl`` (and ``benchmark.jsonl``), then does one pass per line that it is sent, and answers with a line of JSON:
the CPU seconds of the pass and what it found.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.text import ngrams, simplify_text
from loguru import logger


def texts(path: Path) -> list[str]:
    """Return the texts of a file."""
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def main(what: str, folder: Path) -> None:
    """Answer until there is nothing to answer any more."""
    logger.remove()
    documents = texts(folder / "documents.jsonl")
    if what == "decontamination":
        step = NGramsDecontFilter(str(folder / "index"), NGramsDecontConfig(n_grams=10))
        # Its indexer wants lighteval and data sets from the net; these are the lines that hash, by its own functions.
        hashes: set[int] = set()
        for text in texts(folder / "benchmark.jsonl"):
            words = step.tokenizer.word_tokenize(simplify_text(text, step.config.norm_config))
            hashes.update(map(step.hash_func, map(" ".join, ngrams(words, 10))))
        (folder / "index").mkdir(exist_ok=True)
        np.array(sorted(hashes), dtype=step.config.hash_config.np_descr).tofile(folder / "index" / "made.index.hashes")
        step.load_index_hashes()
    print(json.dumps({"versions": {name: metadata.version(name) for name in ("datatrove", "spacy", "numpy")}}), flush=True)
    for _ in sys.stdin:
        fresh = [Document(text=text, id=str(number)) for number, text in enumerate(documents)]
        start = time.process_time()
        if what == "decontamination":
            found = [document.id for document in fresh if step.filter(document) is not True]
        else:
            config = MinhashConfig(n_grams=5, num_buckets=16, hashes_per_bucket=8)
            MinhashDedupSignature(str(folder / "signatures"), config).run(iter(fresh))
            found = []
        print(json.dumps({"seconds": time.process_time() - start, "found": found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
