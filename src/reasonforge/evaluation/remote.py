"""Samples from a model behind a URL. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reasonforge.core.chat import Answer, Refused
from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.folder import EvaluationFolder
from reasonforge.evaluation.prompts import asked_problems
from reasonforge.evaluation.samples import SampledProblem
from reasonforge.runs.text import counted
from reasonforge.sampling.http import STOP_SECONDS, HttpModel
from reasonforge.tasks.judge import Judge

_MOST_FAILURES_IN_A_ROW = 8


@dataclass(slots=True)
class _Open:
    """A problem whose answers are coming in."""

    problem: Problem
    answers: dict[int, Answer] = field(default_factory=dict)


class RemoteSource:
    """Draws samples from a server, and judges them."""

    def __init__(
        self,
        model: HttpModel,
        config: EvaluationConfig,
        problems: Sequence[Problem],
        judge: Judge,
        *,
        seed: int,
        folder: EvaluationFolder,
    ) -> None:
        """Args:
        model: the server.
        config: how problems are asked.
        problems: what can be asked.
        judge: gives the verdicts; the caller closes it.
        seed: of every draw (a server may not heed it).
        folder: keeps the answers to problems that are not complete yet.

        Raises:
            RecipeError: the settings need a model on this machine.
            DataError: the problems cannot be asked as the settings say.
        """
        for name, value in (
            ("tools (and style 'tir')", config.tool_config),
            ("budget", config.budget),
            ("skill_prefix", config.skill_prefix),
        ):
            if value is not None:
                raise RecipeError(f"{name}: a completion is interrupted and gone on with, which needs a model folder; a URL cannot do it")
        self._model = model
        self._config = config
        self._problems = problems
        self._asked = asked_problems(problems, config)
        self._judge = judge
        self._seed = seed
        self._folder = folder
        self.failures: dict[str, list[str]] = {}
        """What went wrong for good -> the samples that are missing for it."""

    def draw(self, rows: Sequence[int], *, stop: Callable[[], bool]) -> Iterator[SampledProblem]:
        """Ask for some problems and yield them, graded, as they are complete. One whose samples could not all be had is left out.

        Raises:
            UnavailableError: the server refuses every question, or fails on many in a row.
        """
        config = self._config
        params = SamplingParams(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=config.top_p, stop_strings=config.stop_strings
        )
        kept = self._folder.kept_answers() if config.samples > 1 else {}
        waiting = {row: _Open(self._problems[row], dict(kept.get(self._problems[row].id, {}))) for row in rows}
        # A kill may have come between the last answer to a problem and its verdicts.
        yield from (self._finished(found) for found in waiting.values() if len(found.answers) == config.samples)
        missing = [(row, i) for row, found in waiting.items() for i in range(config.samples) if i not in found.answers]
        in_a_row = 0
        for (row, index), answer in self._model.ask_all(self._questions(missing), params, stop=stop):
            if isinstance(answer, UnavailableError):
                if stop():
                    continue  # cut off, or not asked again: the next attempt asks
                in_a_row += 1
                self.failures.setdefault(str(answer), []).append(f"problem {self._problems[row].id}, sample {index + 1}")
                if isinstance(answer, Refused) or in_a_row >= _MOST_FAILURES_IN_A_ROW:
                    raise answer
                continue
            in_a_row = 0
            found = waiting[row]
            found.answers[index] = answer
            if len(found.answers) == config.samples:
                yield self._finished(found)
            else:
                self._folder.keep_answer(found.problem, index, answer)

    def waits_for(self) -> str:
        """Say what a stop waits for."""
        count = self._model.num_on_their_way
        if not count:
            return "saving"
        return f"asking nothing more; waiting at most {STOP_SECONDS:g} s for {counted(count, 'answer')} on the way, then saving"

    def _questions(self, missing: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Sequence[Message], int]]:
        for row, index in missing:
            yield (row, index), self._asked[row], derive_seed(self._seed, "evaluation", self._problems[row].id, index)

    def _finished(self, found: _Open) -> SampledProblem:
        answers = [found.answers[index] for index in sorted(found.answers)]
        lengths = [answer.num_tokens for answer in answers]
        counted = tuple(length for length in lengths if length is not None)
        return SampledProblem(
            problem=found.problem,
            samples=tuple(answer.text for answer in answers),
            lengths=counted if len(counted) == len(answers) else None,
            truncated=tuple(answer.truncated for answer in answers),
            verdicts=tuple(self._judge.grade_many([(found.problem, answer.text) for answer in answers])),
        )
