"""What ``neardup.py`` and ``decontamination.py`` share: documents that read like text, and turns of ours and the peer's."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

TURN_CPU_SECONDS = 0.5
_SYLLABLES = [consonant + vowel for consonant in "bdklmnrt" for vowel in "aeiou"]


class Prose:
    """Sentences of made-up words, the frequent ones short: fifty thousand words, drawn by Zipf's law, with numbers and formulas between."""

    def __init__(self, seed: int) -> None:
        """Make the vocabulary."""
        self.draw = random.Random(seed)
        count = 50_000
        self.words = ["".join(self.draw.choices(_SYLLABLES, k=1 + min(4, rank.bit_length() // 3))) for rank in range(count)]
        total, self._sums = 0.0, []
        for rank in range(count):
            total += 1 / (rank + 3)
            self._sums.append(total)

    def some(self, count: int) -> list[str]:
        """Return so many words."""
        return self.draw.choices(self.words, cum_weights=self._sums, k=count)

    def paragraph(self, count: int) -> str:
        """Return a paragraph of so many words."""
        words = self.some(count)
        for at in range(9, count, 10 + count % 7):
            words[at] = self.draw.choice([f"{self.draw.randrange(1, 500)},", r"$\frac{a}{b}$", f"{words[at]}.", f"{words[at].title()}"])
        return " ".join(words).capitalize() + "."

    def document(self) -> str:
        """Return a page: about 1.8 kB in half a dozen paragraphs."""
        return "\n\n".join(self.paragraph(self.draw.randrange(20, 52)) for _ in range(6))


class Peer:
    """A process of the peer's environment that does passes when it is told to."""

    def __init__(self, python: str, what: str, folder: Path, **files: Sequence[str]) -> None:
        """Write its files and start it; returns when it is ready."""
        for name, entries in files.items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in entries))
        command = [python, str(Path(__file__).with_name("dedup_peer.py")), what, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions = self._answer()["versions"]

    def once(self) -> dict[str, Any]:
        """Do one pass."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the peer ended: see its message above")
        return json.loads(line)


def turns(ours: Mapping[str, Callable[[], object]], peer: Peer, *, repeats: int) -> dict[str, float]:
    """Return the median CPU seconds of a pass of each of ours and of the ``peer``, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in (*ours, "peer")}
    passes = {}
    for name, run in ours.items():
        run()  # tables, caches
        start = time.process_time()
        run()
        passes[name] = max(1, round(TURN_CPU_SECONDS / max(time.process_time() - start, 1e-3)))
    peer.once()
    for _ in range(repeats):
        for name, run in ours.items():
            start = time.process_time()
            for _ in range(passes[name]):
                run()
            taken[name].append((time.process_time() - start) / passes[name])
        taken["peer"].append(peer.once()["seconds"])
    return {name: statistics.median(seconds) for name, seconds in taken.items()}
