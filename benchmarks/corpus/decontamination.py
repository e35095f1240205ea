"""Decontamination: documents per CPU second, ours and datatrove's filter on the same documents in turns; and what each finds.

    python benchmarks/corpus/decontamination.py --peer PYTHON [--repeats 5] [--documents 2000]

``PYTHON`` is that of an environment made by ``peer.py``, with ``spacy`` installed into it, which datatrove needs and does not bring. Both
sides look for runs of ten words of the same made-up problems. *ours* also looks for problems of three to nine words as whole paragraphs,
and says for every hit which problem it is and where; *ours_substring* looks for them anywhere. The peer says yes or no. CPU seconds,
medians, both indexes made before.

Planted are *run*, ten or more words in a row of a problem, and *short*, a problem of three to nine words as a paragraph, which is not what
the peer looks for. The others are clean, many of them made to look like leaks. *other_numbers*, *other_names*: a problem again, each number
another one, or each name. *nine_words*: nine words in a row of a problem. *short_inside*: a short problem within a longer paragraph.
*instruction*, *formula*: a sentence, or a formula, that stands in every fourth problem and has fewer than ten words. That those planted
are contaminated, and no others, is found out the slow way. The peer turns all numbers to 0 by default.

*frequent* is apart from that and not timed: documents with an instruction of more than ten words that stands in every fourth problem. By
the rule all of them hold benchmark text, and nothing has leaked: such runs of words are listed for review. Counted is how many documents
are flagged, and how many with ``decontamination.ignore_frequent``, which must not lose what was planted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import report
from dedup_common import Peer, Prose, turns

from reasonforge.corpus.decontaminate.config import DecontaminateConfig
from reasonforge.corpus.decontaminate.find import find_hits, find_matches
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.hashing import grams, is_word

TARGET = 30.0
SETTINGS = DecontaminateConfig.model_validate({"sources": [{"type": "file", "name": "made", "path": "made.jsonl"}]})
N = SETTINGS.n
PROBLEMS, OF_EACH = 4000, 40
PLANTED = ("run", "short")

TEMPLATES = (
    "{name} stacks {a} trays for {town}. Every tray of {name} carries {b} rolls. When {town} has eaten {c} of them, how many "
    "rolls has {name} left?",
    "The tank of {name} in {town} loses {a} litres an hour. {name} has poured in {b} litres for {town} by noon. After {c} hours, how much "
    "water does {name} find?",
    "A lift in {town} takes {a} people. {name} counts {b} rides before lunch, and {town} has {c} after it. How many guests has {name} "
    "seen?",
)
"""Wherever ten words are taken in a row, a name and a number are among them."""
INSTRUCTION = "Solve the problem below and show every step."
FORMULA = r"$e^{i \pi} + 1 = 0$"
LONG_INSTRUCTION = "Read what follows with care, work it out step by step, and write your final answer, a number, in a box."


class Problem(NamedTuple):
    """A problem of a benchmark that never was."""

    text: str
    other_numbers: str
    other_names: str | None
    """None = it has no names."""
    is_famous: bool
    """It has instructions and the formula, as every fourth."""


class Problems:
    """Writes problems."""

    def __init__(self, prose: Prose) -> None:
        """Take where words come from."""
        self._prose = prose

    def some(self, count: int) -> list[Problem]:
        """Return problems: a tenth short, a third of the others with names, every fourth of these others with what is famous."""
        return [self._short() if number % 10 == 0 else self._long(number) for number in range(count)]

    def _short(self) -> Problem:
        return Problem(*self._of_words(self._prose.draw.randrange(5, 9)), None, is_famous=False)

    def _long(self, number: int) -> Problem:
        texts = self._from_template() if number % 3 == 0 else (*self._of_words(self._prose.draw.randrange(20, 90)), None)
        problem = Problem(*texts, is_famous=number % 4 == 0)
        return problem._replace(text=f"{LONG_INSTRUCTION} {INSTRUCTION} {problem.text} {FORMULA}") if problem.is_famous else problem

    def _of_words(self, length: int) -> tuple[str, str]:
        """Return words with a number in every seventh place, and the same with other numbers."""
        words, others = self._prose.some(length), []
        for at in range(3, length, 7):
            number = self._prose.draw.randrange(2, 999)
            words[at] = str(number)
            others.append((at, str(number + 1000)))
        first = " ".join(words).capitalize() + "?"
        for at, other in others:
            words[at] = other
        return first, " ".join(words).capitalize() + "?"

    def _from_template(self) -> tuple[str, str, str]:
        template = self._prose.draw.choice(TEMPLATES)
        names, others = ({"name": self._name(ending), "town": self._name(ending)} for ending in ("", "son"))
        numbers = {name: self._prose.draw.randrange(2, 999) for name in "abc"}
        more = {name: number + 1000 for name, number in numbers.items()}
        return template.format(**names, **numbers), template.format(**names, **more), template.format(**others, **numbers)

    def _name(self, ending: str) -> str:
        return "".join(self._prose.draw.choices(("ka", "lo", "mi", "ru", "te", "ban", "dor", "sel"), k=4)).title() + ending


class Documents(NamedTuple):
    """Documents, and what was done to them."""

    texts: list[str]
    kinds: list[str]
    """``plain``: nothing."""


def documents_of(prose: Prose, problems: list[Problem], count: int) -> Documents:
    """Return documents, some of each kind with something in them."""
    draw = prose.draw
    long = [problem for problem in problems if len(grams(problem.text)) >= N and not problem.is_famous]
    short = [problem.text for problem in problems if len(grams(problem.text)) < N]
    named = [problem for problem in long if problem.other_names]

    def within(words: str) -> str:
        return f"{prose.paragraph(12)} Thus {words} and so on. {prose.paragraph(12)}"

    def stretch(length: int | None) -> str:
        words = draw.choice(long).text.split()
        start = draw.randrange(len(words) - N + 1)
        return " ".join(words[start : start + length if length else draw.randrange(start + N, len(words) + 1)])

    makers = {
        "run": lambda: within(stretch(None)),
        "short": lambda: draw.choice(short),
        "other_numbers": lambda: draw.choice(long).other_numbers,
        "other_names": lambda: draw.choice(named).other_names,
        "nine_words": lambda: within(stretch(N - 1)),
        "short_inside": lambda: within(draw.choice(short)),
        "instruction": lambda: f"{INSTRUCTION} Thus {prose.paragraph(20)}",
        "formula": lambda: draw.choice((FORMULA, within(FORMULA))),
    }
    texts, kinds = [prose.document() for _ in range(count)], ["plain"] * count
    places = iter(draw.sample(range(count), OF_EACH * len(makers)))
    for kind, make in makers.items():
        for _ in range(OF_EACH):
            place = next(places)
            texts[place] += f"\n\n{make()}"
            kinds[place] = kind
    return Documents(texts, kinds)


def runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of ten words of a text."""
    words = grams(text)
    return {tuple(words[at : at + N]) for at in range(len(words) - N + 1)}


