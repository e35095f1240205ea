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


_MEAN = "mean over the tokens the step learns from (without a KL term, those of groups without signal are left out)"

SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Learning": (
        Metric("loss", "", "down", "What the optimizer minimised. In RL its value means little: watch reward and kl."),
        Metric("lr", "", "none", "Learning rate."),
        Metric("grad_norm", "", "none", "Norm of the gradient before clipping.", (None, 10.0)),
        Metric("skipped_steps", "steps", "down", "Optimizer steps skipped so far because a gradient was not finite.", (None, 0.0)),
        Metric("num_tokens", "tokens", "none", "Tokens learned from so far."),
        Metric("num_samples", "samples", "none", "Samples in the optimizer step."),
        Metric("padding", "share", "down", "Share of a batch's positions that is padding.", (None, 0.5)),
        Metric("sources/*/loss", "", "down", "Mean loss per token of one source of a mixture, in the step; absent where it has none."),
        Metric(
            "sources/*/tokens",
            "tokens",
            "none",
            "Tokens read so far of one source of packed shards. With `reset_at_documents` some of them predict nothing; `num_tokens` are "
            "those learned from.",
        ),
        Metric("sources/*/epochs", "epochs", "none", "Times that one source of packed shards has been read so far."),
    ),
    "Reward": (
        Metric("reward", "", "up", "Mean total reward of the step's completions."),
        Metric("reward_std", "", "none", "Standard deviation of the total reward within a group, averaged over groups.", (0.01, None)),
        Metric("rewards/*/mean", "", "up", "Mean of one part of the reward, unweighted."),
        Metric("rewards/*/std", "", "none", "Standard deviation of one part of the reward."),
        Metric("accuracy", "share", "up", "Share of the step's completions with the right answer."),
        Metric(
            "frac_reward_zero_std", "share", "down", "Share of groups whose completions all got the same reward: no signal.", (None, 0.9)
        ),
        Metric(
            "frac_mixed_groups",
            "share",
            "up",
            "Share of groups with right and wrong completions: what accuracy can teach, whatever the other parts of the reward say.",
            (0.1, None),
        ),
        Metric("reward_right", "", "up", "Mean total reward of the right completions."),
        Metric(
            "reward_wrong", "", "down", "Mean total reward of the wrong completions; rising towards reward_right = the reward is fooled."
        ),
        Metric("frac_learned", "share", "up", "Share of completions with an advantage other than zero.", (0.01, None)),
        Metric("rewards/failed", "share", "down", "Share of completions whose grading timed out or failed.", (None, 0.01)),
    ),
    "Policy": (
        Metric("kl", "nats/token", "none", f"Estimated KL(policy || reference), {_MEAN}.", (None, 1.0)),
        Metric(
            "entropy",
            "nats/token",
            "none",
            f"Entropy of the next-token distribution, {_MEAN}; near zero = the policy has stopped exploring.",
            (0.01, None),
        ),
        Metric("clip_ratio/low_mean", "share", "none", f"Whether the ratio was clipped from below (advantage < 0), {_MEAN}.", (None, 0.3)),
        Metric("clip_ratio/high_mean", "share", "none", f"Whether the ratio was clipped from above (advantage > 0), {_MEAN}.", (None, 0.3)),
        Metric("kl_coef", "", "none", "Weight of the pull to the reference in this step, where a controller moves it."),
        Metric(
            "kl_per_completion",
            "nats",
            "none",
            "Mean over completions of the summed log-ratio to the reference: what the controller holds.",
        ),
        Metric(
            "importance/mean", "", "none", f"Weight that corrects for the sampler, {_MEAN}; 1 = sampler and learner agree.", (None, 1.1)
        ),
        Metric("importance/capped", "share", "down", f"Whether that weight was cut at its cap, {_MEAN}.", (None, 0.05)),
        Metric(
            "importance/masked",
            "share",
            "down",
            f"Whether the completion was left out because sampler and learner differ, {_MEAN}.",
            (None, 0.05),
        ),
        Metric(
            "sampling/batches",
            "batches",
            "down",
            "Batches of prompts drawn until enough groups had right and wrong completions.",
            (None, 5.0),
        ),
        Metric("sampling/kept_groups", "groups", "none", "Groups learned from; fewer than prompts_per_step = the cap was met."),
        Metric("value/loss", "", "down", "Critic: half the squared error of its values, mean over tokens."),
        Metric("value/clipped", "share", "none", "Critic: share of tokens whose value loss the clip decided.", (None, 0.5)),
        Metric("value/grad_norm", "", "none", "Critic: norm of the gradient before clipping.", (None, 10.0)),
        Metric(
            "value/explained_variance",
            "share",
            "up",
            "Critic: share of the returns' variance that its values foretold; below 0 = worse than none.",
            (0.0, None),
        ),
        Metric("sampler_gap/mean", "nats", "down", f"|log-probability by the sampler - by the learner|, {_MEAN}.", (None, 0.02)),
        Metric("sampler_gap/p99", "nats", "down", "That which 99 % of those tokens do not exceed.", (None, 0.2)),
        Metric("sampler_gap/max", "nats", "down", "The largest of them.", (None, 2.0)),
    ),
    "Completions": (
        Metric("completions/mean_length", "tokens", "none", "Mean length of the completions."),
        Metric("completions/p95_length", "tokens", "none", "Length that 95 % of the completions do not exceed."),
        Metric("completions/max_length", "tokens", "none", "Longest completion."),
        Metric("completions/clipped_ratio", "share", "down", "Share of completions that ran into the length limit.", (None, 0.5)),
        Metric("completions/mean_length_right", "tokens", "none", "Mean length of the right completions."),
        Metric("completions/mean_length_wrong", "tokens", "none", "Mean length of the wrong completions."),
        Metric(
            "completions/reflection_words",
            "words",
            "none",
            "Mean number of wait, mistake, however, but, retry, error, verify, wrong, evaluate, check in a completion (R1, C.2).",
        ),
        Metric("completions/repetition", "share", "down", "Share of a completion's 4-grams that occurred before in it, mean.", (None, 0.3)),
        Metric(
            "completions/language",
            "share",
            "up",
            "Share of the thinking's words in the prompt's language (1 = no words), mean.",
            (0.9, None),
        ),
        Metric("completions/several_boxes", "share", "down", "Share of completions whose answer boxes more than once.", (None, 0.05)),
        Metric("num_rollouts", "completions", "none", "Completions drawn so far by this stage."),
    ),
    "Sampling for other stages": (
        Metric("sample/solved", "share", "up", "Share of the file's problems of which at least one completion is right: pass@k."),
        Metric("sample/mixed", "share", "up", "Share of them with right and wrong completions: what pairs and group advantages live on."),
        Metric("select/kept", "share", "none", "Share of the problems that were selected."),
        Metric("select/pass_rate", "share", "none", "Mean pass rate of the selected problems."),
    ),
    "Evaluation": (
        Metric("eval/pass@1", "share", "up", "Held-out accuracy of one sample: the mean over samples and problems."),
        Metric("eval/pass@*", "share", "up", "Chance that one of k samples is right, unbiased estimate."),
        Metric("eval/maj@*", "share", "up", "Accuracy of the majority answer of k samples."),
        Metric("eval/best@*", "share", "up", "Accuracy of the sample of k that the reward model likes best."),
        Metric("eval/weighted@*", "share", "up", "Accuracy of the answer whose samples the reward model likes best together."),
        Metric("eval/format", "share", "up", "Share of held-out completions in the asked form."),
        Metric("eval/length", "tokens", "none", "Mean length of held-out completions."),
        Metric("eval/truncated", "share", "down", "Share of held-out completions that ran into the length limit.", (None, 0.5)),
        Metric("eval/step_skill", "share", "up", "Held-out greedy accuracy when the completion is made to begin with the reasoning form."),
        Metric("eval/tool_calls", "calls", "none", "Mean number of programs that a held-out completion had run."),
        Metric("eval/failed_calls", "share", "down", "Share of those programs that failed.", (None, 0.5)),
        Metric("eval/thinking_tokens", "tokens", "none", "Mean length of the thinking under budget forcing."),
        Metric("eval/within_budget", "share", "up", "Share of held-out completions whose thinking kept the budget."),
    ),
    "Watching": (
        Metric(
            "hack/alarm",
            "0 or 1",
            "down",
            "1 = the reward rises while held-out accuracy has fallen: reward hacking suspected (docs/watching.md).",
            (None, 0.0),
        ),
        Metric("schedule/temperature", "", "none", "Sampling temperature, where it changes over the steps."),
        Metric("schedule/max_new_tokens", "tokens", "none", "Length limit, where it grows with training (context)."),
        Metric("schedule/curriculum_stage", "", "none", "Stage of the curriculum that prompts come from, from 1."),
    ),
    "Cost": (
        Metric("cost/sampled_tokens", "tokens", "none", "Tokens sampled in the step, discarded groups included."),
        Metric("cost/prompt_tokens", "tokens", "none", "Prompt tokens of the step, each prompt once."),
        Metric("cost/evaluated_tokens", "tokens", "none", "Tokens sampled by the step's evaluation."),
    ),
    "Preference learning": (
        Metric("rewards/chosen", "nats", "up", "beta log(policy / reference) of the preferred responses, mean over the step's pairs."),
        Metric("rewards/rejected", "nats", "down", "The same of the others; mostly it is this one that moves."),
        Metric("rewards/margins", "nats", "up", "Difference of the two: what the loss makes larger.", (0.0, None)),
        Metric(
            "rewards/accuracies",
            "share",
            "up",
            "Share of the step's pairs whose preferred response has the higher one; a tie is half.",
            (0.5, None),
        ),
        Metric("logps/chosen", "nats", "none", "Log-probability of the whole preferred response; a steep fall = it is unlearned too."),
        Metric("logps/rejected", "nats", "none", "Log-probability of the whole other response."),
        Metric("preference/round", "rounds", "none", "Round of fresh pairs, from 1."),
        Metric("preference/pairs", "pairs", "none", "Pairs that the round's completions make.", (1.0, None)),
        Metric("preference/problems", "share", "up", "Share of the round's problems that give a pair.", (0.1, None)),
    ),
    "Reward models": (
        Metric(
            "reward_model/train_accuracy", "share", "up", "Share of the update's labels (pairs) on whose side the score was.", (0.5, None)
        ),
        Metric("reward_model/auc", "share", "up", "Held out: chance that a good label scores higher than a bad one.", (0.6, None)),
        Metric("reward_model/accuracy", "share", "up", "Held out: share of the labels on whose side the score is.", (0.5, None)),
        Metric(
            "reward_model/solution_auc", "share", "up", "Held out: the same chance for whole solutions, by their worst step.", (0.6, None)
        ),
        Metric(
            "reward_model/calibration_error", "share", "down", "Held out: how far said probabilities lie from what came true.", (None, 0.15)
        ),
        Metric("reward_model/brier", "", "down", "Held out: squared error of said probabilities; 0.25 = a coin.", (None, 0.25)),
        Metric("reward_model/pair_accuracy", "share", "up", "Held out: share of pairs whose better answer scores higher.", (0.55, None)),
        Metric(
            "reward_model/pair_accuracy_matched",
            "share",
            "up",
            "Held out: the same where both answers are about as long; far below the other = it counts words.",
            (0.55, None),
        ),
        Metric(
            "reward_model/length_correlation",
            "",
            "none",
            "Held out: correlation of score and length; near 1 = it counts words.",
            (None, 0.7),
        ),
        Metric("reward_model/replayed", "share", "none", "Share of the refresh's rollouts that are of earlier iterations."),
        Metric("label_steps/soft", "share", "none", "Mean share of right completions over the steps rolled out.", (0.02, None)),
        Metric("label_steps/hard", "share", "none", "Share of those steps from which any completion was right."),
        Metric("label_steps/solutions", "solutions", "none", "Solutions of the batch."),
        Metric("label_steps/roll_outs", "completions", "none", "Completions drawn for the batch's steps."),
        Metric(
            "label_steps/shared", "share", "none", "Share of the steps that needed no roll-outs of their own: another solution began alike."
        ),
    ),
    "Judging": (
        Metric("judge/kept", "share", "up", "Share of the comparisons whose mean score lies beyond the margin."),
        Metric("judge/failed", "share", "down", "Share of the comparisons without a verdict: no label, or no answer.", (None, 0.05)),
        Metric("judge/margin", "", "up", "Mean over comparisons of |mean score|; scores go from -2 to 2."),
        Metric("judge/unanimous", "share", "up", "Share of the comparisons whose queries all point one way.", (0.3, None)),
        Metric(
            "judge/first_place",
            "",
            "none",
            "Mean score of whatever stands in place A. Both responses stand there equally often: anything but zero is a bias of the judge.",
            (-0.5, 0.5),
        ),
        Metric(
            "judge/imitations",
            "share",
            "down",
            "Share of the responses that hold a verdict or a control token; they are shown without it.",
            (None, 0.01),
        ),
        Metric("judge/requests", "requests", "none", "Requests to the judge since the last row, failed tries included."),
        Metric("judge/prompt_tokens", "tokens", "none", "Prompt tokens that the judge read."),
        Metric("judge/completion_tokens", "tokens", "none", "Tokens that the judge wrote."),
        Metric("judge/cost", "currency", "down", "Price of these tokens, as the endpoint's settings say."),
    ),
    "Speed (differs from run to run)": (
        Metric("perf/seconds", "s", "down", "Wall-clock seconds of the step."),
        Metric(
            "perf/peak_memory_mb",
            "MiB",
            "down",
            "Most memory held so far: of the accelerator where there is one, otherwise of the whole process (its peak resident size).",
        ),
        Metric("perf/*_seconds", "s", "down", "Seconds of one part of the step: sample, reward, train, evaluate."),
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
