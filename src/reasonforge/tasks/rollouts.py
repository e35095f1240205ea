"""Completions that a stage left for others: read back as graded groups, filtered as a recipe says. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.core.rollouts import RolloutGroup, ScoredRollout
from reasonforge.core.seeds import derive_seed
from reasonforge.runs.reader import RunReader
from reasonforge.runs.rollouts import list_steps, read_groups
from reasonforge.tasks.config import RolloutSource
from reasonforge.tasks.draws import Draws

Keep = Callable[[RolloutGroup, ScoredRollout], bool]
"""A filter: tells whether a completion of a group is taken."""

Yield = dict[str, int]
"""Completions left after each filter, in the order the filters are applied; the first entry counts what was drawn."""

_CALCULATION = re.compile(r"[\d(][\d \t.,()+*/%^=-]*")
_SENTENCE_END = re.compile(r"[.,](?=\s|$)")
_LATEX_OPERATORS = {r"\times": "*", r"\cdot": "*", r"\div": "/", "×": "*", "·": "*", "÷": "/"}


def load_groups(
    source: RolloutSource, run_path: Path, *, tokenizer: str | None = None, keep: Mapping[str, Keep] | None = None
) -> list[RolloutGroup]:
    """Return the graded groups of a source that pass its filters; groups of which nothing is left are left out.

    Args:
        source: the data table.
        run_path: folder of the run that asks; a source that names a run of its own is read from there.
        tokenizer: fingerprint of the tokenizer that will read the ids; None = do not compare.
        keep: more filters by name, applied before ``distinct`` and ``max_per_problem``.

    Raises:
        DataError: the stage has not run, its files are broken or of another tokenizer, or no completion passes the filters.
    """
    return filter_groups(read_source(source, run_path, tokenizer=tokenizer), source, keep=keep)[0]


def read_source(source: RolloutSource, run_path: Path, *, tokenizer: str | None = None) -> list[RolloutGroup]:
    """Return all graded groups of a source, before its filters.

    Raises:
        DataError: the stage has not run, or its files are broken or of another tokenizer.
    """
    run = RunReader((source.run or run_path).expanduser())
    folder = run.rollouts_dir(source.stage)
    if not list_steps(folder):
        known = ", ".join(stage.name for stage in run.info.stages) or "none"
        raise DataError(f"{run.path}: stage {source.stage!r} has drawn no completions (stages of this run: {known}). Run it first.")
    return read_groups(folder, tokenizer=tokenizer)


def filter_groups(
    groups: Sequence[RolloutGroup], source: RolloutSource, *, keep: Mapping[str, Keep] | None = None
) -> tuple[list[RolloutGroup], Yield]:
    """Apply a source's filters: pass rate, verdict, ``keep``, distinct, cap. Problems are counted over all their groups.

    Raises:
        DataError: nothing is left; the line says how many each filter left.
    """
    members = [(number, member) for number, group in enumerate(groups) for member in group.rollouts]
    left: Yield = {"drawn": len(members)}

    def apply(name: str, passes: Callable[[RolloutGroup, ScoredRollout], bool]) -> None:
        nonlocal members
        members = [(number, member) for number, member in members if passes(groups[number], member)]
        left[name] = len(members)

    apply("graded", lambda _, member: is_graded(member))
    if source.pass_rate is not None:
        low, high = source.pass_rate
        rates = pass_rates(groups)
        apply("pass_rate", lambda group, _: low <= rates[group.problem.id] <= high)
    if source.only != "all":
        apply(source.only, lambda _, member: member.verdict.correct == (source.only == "correct"))
    for name, passes in (keep or {}).items():
        apply(name, passes)
    if source.shuffle_seed is not None:
        members = Draws(derive_seed(source.shuffle_seed, "completions")).shuffled(members)
    if source.distinct != "no":
        seen: set[Hashable] = set()
        key = equations if source.distinct == "equations" else _normal_text
        apply("distinct", lambda group, member: _is_new(seen, (group.problem.id, key(member.rollout.text))))
    if source.max_per_problem is not None:
        taken: dict[str, int] = {}
        most = source.max_per_problem
        apply("max_per_problem", lambda group, _: _count(taken, group.problem.id) <= most)
    if not members:
        counts = ", ".join(f"{name} {count}" for name, count in left.items())
        raise DataError(
            f"rollouts of stage {source.stage!r}: no completion passes the filters ({counts}). Loosen them, or draw more samples."
        )
    kept: dict[int, list[ScoredRollout]] = {}
    for number, member in sorted(members, key=lambda item: (item[0], item[1].rollout.index)):
        kept.setdefault(number, []).append(member)
    return [replace(groups[number], rollouts=tuple(rollouts)) for number, rollouts in kept.items()], left


def is_graded(member: ScoredRollout) -> bool:
    """Tell whether a completion's verdict says something about it: a timeout or an error of the grader does not."""
    return member.verdict.status not in ("timeout", "error")


def pass_rates(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return the share of right completions among the graded ones, by problem; problems without a graded completion are left out."""
    verdicts: dict[str, list[bool]] = {}
    for group in groups:
        for member in group.rollouts:
            if is_graded(member):
                verdicts.setdefault(group.problem.id, []).append(member.verdict.correct)
    return {name: sum(found) / len(found) for name, found in verdicts.items()}


def equations(text: str) -> Hashable:
    """Return the equations of a worked solution in order, in one spelling; the text itself where there is none.

    >>> equations("First 3 + 4 = 7, then 7 × 2 = 14.") == equations("3+4=7 and so 7*2=14")
    True

    Source:
        Scaling relationship on learning mathematical reasoning (arXiv:2308.01825), section 3.3: paths are the same if their equations are.
    """
    for name, operator in _LATEX_OPERATORS.items():
        text = text.replace(name, operator)
    # Runs of marks first, whether they hold an equation after: linear, whatever the text is.
    pieces = [piece for run in _CALCULATION.findall(text) for piece in _SENTENCE_END.split(run) if "=" in piece]
    found = tuple(re.sub(r"[\s,]", "", piece) for piece in pieces)
    return found or _normal_text(text)


def _normal_text(text: str) -> str:
    return " ".join(text.split())


def _is_new(seen: set[Hashable], key: Hashable) -> bool:
    if key in seen:
        return False
    seen.add(key)
    return True


def _count(taken: dict[str, int], name: str) -> int:
    taken[name] = taken.get(name, 0) + 1
    return taken[name]
