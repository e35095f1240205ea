"""Every number a run may log: its name, unit, better direction, meaning and healthy range. Docs, report and console read this table.

Names are those of TRL where it has one, so dashboards carry over. ``python -m reasonforge.runs.metrics`` prints the page of docs.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Direction = Literal["up", "down", "none"]

TIME_PREFIX = "perf/"
"""Metrics of this prefix depend on the machine and its load; everything else is the same when a run is repeated."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means."""

    name: str
    """``*`` stands for one part of a name (no slash)."""
    unit: str
    better: Direction
    """Where better is; ``none`` = neither."""
    help: str
    healthy: tuple[float | None, float | None] | None = None
    """Values outside deserve a look; None at one end = open; None = no opinion."""

    def is_healthy(self, value: float) -> bool:
        """Return whether a value lies in the healthy range."""
        low, high = self.healthy or (None, None)
        return (low is None or value >= low) and (high is None or value <= high)


SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Learning": (
        Metric("loss", "", "down", "What the optimizer minimised. In RL its value means little: watch reward and kl."),
        Metric("nll", "nats/token", "down", "Negative log-likelihood of the target tokens."),
        Metric("perplexity", "", "down", "exp(nll)."),
        Metric("lr", "", "none", "Learning rate."),
        Metric("grad_norm", "", "none", "Norm of the gradient before clipping.", (None, 10.0)),
        Metric("weight_norm", "", "none", "Norm of all weights."),
        Metric("skipped_steps", "steps", "down", "Optimizer steps skipped so far because a gradient was not finite.", (None, 0.0)),
        Metric("num_tokens", "tokens", "none", "Tokens learned from so far."),
        Metric("num_samples", "samples", "none", "Samples in the optimizer step."),
        Metric("epoch", "epochs", "none", "Passes over the data so far."),
        Metric("padding", "share", "down", "Share of a batch's positions that is padding.", (None, 0.5)),
        Metric("token_accuracy", "share", "up", "Share of target tokens that are the model's first choice."),
        Metric("balance_loss", "", "down", "Load-balancing loss of the experts."),
    ),
    "Reward": (
        Metric("reward", "", "up", "Mean total reward of the step's completions."),
        Metric("reward_std", "", "none", "Standard deviation of the total reward within a group, averaged over groups.", (0.01, None)),
        Metric("rewards/*/mean", "", "up", "Mean of one part of the reward, unweighted."),
        Metric("rewards/*/std", "", "none", "Standard deviation of one part of the reward."),
        Metric("accuracy", "share", "up", "Share of the step's completions with the right answer."),
        Metric("format", "share", "up", "Share of the step's completions in the asked form."),
        Metric(
            "frac_reward_zero_std", "share", "down", "Share of groups whose completions all got the same reward: no signal.", (None, 0.9)
        ),
        Metric("groups_with_signal", "groups", "up", "Groups with at least two different rewards.", (1.0, None)),
        Metric("groups_sampled", "groups", "none", "Groups sampled for the step, those filtered out included."),
        Metric("frac_learned", "share", "up", "Share of completions with an advantage other than zero.", (0.01, None)),
        Metric("rewards/failed", "share", "down", "Share of completions whose grading timed out or failed.", (None, 0.01)),
        Metric("advantages/*", "", "none", "Mean, spread or extreme of the advantages learned from."),
    ),
    "Policy": (
        Metric("kl", "nats/token", "none", "Estimated KL(policy || reference) per token.", (None, 1.0)),
        Metric(
            "entropy",
            "nats/token",
            "none",
            "Mean entropy of the next-token distribution; near zero = the policy has stopped exploring.",
            (0.01, None),
        ),
        Metric("policy_loss", "", "none", "The surrogate alone, without KL or entropy terms."),
        Metric("kl_loss", "", "none", "The KL term as it enters the loss."),
        Metric("entropy_loss", "", "none", "The entropy term as it enters the loss."),
        Metric("value_loss", "", "down", "Squared error of the critic."),
        Metric("value/*", "", "none", "About the critic: explained variance, mean, clipped share."),
        Metric("ratio/*", "", "none", "Mean or extreme of policy / old policy over tokens."),
        Metric("clip_ratio/low_mean", "share", "none", "Share of tokens whose ratio was clipped from below (advantage < 0).", (None, 0.3)),
        Metric("clip_ratio/high_mean", "share", "none", "Share of tokens whose ratio was clipped from above (advantage > 0).", (None, 0.3)),
        Metric("clip_ratio/region_mean", "share", "none", "Share of tokens clipped on either side.", (None, 0.3)),
        Metric("clip_ratio/*", "share", "none", "Another figure of clipping."),
        Metric(
            "sampler_gap/mean", "nats", "down", "Mean |log-probability by the sampler - by the learner| of sampled tokens.", (None, 0.02)
        ),
        Metric("sampler_gap/max", "nats", "down", "Largest |log-probability by the sampler - by the learner|.", (None, 1.0)),
        Metric("sampling/importance_sampling_ratio/*", "", "none", "Truncated learner / sampler ratio over tokens."),
        Metric("staleness", "updates", "down", "Weight updates between sampling a completion and learning from it."),
    ),
    "Completions": (
        Metric("completions/mean_length", "tokens", "none", "Mean length of the completions."),
        Metric("completions/min_length", "tokens", "none", "Shortest completion."),
        Metric("completions/max_length", "tokens", "none", "Longest completion."),
        Metric("completions/clipped_ratio", "share", "down", "Share of completions that ran into the length limit.", (None, 0.5)),
        Metric("completions/mean_terminated_length", "tokens", "none", "Mean length of the completions that ended by themselves."),
        Metric("completions/min_terminated_length", "tokens", "none", "Shortest completion that ended by itself."),
        Metric("completions/max_terminated_length", "tokens", "none", "Longest completion that ended by itself."),
        Metric("completions/mean_length_right", "tokens", "none", "Mean length of the right completions."),
        Metric("completions/mean_length_wrong", "tokens", "none", "Mean length of the wrong completions."),
        Metric("completions/unique", "share", "none", "Share of different texts among a group's completions."),
        Metric("completions/no_answer", "share", "down", "Share of completions in which the grader found no answer."),
    ),
    "Evaluation": (
        Metric("eval/pass@1", "share", "up", "Held-out accuracy of one sample: the mean over samples and problems."),
        Metric("eval/pass@*", "share", "up", "Chance that one of k samples is right, unbiased estimate."),
        Metric("eval/maj@*", "share", "up", "Accuracy of the majority answer of k samples."),
        Metric("eval/format", "share", "up", "Share of held-out completions in the asked form."),
        Metric("eval/length", "tokens", "none", "Mean length of held-out completions."),
        Metric("eval/truncated", "share", "down", "Share of held-out completions that ran into the length limit.", (None, 0.5)),
        Metric("eval/step_skill", "share", "up", "Held-out greedy accuracy when the completion is made to begin with the reasoning form."),
        Metric("eval/loss", "", "down", "Loss on held-out data."),
        Metric("eval/nll", "nats/token", "down", "Negative log-likelihood of held-out tokens."),
        Metric("eval/perplexity", "", "down", "exp(eval/nll)."),
        Metric("eval/accuracy", "share", "up", "Held-out share of right choices."),
        Metric("eval/*/*", "", "none", "One of the figures above on a named benchmark."),
    ),
    "Selection and preferences": (
        Metric("rejection/accepted", "share", "none", "Share of sampled completions kept as training data.", (0.01, None)),
        Metric("rejection/solved", "share", "up", "Share of problems with at least one kept completion."),
        Metric("rejection/samples", "samples", "none", "Training samples kept so far."),
        Metric("rewards/chosen", "", "up", "Implicit (or modelled) reward of the preferred completions."),
        Metric("rewards/rejected", "", "down", "Implicit (or modelled) reward of the rejected completions."),
        Metric("rewards/margins", "", "up", "rewards/chosen - rewards/rejected."),
        Metric("rewards/accuracies", "share", "up", "Share of pairs whose preferred completion has the higher reward.", (0.5, None)),
        Metric("logps/chosen", "nats", "none", "Log-probability of the preferred completions."),
        Metric("logps/rejected", "nats", "none", "Log-probability of the rejected completions."),
    ),
    "Speed (differs from run to run)": (
        Metric("perf/seconds", "s", "down", "Wall-clock seconds of the step."),
        Metric("perf/tokens_per_second", "tokens/s", "up", "Tokens learned from per second of the step."),
        Metric("perf/sampled_tokens_per_second", "tokens/s", "up", "Tokens sampled per second of sampling."),
        Metric("perf/*_seconds", "s", "down", "Seconds of one part of the step: sample, reward, score, train, eval, save."),
        Metric("perf/memory_bytes", "bytes", "down", "Peak memory of the process or device."),
        Metric("perf/mfu", "share", "up", "Model FLOPs per second over the device's peak."),
    ),
}

