"""Labels of steps: shares of scripted completions, and which prefixes are rolled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, Reward, RolloutGroup, SampleRequest, SamplingParams, ScoredRollout
from reasonforge.rewards.config import AccuracyReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.signals import StopRequest
from reasonforge.stages.driver import StageContext
from reasonforge.stages.label_steps.config import LabelStepsConfig
from reasonforge.stages.label_steps.run import StepLabeller, check_written
from reasonforge.tasks.labelled_arithmetic import LabelledArithmetic
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.train import build_tokenizer
from tests.oracle import case
from tests.runs.fabricate import new_run, scored

TOKENIZER = build_tokenizer(CharacterTokenizer(), alphabet=LabelledArithmetic().alphabet())
PROMPT = "7a*8b+5c-2="
PROBLEM = Problem(id="p", messages=(Message("user", PROMPT),), answer="9", source="task:labelled_arithmetic")
SOLUTION = "<think>a6b1c9</think><answer>9</answer>"
CONFIG: dict[str, Any] = {"data": "d", "steps": {"at": "pattern", "pattern": "[a-h][0-9]"}, "sampling": {"max_new_tokens": 16}}


class ScriptedSampler:
    """Ends the answer as it is told: per prefix, one mark per completion; 1 = the right digit."""

    def __init__(self, script: Mapping[str, Sequence[int]]) -> None:
        self._script = script
        self.asked: list[str] = []
        self.seeds: dict[str, tuple[int, ...]] = {}

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        return [self._completions(request) for request in requests]

    def load(self, weights: object, *, version: int) -> None:
        raise AssertionError("labels are of the policy as it stands")

    def _completions(self, request: SampleRequest) -> list[Completion]:
        prefix = TOKENIZER.decode(request.prompt_ids).removeprefix(PROMPT)
        self.asked.append(prefix)
        self.seeds[prefix] = request.seeds
        marks = self._script[prefix]
        assert len(request.seeds) == len(marks)
        return [completion(f"</think><answer>{9 if mark else 8}</answer>") for mark in marks]


def completion(text: str) -> Completion:
    ids = np.array([*TOKENIZER.encode(text), *TOKENIZER.stop_ids], dtype=np.int32)
    zeros = np.zeros(len(ids), dtype=np.float32)
    return Completion(token_ids=ids, logprobs=zeros, mask=zeros == 0, finish_reason="stop", weights_version=0)


def solution(text: str, index: int = 0, *, correct: bool = True) -> ScoredRollout:
    found = scored(PROBLEM, index, text, reward=float(correct))
    rollout = replace(found.rollout, completion=completion(text), prompt_ids=tuple(TOKENIZER.encode(PROMPT)))
    verdict = Verdict(status="correct" if correct else "wrong", prediction="9" if correct else "8")
    return replace(found, rollout=rollout, verdict=verdict, reward=Reward(total=float(correct)))


def labelled(
    path: Path, sampler: ScriptedSampler, *solutions: ScoredRollout, completions: int
) -> tuple[list[tuple[tuple[int, float], ...]], dict[str, float]]:
    config = LabelStepsConfig.model_validate(CONFIG | {"completions": completions})
    with new_run(path) as run, RewardScorer({"accuracy": AccuracyReward()}) as scorer:
        labeller = StepLabeller(
            config,
            sampler=sampler,
            params=config.sampling.params(stop_token_ids=TOKENIZER.stop_ids),
            scorer=scorer,
            tokenizer=TOKENIZER,
            context=StageContext(name="label", run=run, log=run.stage("label"), stop=StopRequest(), run_seed=0),
        )
        (found,), metrics = labeller.label([RolloutGroup(problem=PROBLEM, rollouts=solutions)])
    return [member.reward.steps for member in found.rollouts], metrics


def test_shares_of_scripted_completions_are_the_worked_examples_soft_labels(tmp_path: Path) -> None:
    example = case("rewards", "math_shepherd")
    marks = example.inputs["completions_correct"]
    sampler = ScriptedSampler(dict(zip(["<think>a6", "<think>a6b1", "<think>a6b1c9"], marks)))
    (steps,), metrics = labelled(tmp_path, sampler, solution(SOLUTION), completions=8)
    assert [value for _, value in steps[:-1]] == example.expected["soft"]
    assert [float(value > 0) for _, value in steps[:-1]] == example.expected["hard"]
    assert metrics["label_steps/hard"] == pytest.approx(np.mean(example.expected["hard"]))
    assert metrics["label_steps/soft"] == pytest.approx(np.mean(example.expected["soft"]))


def test_labels_stand_at_the_last_tokens_of_their_steps(tmp_path: Path) -> None:
    sampler = ScriptedSampler({"<think>a6": [1], "<think>a6b1": [1], "<think>a6b1c9": [1]})
    (steps,), _ = labelled(tmp_path, sampler, solution(SOLUTION), completions=1)
    assert [end for end, _ in steps] == [2, 4, 6, 11]


@pytest.mark.parametrize("correct", [True, False])
def test_the_last_steps_label_is_whether_the_solution_is_right(tmp_path: Path, correct: bool) -> None:
    sampler = ScriptedSampler({"<think>a6": [1], "<think>a6b1": [1], "<think>a6b1c9": [1]})
    (steps,), _ = labelled(tmp_path, sampler, solution(SOLUTION, correct=correct), completions=1)
    assert steps[-1] == (11, float(correct))


def test_a_beginning_that_two_solutions_share_is_rolled_out_once(tmp_path: Path) -> None:
    other = "<think>a6b2c0</think><answer>0</answer>"
    prefixes = ["<think>a6", "<think>a6b1", "<think>a6b1c9", "<think>a6b2", "<think>a6b2c0"]
    sampler = ScriptedSampler({prefix: [1, 0] for prefix in prefixes})
    steps, metrics = labelled(tmp_path, sampler, solution(SOLUTION), solution(other, 1, correct=False), completions=2)
    assert sorted(sampler.asked) == sorted(prefixes)
    assert metrics["label_steps/shared"] == pytest.approx(1 / 6)
    assert steps[0][0] == steps[1][0]


def test_a_prefix_has_the_same_seeds_in_whatever_batch_it_stands(tmp_path: Path) -> None:
    script = {prefix: [1] for prefix in ("<think>a6", "<think>a6b1", "<think>a6b1c9", "<think>a5")}
    alone, among = ScriptedSampler(script), ScriptedSampler(script)
    labelled(tmp_path / "a", alone, solution(SOLUTION), completions=1)
    labelled(tmp_path / "b", among, solution("<think>a5</think><answer>5</answer>", correct=False), solution(SOLUTION, 1), completions=1)
    assert alone.seeds.items() <= among.seeds.items()
    assert len({seed for seeds in among.seeds.values() for seed in seeds}) == 4


def test_an_answer_in_the_prefix_does_not_make_a_wrong_completion_right(tmp_path: Path) -> None:
    prefix = "<think>a6</think><answer>9</answer>b1"
    sampler = ScriptedSampler({"<think>a6": [1], prefix: [0]})
    (steps,), _ = labelled(tmp_path, sampler, solution(f"{prefix}c9"), completions=1)
    assert [value for _, value in steps[:2]] == [1.0, 0.0]


def test_solutions_with_a_programs_output_are_refused() -> None:
    member = solution(SOLUTION)
    completion_of = member.rollout.completion
    part = replace(completion_of, mask=np.arange(len(completion_of)) != 3)
    with pytest.raises(DataError, match="sampled without tools"):
        check_written([RolloutGroup(problem=PROBLEM, rollouts=(replace(member, rollout=replace(member.rollout, completion=part)),))])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"sampling": {"max_new_tokens": 8, "tools": {}}}, "leave tools out"),
        ({"sampling": {"max_new_tokens": 8, "temperature": 0}}, "the same completion each time"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LabelStepsConfig.model_validate(CONFIG | settings)
