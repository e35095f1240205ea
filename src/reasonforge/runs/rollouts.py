"""Rollouts as Parquet: one immutable file per step, so a crash leaves whole files and a resume deletes the later ones.

pyarrow is imported inside the functions: it takes longer to load than everything else on this floor, and ``--help`` needs none of it.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Float32, RolloutGroup, ScoredRollout

if TYPE_CHECKING:
    import pyarrow as pa

TokenChoice = Literal["all", "first", "none"]
"""Whose token ids and log-probabilities are stored: every rollout's, those of the first groups of a step, or nobody's."""

GROUPS_WITH_TOKENS = 2
"""How many groups ``first`` means."""

Advantage = float | Float32
"""One number per completion, or one per completion token."""

_STEP_FILE = re.compile(r"step-(\d{6,})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRollout:
    """One row of a rollout file: everything a person asks of a completion."""

    run: str
    stage: str
    step: int
    problem_id: str
    group_id: str
    index: int
    """Member of the group, 0, 1, ..., G - 1."""
    prompt: str
    """The conversation as text; with several turns each starts with its role."""
    completion: str
    """Decoded, special tokens kept."""
    gold: str
    """The reference answer."""
    source: str
    reward: float | None
    """Total; None = it was not finite."""
    reward_parts: dict[str, float]
    """Unweighted."""
    advantage: float | None
    """The mean over tokens where it differs per token; None = not learned from, as in an evaluation."""
    token_advantages: list[float] | None
    """None = the same for every token."""
    verdict: str
    """``correct``, ``wrong``, ``no_answer``, ``timeout`` or ``error``."""
    prediction: str | None
    reason: str
    finish_reason: str
    num_tokens: int
    """Tokens of the completion."""
    num_prompt_tokens: int
    seed: int
    weights_version: int
    token_ids: list[int] | None
    """None = not stored."""
    logprobs: list[float] | None
    """The sampler's, per completion token; None = not stored."""


COLUMNS = tuple(field.name for field in fields(StoredRollout))
TOKEN_COLUMNS = ("token_advantages", "token_ids", "logprobs")


def step_file(folder: Path, step: int) -> Path:
    """Return where the rollouts of a step lie."""
    return folder / f"step-{step:06d}.parquet"


def list_steps(folder: Path) -> dict[int, Path]:
    """Return the finished rollout files of a stage by step, in order. Files still being written do not count."""
    if not folder.is_dir():
        return {}
    found = {int(match[1]): path for path in folder.iterdir() if (match := _STEP_FILE.fullmatch(path.name))}
    return dict(sorted(found.items()))


def write_rollouts(
    path: Path,
    groups: Sequence[RolloutGroup],
    advantages: Sequence[Advantage] | Float32 | None,
    *,
    run: str,
    stage: str,
    step: int,
    tokens: TokenChoice = "first",
) -> None:
    """Write graded groups to one Parquet file, which is whole and durable or absent.

    Args:
        path: the file; its folder is made.
        groups: in the order they are shown.
        advantages: one per rollout in the same order; None = nothing was learned from them (an evaluation).
        run: the run's id.
        stage: the stage's name.
        step: the step they belong to.
        tokens: whose token arrays to keep.

    Raises:
        StorageError: the disk refused; nothing is left behind.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    members = [(group.problem, scored, position) for position, group in enumerate(groups) for scored in group.rollouts]
    if advantages is not None and len(advantages) != len(members):
        raise ValueError(f"{len(advantages)} advantages for {len(members)} rollouts")
    rows = [
        _row(problem, scored, None if advantages is None else advantages[i], _keeps_tokens(tokens, position))
        for i, (problem, scored, position) in enumerate(members)
    ]
    table = pa.Table.from_pylist([{"run": _storable(run), "stage": stage, "step": step, **row} for row in rows], schema=_schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue())


def read_rollouts(path: Path, *, tokens: bool = False) -> list[StoredRollout]:
    """Read a rollout file.

    Args:
        path: the file.
        tokens: read the per-token arrays too; they are most of the file and most readers do not need them.

    Raises:
        DataError: the file is missing, corrupt or not a rollout file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [name for name in COLUMNS if tokens or name not in TOKEN_COLUMNS]
    try:
        with pq.ParquetFile(path) as file:
            missing = set(COLUMNS) - set(file.schema_arrow.names)
            if missing:
                raise DataError(f"{path}: not a rollout file: column {min(missing)!r} is missing.")
            table = file.read(columns=wanted)
        rows = table.to_pylist()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot read rollouts ({summary}).") from error
    absent = {} if tokens else dict.fromkeys(TOKEN_COLUMNS)
    return [StoredRollout(**{**row, **absent, "reward_parts": dict(row["reward_parts"] or ())}) for row in rows]


def _keeps_tokens(tokens: TokenChoice, position: int) -> bool:
    return tokens == "all" or (tokens == "first" and position < GROUPS_WITH_TOKENS)


def _row(problem: Problem, scored: ScoredRollout, advantage: Advantage | None, with_tokens: bool) -> dict[str, Any]:
    rollout, completion = scored.rollout, scored.rollout.completion
    per_token = advantage if isinstance(advantage, np.ndarray) and advantage.ndim == 1 else None
    if per_token is not None:
        mean = float(per_token.mean()) if len(per_token) else None
    else:
        mean = None if advantage is None else float(advantage)
    return {
        "problem_id": _storable(problem.id),
        "group_id": _storable(rollout.group_id),
        "index": rollout.index,
        "prompt": _storable(_conversation(problem)),
        "completion": _storable(rollout.text),
        "gold": _storable(problem.answer),
        "source": _storable(problem.source),
        "reward": _finite(scored.reward.total),
        "reward_parts": [(_storable(name), float(value)) for name, value in scored.reward.parts.items()],
        "advantage": _finite(mean),
        "token_advantages": per_token,
        "verdict": scored.verdict.status,
        "prediction": None if scored.verdict.prediction is None else _storable(scored.verdict.prediction),
        "reason": _storable(scored.verdict.reason),
        "finish_reason": completion.finish_reason,
        "num_tokens": len(completion),
        "num_prompt_tokens": len(rollout.prompt_ids),
        "seed": rollout.seed,
        "weights_version": completion.weights_version,
        "token_ids": completion.token_ids if with_tokens else None,
        "logprobs": completion.logprobs if with_tokens else None,
    }


def _schema() -> pa.Schema:
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "step": pa.int64(),
        "index": pa.int32(),
        "reward": pa.float64(),
        "reward_parts": pa.map_(pa.string(), pa.float64()),
        "advantage": pa.float64(),
        "token_advantages": pa.list_(pa.float32()),
        "num_tokens": pa.int32(),
        "num_prompt_tokens": pa.int32(),
        "seed": pa.int64(),
        "weights_version": pa.int64(),
        "token_ids": pa.list_(pa.int32()),
        "logprobs": pa.list_(pa.float32()),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS], metadata={"reasonforge": "rollouts/1"})


def _conversation(problem: Problem) -> str:
    if len(problem.messages) == 1:
        return problem.messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in problem.messages)


def _storable(text: str) -> str:
    """Parquet strings are UTF-8, and a lone surrogate (a broken data set, half an emoji from a byte tokenizer) is not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
