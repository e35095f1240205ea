"""From text to reward."""

from __future__ import annotations

import dataclasses
from concurrent.futures import wait

import numpy as np
import pytest

from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, FinishReason, Rollout, SamplingParams
from reasonforge.rewards.config import (
    AccuracyReward,
    CodeReward,
    FormatReward,
    FunctionReward,
    GradingConfig,
    LanguageReward,
    LengthReward,
    OverlongPenalty,
    RepetitionPenalty,
    RewardPart,
)
from reasonforge.rewards.score import RewardScorer, keeps_format
from reasonforge.tasks.registry import get_task, task_names
from tests.oracle import case
from tests.tasks.plain_sandbox import PlainSandbox

_PROBLEM = Problem(id="p", messages=(Message("user", "6 * 7?"),), answer="42", source="test")


def _rollout(text: str, *, index: int = 0, tokens: int = 1, finish: FinishReason = "stop") -> Rollout:
    completion = Completion(
        token_ids=np.zeros(tokens, np.int32),
        logprobs=np.zeros(tokens, np.float32),
        mask=np.ones(tokens, np.bool_),
        finish_reason=finish,
        weights_version=0,
    )
    params = SamplingParams(max_new_tokens=100)
    return Rollout(problem_id="p", group_id="p/0", index=index, prompt_ids=(0,), completion=completion, text=text, sampling=params, seed=0)


def _group(*texts: str) -> list[tuple[Problem, list[Rollout]]]:
    return [(_PROBLEM, [_rollout(text, index=index) for index, text in enumerate(texts)])]


def _parts(parts: dict[str, RewardPart], *rollouts: Rollout, **settings: object) -> list[dict[str, float]]:
    with RewardScorer(parts, **settings) as scorer:  # type: ignore[arg-type]
        (group,) = scorer.score_groups([(_PROBLEM, rollouts)])
    return [dict(member.reward.parts) for member in group.rollouts]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<think>a</think><answer>4</answer>", True),
        (" <think>a\nb</think>\n<answer>4</answer>\n", True),
        ("<think></think><answer>4</answer>", True),
        ("<think>a</think><answer> </answer>", False),
        ("<think>a</think>so<answer>4</answer>", False),
        ("<answer>4</answer>", False),
        ("<think>a</think>", False),
        ("<think>a</think><answer>4</answer> and more", False),
        ("so <think>a</think><answer>4</answer>", False),
        ("<think>a</think><answer>4</answer><answer>5</answer>", False),
        ("<think><think>a</think></think><answer>4</answer>", False),
        ("<think>a<answer>3</answer></think><answer>4</answer>", False),
        ("<answer>4</answer><think>a</think>", False),
    ],
)
def test_the_think_answer_form_is_both_sections_once_in_order(text: str, kept: bool) -> None:
    assert keeps_format(text, "think_answer") is kept


def test_the_form_check_is_quick_on_hostile_text() -> None:
    assert not keeps_format("<think>" * 30_000 + "</answer>" * 30_000, "think_answer")


def test_the_reward_is_the_weighted_sum_of_its_parts() -> None:
    parts = {"right": AccuracyReward(weight=2.0), "form": FormatReward(weight=0.5)}
    with RewardScorer(parts) as scorer:
        reward, verdict = scorer.score(_PROBLEM, "<think>6 * 7</think><answer>42</answer>")
        assert verdict.correct
        assert reward.total == 2.5
        assert reward.parts == {"right": 1.0, "form": 1.0}
        assert scorer.score(_PROBLEM, "<think>?</think><answer>41</answer>")[0].total == 0.5
        assert scorer.score(_PROBLEM, "")[0].total == 0.0


@pytest.mark.parametrize("name", task_names())
def test_the_gold_of_every_task_earns_the_reward(name: str) -> None:
    task = get_task(name)
    problems = [task.problem(0, index) for index in range(20)]
    with RewardScorer({"accuracy": AccuracyReward()}) as scorer:
        assert scorer.check_gold(problems) == []
        broken = [dataclasses.replace(problems[0], solution="no answer at all")]
        assert [failure.problem for failure in scorer.check_gold(broken)] == broken


