"""Settings of the rounds. Imports nothing heavy: ``--help`` and dry runs read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class RoundsConfig(Section):
    """How often the loop goes round, how much it collects, and when it stops."""

    max_rounds: int = Field(default=4, ge=1, le=20)
    """Rounds at most. The paper ran four."""
    converged_overlap: float = Field(default=0.98, gt=0, le=1)
    """Stop when so much of a round's pages was in the round before. The paper stopped at about 0.98."""
    token_budgets: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Tokens to collect in each round; the last one holds for all rounds after it. None = ``threshold`` decides."""
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Collect every page with at least this score, whatever its tokens. None = ``token_budgets`` decides."""

    @model_validator(mode="after")
    def _one_rule_selects(self) -> Self:
        if (self.token_budgets is None) == (self.threshold is None):
            given = "both are" if self.threshold is not None else "neither is"
            raise ValueError(f"token_budgets or threshold selects the pages, one of them: {given} given")
        if self.token_budgets is not None and any(budget <= 0 for budget in self.token_budgets):
            raise ValueError("token_budgets: a budget is more than nothing")
        return self

    def budget(self, number: int) -> int | None:
        """Return the token budget of a round, counted from 1; None = the threshold decides."""
        return None if self.token_budgets is None else self.token_budgets[min(number, len(self.token_budgets)) - 1]


class DomainsConfig(Section):
    """Which domains are mathematical."""

    key: Literal["host", "domain"] = "host"
    """What a domain is: the ``host``, as in the paper (one base URL), or the registered ``domain`` with all its hosts."""
    min_collected_ratio: float = Field(default=0.10, ge=0, lt=1)
    """A domain is mathematical if a larger share of its pages was collected: larger, not equal. The paper's 10 %."""
    min_pages: int = Field(default=20, ge=1)
    """A domain with fewer pages in the crawl is not judged. Ours: three pages are no domain."""


class FileAnnotation(Section):
    """People's decisions, made beforehand: the loop does not wait."""

    type: Literal["file"] = "file"
    path: Path
    """``annotations.jsonl``, as ``reasonforge corpus annotate`` writes it. A decision holds from the round on that finds its domain."""


class HumanAnnotation(Section):
    """The loop stops in every round until a person has annotated its domains, as in the paper."""

    type: Literal["human"] = "human"
    path: Path | None = None
    """``annotations.jsonl``, kept under version control, say. None = in the corpus folder."""


class AutoAnnotation(Section):
    """No person: a path is accepted when enough of its pages were collected. Not the paper's procedure; for tests and first looks."""

    type: Literal["auto"] = "auto"
    min_ratio: float = Field(default=0.5, gt=0, le=1)
    """Accept a path of which so large a share was collected."""


Annotation = Annotated[FileAnnotation | HumanAnnotation | AutoAnnotation, Field(discriminator="type")]
