"""Rollouts as Parquet: one immutable file per step, so a crash leaves whole files and a resume deletes the later ones.

Rows are for people (:func:`read_rollouts`); where all tokens were kept, the graded groups themselves can be had back, token by token
(:func:`read_groups`): that is how one stage samples and others learn from it.

pyarrow is imported inside the functions: it takes longer to load than everything else on this floor, and ``--help`` needs none of it.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, Float32, Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout

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
    prompt_ids: list[int] | None = None
    """None = not stored, as are all columns from here on in files of older versions and beside tokens that were not kept."""
    mask: list[bool] | None = None
    """Per completion token: the policy wrote it (False = a tool did)."""
    step_ends: list[int] | None = None
    """Process rewards: last completion token of each step."""
    step_rewards: list[float] | None = None
    """Process rewards: value of each step."""
    problem_json: str | None = None
    """The whole problem."""
    sampling_json: str | None = None
    """How tokens were drawn."""


COLUMNS = tuple(field.name for field in fields(StoredRollout))
_GROUP_COLUMNS = ("prompt_ids", "mask", "step_ends", "step_rewards", "problem_json", "sampling_json")
"""What only :func:`read_groups` needs; files of older versions lack them."""
_TOKEN_ARRAYS: dict[str, type] = {"token_ids": np.int32, "logprobs": np.float32, "mask": np.bool_, "prompt_ids": np.int32}
TOKEN_COLUMNS = ("token_advantages", "token_ids", "logprobs", *(name for name in _GROUP_COLUMNS if name != "sampling_json"))


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
    tokenizer: str = "",
) -> None:
    """Write graded groups to one Parquet file, which is whole and durable or absent.

    Args:
        path: the file; its folder is made.
        groups: in the order they are shown.
        advantages: one per rollout in the same order; None = nothing was learned from them (an evaluation).
        run: the run's id.
        stage: the stage's name.
        step: the step they belong to.
        tokens: whose token arrays to keep, and with them what a group is made of.
        tokenizer: fingerprint of the tokenizer whose ids they are; empty = not known.

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
    table = pa.Table.from_pylist([{"run": _storable(run), "stage": stage, "step": step, **row} for row in rows], schema=_schema(tokenizer))
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
    table, _ = _read_table(path, [name for name in COLUMNS if tokens or name not in TOKEN_COLUMNS])
    absent = dict.fromkeys(set(COLUMNS) - set(table.schema.names))
    return [StoredRollout(**{**absent, **row, "reward_parts": dict(row["reward_parts"] or ())}) for row in table.to_pylist()]


def read_groups(path: Path, *, tokenizer: str | None = None) -> list[RolloutGroup]:
    """Rebuild the graded groups of a rollout file, or of all steps of a stage, exactly as they were written with ``tokens="all"``.

    The one difference: a lone surrogate in a text is a question mark, since Parquet's strings are UTF-8.

    Args:
        path: a file, or a stage's folder of them.
        tokenizer: fingerprint of the tokenizer that will read the ids; None = do not compare.

    Raises:
        DataError: nothing is there, a file is corrupt, its tokens were not stored, or they are another tokenizer's.
    """
    if path.is_file():
        return _groups_of(path, tokenizer)
    files = list_steps(path)
    if not files:
        raise DataError(f"{path}: no rollouts here. Run the stage that draws them first.")
    return [group for file in files.values() for group in _groups_of(file, tokenizer)]


