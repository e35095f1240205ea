"""Preference learning: which pairs are made, what is minimised, and that the better arm wins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, FinishReason, Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout, TrainingSample
from reasonforge.models.decoder import Decoder
from reasonforge.objectives.preference import dpo
from reasonforge.rewards.config import AccuracyReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.signals import StopRequest
from reasonforge.sampling.config import SamplingConfig
from reasonforge.sampling.local import LocalSampler
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext, drive
from reasonforge.stages.preference.config import PreferenceConfig, PreferenceIterations
from reasonforge.stages.preference.loss import PreferenceObjective, with_reference
from reasonforge.stages.preference.pairs import SamplePair, completion_pairs, spread_pairs, written_pairs
from reasonforge.stages.preference.rounds import RoundSampler, pair_signs
from reasonforge.stages.preference.training import PreferenceTraining, planned_steps
from reasonforge.stages.rl.data import PromptSource
from reasonforge.tasks.pairs import Pair
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.train import build_tokenizer
from reasonforge.training.config import AdamW, TrainingConfig
from reasonforge.training.learner import Learner, Scorer
from tests.oracle import case
from tests.stages.bandit import ARMS, BEST, QUESTION, new_run
from tests.training.build import SHAPE, VOCAB, decoder


def group(*verdicts: str, name: str = "p", finish: FinishReason = "stop", tokens: list[list[int]] | None = None) -> RolloutGroup:
    """Return a group with a completion per verdict; each writes its own token unless told otherwise."""
    problem = Problem(id=name, messages=(Message("user", "?"),), answer="1", source="test")
    written = tokens or [[index + 1, 0] for index in range(len(verdicts))]
    members = []
    for index, (status, ids) in enumerate(zip(verdicts, written, strict=True)):
        completion = Completion(
            token_ids=np.array(ids, np.int32),
            logprobs=np.zeros(len(ids), np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason=finish,
            weights_version=0,
        )
        rollout = Rollout(
            problem_id=name,
            group_id=name,
            index=index,
            prompt_ids=(9, 8),
            completion=completion,
            text="",
            sampling=SamplingParams(max_new_tokens=4),
            seed=index,
        )
        members.append(ScoredRollout(rollout=rollout, reward=Reward(total=0.0), verdict=Verdict(status=status)))  # pyright: ignore[reportArgumentType]
    return RolloutGroup(problem=problem, rollouts=tuple(members))


def first_tokens(pair: SamplePair) -> tuple[int, int]:
    return int(pair.chosen.token_ids[2]), int(pair.rejected.token_ids[2])


RIGHT, WRONG = "correct", "wrong"


# -- which pairs


def test_a_right_completion_is_preferred_to_a_wrong_one_token_by_token() -> None:
    (pair,) = completion_pairs([group(WRONG, RIGHT)], max_per_problem=4, seed=0)
    assert pair.chosen.token_ids.tolist() == [9, 8, 2, 0]
    assert pair.rejected.token_ids.tolist() == [9, 8, 1, 0]
    assert pair.chosen.loss_mask.tolist() == [False, False, True, True]


@pytest.mark.parametrize("verdicts", [(RIGHT, RIGHT), (WRONG, WRONG), (RIGHT, "timeout"), (RIGHT, "error")])
def test_without_a_right_and_a_wrong_one_there_is_no_pair(verdicts: tuple[str, ...]) -> None:
    assert completion_pairs([group(*verdicts)], max_per_problem=4, seed=0) == []


def test_a_completion_without_an_answer_is_a_wrong_one() -> None:
    assert len(completion_pairs([group(RIGHT, "no_answer")], max_per_problem=4, seed=0)) == 1


def test_a_right_completion_that_was_cut_is_not_preferred() -> None:
    assert completion_pairs([group(RIGHT, WRONG, finish="length")], max_per_problem=4, seed=0) == []


def test_the_same_tokens_twice_are_one_completion() -> None:
    found = completion_pairs([group(RIGHT, RIGHT, WRONG, WRONG, tokens=[[1], [1], [2], [2]])], max_per_problem=9, seed=0)
    assert [first_tokens(pair) for pair in found] == [(1, 2)]


def test_the_cap_counts_a_problem_over_all_its_groups() -> None:
    groups = [group(RIGHT, RIGHT, WRONG), group(RIGHT, WRONG, tokens=[[7], [8]]), group(RIGHT, WRONG, name="q")]
    found = completion_pairs(groups, max_per_problem=3, seed=0)
    assert [pair.problem_id for pair in found] == ["p", "p", "p", "q"]


def test_groups_of_one_prompt_are_paired_together() -> None:
    groups = [group(RIGHT, tokens=[[1]]), group(WRONG, RIGHT, tokens=[[2], [1]])]
    assert [first_tokens(pair) for pair in completion_pairs(groups, max_per_problem=3, seed=0)] == [(1, 2)]


def test_pairs_of_a_problem_do_not_depend_on_the_other_problems() -> None:
    mine = group(*[RIGHT] * 4, *[WRONG] * 4)
    alone = completion_pairs([mine], max_per_problem=3, seed=5)
    together = completion_pairs([group(RIGHT, WRONG, name="q"), mine], max_per_problem=3, seed=5)
    assert [first_tokens(pair) for pair in together[1:]] == [first_tokens(pair) for pair in alone]


def test_another_seed_draws_other_pairs() -> None:
    mine = group(*[RIGHT] * 6, *[WRONG] * 6)
    drawn = {tuple(first_tokens(pair) for pair in completion_pairs([mine], max_per_problem=3, seed=seed)) for seed in range(4)}
    assert len(drawn) == 4


@given(right=st.integers(0, 6), wrong=st.integers(0, 6), limit=st.integers(0, 40), seed=st.integers(0, 99))
def test_pairs_differ_and_use_everybody_before_anybody_twice(right: int, wrong: int, limit: int, seed: int) -> None:
    found = spread_pairs([f"r{i}" for i in range(right)], [f"w{i}" for i in range(wrong)], limit=limit, seed=seed)
    assert len(found) == min(limit, right * wrong)
    assert len(set(found)) == len(found)
    assert all(one[0] == "r" and other[0] == "w" for one, other in found)
    several = found[: min(right, wrong)]
    assert len({one for one, _ in several}) == len({other for _, other in several}) == len(several)
    longest = found[: max(right, wrong)]
    assert max(len({one for one, _ in longest}), len({other for _, other in longest})) == len(longest)


def test_signs_say_how_often_a_rollout_was_on_which_side() -> None:
    mine = group(RIGHT, WRONG, WRONG, "error")
    pairs = completion_pairs([mine], max_per_problem=4, seed=0)
    assert pair_signs([mine], pairs).tolist() == [2.0, -1.0, -1.0, 0.0]


def test_of_a_conversation_only_the_response_is_learned_from() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(tags=()), alphabet="ab?! \n")
    messages = (Message("user", "a?"), Message("assistant", "b"), Message("user", "?"))
    pair = Pair(id="x", messages=messages, chosen="ab", rejected="b", margin=None, source="test")
    (found,) = written_pairs([pair], tokenizer, build_layout(TemplateConfig(), tokenizer))
    for sample, text in ((found.chosen, "ab"), (found.rejected, "b")):
        assert tokenizer.decode(sample.token_ids[sample.loss_mask][:-1].tolist()) == text


# -- the loss


def sample_pairs(num: int, *, seed: int = 0) -> list[SamplePair]:
    """Draw pairs of 3 to 12 tokens, the first two a shared prompt."""
    rng = np.random.default_rng(seed)

    def side(prompt: np.ndarray) -> TrainingSample:
        ids = np.concatenate([prompt, rng.integers(0, VOCAB, int(rng.integers(1, 11)))]).astype(np.int32)
        return TrainingSample(token_ids=ids, loss_mask=np.arange(len(ids)) >= 2)

    return [SamplePair(problem_id=str(i), chosen=side(prompt := rng.integers(0, VOCAB, 2)), rejected=side(prompt)) for i in range(num)]


def config_of(**changes: Any) -> PreferenceConfig:
    return PreferenceConfig.model_validate({"data": "pairs"} | changes)


def step_of(pairs: list[SamplePair], config: PreferenceConfig, training: TrainingConfig) -> tuple[dict[str, float], Tensor]:
    """Return a step's metrics, and what the optimizer was given times a constant, in one vector."""
    learner = Learner(decoder(0), training, total_steps=1, device="cpu")
    samples, weights = with_reference(pairs, Scorer(decoder(1), TrainingConfig(), device="cpu"))
    metrics = learner.step(samples, PreferenceObjective(config), weights, unit=2).metrics
    means = {name: tensor for name, tensor in learner.state()[0].items() if name.endswith(".exp_avg")}
    return metrics, torch.cat([tensor.flatten() for _, tensor in sorted(means.items())])