def test_gold_that_a_part_cannot_score_fails_with_its_reason() -> None:
    with RewardScorer({"mine": FunctionReward(path="tests.rewards.reward_functions:raises")}) as scorer:
        ((problem, text, verdict),) = scorer.check_gold([_PROBLEM])
    assert (problem, text, verdict.status) == (_PROBLEM, "\\boxed{42}", "error")
    assert "cannot judge this" in verdict.reason


def test_accuracy_form_and_language_of_equal_weight_match_the_worked_example() -> None:
    example = case("rewards", "r1_sum")
    first = {"accuracy": AccuracyReward(), "form": FormatReward()}
    second = {**first, "language": FunctionReward(path="tests.rewards.reward_functions:language", deadline_seconds=30)}
    found: dict[str, list[float]] = {}
    for stage, parts in {"stage0_acc_plus_fmt": first, "stage1_plus_lang": second}.items():
        with RewardScorer(parts) as scorer:
            found[stage] = []
            for right, kept, language in zip(*(example.inputs[key] for key in ("acc", "fmt", "lang")), strict=True):
                answer = f"<answer>{42 if right else 41}</answer>"
                problem = dataclasses.replace(_PROBLEM, meta={"language": language})
                found[stage].append(scorer.score(problem, f"<think>so</think>{answer}" if kept else answer)[0].total)
    assert found == {stage: pytest.approx(totals, abs=example.tolerance) for stage, totals in example.expected.items()}


def test_too_many_failures_stop_the_batch_with_the_first_reason() -> None:
    parts = {"mine": FunctionReward(path="tests.rewards.reward_functions:raises")}
    with (
        RewardScorer(parts, max_failed_share=0.5) as scorer,
        pytest.raises(UnavailableError, match=r"first: problem p: .*cannot judge this"),
    ):
        scorer.score_groups([(_PROBLEM, [_rollout("a"), _rollout("b")])])


def test_a_few_failures_are_states_of_their_own() -> None:
    parts = {"mine": FunctionReward(path="tests.rewards.reward_functions:hangs_on_b", deadline_seconds=0.3)}
    with RewardScorer(parts, max_failed_share=0.5) as scorer:
        (group,) = scorer.score_groups([(_PROBLEM, [_rollout("a"), _rollout("b"), _rollout("c")])])
    assert [member.verdict.status for member in group.rollouts] == ["no_answer", "timeout", "no_answer"]
    assert [member.reward.total for member in group.rollouts] == [1.0, 0.0, 1.0]


def test_accuracy_may_pay_less_than_nothing_for_wrong_answers_and_nothing_out_of_form() -> None:
    parts = {"dapo": AccuracyReward(wrong=-1.0), "strict": AccuracyReward(needs_format="think_answer")}
    texts = ["\\boxed{42}", "\\boxed{41}", "<think>a</think><answer>42</answer>"]
    found = _parts(dict(parts), *(_rollout(text) for text in texts))
    assert [(row["dapo"], row["strict"]) for row in found] == [(1.0, 0.0), (-1.0, 0.0), (1.0, 1.0)]


def test_a_completion_that_was_cut_keeps_no_form() -> None:
    text = "<think>a</think><answer>42</answer>"
    found = _parts({"form": FormatReward()}, _rollout(text), _rollout(text, finish="length"))
    assert [row["form"] for row in found] == [1.0, 0.0]


def test_language_may_be_paid_for_right_answers_only() -> None:
    parts = {"always": LanguageReward(), "gated": LanguageReward(only_if_correct=True)}
    found = _parts(dict(parts), _rollout("我们 have it: \\boxed{42}"), _rollout("we have it: \\boxed{41}"))
    assert [(row["always"], row["gated"]) for row in found] == [(0.5, 0.5), (1.0, 0.0)]


def test_lengths_are_compared_within_the_group() -> None:
    right, wrong = "\\boxed{42}", "\\boxed{41}"
    found = _parts({"length": LengthReward()}, _rollout(right, tokens=10), _rollout(right, tokens=30), _rollout(wrong, tokens=10))
    assert [row["length"] for row in found] == [0.5, -0.5, 0.0]


def test_a_long_completion_is_penalised_against_the_samplers_limit() -> None:
    part = OverlongPenalty(cache_tokens=20)
    found = _parts({"long": part}, *(_rollout("x", tokens=n) for n in (80, 90, 100)), max_new_tokens=100)
    assert [row["long"] for row in found] == [0.0, -0.5, -1.0]
    with pytest.raises(RecipeError, match="cache_tokens is 20, max_tokens 10"):
        RewardScorer({"long": part}, max_new_tokens=10)


