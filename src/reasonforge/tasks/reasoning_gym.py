"""Problems of the reasoning-gym package. Its scorers run only in the sandbox: some of them execute the answer.

A verdict is right or wrong: partial scores, which some of its scorers pay for nothing, count as wrong.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.seeds import derive_seed
from reasonforge.sandbox.protocol import Call, Limits, Program, Sandbox
from reasonforge.tasks.config import ReasoningGymSource
from reasonforge.tasks.declared import judge_declared
from reasonforge.tasks.reasoning_gym_defects import SAFE_ANSWERS
from reasonforge.tasks.streams import split_of

SOURCE_PREFIX = "reasoning_gym:"
"""Problems of task ``gcd`` have the source ``reasoning_gym:gcd``."""
MAX_ANSWER_CHARS = 20_000
_MAX_PER_PROBLEM = 40
_REQUEST = "\nGive the answer inside <answer> </answer>."
_LIMITS = Limits(wall_seconds=30.0, cpu_seconds=20.0, memory_mb=2048)
# The entry is made anew where it is scored: as JSON it would lose its tuples, on which some scorers insist.
# The package's own ``__init__`` imports all its tasks (1 CPU-s); entering the task's module past it takes a tenth of that.
_SCORER = """
import importlib.util
import sys
import types

import numpy, sympy  # most tasks want one of them, and the sandbox keeps an interpreter warm that has both


def enter(name, path):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package


def score(question, answer, module, dataset, config, settings, index):
    root = importlib.util.find_spec("reasoning_gym").submodule_search_locations[0]
    category = module.split(".")[1]
    enter("reasoning_gym", root)
    importlib.import_module("reasoning_gym.coaching")
    enter("reasoning_gym." + category, root + "/" + category)
    task = importlib.import_module(module)
    problems = getattr(task, dataset)(getattr(task, config)(**settings))
    entry = problems[index]
    if entry["question"] != question:
        return "another problem"
    return float(problems.score_answer(answer, entry))
"""


def load_reasoning_gym(source: ReasoningGymSource, *, seed: int) -> list[Problem]:
    """Return ``source.count`` different problems.

    Raises:
        UnavailableError: the package is not installed.
        RecipeError: it has no such task, or the task refuses the settings.
        DataError: the task holds fewer different problems.
    """
    gym = _package()
    # Item i of seed s is item i - 1 of seed s + 1 in that package: without this, seeds 1 and 2 would share nearly all problems.
    gym_seed = derive_seed(seed if source.seed is None else source.seed, SOURCE_PREFIX + source.task) % 2**31
    settings = {**source.config, "seed": gym_seed, "size": _MAX_PER_PROBLEM * source.count}
    try:
        dataset = gym.create_dataset(source.task, **settings)
    except (ValueError, TypeError, AssertionError) as error:
        raise RecipeError(f"reasoning_gym task {source.task!r}: {error}. Correct task or config") from None
    maker = {
        "task": source.task,
        "module": type(dataset).__module__,
        "dataset": type(dataset).__name__,
        "config": gym.factory.DATASETS[source.task][1].__name__,
        "settings": settings,
        "own_scorer": type(dataset).score_answer is not gym.dataset.ProceduralDataset.score_answer,
        "version": importlib.metadata.version("reasoning-gym"),
    }
    problems: dict[str, Problem] = {}
    for index in range(settings["size"]):
        entry = dataset[index]
        if not isinstance(entry["answer"], str) or not entry["answer"].strip():
            raise DataError(f"reasoning_gym task {source.task!r}: problem {index} has no reference answer. Choose another task")
        problem = _problem(entry["question"], entry["answer"].strip(), {**maker, "index": index})
        if source.split in ("all", split_of(problem)):
            problems.setdefault(problem.id, problem)
        if len(problems) == source.count:
            return list(problems.values())
    raise DataError(
        f"reasoning_gym task {source.task!r} holds about {len(problems)} different problems in split {source.split!r}, "
        f"{source.count} are wanted: lower count or change config"
    )


def judge_reasoning_gym(problem: Problem, text: str, open_sandbox: Callable[[], Sandbox]) -> Verdict:
    """Judge a completion.

    Args:
        problem: one of ``load_reasoning_gym``.
        text: the completion.
        open_sandbox: returns the sandbox for the scorer; called only where the answer is another text than the reference's and the task
            has a scorer of its own.
    """
    scored: dict[str, Verdict] = {}

    def judge(answer: str) -> Verdict:
        # The first is the answer itself. What else a completion declares says the same only where it is the same text: nothing runs for it.
        if not scored:
            scored[answer] = _judge_answer(problem, answer, open_sandbox)
        return scored.get(answer, Verdict(status="wrong", prediction=answer))

    return judge_declared(text, judge, longest=MAX_ANSWER_CHARS)


def _judge_answer(problem: Problem, answer: str, open_sandbox: Callable[[], Sandbox]) -> Verdict:
    if answer == problem.answer:
        return Verdict(status="correct", prediction=answer)
    safe = SAFE_ANSWERS.get(problem.meta["task"])
    if safe is not None and safe.fullmatch(answer) is None:
        return Verdict(status="no_answer", reason="not of the form that this task's answers have")
    if not problem.meta["own_scorer"]:
        return Verdict(status="wrong", prediction=answer, reason="another text than the reference answer")
    return _scored(problem, answer, open_sandbox())


def _scored(problem: Problem, answer: str, sandbox: Sandbox) -> Verdict:
    meta = problem.meta
    question = problem.question.removesuffix(_REQUEST)
    arguments = (question, answer, meta["module"], meta["dataset"], meta["config"], dict(meta["settings"]), meta["index"])
    # Files, because some libraries want a folder to write their caches in.
    result = sandbox.run(Program(code=_SCORER, calls=(Call(function="score", args=arguments),), limits=_LIMITS, profile="files"))
    if result.status == "timeout":
        return Verdict(status="timeout", reason="the task's scorer did not end")
    if result.status != "ok" or not result.values:
        return Verdict(status="error", reason=f"scorer: {result.status} {result.reason or result.stderr[-200:]}".strip())
    call = result.values[0]
    if call.status == "timeout":
        return Verdict(status="timeout", reason="the task's scorer did not end")
    if call.status == "error":
        return Verdict(status="wrong", prediction=answer, reason=f"the task's scorer cannot read it: {call.error}")
    if isinstance(call.value, bool) or not isinstance(call.value, int | float):
        return Verdict(status="error", reason=f"scorer: {str(call.value)[:60]}; is another version of reasoning-gym inside the sandbox?")
    if call.value == 1.0:
        return Verdict(status="correct", prediction=answer)
    return Verdict(status="wrong", prediction=answer, reason=f"scores {call.value:.3g} of 1")


def _problem(question: str, answer: str, meta: dict[str, Any]) -> Problem:
    source = SOURCE_PREFIX + meta["task"]
    prompt = question + _REQUEST
    return Problem(
        id=content_id([source, prompt]),
        messages=(Message("user", prompt),),
        answer=answer,
        kind="logic",
        source=source,
        meta=meta,
    )


def _package() -> Any:
    try:
        import reasoning_gym
        import reasoning_gym.dataset
    except ImportError:
        raise UnavailableError("reasoning-gym is not installed. pip install 'reasonforge[reasoning-gym]'") from None
    return reasoning_gym