@settings(max_examples=3)
@given(seed=st.integers(0, 1000), max_tokens=st.sampled_from([24, 40, 100]), length_normalised=st.booleans())
def test_any_split_into_microbatches_gives_the_same_loss_and_gradient(seed: int, max_tokens: int, length_normalised: bool) -> None:
    pairs, config = sample_pairs(7, seed=seed), config_of(length_normalised=length_normalised, label_smoothing=0.1)
    whole, split = (step_of(pairs, config, TrainingConfig(max_grad_norm=0, max_tokens_per_device=size)) for size in (100_000, max_tokens))
    for name in ("loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"):
        assert split[0][name] == pytest.approx(whole[0][name], rel=1e-5, abs=1e-6), name
    assert (split[1] - whole[1]).norm() <= 2e-6 * whole[1].norm()


@pytest.mark.parametrize("length_normalised", [False, True])
def test_the_loss_is_the_mean_over_pairs_of_the_formula(length_normalised: bool) -> None:
    pairs, policy, reference = sample_pairs(5), *(Scorer(decoder(seed), TrainingConfig(), device="cpu") for seed in (0, 1))

    def log_ratio(sample: TrainingSample) -> float:
        ratio = policy.logprobs([sample])[0].astype(np.float64).sum() - reference.logprobs([sample])[0].astype(np.float64).sum()
        return float(ratio / sample.loss_mask.sum()) if length_normalised else float(ratio)

    ratios = torch.tensor([[log_ratio(pair.chosen), log_ratio(pair.rejected)] for pair in pairs])
    config = config_of(beta=0.3, length_normalised=length_normalised)
    metrics, _ = step_of(pairs, config, TrainingConfig())
    assert metrics["loss"] == pytest.approx(float(dpo(ratios[:, 0], ratios[:, 1], beta=0.3).loss.mean()), abs=1e-5)
    assert metrics["rewards/margins"] == pytest.approx(0.3 * float((ratios[:, 0] - ratios[:, 1]).mean()), abs=1e-5)
    assert metrics["rewards/accuracies"] == pytest.approx(float((ratios[:, 0] > ratios[:, 1]).float().mean()), abs=1e-6)