def test_repetition_is_penalised() -> None:
    found = _parts({"again": RepetitionPenalty(ngram=1)}, _rollout("a b c"), _rollout("a a a a"))
    assert [row["again"] for row in found] == [0.0, -0.75]


_CODE = Problem(
    id="c",
    messages=(Message("user", "Double."),),
    answer="",
    kind="code",
    source="file",
    meta={"tests": {"type": "calls", "entry_point": "f", "cases": [{"args": [1], "expected": 2}, {"args": [2], "expected": 4}]}},
)


def _scored_code(monkeypatch: pytest.MonkeyPatch, text: str, sandbox: PlainSandbox) -> tuple[dict[str, float], str]:
    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", lambda backend, **settings: sandbox)
    parts = {"accuracy": AccuracyReward(), "code": CodeReward(), "share": CodeReward(partial=True)}
    with RewardScorer(parts) as scorer:
        reward, verdict = scorer.score(_CODE, text)
    return dict(reward.parts), verdict.status


def test_a_program_earns_by_its_tests_and_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = PlainSandbox()
    found = _scored_code(monkeypatch, "```python\ndef f(x):\n    return 2\n```", sandbox)
    assert found == ({"accuracy": 0.0, "code": 0.0, "share": 0.5}, "wrong")
    assert (sandbox.runs, sandbox.closed) == (1, True)


def test_a_sandbox_that_fails_masks_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _scored_code(monkeypatch, "```python\ndef f(x):\n    return 2\n```", PlainSandbox(breaks=lambda run: True))
    assert found == ({}, "error")


def test_a_code_part_says_nothing_about_other_problems() -> None:
    assert _parts({"code": CodeReward(), "accuracy": AccuracyReward()}, _rollout("\\boxed{42}")) == [{"accuracy": 1.0}]


def test_a_problem_that_no_part_is_about_is_masked_and_not_paid_zero() -> None:
    with RewardScorer({"code": CodeReward()}) as scorer:
        reward, verdict = scorer.score(_PROBLEM, "\\boxed{42}")
        assert [failure.verdict.status for failure in scorer.check_gold([_PROBLEM])] == ["error"]
    assert (verdict.status, verdict.reason) == ("error", "no part of the reward is about problems of kind math")
    assert reward.parts == {}


def test_a_completion_whose_tool_failed_is_masked_and_not_judged() -> None:
    with RewardScorer({"accuracy": AccuracyReward()}, max_failed_share=1.0) as scorer:
        (group,) = scorer.score_groups([(_PROBLEM, [_rollout("\\boxed{42}", finish="tool_error")])])
    (member,) = group.rollouts
    assert (member.verdict.status, member.reward.total, member.reward.parts) == ("error", 0.0, {})


def test_a_problem_that_no_rule_judges_can_still_be_rewarded_by_other_parts() -> None:
    problem = dataclasses.replace(_PROBLEM, kind="open")
    with RewardScorer({"form": FormatReward(style="boxed")}) as scorer:
        reward, verdict = scorer.score(problem, "\\boxed{an essay}")
    assert (reward.total, verdict.status) == (1.0, "no_answer")
    with RewardScorer({"accuracy": AccuracyReward()}) as scorer:
        assert scorer.score(problem, "\\boxed{an essay}")[1].status == "error"


def test_a_function_that_kills_its_process_masks_only_that_sample() -> None:
    part = FunctionReward(path="tests.rewards.reward_functions:leaves_on_b", workers=1)
    with RewardScorer({"mine": part}, max_failed_share=0.5) as scorer:
        (group,) = scorer.score_groups(_group("a", "b", "c"))
    assert [member.verdict.status for member in group.rollouts] == ["no_answer", "error", "no_answer"]
    assert [member.reward.total for member in group.rollouts] == [1.0, 0.0, 1.0]


def test_a_grader_that_crashes_masks_only_that_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(gold: str, text: str, **settings: object) -> Verdict:
        if text == "b":
            raise RecursionError("too deep")
        return Verdict(status="correct", prediction=gold)

    monkeypatch.setattr("reasonforge.tasks.judge.grade", crashes)
    with RewardScorer({"accuracy": AccuracyReward()}, max_failed_share=0.5) as scorer:
        (group,) = scorer.score_groups(_group("a", "b", "c"))
    assert [member.verdict.status for member in group.rollouts] == ["correct", "error", "correct"]
    assert group.rollouts[1].verdict.reason == "a grader crashed: RecursionError: too deep"


