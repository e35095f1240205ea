"""Verdicts of a model for answers that no rule can compare with their reference. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Semaphore

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.chat import ChatModel, Refused
from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Problem, Verdict
from reasonforge.core.rollouts import SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.rewards.config import JudgeReward, RewardPart
from reasonforge.rewards.judge import CorrectnessJudge, Meter
from reasonforge.verify.extract import answer_section, strip_end_marker

OpenChatModel = Callable[[EndpointConfig], ChatModel]
"""Opens what an endpoint's settings name."""

_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Judge:
    part: JudgeReward
    judge: CorrectnessJudge
    free: Semaphore


class ReferenceJudges:
    """The judges of a recipe's reward parts. Safe to use from several threads."""

    def __init__(self, parts: Mapping[str, RewardPart], open_model: OpenChatModel | None) -> None:
        """Args:
            parts: named parts; those of other types are none of its business.
            open_model: opens endpoints; None = this stage asks nobody.

        Raises:
            RecipeError: a part needs an endpoint and there is nobody to ask, or the endpoint's URL is none.
        """
        self._judges: dict[str, _Judge] = {}
        for name, part in parts.items():
            if not isinstance(part, JudgeReward):
                continue
            if open_model is None:
                raise RecipeError(f"rewards.{name}: this stage cannot ask a judge. Leave the part out here.")
            params = SamplingParams(max_new_tokens=part.max_new_tokens, temperature=part.temperature)
            judge = CorrectnessJudge(open_model(part.endpoint), params, repeats=part.repeats)
            self._judges[name] = _Judge(part, judge, Semaphore(part.endpoint.concurrency))
        self._meter = Meter([found.judge.model for found in self._judges.values()])

    def about(self, problem: Problem) -> Iterator[str]:
        """Yield the names of the parts that are about a problem."""
        return (name for name, found in self._judges.items() if problem.kind in found.part.kinds)

    def verdict(self, name: str, problem: Problem, text: str) -> Verdict:
        """Return what a part's judge says of a completion. No answer of the judge is the verdict ``error``, never a silent zero.

        Raises:
            Refused: the endpoint refuses every question.
        """
        if not problem.answer.strip():
            return Verdict(status="error", reason="there is no reference answer to compare with")
        # The judge must not be swayed by how an answer was found, and nobody pays it for reading the thinking.
        section = answer_section(strip_end_marker(text))
        if section is None or not section.strip():
            return Verdict(status="no_answer", reason="thinking does not end" if section is None else "empty")
        found = self._judges[name]
        try:
            with found.free:
                finding = found.judge.grade(
                    problem.question, problem.answer, section.strip(), seed=derive_seed(0, "reference", problem.id, text)
                )
        except Refused:
            raise
        except UnavailableError as failure:
            return Verdict(status="error", reason=str(failure))
        return Verdict(status="correct" if finding.correct else "wrong", reason=" ".join(finding.analysis.split())[:_SHOWN_CHARS])

    def metrics(self) -> dict[str, float]:
        """Return what asking came to since the last call; empty where there is no judge."""
        return self._meter.read() if self._judges else {}
