"""The fixture pages, their truth, and the measure of what an extraction kept: for the tests and ``benchmarks/corpus/formulas.py``."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
SECOND = Path(__file__).parent / "second"
"""Pages by another author, measured blind once and developed by since."""
BLIND = Path(__file__).parent / "blind"
"""Pages by an author who had not seen the extractor; to measure by, never to develop by. There may be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A page of our own writing and what is true of it."""

    name: str
    html: str
    carrier: str
    title: str
    formulas: tuple[str, ...]
    """Every formula of the main content, once, as LaTeX (``x^{2}`` for scripts, Unicode as it stands)."""
    kept: tuple[str, ...]
    """Parts of sentences that any extraction of the main content has to keep."""
    removed: tuple[str, ...]
    """Parts of the boilerplate around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How much of one page's truth a text holds; shares are 1 where there is nothing to find."""

    num_formulas: int
    num_found: int
    missing: tuple[str, ...]
    lost: tuple[str, ...]
    leaked: tuple[str, ...]

    @property
    def recall(self) -> float:
        """Return the share of formulas found."""
        return self.num_found / self.num_formulas if self.num_formulas else 1.0


def load_fixtures(folder: Path = FIXTURES) -> list[Fixture]:
    """Return all pages of a folder by name; none of a folder that is not there."""
    fixtures = []
    for path in sorted(folder.glob("*.html")):
        truth = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        parts = {name: tuple(truth[name]) for name in ("formulas", "kept", "removed")}
        fixtures.append(
            Fixture(name=path.stem, html=path.read_text(encoding="utf-8"), carrier=truth["carrier"], title=truth["title"], **parts)
        )
    return fixtures


def load_developed() -> list[Fixture]:
    """Return all pages that the extractor was developed by."""
    return load_fixtures(FIXTURES) + load_fixtures(SECOND)


_NOISE = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|big[lr]?|Big[lr]?|quad|qquad)(?![A-Za-z])|\\operatorname|\\mathrm"
    r"|\\[,;:! ]|[\s{}$]|\\\(|\\\)|\\\[|\\\]"
)
_SAME = (("\\ge", "\\geq"), ("\\le", "\\leq"), ("\\ne", "\\neq"), ("\\rightarrow", "\\to"), ("\\lt", "<"), ("\\gt", ">"))


def folded(latex: str) -> str:
    """Return LaTeX without what makes no difference to a reader: blanks, braces, sizes of brackets, delimiters, synonyms.

    Braces go too, so that ``x^2`` equals ``x^{2}``; the formulas of the fixtures differ in more than braces.
    """
    latex = unicodedata.normalize("NFC", latex)
    for short, full in _SAME:
        latex = re.sub(re.escape(short) + r"(?![A-Za-z])", full.replace("\\", r"\\"), latex)
    return _NOISE.sub("", latex)


def score(fixture: Fixture, text: str) -> Score:
    """Compare a text with a page's truth. Formulas count wherever they stand: the peers know no delimiters."""
    haystack = folded(text)
    missing = tuple(formula for formula in fixture.formulas if folded(formula) not in haystack)
    words = " ".join(text.split())
    plain = words.replace("\\$", "$")
    return Score(
        num_formulas=len(fixture.formulas),
        num_found=len(fixture.formulas) - len(missing),
        missing=missing,
        lost=tuple(part for part in fixture.kept if part.replace("\\$", "$") not in plain),
        leaked=tuple(part for part in fixture.removed if part in words),
    )


def micro(scores: Sequence[Score]) -> float:
    """Return the share of all formulas that were found."""
    return sum(score.num_found for score in scores) / sum(score.num_formulas for score in scores)


def macro(scores: Sequence[Score]) -> float:
    """Return the mean of the pages' shares, over pages with formulas."""
    with_formulas = [score.recall for score in scores if score.num_formulas]
    return sum(with_formulas) / len(with_formulas)