def _groups_of(path: Path, tokenizer: str | None) -> list[RolloutGroup]:
    table, written_with = _read_table(path, COLUMNS)
    if tokenizer is not None and written_with and written_with != tokenizer:
        raise DataError(
            f"{path}: its tokens are of another tokenizer ({written_with}, this model's is {tokenizer}): "
            "token ids mean other text here. Draw the samples again with this model."
        )
    missing = [name for name in _GROUP_COLUMNS if name not in table.schema.names]
    if missing:
        raise DataError(f"{path}: written by an older version, without {', '.join(missing)}. Draw the samples again.")
    bare = max(table.column(name).null_count for name in ("token_ids", "problem_json"))
    if bare:
        raise DataError(
            f"{path}: the tokens of {bare} of {table.num_rows} rollouts were not stored. Set run.rollout_tokens = 'all' and run again."
        )
    # Token arrays stay arrays: as Python numbers they would take twenty times the memory.
    arrays = {name: _arrays_of(table.column(name), dtype) for name, dtype in _TOKEN_ARRAYS.items()}
    rows = table.drop_columns([*_TOKEN_ARRAYS, "token_advantages"]).to_pylist()
    members: dict[tuple[str, str], list[ScoredRollout]] = {}
    problems: dict[tuple[str, str], Problem] = {}
    try:
        for i, row in enumerate(rows):
            # A group's name is unique within its step; the problem tells apart what a damaged or hand-made file mixes up.
            key = (row["group_id"], row["problem_id"])
            if key not in problems:
                problems[key] = _problem_of(row["problem_json"])
            members.setdefault(key, []).append(_scored_of(row, {name: found[i] for name, found in arrays.items()}, problems[key]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: cannot rebuild groups ({type(error).__name__}: {error}).") from error
    return [RolloutGroup(problem=problems[key], rollouts=tuple(group)) for key, group in members.items()]


def _problem_of(text: str) -> Problem:
    content = json.loads(text)
    return Problem(**{**content, "messages": tuple(Message(**message) for message in content["messages"])})


def _arrays_of(column: pa.ChunkedArray, dtype: type) -> list[np.ndarray]:
    """Return the rows of a column of lists, which has no empty cells."""
    import pyarrow as pa

    found = []
    for chunk in column.chunks:
        assert isinstance(chunk, pa.ListArray)
        values, offsets = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
        # Copies: a slice of a few tokens would keep the whole file in memory.
        found += [np.array(values[low:high], dtype=dtype) for low, high in itertools.pairwise(offsets)]
    return found


def _scored_of(row: dict[str, Any], arrays: dict[str, np.ndarray], problem: Problem) -> ScoredRollout:
    sampling = json.loads(row["sampling_json"])
    tuples = {name: tuple(sampling[name]) for name in ("stop_token_ids", "stop_strings")}
    completion = Completion(
        token_ids=arrays["token_ids"],
        logprobs=arrays["logprobs"],
        mask=arrays["mask"],
        finish_reason=row["finish_reason"],
        weights_version=row["weights_version"],
    )
    if not len(completion.token_ids) == len(completion.logprobs) == len(completion.mask) == row["num_tokens"]:
        raise ValueError(f"rollout {row['index']} of {row['group_id']!r}: its token arrays differ in length")
    rollout = Rollout(
        problem_id=problem.id,
        group_id=row["group_id"],
        index=row["index"],
        prompt_ids=tuple(arrays["prompt_ids"].tolist()),
        completion=completion,
        text=row["completion"],
        sampling=SamplingParams(**{**sampling, **tuples}),
        seed=row["seed"],
    )
    reward = Reward(
        total=math.nan if row["reward"] is None else row["reward"],
        parts=dict(row["reward_parts"] or ()),
        steps=tuple(zip(row["step_ends"], row["step_rewards"], strict=True)),
    )
    verdict = Verdict(status=row["verdict"], prediction=row["prediction"], reason=row["reason"])
    return ScoredRollout(rollout=rollout, reward=reward, verdict=verdict)


def _read_table(path: Path, wanted: Sequence[str]) -> tuple[pa.Table, str]:
    """Return the wanted columns that a file has, and the fingerprint of its tokenizer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            missing = set(COLUMNS) - set(_GROUP_COLUMNS) - names
            if missing:
                raise DataError(f"{path}: not a rollout file: column {min(missing)!r} is missing.")
            table = file.read(columns=[name for name in wanted if name in names])
            metadata = file.schema_arrow.metadata or {}
        # Bytes that are not UTF-8 are found when they are looked at, not when they are read.
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot read rollouts ({summary}).") from error
    return table, metadata.get(b"tokenizer", b"").decode("utf-8", "replace")


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
    } | (_group_columns(problem, scored) if with_tokens else dict.fromkeys(_GROUP_COLUMNS))


def sampling_text(params: SamplingParams) -> str:
    """Return what a file says of how its tokens were drawn: equal texts = drawn alike."""
    return json.dumps(asdict(params))


def _group_columns(problem: Problem, scored: ScoredRollout) -> dict[str, Any]:
    rollout, steps = scored.rollout, scored.reward.steps
    return {
        "prompt_ids": rollout.prompt_ids,
        "mask": rollout.completion.mask,
        "step_ends": [end for end, _ in steps],
        "step_rewards": [value for _, value in steps],
        "problem_json": json.dumps(asdict(problem)),
        "sampling_json": sampling_text(rollout.sampling),
    }


def _schema(tokenizer: str) -> pa.Schema:
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
        "prompt_ids": pa.list_(pa.int32()),
        "mask": pa.list_(pa.bool_()),
        "step_ends": pa.list_(pa.int32()),
        "step_rewards": pa.list_(pa.float64()),
    }
    metadata = {"reasonforge": "rollouts/2", "tokenizer": tokenizer}
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS], metadata=metadata)


def _conversation(problem: Problem) -> str:
    if len(problem.messages) == 1:
        return problem.messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in problem.messages)


def _storable(text: str) -> str:
    """Parquet strings are UTF-8, and a lone surrogate (a broken data set, half an emoji from a byte tokenizer) is not."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
