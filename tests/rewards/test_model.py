"""What a reward model reads of a response, and what becomes of its scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Verdict
from reasonforge.core.rollouts import Float32, Reward, RolloutGroup, TrainingSample
from reasonforge.rewards.config import AccuracyReward, ModelReward
from reasonforge.rewards.model import ModelRewards, Response, RewardModel, ScoreSpec, aggregate, reward_sample, visible
from reasonforge.text.config import CharacterTokenizer, StepsConfig
from reasonforge.text.train import build_tokenizer
from tests.oracle import case
from tests.runs.fabricate import group

TOKENIZER = build_tokenizer(CharacterTokenizer(tags=("<think>", "</think>")), alphabet="abq?/<>hiknt\n")
OUTCOME = ScoreSpec(kind="outcome")
PROCESS = ScoreSpec(kind="process", steps=StepsConfig())
SUMMARY = ScoreSpec(kind="pairwise", sees="summary")


def response(text: str, prompt: str = "q?") -> Response:
    ids = np.array([*TOKENIZER.encode(text), *TOKENIZER.stop_ids], dtype=np.int32)
    return Response(prompt_ids=tuple(TOKENIZER.encode(prompt)), token_ids=ids, text=text)


def read(answer: Response, spec: ScoreSpec) -> str:
    return TOKENIZER.decode(visible(answer, spec, TOKENIZER.decode).tolist(), skip_special=True)


def counting(samples: Sequence[TrainingSample]) -> list[Float32]:
    """Score each place with the number of tokens before it."""
    return [np.where(sample.loss_mask, np.arange(len(sample.token_ids)), 0).astype(np.float32) for sample in samples]


def test_a_model_that_sees_all_reads_the_thinking_too() -> None:
    assert read(response("<think>ab</think>b"), OUTCOME) == "<think>ab</think>b"


def test_a_model_of_the_summary_reads_what_follows_the_last_thinking() -> None:
    assert read(response("<think>ab</think>a<think>b</think>\nb"), SUMMARY) == "\nb"


def test_the_end_of_thinking_may_be_several_tokens() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(tags=()), alphabet="ab</>think")
    ids = np.array(tokenizer.encode("<think>a</think>ab"), dtype=np.int32)
    answer = Response(prompt_ids=(1,), token_ids=ids, text="<think>a</think>ab")
    assert tokenizer.decode(visible(answer, SUMMARY, tokenizer.decode).tolist()) == "ab"


@pytest.mark.parametrize(("text", "prompt"), [("<think>ab", "q?"), ("ab", "q?<think>\n"), ("a</think><think>b", "q?")])
def test_thinking_that_never_ends_has_no_summary(text: str, prompt: str) -> None:
    assert read(response(text, prompt), SUMMARY) == ""


def test_a_response_without_thinking_is_its_own_summary() -> None:
    assert read(response("ab"), SUMMARY) == "ab"


def test_the_score_of_a_response_is_read_after_its_last_token() -> None:
    sample = reward_sample(response("ab"), OUTCOME, TOKENIZER.decode, 1.0)
    assert len(sample.token_ids) == 2 + 3 + 1
    assert np.flatnonzero(sample.loss_mask).tolist() == [5]
    assert sample.labels.tolist() == [0, 0, 0, 0, 0, 1]


def test_the_score_of_a_step_is_read_after_its_last_token() -> None:
    sample = reward_sample(response("a\nbb"), PROCESS, TOKENIZER.decode)
    assert np.flatnonzero(sample.loss_mask).tolist() == [2 + 1 + 1, 2 + 4 + 1]


def test_a_response_without_anything_to_read_is_scored_after_its_prompt() -> None:
    model = RewardModel(counting, SUMMARY, decode=TOKENIZER.decode)
    assert model.logits([response("<think>a")]) == [[(-1, 2.0)]]


def test_scores_come_with_the_tokens_they_follow() -> None:
    model = RewardModel(counting, PROCESS, decode=TOKENIZER.decode)
    assert model.logits([response("a\nbb"), response("b")]) == [[(1, 4.0), (4, 7.0)], [(1, 4.0)]]


def test_a_response_longer_than_the_models_context_is_refused() -> None:
    model = RewardModel(counting, OUTCOME, decode=TOKENIZER.decode, max_context=4)
    with pytest.raises(DataError, match="5 tokens with its prompt exceeds its context of 4"):
        model.scores([response("ab")])


@pytest.mark.parametrize("how", ["min", "product", "last"])
def test_steps_come_to_one_score_as_in_the_worked_example(how: str) -> None:
    example = case("rewards", "prm_aggregate")
    assert aggregate(example.inputs["step_scores"], how) == pytest.approx(example.expected[how], abs=example.tolerance)  # type: ignore[arg-type]


def test_the_mean_of_steps_is_their_mean() -> None:
    assert aggregate([0.9, 0.4, 0.8], "mean") == pytest.approx(0.7)


@pytest.mark.parametrize("spec", [OUTCOME, PROCESS, SUMMARY])
def test_what_scores_mean_survives_its_file(spec: ScoreSpec) -> None:
    assert ScoreSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_folder_with_steps_that_are_none_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match="not a regular expression") as found:
        ScoreSpec.from_json({"kind": "process", "sees": "all", "steps": {"at": "pattern", "pattern": "("}})
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("content", [{}, {"kind": "process", "sees": "all", "steps": None}, {"kind": "odd", "sees": "all", "steps": None}])
def test_a_folder_that_does_not_say_what_its_scores_mean_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(DataError, match="scores"):
        ScoreSpec.from_json(content)


def groups_of(*texts: str) -> list[RolloutGroup]:
    found = group(0, [1.0] * len(texts))
    members = []
    for member, text in zip(found.rollouts, texts):
        answer = response(text)
        completion = replace(member.rollout.completion, token_ids=answer.token_ids)
        rollout = replace(member.rollout, prompt_ids=tuple(answer.prompt_ids), completion=completion, text=text)
        members.append(replace(member, rollout=rollout, reward=Reward(total=0.5, parts={"accuracy": 1.0})))
    return [replace(found, rollouts=tuple(members))]


def parts_of(**settings: object) -> dict[str, AccuracyReward | ModelReward]:
    return {"accuracy": AccuracyReward(weight=0.5), "model": ModelReward.model_validate({"model": "rm", "weight": 2.0} | settings)}


def test_an_outcome_models_score_is_a_weighted_part_of_the_total() -> None:
    rewards = ModelRewards(parts_of(), {"model": RewardModel(counting, OUTCOME, decode=TOKENIZER.decode)})
    (found,) = rewards.add(groups_of("ab", "b"))
    assert [member.reward.parts["model"] for member in found.rollouts] == [5.0, 4.0]
    assert [member.reward.total for member in found.rollouts] == [0.5 + 10.0, 0.5 + 8.0]
    assert all(member.reward.steps == () for member in found.rollouts)


def test_a_process_models_scores_are_step_rewards_and_their_least_is_the_part() -> None:
    rewards = ModelRewards(parts_of(), {"model": RewardModel(counting, PROCESS, decode=TOKENIZER.decode)})
    (found,) = rewards.add(groups_of("a\nbb"))
    (member,) = found.rollouts
    assert member.reward.steps == ((1, 8.0), (4, 14.0))
    assert member.reward.parts["model"] == 4.0


def test_a_process_model_that_is_watched_and_not_paid_adds_no_steps() -> None:
    rewards = ModelRewards(parts_of(weight=0.0), {"model": RewardModel(counting, PROCESS, decode=TOKENIZER.decode)})
    (found,) = rewards.add(groups_of("a\nbb"))
    assert found.rollouts[0].reward.steps == ()
    assert found.rollouts[0].reward.parts["model"] == 4.0


def test_a_probability_never_earns_more_than_its_weight() -> None:
    rewards = ModelRewards(parts_of(transform="sigmoid"), {"model": RewardModel(counting, OUTCOME, decode=TOKENIZER.decode)})
    (found,) = rewards.add(groups_of("ab" * 30))
    assert found.rollouts[0].reward.parts["model"] == pytest.approx(1.0)
    assert found.rollouts[0].reward.total <= 0.5 + 2.0


def test_a_model_is_not_asked_before_its_step() -> None:
    rewards = ModelRewards(parts_of(only_from_step=3), {"model": RewardModel(counting, OUTCOME, decode=TOKENIZER.decode)})
    given = groups_of("ab")
    assert rewards.add(given, step=2) == given
    assert rewards.add(given, step=3) != given


def test_a_completion_that_could_not_be_graded_stays_as_it_is() -> None:
    rewards = ModelRewards(parts_of(), {"model": RewardModel(counting, OUTCOME, decode=TOKENIZER.decode)})
    (given,) = groups_of("ab", "b")
    failed = replace(given.rollouts[0], verdict=Verdict(status="timeout"))
    (found,) = rewards.add([replace(given, rollouts=(failed, given.rollouts[1]))])
    assert found.rollouts[0] is failed
    assert "model" in found.rollouts[1].reward.parts


@pytest.mark.parametrize(
    ("spec", "settings", "complaint"),
    [(OUTCOME, {"aggregate": "last"}, "aggregate has no effect"), (PROCESS, {"aggregate": "product"}, "multiplies probabilities")],
)
def test_an_aggregate_without_sense_is_refused(spec: ScoreSpec, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        ModelRewards(parts_of(**settings), {"model": RewardModel(counting, spec, decode=TOKENIZER.decode)})


def test_the_module_needs_no_torch() -> None:
    source = Path(__file__).resolve().parents[2] / "src" / "reasonforge" / "rewards" / "model.py"
    assert "torch" not in source.read_text(encoding="utf-8")
