"""Reward models: what they are taught, that they learn it, and that nothing but the response changes a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward, RewardSample, RolloutGroup, ScoredRollout
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.scalar import ScalarModel
from reasonforge.rewards.model import ScoreSpec
from reasonforge.stages.reward_model.config import RewardModelConfig
from reasonforge.stages.reward_model.data import (
    Example,
    labelled_examples,
    outcome_examples,
    pair_examples,
    process_examples,
    split_by_problem,
)
from reasonforge.stages.reward_model.losses import loss_weights, pairwise_loss, pointwise_loss
from reasonforge.stages.reward_model.measure import measure_reward_model
from reasonforge.stages.reward_model.training import RewardModelTraining, num_updates
from reasonforge.tasks.labelled_arithmetic import LabelledArithmetic
from reasonforge.tasks.pairs import Labelled, Pair
from reasonforge.tensors.batch import RewardBatch
from reasonforge.tensors.collate import collate
from reasonforge.text.config import CharacterTokenizer, StepsConfig, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.train import build_tokenizer
from reasonforge.training.config import AdamW, Bucket, Pack, TrainingConfig
from reasonforge.training.scalar import ScalarLearner, ScalarScorer
from tests.runs.fabricate import scored

VOCAB = 11
SHAPE = DecoderConfig(vocab_size=VOCAB, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8, intermediate_size=24)
TASK = LabelledArithmetic()
TOKENIZER = build_tokenizer(CharacterTokenizer(), alphabet=TASK.alphabet())
LAYOUT = build_layout(TemplateConfig(), TOKENIZER)
STEPS = StepsConfig(at="pattern", pattern="[a-h][0-9]")
PROCESS = ScoreSpec(kind="process", steps=STEPS)
PROMPT = "7a*8b+5c-2="
"""Its running values are 6, 1, 9."""


def scalar_model(seed: int = 0, shape: DecoderConfig = SHAPE) -> ScalarModel:
    decoder = Decoder(shape)
    decoder.reset_parameters(seed)
    model = ScalarModel.from_decoder(decoder)
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


def example(problem_id: str, *samples: RewardSample, is_correct: bool | None = None) -> Example:
    return Example(
        problem_id=problem_id, samples=samples, lengths=tuple(len(sample.token_ids) - 1 for sample in samples), is_correct=is_correct
    )


def planted(num: int, *, pairs: bool = False, seed: int = 0) -> list[Example]:
    """Responses of random tokens; good where tokens above 5 outnumber the others. Pairs: the preferred one has more of them."""
    generator = np.random.default_rng(seed)

    def sample() -> tuple[int, RewardSample]:
        ids = np.append(generator.integers(1, VOCAB, int(generator.integers(4, 10))), 0).astype(np.int32)
        mask = np.zeros(len(ids), dtype=np.bool_)
        mask[-1] = True
        excess = int((ids[:-1] > 5).sum() - (ids[:-1] <= 5).sum())
        return excess, RewardSample(token_ids=ids, loss_mask=mask, labels=mask * np.float32(excess > 0))

    examples: list[Example] = []
    while len(examples) < num:
        (excess, first), (other, second) = sample(), sample()
        if not pairs:
            examples.append(example(f"p{len(examples) // 4}", first, is_correct=excess > 0))
        elif excess != other:
            examples.append(example(f"p{len(examples)}", *((first, second) if excess > other else (second, first))))
    return examples


def trained(examples: list[Example], held_out: list[Example], *, steps: int = 60) -> tuple[ScalarLearner, dict[str, float]]:
    decoder = Decoder(SHAPE)
    decoder.reset_parameters(0)
    config = TrainingConfig(optimizer=AdamW(lr=2e-2, weight_decay=0.0))
    learner = ScalarLearner(ScalarModel.from_decoder(decoder), config, total_steps=steps, device="cpu")
    trainer = RewardModelTraining(learner, examples, held_out, num_steps=steps, per_step=64, seed=0)
    metrics: dict[str, float] = {}
    for step in range(trainer.num_steps):
        metrics = trainer.train_step(step)
    return learner, metrics


def test_a_planted_score_is_learned_from_labels() -> None:
    _, metrics = trained(planted(400), planted(200, seed=1))
    assert metrics["reward_model/auc"] > 0.95
    assert metrics["reward_model/calibration_error"] < 0.1
    assert metrics["reward_model/pair_accuracy"] > 0.9


def test_a_planted_score_is_learned_from_pairs() -> None:
    _, metrics = trained(planted(400, pairs=True), planted(200, pairs=True, seed=1))
    assert metrics["reward_model/pair_accuracy"] > 0.9
    assert metrics["reward_model/brier"] < 0.15


def test_a_model_that_has_not_learned_ranks_nothing_and_is_a_coin() -> None:
    decoder = Decoder(SHAPE)
    decoder.reset_parameters(0)
    scorer = ScalarScorer(ScalarModel.from_decoder(decoder), TrainingConfig(), device="cpu")
    metrics = measure_reward_model(scorer.values, planted(40))
    assert (metrics["reward_model/auc"], metrics["reward_model/brier"], metrics["reward_model/length_correlation"]) == (0.5, 0.25, 0.0)


def test_a_model_that_counts_words_is_found_out_on_pairs_of_matched_length() -> None:
    """Right answers are longer, but not where lengths match."""
    generator = np.random.default_rng(0)

    def of_length(length: int) -> RewardSample:
        ids = generator.integers(1, VOCAB, length).astype(np.int32)
        return RewardSample(token_ids=ids, loss_mask=np.arange(length) == length - 1, labels=np.zeros(length, dtype=np.float32))

    sizes = [(40, 20), (50, 20), (60, 30), (41, 42), (30, 31), (52, 51)]
    pairs = [example(str(i), of_length(good), of_length(bad)) for i, (good, bad) in enumerate(sizes)]
    metrics = measure_reward_model(
        lambda samples: [np.full(len(sample.token_ids), len(sample.token_ids), np.float32) for sample in samples], pairs
    )
    assert metrics["reward_model/pair_accuracy"] == pytest.approx(4 / 6)
    assert metrics["reward_model/pair_accuracy_matched"] == pytest.approx(1 / 3)
    assert metrics["reward_model/length_correlation"] == pytest.approx(1.0)


@pytest.mark.parametrize("batching", [Bucket(), Pack(row_tokens=32)], ids=["padded", "packed"])
def test_a_score_depends_on_its_response_alone(batching: Bucket | Pack) -> None:
    samples = [example.samples[0] for example in planted(30)]
    scorer = ScalarScorer(scalar_model(), TrainingConfig(batching=batching, max_tokens_per_device=64), device="cpu")
    together = scorer.values(samples)
    for sample, values in zip(samples, together):
        np.testing.assert_allclose(scorer.values([sample])[0], values, atol=1e-5)
        other = replace(sample, token_ids=np.append(sample.token_ids[:-1], np.int32(7)))
        np.testing.assert_allclose(scorer.values([other])[0], values, atol=1e-5, err_msg="the closing token was read")


@pytest.mark.parametrize("pairs", [False, True], ids=["labels", "pairs"])
def test_the_learners_gradient_is_that_of_finite_differences(pairs: bool) -> None:
    examples = planted(6, pairs=pairs)
    samples = [sample for example in examples for sample in example.samples]
    batch = collate(samples, loss_weights(examples))
    assert isinstance(batch, RewardBatch)
    model, objective = scalar_model().double(), pairwise_loss if pairs else pointwise_loss

    def loss() -> torch.Tensor:
        return objective(model.values(batch, dtype=torch.float64), batch).loss

    parameters = [model.score.weight, model.decoder.embed_tokens.weight]
    gradients = torch.autograd.grad(loss(), parameters)
    for parameter, gradient in zip(parameters, gradients):
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            parameter += 1e-6 * direction
            above = loss()
            parameter -= 2e-6 * direction
            below = loss()
            parameter += 1e-6 * direction
        torch.testing.assert_close((gradient * direction).sum(), (above - below) / 2e-6, rtol=1e-5, atol=1e-8)


def test_an_update_does_not_depend_on_how_it_is_split() -> None:
    examples = planted(12, pairs=True)
    results = []
    for budget in (64, 16_384):
        learner = ScalarLearner(scalar_model(), TrainingConfig(max_tokens_per_device=budget), total_steps=1, device="cpu")
        samples = [sample for example in examples for sample in example.samples]
        results.append(learner.step(samples, pairwise_loss, loss_weights(examples), unit=2).metrics)
    assert results[0]["loss"] == pytest.approx(results[1]["loss"], rel=1e-5)
    assert results[0]["grad_norm"] == pytest.approx(results[1]["grad_norm"], rel=1e-4)


def problem() -> Problem:
    return Problem(id="p", messages=(Message("user", PROMPT),), answer="9", source="task:labelled_arithmetic")


def member(text: str, *, correct: bool = True, steps: tuple[tuple[int, float], ...] = ()) -> ScoredRollout:
    found = scored(problem(), 0, text, reward=float(correct))
    completion = replace(found.rollout.completion, token_ids=np.array([*TOKENIZER.encode(text), *TOKENIZER.stop_ids], dtype=np.int32))
    rollout = replace(found.rollout, completion=completion, prompt_ids=tuple(TOKENIZER.encode(PROMPT)))
    verdict = Verdict(status="correct" if correct else "wrong", prediction="9")
    return replace(found, rollout=rollout, verdict=verdict, reward=Reward(total=float(correct), steps=steps))


def group_of(*members: ScoredRollout) -> RolloutGroup:
    return RolloutGroup(problem=problem(), rollouts=members)


RIGHT = "<think>a6b1c9</think><answer>9</answer>"
"""Tokens: 0 <think>, 1-6 the steps, 7 </think>, 8 <answer>, 9 the digit, 10 </answer>, 11 the end."""
WRONG = "<think>a6b2c9</think><answer>9</answer>"


def labels_of(example: Example) -> list[tuple[int, float]]:
    (sample,) = example.samples
    return [(int(i) - len(PROMPT) - 1, float(sample.labels[i])) for i in np.flatnonzero(sample.loss_mask)]


def test_an_outcome_is_labelled_at_its_end_with_its_verdict() -> None:
    found = outcome_examples([group_of(member(RIGHT), member(WRONG, correct=False))], ScoreSpec(kind="outcome"), TOKENIZER.decode)
    assert [labels_of(example) for example in found] == [[(11, 1.0)], [(11, 0.0)]]


def test_a_rule_labels_each_step_and_the_verdict_the_last() -> None:
    found = process_examples([group_of(member(WRONG, correct=False))], PROCESS, TOKENIZER.decode, labels="rule")
    assert labels_of(found[0]) == [(2, 1.0), (4, 0.0), (6, 1.0), (11, 0.0)]


def test_a_step_of_several_statements_is_right_if_all_are() -> None:
    lines = ScoreSpec(kind="process", steps=StepsConfig())
    found = process_examples([group_of(member(WRONG, correct=True))], lines, TOKENIZER.decode, labels="rule")
    assert labels_of(found[0]) == [(11, 1.0)]  # one line, whose label is the answer's


def test_stored_shares_are_soft_labels_and_their_sign_the_hard_ones() -> None:
    groups = [group_of(member(RIGHT, steps=((2, 0.75), (4, 0.125), (6, 0.0), (11, 1.0))))]
    soft = process_examples(groups, PROCESS, TOKENIZER.decode, labels="soft")
    hard = process_examples(groups, PROCESS, TOKENIZER.decode, labels="hard")
    assert labels_of(soft[0]) == [(2, 0.75), (4, 0.125), (6, 0.0), (11, 1.0)]
    assert labels_of(hard[0]) == [(2, 1.0), (4, 1.0), (6, 0.0), (11, 1.0)]


@pytest.mark.parametrize(
    ("steps", "complaint"), [((), "has no step labels"), (((3, 1.0),), "belong to other steps"), (((2, 1.5),), "no shares")]
)
def test_labels_that_are_none_are_refused(steps: tuple[tuple[int, float], ...], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        process_examples([group_of(member(RIGHT, steps=steps))], PROCESS, TOKENIZER.decode, labels="soft")


def test_a_problem_whose_steps_no_rule_checks_is_refused() -> None:
    other = replace(group_of(member(RIGHT)), problem=replace(problem(), source="gsm8k"))
    with pytest.raises(DataError, match="no rule checks its steps"):
        process_examples([other], PROCESS, TOKENIZER.decode, labels="rule")


def test_a_pair_is_two_responses_up_to_the_token_that_ends_the_turn() -> None:
    pair = Pair(id="1", messages=(Message("user", PROMPT),), chosen="a6", rejected="b1", margin=None, source="test")
    (found,) = pair_examples([pair], ScoreSpec(kind="pairwise"), TOKENIZER, LAYOUT)
    texts = [TOKENIZER.decode(sample.token_ids[:-1].tolist()) for sample in found.samples]
    assert texts == [f"{PROMPT}a6<eos>", f"{PROMPT}b1<eos>"]
    assert found.lengths == (3, 3)
    assert all(np.flatnonzero(sample.loss_mask).tolist() == [len(sample.token_ids) - 1] for sample in found.samples)


def test_pairs_of_one_prompt_are_on_one_side_of_the_split() -> None:
    pairs = [
        Pair(id=str(i), messages=(Message("user", f"{i // 3}a+1="),), chosen="a6", rejected=f"b{i}", margin=None, source="test")
        for i in range(9)
    ]
    examples = pair_examples(pairs, ScoreSpec(kind="pairwise"), TOKENIZER, LAYOUT)
    train, held_out = split_by_problem(examples, held_out=0.5)
    assert {len(train), len(held_out)} == {3, 6}
    assert not {e.problem_id for e in train} & {e.problem_id for e in held_out}


def test_a_labelled_response_has_its_files_label() -> None:
    rows = [Labelled(id="1", messages=(Message("user", PROMPT),), response="a6", label=0.25, source="test")]
    (found,) = labelled_examples(rows, ScoreSpec(kind="safety"), TOKENIZER, LAYOUT)
    assert [label for _, label in labels_of(found)] == [0.25]
    assert found.is_correct is False


def test_a_problem_is_on_one_side_of_the_split_with_all_its_responses() -> None:
    examples = planted(400)
    train, held_out = split_by_problem(examples, held_out=0.2)
    names = {example.problem_id for example in train}, {example.problem_id for example in held_out}
    assert not names[0] & names[1]
    # Of 100 problems, four standard deviations around a fifth.
    assert 4 <= len(names[1]) <= 36
    assert len(train) + len(held_out) == 400
    assert split_by_problem(examples[::-1], held_out=0.2)[1][::-1] == held_out


def test_a_problem_is_on_the_same_side_whatever_others_there_are() -> None:
    examples = planted(400)
    few, half = ({one.problem_id for one in found} for found in (examples[:200], split_by_problem(examples[:200], held_out=0.2)[1]))
    assert half == {one.problem_id for one in split_by_problem(examples, held_out=0.2)[1]} & few


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_neither_side_of_the_split_is_empty(share: float) -> None:
    assert all(split_by_problem(planted(8), held_out=share))


def test_one_question_under_two_ids_is_one_problem() -> None:
    group = group_of(member(RIGHT), member(WRONG))
    twin = replace(group, problem=replace(group.problem, id="another"))
    found = outcome_examples([group, twin], ScoreSpec(kind="outcome"), TOKENIZER.decode)
    assert len({one.problem_id for one in found}) == 1


def test_one_problem_cannot_be_split() -> None:
    with pytest.raises(DataError, match="at least two"):
        split_by_problem(planted(4), held_out=0.5)


def test_passes_become_updates() -> None:
    assert [num_updates(100, epochs=epochs, examples_per_step=64) for epochs in (0.1, 1.0, 2.0)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kind": "outcome", "steps": {}}, "no effect with kind 'outcome'"),
        ({"kind": "pairwise", "step_labels": "hard"}, "no effect with kind 'pairwise'"),
        ({"kind": "process", "sees": "summary"}, "hides the steps"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RewardModelConfig.model_validate({"data": "d"} | settings)
