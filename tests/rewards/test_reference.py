"""Rewards for answers that only a model can compare with their reference."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.chat import ChatModel, Refused
from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.rewards.config import AccuracyReward, FormatReward, JudgeReward, RewardPart
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.http import HttpModel
from tests.rewards.test_judge import sections
from tests.rewards.test_score import _rollout
from tests.sampling.scripted_server import Reply, Server, refuses, says, serve

OPEN = Problem(id="p", messages=(Message("user", "Why is the sky blue?"),), answer="scattering", kind="open", source="test")
SUM = dataclasses.replace(OPEN, kind="math", answer="42")

Script = Callable[[dict[str, Any], int], Reply]


def agrees(body: dict[str, Any], number: int) -> Reply:
    shown = sections(body)
    correct = shown["REFERENCE"] in shown["ANSWER"]
    return says(json.dumps({"analysis": "compared", "correctness": "correct" if correct else "incorrect"}))


def without_waiting(config: EndpointConfig) -> ChatModel:
    return HttpModel(config, sleep=lambda _: None)


def judge(server: Server, **settings: Any) -> JudgeReward:
    endpoint = EndpointConfig(url=server.url, name="m", retries=0, timeout_seconds=20.0, input_price=1e6)
    return JudgeReward(endpoint=endpoint, **settings)


def scored(script: Script, *texts: str, problem: Problem = OPEN, others: dict[str, RewardPart] | None = None) -> RolloutGroup:
    with (
        serve(script) as server,
        RewardScorer({"judge": judge(server), **(others or {})}, max_failed_share=1.0, open_model=without_waiting) as scorer,
    ):
        (group,) = scorer.score_groups([(problem, [_rollout(text, index=i) for i, text in enumerate(texts)])])
    return group


def test_an_answer_that_agrees_earns_one_and_another_nothing() -> None:
    group = scored(agrees, "Rayleigh scattering.", "Paint.")
    assert [member.reward.total for member in group.rollouts] == [1.0, 0.0]
    assert [member.verdict.status for member in group.rollouts] == ["correct", "wrong"]


def test_parts_about_being_right_follow_the_judge() -> None:
    group = scored(agrees, "scattering", "paint", others={"accuracy": AccuracyReward(wrong=-1.0)})
    assert [member.reward.parts["accuracy"] for member in group.rollouts] == [1.0, -1.0]


def test_the_judge_does_not_see_the_thinking() -> None:
    seen: list[str] = []

    def script(body: dict[str, Any], number: int) -> Reply:
        seen.append(sections(body)["ANSWER"])
        return agrees(body, number)

    group = scored(script, "<think>It must be scattering.</think> Paint.<|im_end|>")
    assert seen == ["Paint."]
    assert not group.rollouts[0].verdict.correct


@pytest.mark.parametrize("text", ["", "  ", "<think>scattering", "<think>scattering</think>"])
def test_nobody_is_asked_about_an_answer_that_is_not_there(text: str) -> None:
    with serve(agrees) as server, RewardScorer({"judge": judge(server)}, open_model=without_waiting) as scorer:
        reward, verdict = scorer.score(OPEN, text)
        assert (reward.total, verdict.status, server.asked) == (0.0, "no_answer", [])


def test_without_a_reference_nothing_can_be_said() -> None:
    (member,) = scored(agrees, "scattering", problem=dataclasses.replace(OPEN, answer=" ")).rollouts
    assert (member.verdict.status, member.verdict.reason) == ("error", "there is no reference answer to compare with")


@pytest.mark.parametrize("trouble", [refuses(429), refuses(500), Reply(body=b"garbage"), Reply(hang_up=True), says("Looks right to me.")])
def test_a_judge_without_a_verdict_masks_its_completion_alone(trouble: Reply) -> None:
    group = scored(lambda body, number: trouble if "paint" in sections(body)["ANSWER"] else agrees(body, number), "paint", "scattering")
    assert [member.verdict.status for member in group.rollouts] == ["error", "correct"]
    assert group.rollouts[0].reward.total == 0.0


def test_too_many_masked_completions_stop_the_run() -> None:
    with (
        serve(lambda body, number: refuses(500)) as server,
        RewardScorer({"judge": judge(server)}, open_model=without_waiting) as scorer,
        pytest.raises(UnavailableError, match=r"could not be scored.*500"),
    ):
        scorer.score_groups([(OPEN, [_rollout("a")])])


def test_an_endpoint_that_refuses_every_question_stops_the_run() -> None:
    with (
        serve(lambda body, number: refuses(401)) as server,
        RewardScorer({"judge": judge(server)}, open_model=without_waiting) as scorer,
        pytest.raises(Refused, match="401"),
    ):
        scorer.score_groups([(OPEN, [_rollout("a")])])


def test_problems_of_other_kinds_have_no_such_part_and_cost_nothing() -> None:
    with (
        serve(agrees) as server,
        RewardScorer({"judge": judge(server), "accuracy": AccuracyReward()}, open_model=without_waiting) as scorer,
    ):
        reward, verdict = scorer.score(SUM, "\\boxed{42}")
        assert (reward.parts, verdict.status, server.asked) == ({"accuracy": 1.0}, "correct", [])


def test_kinds_say_what_is_judged() -> None:
    with serve(agrees) as server, RewardScorer({"judge": judge(server, kinds=("math",))}, open_model=without_waiting) as scorer:
        assert scorer.score(SUM, "It is 42, I think.")[1].correct


def test_checking_references_asks_nobody_and_keeps_open_problems() -> None:
    with (
        serve(agrees) as server,
        RewardScorer({"judge": judge(server), "form": FormatReward()}, open_model=without_waiting) as scorer,
    ):
        assert scorer.check_gold([OPEN]) == []
        assert scorer.quarantine([OPEN]).passed
        assert server.asked == []


def test_the_cost_of_asking_is_counted_once() -> None:
    with serve(agrees) as server, RewardScorer({"judge": judge(server)}, open_model=without_waiting) as scorer:
        scorer.score(OPEN, "scattering")
        assert scorer.judge_metrics() == {
            "judge/requests": 1.0,
            "judge/prompt_tokens": 3.0,
            "judge/completion_tokens": 5.0,
            "judge/cost": 3.0,
        }
        assert set(scorer.judge_metrics().values()) == {0.0}


def test_no_more_is_asked_at_once_than_the_endpoint_allows() -> None:
    with serve(lambda body, number: Reply(body=agrees(body, number).body, delay_seconds=0.02)) as server:
        part = JudgeReward(endpoint=EndpointConfig(url=server.url, name="m", concurrency=1))
        with RewardScorer({"judge": part}, open_model=without_waiting) as scorer:
            scorer.score_groups([(OPEN, [_rollout(f"answer {i}", index=i) for i in range(6)])])
        assert (len(server.asked), server.most_at_once) == (6, 1)


def test_without_judges_there_is_nothing_to_count() -> None:
    with RewardScorer({"form": FormatReward()}) as scorer:
        assert scorer.judge_metrics() == {}


def test_a_stage_that_cannot_ask_refuses_the_part() -> None:
    with serve(agrees) as server, pytest.raises(RecipeError, match="this stage cannot ask"):
        RewardScorer({"judge": judge(server)})


def test_a_part_without_kinds_is_refused() -> None:
    with pytest.raises(ValidationError):
        JudgeReward(endpoint=EndpointConfig(url="http://localhost:1/v1", name="m"), kinds=())
