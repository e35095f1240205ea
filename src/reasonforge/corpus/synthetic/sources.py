"""Documents beside the crawl: the first positives, and the other sources of a mixture."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from reasonforge.corpus.synthetic import documents, formula
from reasonforge.corpus.synthetic.grammar import name_of
from reasonforge.corpus.synthetic.texts import grammars


def seed_documents(seed: int, count: int) -> list[dict[str, object]]:
    """Return English textbook pages as text: positives of one dialect, as OpenWebMath is mostly of one."""
    rows: list[dict[str, object]] = []
    for i in range(count):
        rng = Random(seed + i)
        rows.append(
            {"id": f"seed-{i:06d}", "text": documents.textbook(rng).text(), "url": f"https://{name_of(rng).lower()}-seed.example/{i}"}
        )
    return rows


def _paper(rng: Random) -> str:
    body = documents.textbook(rng).text()
    display = "\n".join(rf"\begin{{equation}} {formula.draw(rng).latex} \label{{eq:{i}}} \end{{equation}}" for i in range(3))
    end = f"\\section{{Conclusion}}\nWe thank {name_of(rng)}."
    return f"\\section{{Introduction}}\nWe study a question of {name_of(rng)}.\n\n{body}\n\n{display}\n{end}"


def _program(rng: Random, language: str, functions: int, gap: str) -> str:
    return gap.join(grammars("code")[language].draw(rng, "function") for _ in range(functions))


SOURCES: dict[str, Callable[[Random], str]] = {
    "algebraic_stack": lambda rng: _program(rng, "algebraic_stack", 6, "\n"),
    "arxiv": _paper,
    "github": lambda rng: _program(rng, "github", 5, "\n\n"),
    "natural_language": lambda rng: documents.prose(rng, "other" if rng.random() < 0.6 else "chinese").text(),
}
"""The other sources, by the names that the paper's mixture has, and what draws a document of each."""


def mixture(seed: int, count: int) -> dict[str, list[dict[str, object]]]:
    """Return documents of the other sources, by name."""
    rows: dict[str, list[dict[str, object]]] = {}
    for number, (name, make) in enumerate(SOURCES.items()):
        rows[name] = [{"id": f"{name}-{i:06d}", "text": make(Random(seed + number * 1_000_003 + i))} for i in range(count)]
    return rows