@pytest.mark.parametrize(("length_normalised", "key"), [(False, "loss_sum_logp"), (True, "loss_length_normalised_dsmath_eq12")])
def test_the_objective_gives_the_worked_example(length_normalised: bool, key: str) -> None:
    from reasonforge.core.rollouts import ReferenceSample
    from reasonforge.tensors.batch import TokenScores
    from reasonforge.tensors.collate import collate

    example = case("preference_losses", "dpo")
    sides = [(example.inputs[f"logp_{side}"], example.inputs[f"ref_{side}"]) for side in ("chosen", "rejected")]
    samples = [
        ReferenceSample(
            token_ids=np.zeros(len(reference) + 1, np.int32),
            loss_mask=np.arange(len(reference) + 1) > 0,
            ref_logprobs=np.array([0, *reference], np.float32),
        )
        for _, reference in sides
    ]
    batch = collate(samples, np.full(2, 1.0, np.float32))
    logprobs = torch.zeros_like(batch.loss_weights)
    for row, (values, _) in enumerate(sides):
        logprobs[row, : len(values)] = torch.tensor(values)
    objective = PreferenceObjective(config_of(beta=example.inputs["beta"], length_normalised=length_normalised))
    output = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), batch)
    assert float(output.loss) == pytest.approx(example.expected[key], abs=1e-6)


# -- the training


class Pulls(RewardScorer):
    """Knows the better arm without a grader."""

    def submit(self, problem: Problem, rollout: Rollout) -> None:
        del problem, rollout

    def score_groups(self, groups: Any) -> list[RolloutGroup]:
        def pulled(rollout: Rollout) -> ScoredRollout:
            won = rollout.text == BEST
            verdict = Verdict(status="correct" if won else "wrong")
            # A bandit's pull is one token long and ends there.
            ended = replace(rollout, completion=replace(rollout.completion, finish_reason="stop"))
            return ScoredRollout(rollout=ended, reward=Reward(total=float(won)), verdict=verdict)

        return [RolloutGroup(problem=problem, rollouts=tuple(map(pulled, rollouts))) for problem, rollouts in groups]


