"""Pick the rollouts that fit into a page: steps spread over the run, whole groups, and a word on what is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.runs.rollouts import StoredRollout, read_rollouts

_MOST_STEPS = 40
_MOST_CHARACTERS = 6000
"""Of one completion; a page of 16 x 20,000 characters side by side helps nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Rollouts for a page, JSON-able, and remarks on what is missing."""

    steps: list[dict[str, Any]]
    remarks: list[str]
    problems: list[str]
    """Files that could not be read, one line each."""


def embed(value: Any) -> str:
    """Return JSON that may stand inside a ``<script>`` element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")


def choose_samples(stage: str, files: dict[int, Path], *, max_bytes: int) -> Samples:
    """Read as many rollouts of a stage as fit.

    Args:
        stage: named in remarks.
        files: rollout files by step, in order.
        max_bytes: of the result as it stands in the page.
    """
    steps: list[dict[str, Any]] = []
    problems: list[str] = []
    chosen = spread(list(files), _MOST_STEPS)
    shown = stored = cut = 0
    left = max_bytes
    for position, step in enumerate(chosen):
        try:
            rows = read_rollouts(files[step])
        except DataError as error:
            problems.append(str(error))
            continue
        groups = [list(members) for _, members in groupby(rows, key=lambda row: row.group_id)]
        # What a step does not need is there for the later ones.
        kept, used = _fit(groups, left // (len(chosen) - position))
        left -= used
        stored += len(groups)
        shown += len(kept)
        cut += sum(any("cut" in member for member in group["rollouts"]) for group in kept)
        steps.append({"step": step, "groups": kept, "num_groups": len(groups), **_figures(rows)})
    remarks = []
    if len(chosen) < len(files):
        remarks.append(f"{stage}: {len(chosen)} of {len(files)} steps with rollouts are in this page.")
    if shown < stored:
        remarks.append(f"{stage}: {shown} of {stored} groups of these steps are in this page.")
    if cut:
        remarks.append(f"{stage}: long completions of {cut} groups are shortened in the middle to {_MOST_CHARACTERS} characters.")
    if remarks:
        remarks.append("Everything is in the run's rollouts/ folder, as Parquet.")
    return Samples(steps=steps, remarks=remarks, problems=problems)


def spread(steps: Sequence[int], count: int) -> list[int]:
    """Return at most ``count`` (3 or more) steps: the first, the middle, the last, and others evenly between."""
    if len(steps) <= count:
        return list(steps)
    last = len(steps) - 1
    indices = {round(i * last / (count - 2)) for i in range(count - 1)} | {len(steps) // 2}
    return [steps[i] for i in sorted(indices)]


def _fit(groups: Sequence[Sequence[StoredRollout]], max_bytes: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first groups that fit, as data for the page, and the bytes they take."""
    kept: list[dict[str, Any]] = []
    used = 0
    for members in groups:
        data = _group(members)
        size = len(embed(data).encode()) + 1
        if used + size > max_bytes:
            break
        kept.append(data)
        used += size
    return kept, used


def _figures(rows: Sequence[StoredRollout]) -> dict[str, Any]:
    """Means over all rollouts of a step, shown or not."""
    rewards = [row.reward for row in rows if row.reward is not None]
    return {
        "reward": short(sum(rewards) / len(rewards)) if rewards else None,
        "correct": short(sum(row.verdict == "correct" for row in rows) / len(rows)) if rows else None,
        "tokens": short(sum(row.num_tokens for row in rows) / len(rows)) if rows else None,
    }


def _group(members: Sequence[StoredRollout]) -> dict[str, Any]:
    first = members[0]
    prompt, _ = _shorten(first.prompt)
    return {"id": first.problem_id, "prompt": prompt, "gold": first.gold[:500], "rollouts": [_member(member) for member in members]}


def _member(row: StoredRollout) -> dict[str, Any]:
    text, cut = _shorten(row.completion)
    member: dict[str, Any] = {
        "i": row.index,
        "text": text,
        "reward": short(row.reward),
        "parts": {name: short(value) for name, value in row.reward_parts.items()},
        "advantage": short(row.advantage),
        "verdict": row.verdict,
        "prediction": None if row.prediction is None else row.prediction[:500],
        "reason": row.reason[:500],
        "finish": row.finish_reason,
        "tokens": row.num_tokens,
        "seed": str(row.seed),  # 63 bits: JavaScript would round the number
    }
    return member | ({"cut": cut} if cut else {})


def _shorten(text: str) -> tuple[str, int]:
    """Return a text cut in its middle (the answer is at the end), and how many characters went."""
    cut = len(text) - _MOST_CHARACTERS
    if cut <= 0:
        return text, 0
    head = _MOST_CHARACTERS * 2 // 3
    return f"{text[:head]}\n[… {cut} characters left out …]\n{text[head - _MOST_CHARACTERS :]}", cut


def short(value: float | None) -> float | None:
    """Return a number with six significant digits: a page needs no more, and it is half the bytes."""
    return None if value is None else float(f"{value:.6g}")
