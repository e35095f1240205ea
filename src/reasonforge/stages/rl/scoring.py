"""The rewards of a stage, and the problems they cannot be trusted on. Torch-free: the dry run uses it too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.records import Problem
from reasonforge.rewards.config import GradingConfig, RewardPart
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.stage_log import StageLog
from reasonforge.sampling.config import SamplingConfig
from reasonforge.sampling.http import HttpModel
from reasonforge.text.steps import Decode

_NAMED = 5
"""Problems of the quarantine that an event names."""


class ScoredStage(Protocol):
    """Settings of a stage that scores completions."""

    @property
    def data(self) -> str: ...

    @property
    def sampling(self) -> SamplingConfig: ...

    @property
    def rewards(self) -> Mapping[str, RewardPart]: ...

    @property
    def grading(self) -> GradingConfig: ...

    @property
    def max_quarantined_share(self) -> float: ...

    @property
    def max_failed_share(self) -> float: ...


def stage_scorer(config: ScoredStage, *, decode: Decode | None = None) -> RewardScorer:
    """Return the scorer that a stage's settings describe.

    Args:
        decode: of the policy's tokenizer, to find the tokens at which steps are paid; None = rewards name none.
    """
    return RewardScorer(
        config.rewards,
        grading=config.grading,
        max_failed_share=config.max_failed_share,
        max_new_tokens=config.sampling.max_new_tokens,
        decode=decode,
        open_model=HttpModel,
    )


def without_quarantine(problems: list[Problem], scorer: RewardScorer, config: ScoredStage, log: StageLog, *, folder: Path) -> list[Problem]:
    """Return the problems whose reference passes its own grader, and report the others: a reward on them would punish the truth.

    ``folder/quarantine.jsonl`` lists every problem left out, with the text that was graded and the reason; the event names the first few.

    Raises:
        DataError: there are more of the others than ``max_quarantined_share`` allows.
        StorageError: the disk refused the list.
    """
    report = scorer.quarantine(problems)
    path = folder / "quarantine.jsonl"
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    if report.passed:
        return problems
    rows = [
        {"id": problem.id, "source": problem.source, "answer": problem.answer, "graded": text, "status": verdict.status}
        | {"prediction": verdict.prediction, "reason": verdict.reason or f"answers {verdict.prediction!r:.100}"}
        for problem, text, verdict in report.failures
    ]
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "backslashreplace"))
    kept = report.without_failures(problems)
    if len(rows) > config.max_quarantined_share * len(problems) or not kept:
        raise DataError(
            f"data {config.data!r}: {report}. All are in {path}. Mend them, "
            f"or raise max_quarantined_share ({config.max_quarantined_share:g})"
        )
    named = [{"id": row["id"], "answer": row["answer"][:80], "reason": row["reason"]} for row in rows[:_NAMED]]
    log.event("quarantine", f"{report}: left out; all are in {path}", level="warning", problems=named, count=len(rows), path=str(path))
    return kept