_METRICS = tuple(metric for metrics in SECTIONS.values() for metric in metrics)
_EXACT = {metric.name: metric for metric in _METRICS if "*" not in metric.name}
# The longest pattern is the most specific one.
_PATTERNS = sorted(
    ((re.compile(re.escape(metric.name).replace(r"\*", r"[^/\s]+")), metric) for metric in _METRICS if "*" in metric.name),
    key=lambda pair: -len(pair[1].name),
)


@lru_cache(maxsize=4096)
def metric_of(name: str) -> Metric:
    """Return what is known of a metric.

    Raises:
        ValueError: nobody registered the name; that is a bug in whoever logs it.
    """
    if name in _EXACT:
        return _EXACT[name]
    for pattern, metric in _PATTERNS:
        if pattern.fullmatch(name):
            return metric
    close = difflib.get_close_matches(name, [metric.name for metric in _METRICS], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name!r} is not a registered metric.{hint} Add it to reasonforge/runs/metrics.py with unit and meaning.")


def is_reproducible(name: str) -> bool:
    """Return whether a repeated run logs the same value: False for the clock and for speeds."""
    return name != "time" and not name.startswith(TIME_PREFIX)


def metrics_page() -> str:
    """Return docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Every number a run logs, from the registry in `src/reasonforge/runs/metrics.py`. This page is written by",
        "`python -m reasonforge.runs.metrics > docs/metrics.md`; a test compares. Names are TRL's where TRL has one. `*` stands for one",
        "part of a name. A value outside the healthy range is not an error: it deserves a look.",
        "",
        "Rows lie in `metrics.jsonl`, one JSON object per line: `schema`, `stage`, `step`, `time` (seconds since 1970) and the metrics.",
        "`null` = the value was not finite. Repeating a run, or resuming one, gives the same rows except `time` and `perf/*`.",
    ]
    arrows = {"up": "higher", "down": "lower", "none": ""}
    for section, metrics in SECTIONS.items():
        lines += ["", f"## {section}", "", "| name | unit | better | healthy | meaning |", "|---|---|---|---|---|"]
        for metric in metrics:
            meaning = metric.help.replace("|", "\\|")
            lines.append(f"| `{metric.name}` | {metric.unit} | {arrows[metric.better]} | {_range_text(metric)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _range_text(metric: Metric) -> str:
    low, high = metric.healthy or (None, None)
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"≥ {low:g}"
    return "" if high is None else f"≤ {high:g}"


if __name__ == "__main__":
    print(metrics_page(), end="")
