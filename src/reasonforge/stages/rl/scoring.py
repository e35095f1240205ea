"""The rewards of a stage, and the problems they cannot be trusted on. Torch-free: the dry run uses it too."""

from __future__ import annotations

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.stage_log import StageLog
from reasonforge.stages.rl.config import RLConfig

_NAMED = 5
"""Problems of the quarantine that an event names."""


def stage_scorer(config: RLConfig) -> RewardScorer:
    """Return the scorer that a stage's settings describe."""
    return RewardScorer(
        config.rewards, grading=config.grading, max_failed_share=config.max_failed_share, max_new_tokens=config.sampling.max_new_tokens
    )


def without_quarantine(problems: list[Problem], scorer: RewardScorer, config: RLConfig, log: StageLog) -> list[Problem]:
    """Return the problems whose reference passes its own grader, and report the others: a reward on them would punish the truth.

    Raises:
        DataError: there are more of the others than ``max_quarantined_share`` allows.
    """
    report = scorer.quarantine(problems)
    if report.passed:
        return problems
    kept = report.without_failures(problems)
    if len(report.failures) > config.max_quarantined_share * len(problems) or not kept:
        raise DataError(f"data {config.data!r}: {report}. Mend them, or raise max_quarantined_share ({config.max_quarantined_share:g})")
    named = [{"id": problem.id, "answer": problem.answer[:80], "reason": verdict.reason} for problem, _, verdict in report.failures]
    log.event("quarantine", f"{report}: left out", level="warning", problems=named[:_NAMED], count=len(report.failures))
    return kept