class Bandit:
    """A tiny policy with one question and one token to answer with, and everything its training needs."""

    def __init__(self, path: Path, *, seed: int, rounds: int | None, **changes: Any) -> None:
        tokenizer = build_tokenizer(CharacterTokenizer(tags=()), alphabet="?" + ARMS)
        model = Decoder(SHAPE.model_copy(update={"vocab_size": tokenizer.vocab_size, "tie_embeddings": False}))
        model.reset_parameters(seed)
        self.bundle = Bundle(decoder=model, tokenizer=tokenizer, layout=build_layout(TemplateConfig(), tokenizer))
        self.run: RunDirectory = new_run(path)
        self.context = StageContext(name="dpo", run=self.run, log=self.run.stage("dpo"), stop=StopRequest(), run_seed=seed)
        self.iterations = PreferenceIterations(rounds=rounds or 1, prompts=4, group_size=16, sampling=SamplingConfig(max_new_tokens=1))
        self.config = config_of(
            iterations=None if rounds is None else self.iterations.model_dump(),
            pairs_per_step=8,
            training={"optimizer": AdamW(lr=0.02, weight_decay=0).model_dump(), "max_grad_norm": 0},
            **changes,
        )
        self.sampler = LocalSampler(model, max_slots=64)
        self.rounds = RoundSampler(
            self.iterations,
            sampler=self.sampler,
            scorer=Pulls({"accuracy": AccuracyReward()}),
            prompts=PromptSource([QUESTION], self.bundle, seed=seed),
            tokenizer=tokenizer,
            stop_token_ids=tokenizer.stop_ids,
            context=self.context,
        )

    def trainer(self, pairs: list[SamplePair] | None = None) -> PreferenceTraining:
        total = planned_steps(self.config, len(pairs or []))
        learner = Learner(self.bundle.decoder, self.config.training, total_steps=total, device="cpu")
        reference = Scorer.frozen_copy(self.bundle.decoder, self.config.training, device="cpu")
        rounds = self.rounds if pairs is None else None
        return PreferenceTraining(self.config, learner=learner, reference=reference, context=self.context, pairs=pairs or (), rounds=rounds)

    def share_of_the_best(self) -> float:
        """Return how often the policy pulls the better arm, out of 64 fresh pulls."""
        groups = self.rounds.draw(999, self.bundle.decoder.state_dict(), version=0)
        return float(np.mean([member.verdict.correct for found in groups for member in found.rollouts]))


@pytest.mark.parametrize("seed", range(5))
def test_the_better_arm_is_learned_from_one_batch_of_pulls(seed: int, tmp_path: Path) -> None:
    bandit = Bandit(tmp_path / "run", seed=seed, rounds=None, epochs=20)
    groups = bandit.rounds.draw(0, bandit.bundle.decoder.state_dict(), version=0)
    pairs = completion_pairs(groups, max_per_problem=16, seed=0)
    assert 0 < bandit.share_of_the_best() < 0.6
    trainer = bandit.trainer(pairs)
    accuracies = [trainer.train_step(step)["rewards/accuracies"] for step in range(trainer.num_steps)]
    assert trainer.is_done(trainer.num_steps)
    assert accuracies[-1] == 1
    assert bandit.share_of_the_best() > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_the_better_arm_is_learned_in_rounds(seed: int, tmp_path: Path) -> None:
    bandit = Bandit(tmp_path / "run", seed=seed, rounds=8, epochs=8)
    trainer = bandit.trainer()
    step = 0
    while not trainer.is_done(step):
        trainer.train_step(step)
        step += 1
    assert step <= trainer.num_steps
    assert bandit.share_of_the_best() > 0.9


def test_the_reference_is_the_policy_at_the_start_of_each_round(tmp_path: Path) -> None:
    bandit = Bandit(tmp_path / "run", seed=0, rounds=3, epochs=4)
    trainer = bandit.trainer()
    margins: dict[float, float] = {}
    step = 0
    while not trainer.is_done(step):
        metrics = trainer.train_step(step)
        margins.setdefault(metrics["preference/round"], metrics["rewards/margins"])
        step += 1
    assert margins == {1: 0, 2: 0, 3: 0}