def test_a_part_that_crashes_masks_only_that_sample() -> None:
    unsendable = dataclasses.replace(_PROBLEM, meta={"set": {1}})
    part = FunctionReward(path="tests.rewards.reward_functions:length")
    with RewardScorer({"mine": part}, max_failed_share=0.5) as scorer:
        first, second = scorer.score_groups([(_PROBLEM, [_rollout("a")]), (unsendable, [_rollout("a")])])
    assert (first.rollouts[0].verdict.status, second.rollouts[0].verdict.status) == ("no_answer", "error")
    assert "a reward crashed: TypeError" in second.rollouts[0].verdict.reason


def test_one_failure_of_the_sandbox_masks_one_sample_and_never_pays_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    good = "```python\ndef f(x):\n    return 2 * x\n```"
    sandbox = PlainSandbox(breaks=lambda run: run in (1, 2))  # the second completion's run and its second try
    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", lambda backend, **settings: sandbox)
    parts: dict[str, RewardPart] = {"code": CodeReward(), "accuracy": AccuracyReward(wrong=-1.0)}
    with RewardScorer(parts, grading=GradingConfig(workers=1), max_failed_share=0.5) as scorer:
        (group,) = scorer.score_groups([(_CODE, [_rollout(good, index=index) for index in range(3)])])
    assert [member.verdict.status for member in group.rollouts] == ["correct", "error", "correct"]
    assert [dict(member.reward.parts) for member in group.rollouts] == [{"code": 1.0, "accuracy": 1.0}, {}, {"code": 1.0, "accuracy": 1.0}]


def test_results_do_not_depend_on_how_many_are_scored_at_once() -> None:
    parts: dict[str, RewardPart] = {"accuracy": AccuracyReward(), "language": LanguageReward(), "again": RepetitionPenalty()}
    texts = [f"<think>we {'think ' * n}想</think><answer>{40 + n}</answer>" for n in range(5)]
    found = []
    for workers in (1, 8):
        with RewardScorer(parts, grading=GradingConfig(workers=workers)) as scorer:
            found.append([member.reward for member in scorer.score_groups(_group(*texts))[0].rollouts])
    assert found[0] == found[1]


SLEEPS = FunctionReward(path="tests.rewards.reward_functions:sleeps", deadline_seconds=30, workers=4)


def test_rewards_are_worked_out_side_by_side_and_come_back_in_order() -> None:
    texts = ["0.9", "0.0", "0.8", "0.1", "0.7", "0.2", "0.6", "0.3"]
    with RewardScorer({"mine": SLEEPS}, grading=GradingConfig(workers=8)) as scorer:
        scorer.score_groups(_group(*["0"] * 8))  # the modules are loaded
        (group,) = scorer.score_groups(_group(*texts))
    assert [member.reward.total for member in group.rollouts] == [float(text) for text in texts]


def test_a_rollout_that_was_handed_in_early_is_not_scored_again() -> None:
    part = FunctionReward(path="tests.rewards.reward_functions:counts", workers=1)
    with RewardScorer({"mine": part}) as scorer:
        ((problem, (first, second)),) = _group("a", "b")
        scorer.submit(problem, first)
        (group,) = scorer.score_groups([(problem, [first, second])])
        (after,) = scorer.score_groups([(problem, [second])])
    assert sorted(member.reward.total for member in (*group.rollouts, *after.rollouts)) == [1.0, 2.0, 3.0]


def test_rewards_are_worked_out_while_sampling_goes_on() -> None:
    with RewardScorer({"mine": SLEEPS}, grading=GradingConfig(workers=8)) as scorer:
        ((problem, rollouts),) = _group(*["0.01"] * 8)
        for rollout in rollouts:
            scorer.submit(problem, rollout)
        futures = list(scorer._begun.values())
        wait(futures, timeout=60)  # stands for the sampler, which is still busy: nobody has asked for results
        assert all(future.done() for future in futures)
        (group,) = scorer.score_groups([(problem, rollouts)])
    assert [member.reward.total for member in group.rollouts] == [0.01] * 8
