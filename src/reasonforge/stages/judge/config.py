"""Settings of judging."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from reasonforge.config.base import Section
from reasonforge.config.endpoint import EndpointConfig
from reasonforge.text.config import TemplateConfig


class EndpointJudge(EndpointConfig):
    """A judge behind a URL that speaks the OpenAI protocol."""

    type: Literal["endpoint"] = "endpoint"


class FolderJudge(Section):
    """A judge of one's own: a Hugging Face folder, sampled on this machine."""

    type: Literal["folder"] = "folder"
    path: Path
    template: TemplateConfig = TemplateConfig(name="chat")
    """How the judge's conversations are laid out."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the sampler's matrix products."""
    max_slots: int = Field(default=32, gt=0)
    """Answers decoded at once."""


class PolicyJudge(Section):
    """The policy as it stands compares its own responses."""

    type: Literal["policy"] = "policy"


JudgeModel = Annotated[EndpointJudge | FolderJudge | PolicyJudge, Field(discriminator="type")]


class JudgeConfig(Section):
    """Have a model compare sampled responses, and keep the pairs of which it is sure. The policy goes on unchanged."""

    type: Literal["judge"] = "judge"
    data: str
    """Name of a rollouts table under ``data``: the responses. Such as were cut off are left out."""
    judge: JudgeModel
    """Who compares."""
    pairs_per_problem: int = Field(default=1, gt=0)
    """Comparisons per problem, each of two different responses drawn from its completions."""
    shows: Literal["summary", "all"] = "summary"
    """What the judge sees of a response. ``summary``: what follows ``</think>``, as the reward model that R1 trains on the pairs does."""
    queries: int = Field(default=4, gt=0)
    """Questions per comparison; in half of them the responses change places, so the number is even. R1 asked 4 times."""
    margin: float = Field(default=1.0, ge=0, lt=2)
    """A pair is kept only if its mean score, from -2 to 2, lies beyond this; R1 1."""
    repeats: int = Field(default=2, ge=0)
    """Further tries after an answer without a verdict; then the comparison is dropped."""
    temperature: float = Field(default=0.7, ge=0)
    """Of the judge's draws; 0 = greedy."""
    max_new_tokens: int = Field(default=2048, gt=0)
    """Longest answer of the judge, in tokens; one that is cut has no verdict."""
    max_length_gap: float | None = Field(default=0.05, gt=0)
    """Most that the mean lengths of chosen and rejected responses may differ by, as a share of their mean: the pairs that tilt them most
    are left out, lest the reward model learns lengths. None = all are kept."""
    comparisons_per_step: int = Field(default=64, gt=0)
    """Comparisons per file: what is done is stored file by file, and a killed run goes on behind the last."""

    @field_validator("queries")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"queries is {value}: each response stands first as often as second, so give an even number")
        return value