def contaminated(texts: list[str], problems: list[Problem]) -> set[int]:
    """Return which texts hold benchmark text: by sets of tuples of words."""
    long = set().union(*(runs(problem.text) for problem in problems))
    whole = {tuple(grams(problem.text)) for problem in problems}
    short = {words for words in whole if SETTINGS.min_n <= len(words) < N and sum(map(is_word, words)) >= SETTINGS.short_min_words}
    return {
        number
        for number, text in enumerate(texts)
        if runs(text) & long or any(tuple(grams(paragraph)) in short for paragraph in text.split("\n\n"))
    }


def flagged(texts: list[str], index: Index, ignored: Collection[int] = ()) -> set[int]:
    """Return which texts have a hit."""
    return {hit.page for hit in find_hits(texts, index, ignored=frozenset(ignored))}


def with_frequent(prose: Prose, documents: list[str], planted: set[int], index: Index) -> dict[str, Any]:
    """Return what becomes of documents with an instruction that heads problems, too."""
    count = SETTINGS.review_documents + 20
    texts = [*documents, *(f"{prose.document()}\n\n{LONG_INSTRUCTION} {prose.paragraph(20)}" for _ in range(count))]
    many = set(range(len(documents), len(texts)))
    found_in = Counter(run for _, run in {(match.page, match.run) for match in find_matches(texts, index)})
    frequent = {run for run, pages in found_in.items() if pages > SETTINGS.review_documents}
    left = flagged(texts, index, frequent)
    return {
        "documents": count,
        "runs_listed_for_review": len(frequent),
        "flagged": len(many & flagged(texts, index)),
        "flagged_with_ignore_frequent": len(many & left),
        "planted_missed_with_ignore_frequent": len(planted - left),
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="interpreter of an environment with datatrove and spacy")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, default=2000)
    options = parser.parse_args()
    sys.argv = ["PYTHON" if argument == options.peer else argument for argument in sys.argv]  # stored with the result
    prose = Prose(0)
    problems = Problems(prose).some(PROBLEMS)
    documents, kinds = documents_of(prose, problems, options.documents)
    truth = contaminated(documents, problems)
    planted = {number for number, kind in enumerate(kinds) if kind in PLANTED}
    if truth != planted:
        sys.exit(f"contaminated and not planted, or the other way round: {[(number, kinds[number]) for number in truth ^ planted]}")
    clean = set(range(len(documents))) - planted
    texts = [BenchmarkText("made", str(number), "question", problem.text) for number, problem in enumerate(problems)]
    index = Index(texts, n=N, min_n=SETTINGS.min_n, short_min_words=SETTINGS.short_min_words)
    ours = {
        "ours": lambda: find_hits(documents, index),
        "ours_substring": lambda: find_hits(documents, index, short_match="substring"),
    }
    with tempfile.TemporaryDirectory() as name:
        peer = Peer(options.peer, "decontamination", Path(name), documents=documents, benchmark=[problem.text for problem in problems])
        seconds = turns(ours, peer, repeats=options.repeats)
        found = {"ours": flagged(documents, index), "peer": {int(entry) for entry in peer.once()["found"]}}
        peer.close()
    result = {
        "documents": len(documents),
        "bytes_per_document": round(sum(len(text.encode()) for text in documents) / len(documents)),
        "benchmark_texts": len(problems),
        "runs": len(index.long.hashes),
        "documents_per_cpu_second": {side: round(len(documents) / taken) for side, taken in seconds.items()},
        "ratio": round(seconds["peer"] / seconds["ours"], 1),
        "ratio_substring": round(seconds["peer"] / seconds["ours_substring"], 1),
        "target": TARGET,
        "planted": len(planted),
        "planted_missed": {side: len(planted - pages) for side, pages in found.items()},
        "clean": len(clean),
        "clean_flagged": {side: len(clean & pages) for side, pages in found.items()},
        "by_kind": {
            kind: {
                "documents": kinds.count(kind),
                **{f"flagged_by_{side}": sum(kinds[number] == kind for number in pages) for side, pages in found.items()},
            }
            for kind in sorted(set(kinds))
        },
        "frequent": with_frequent(prose, documents, planted, index),
        "peer_versions": peer.versions,
    }
    report("corpus_decontamination", result, packages=("numpy", "polars"))


if __name__ == "__main__":
    main()
