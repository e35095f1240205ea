"""Reward parts a recipe can name, and how the verdict they rest on is found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reasonforge.config.base import Section
from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.records import ProblemKind
from reasonforge.sandbox.config import SandboxConfig

FormatStyle = Literal["think_answer", "think", "think_boxed", "boxed"]


class GradingConfig(Section):
    """How completions are judged right or wrong."""

    profile: Literal["strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"] = "strict"
    """How answers are compared; a reward should trust only ``strict``, the others are for published figures."""
    answer_from: Literal["text", "program"] = "text"
    """``program`` = the answer is what the completion's last Python block prints last, or its variable ``answer``."""
    sandbox: SandboxConfig = SandboxConfig()
    """Where programs run; opened only when a program comes."""
    workers: int | None = Field(default=None, gt=0)
    """Completions scored at once, while sampling goes on. None = one per core, at least 4: most of them wait for another process."""


class AccuracyReward(Section):
    """1 if the grader finds the answer right, else 0."""

    type: Literal["accuracy"] = "accuracy"
    weight: float = 1.0
    wrong: float = 0.0
    """Value of a completion that is not right; DAPO -1."""
    needs_format: FormatStyle | None = None
    """Right only in this form, as DeepScaleR asks; None = in any form."""


class FormatReward(Section):
    """1 if the completion keeps a fixed form and was not cut, else 0."""

    type: Literal["format"] = "format"
    weight: float = 1.0
    style: FormatStyle = "think_answer"
    """``think_answer`` = ``<think>..</think><answer>..</answer>`` and nothing else; ``think`` = thinking once, then an answer;
    ``think_boxed`` = the same, the answer with exactly one ``\\boxed{}``; ``boxed`` = at least one balanced ``\\boxed{}``."""
    think_in_prompt: bool = False
    """The prompt ends with ``<think>``, so completions begin inside it."""


class LanguageReward(Section):
    """Share of the words of the thinking that are in the prompt's language (DeepSeek-R1, eq. 7)."""

    type: Literal["language"] = "language"
    weight: float = 1.0
    only_if_correct: bool = False
    """Pay nothing for a wrong completion; R1 adds it in any case."""


class LengthReward(Section):
    """0.5 for the shortest completion of a group to -0.5 for the longest; a wrong one earns at most 0 (Kimi k1.5)."""

    type: Literal["length"] = "length"
    weight: float = 1.0


class OverlongPenalty(Section):
    """0 up to ``max_tokens`` - ``cache_tokens``, -1 from ``max_tokens`` on, linear between (DAPO, eq. 13)."""

    type: Literal["overlong"] = "overlong"
    weight: float = 1.0
    cache_tokens: int = Field(default=..., gt=0)
    """Width of the slope; DAPO 4,096 of 20,480."""
    max_tokens: int | None = Field(default=None, gt=0)
    """None = the stage's ``sampling.max_new_tokens``."""


class RepetitionPenalty(Section):
    """Minus the share of n-grams of words that have occurred before in the completion."""

    type: Literal["repetition"] = "repetition"
    weight: float = 1.0
    ngram: int = Field(default=4, gt=0)


class CodeReward(Section):
    """For problems answered by a program: 1 if every test passes, else 0. Other problems have no such part."""

    type: Literal["code"] = "code"
    weight: float = 1.0
    partial: bool = False
    """Pay the share of tests passed instead."""


class FunctionReward(Section):
    """A function of yours, called in a process of its own that is killed when it hangs."""

    type: Literal["function"] = "function"
    weight: float = 1.0
    path: str = Field(default=..., pattern=r"^[\w.]+:\w+$")
    """``package.module:function``. Called as ``function(question=..., answer=..., completion=..., meta=...)``, returns a finite number;
    one with parameters ``solution_str`` and ``ground_truth`` is called as verl's ``compute_score``."""
    deadline_seconds: float = Field(default=5.0, gt=0)
    """A call that takes longer is killed; its sample leaves the baseline and the gradient."""
    workers: int = Field(default=2, gt=0)
    """Processes, each with the module loaded: so many calls at once, and a slow one delays only itself while another is free."""


class StepsReward(Section):
    """1 for each step that the task's rule finds right, else 0, paid where the step ends; as a part of the whole: the share of right ones.

    Needs a task that can check steps; problems of others have no such part.
    """

    type: Literal["steps"] = "steps"
    weight: float = 1.0


class ModelReward(Section):
    """What a trained reward model says of the completion. One that scores steps pays at each step's end, and by ``aggregate`` in all."""

    type: Literal["reward_model"] = "reward_model"
    weight: float = 1.0
    model: str
    """Name of an earlier ``reward_model`` stage, or a folder with a saved reward model."""
    transform: Literal["logit", "sigmoid"] = "logit"
    """``logit``: the score as it is. ``sigmoid``: the probability it stands for, so that no completion can earn more than 1."""
    aggregate: Literal["min", "product", "last", "mean"] = "min"
    """How the scores of steps become one, for models that score steps; Math-Shepherd takes the smallest."""
    only_from_step: int = Field(default=0, ge=0)
    """Steps of the stage before which the part is not paid; R1 paid model rewards in the last 400 of 1,700 steps."""


class JudgeReward(Section):
    """1 if a model finds that the answer agrees with the reference, else 0; its verdict is that of the completion. Other problems have no
    such part.

    For answers that only a model can compare. A completion on which the judge gives no verdict leaves the baseline and the gradient.
    """

    type: Literal["judge"] = "judge"
    weight: float = 1.0
    endpoint: EndpointConfig
    """Where the judge answers; ``concurrency`` beyond ``grading.workers`` has no use."""
    kinds: tuple[ProblemKind, ...] = Field(default=("open",), min_length=1)
    """Kinds of problems it judges; ``open`` ones are judged by no rule."""
    temperature: float = Field(default=0.0, ge=0)
    """0 = greedy."""
    max_new_tokens: int = Field(default=1024, gt=0)
    """Longest answer of the judge, in tokens; one that is cut has no verdict."""
    repeats: int = Field(default=2, ge=0)
    """Further tries after an answer without a verdict."""


RewardPart = Annotated[
    AccuracyReward
    | FormatReward
    | LanguageReward
    | LengthReward
    | OverlongPenalty
    | RepetitionPenalty
    | CodeReward
    | FunctionReward
    | StepsReward
    | ModelReward
    | JudgeReward,
    Field(discriminator="type"),
]
