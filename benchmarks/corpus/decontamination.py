"""Decontamination: documents per CPU second, ours and datatrove's filter on the same documents in turns; and what each finds.

    python benchmarks/corpus/decontamination.py --peer PYTHON [--repeats 5] [--documents 1000]

``PYTHON`` is that of an environment made by ``peer.py``, with ``spacy`` installed into it, which datatrove needs and does not bring. Both
sides look for runs of ten words of the same made-up problems. *ours* also looks for problems of three to nine words as whole paragraphs,
and says for every hit which problem it is and where; *ours_substring* looks for them anywhere. The peer says yes or no. CPU seconds,
medians, both indexes made before.

*planted*: documents that hold ten or more words in a row of a problem. *decoys*: documents with a problem whose every number is another, so
that no ten words in a row are shared: they are clean. The peer turns all numbers to 0 by default.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import report
from dedup_common import Peer, Prose, turns

from reasonforge.corpus.decontaminate.find import find_hits
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.hashing import grams

TARGET = 30.0
N, MIN_N = 10, 3
PROBLEMS, PLANTED, DECOYS = 4000, 40, 40


def problem(prose: Prose, length: int) -> str:
    """Return a problem with a number in every seventh place."""
    words = prose.some(length)
    words[3::7] = [str(prose.draw.randrange(2, 999)) for _ in words[3::7]]
    return " ".join(words).capitalize() + "?"


def other_numbers(text: str) -> str:
    """Return a problem with all its numbers changed."""
    return " ".join(str(int(word) + 1000) if word.isdigit() else word for word in text.split())


def runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of ten words of a text."""
    words = grams(text)
    return {tuple(words[at : at + N]) for at in range(len(words) - N + 1)}


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="interpreter of an environment with datatrove and spacy")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, default=1000)
    options = parser.parse_args()
    sys.argv = ["PYTHON" if argument == options.peer else argument for argument in sys.argv]  # stored with the result
    prose = Prose(0)
    problems = [problem(prose, prose.draw.randrange(20, 90) if number % 10 else prose.draw.randrange(5, 9)) for number in range(PROBLEMS)]
    long = [text for text in problems if len(grams(text)) >= N]
    documents = [prose.document() for _ in range(options.documents)]
    places = prose.draw.sample(range(len(documents)), PLANTED + DECOYS)
    for place in places[:PLANTED]:
        words = prose.draw.choice(long).split()
        start = prose.draw.randrange(len(words) - N + 1)
        documents[place] += f" {' '.join(words[start : prose.draw.randrange(start + N, len(words) + 1)])} so it was."
    for place in places[PLANTED:]:
        documents[place] += f"\n\n{other_numbers(prose.draw.choice(long))}"
    # Which documents are contaminated is found out the slow way, not taken from what was planted.
    wanted = set().union(*(runs(text) for text in problems))
    truth = {number for number, text in enumerate(documents) if runs(text) & wanted}
    index = Index([BenchmarkText("made", str(number), "question", text) for number, text in enumerate(problems)], n=N, min_n=MIN_N)
    ours = {
        "ours": lambda: find_hits(documents, index),
        "ours_substring": lambda: find_hits(documents, index, short_match="substring"),
    }
    with tempfile.TemporaryDirectory() as name:
        peer = Peer(options.peer, "decontamination", Path(name), documents=documents, benchmark=problems)
        seconds = turns(ours, peer, repeats=options.repeats)
        flagged = {"ours": {hit.page for hit in find_hits(documents, index)}, "peer": {int(entry) for entry in peer.once()["found"]}}
        peer.close()
    decoys = set(places[PLANTED:])
    result = {
        "documents": len(documents),
        "bytes_per_document": round(sum(len(text.encode()) for text in documents) / len(documents)),
        "benchmark_texts": len(problems),
        "runs": len(index.long.hashes),
        "documents_per_cpu_second": {side: round(len(documents) / taken) for side, taken in seconds.items()},
        "ratio": round(seconds["peer"] / seconds["ours"], 1),
        "ratio_substring": round(seconds["peer"] / seconds["ours_substring"], 1),
        "target": TARGET,
        "contaminated": len(truth),
        "planted": PLANTED,
        "planted_found": {side: len(pages & set(places[:PLANTED])) for side, pages in flagged.items()},
        "contaminated_found": {side: len(pages & truth) for side, pages in flagged.items()},
        "clean_flagged": {side: len(pages - truth) for side, pages in flagged.items()},
        "decoys_flagged": {side: len(pages & decoys) for side, pages in flagged.items()},
        "peer_versions": peer.versions,
    }
    report("corpus_decontamination", result, packages=("numpy", "polars"))


if __name__ == "__main__":
    main()