def test_a_round_without_a_pair_is_a_step_that_changes_nothing(tmp_path: Path) -> None:
    bandit = Bandit(tmp_path / "run", seed=0, rounds=1)
    wrong = [replace(QUESTION, id="never")]
    bandit.rounds._scorer.score_groups = lambda drawn: [group(WRONG, WRONG) for _ in wrong]  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
    trainer = bandit.trainer()
    metrics = trainer.train_step(0)
    assert metrics["preference/pairs"] == 0
    assert trainer.learner.version == 0
    assert trainer.is_done(1)


@pytest.mark.parametrize("at", [1, 3, 4])
@pytest.mark.parametrize("file_kept", [True, False], ids=["read", "drawn again"])
def test_a_resumed_run_is_the_undisturbed_one_to_the_bit(at: int, file_kept: bool, tmp_path: Path) -> None:
    def bandit(name: str) -> Bandit:
        return Bandit(tmp_path / name, seed=1, rounds=2, epochs=8)

    straight, stopped, resumed = bandit("straight"), bandit("stopped"), bandit("resumed")
    trainer = straight.trainer()
    step = 0
    while not trainer.is_done(step):
        trainer.train_step(step)
        step += 1
    first = stopped.trainer()
    for number in range(at):
        first.train_step(number)
    second = resumed.trainer()
    second.learner.load_state(*first.learner.state())
    if file_kept:
        resumed.run.rollouts_dir("dpo").parent.mkdir(parents=True, exist_ok=True)
        stopped.run.rollouts_dir("dpo").rename(resumed.run.rollouts_dir("dpo"))
        resumed.context.log.resume_at(at)
    second.restore(*first.extra_state())
    for number in range(at, step):
        assert not second.is_done(number)
        second.train_step(number)
    assert second.is_done(step)
    expected, found = trainer.learner.state(), second.learner.state()
    assert expected[1] == found[1]
    assert all(torch.equal(expected[0][name], found[0][name]) for name in expected[0])


def test_the_driver_drives_it(tmp_path: Path) -> None:
    bandit = Bandit(tmp_path / "run", seed=0, rounds=2)
    drive(bandit.trainer(), bandit.context, bandit.config.training)
    rows = bandit.run.metric_rows()
    assert [row["preference/round"] for row in rows] == sorted(row["preference/round"] for row in rows)
    assert rows[-1]["num_rollouts"] == 2 * 4 * 16


# -- settings


def refusal(**changes: Any) -> str:
    with pytest.raises(ValueError) as refused:
        config_of(**changes)
    return str(refused.value)


ROUNDS = {"rounds": 2, "prompts": 4, "group_size": 4, "sampling": {"max_new_tokens": 4}}


def test_packing_is_refused() -> None:
    assert "pack cannot keep the two of a pair" in refusal(training={"batching": {"type": "pack"}})


def test_greedy_rounds_are_refused() -> None:
    assert "temperature 0 draws the same completion" in refusal(iterations=ROUNDS | {"sampling": {"temperature": 0}})


def test_rounds_whose_longest_pairs_cannot_fit_are_refused_before_they_begin() -> None:
    said = refusal(iterations=ROUNDS | {"sampling": {"max_new_tokens": 2048}}, training={"max_tokens_per_device": 4096})
    assert "two completions of iterations.sampling.max_new_tokens 2048 do not fit" in said


def test_a_schedule_with_an_end_is_refused_where_nobody_knows_the_end() -> None:
    assert "schedule cosine has no end" in refusal(iterations=ROUNDS, training={"schedule": {"type": "cosine"}})


def test_a_pair_longer_than_half_a_microbatch_is_refused_at_once(tmp_path: Path) -> None:
    from reasonforge.stages.preference.run import _fitting  # pyright: ignore[reportPrivateUsage]

    bandit = Bandit(tmp_path / "run", seed=0, rounds=None)
    config = config_of(training={"max_tokens_per_device": 8})
    with pytest.raises(RecipeError, match=r"max_tokens_per_device is 8, but a pair whose longer sequence has \d+ tokens needs"):
        _fitting(sample_pairs(9), config, bandit.bundle, bandit.context)
