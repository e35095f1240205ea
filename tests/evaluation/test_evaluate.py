"""What an evaluation says of a sampler whose answers are written down beforehand."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.evaluation.prompts import asked_problems
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

CUT = "..."
"""At the end of a script's answer: it ran into the token limit."""


def right(answer: str, *, think: bool = False) -> str:
    return f"{'<think>x</think>' if think else ''}<answer>{answer}</answer>"


@dataclass
class Script:
    """A sampler that answers from a list, prompt by prompt."""

    tokenizer: Tokenizer
    answers: Mapping[str, Sequence[str]]
    """Prompt text -> what is answered to its first, second, ... seed."""
    asked: list[tuple[Sequence[SampleRequest], SamplingParams]] = field(default_factory=list)

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        self.asked.append((requests, params))
        return [
            [self._completion(text) for text in self.answers[self.tokenizer.decode(list(request.prompt_ids))][: len(request.seeds)]]
            for request in requests
        ]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("an evaluation looks at the sampler as it is")

    def _completion(self, text: str) -> Completion:
        ids = self.tokenizer.encode(text.removesuffix(CUT), special=False)
        ids = ids if text.endswith(CUT) else [*ids, *self.tokenizer.stop_ids[:1]]
        return Completion(
            token_ids=np.array(ids, np.int32),
            logprobs=np.zeros(len(ids), np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason="length" if text.endswith(CUT) else "stop",
            weights_version=0,
        )


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer(CharacterTokenizer(), alphabet="abcx0123456789?")


def problem(name: str, answer: str) -> Problem:
    return Problem(id=name, messages=(Message("user", f"{name}?"),), answer=answer, source="test")


PROBLEMS = [problem("a", "1"), problem("b", "2"), problem("c", "3")]

ANSWERS = {
    "a?": [right("1", think=True), right("1"), right("7"), right("1")],  # 3 of 4, and the majority
    "b?": [right("5"), right("2", think=True), right("5"), right("2")],  # 2 of 4, a tie that a wrong answer opened
    "c?": ["xxxx" + CUT, right("9"), right("8"), "x"],  # none of 4; two give no answer
}


def evaluator(tokenizer: Tokenizer, problems: Sequence[Problem] = PROBLEMS, *, seed: int = 5, **settings: object) -> Evaluator:
    config = EvaluationConfig.model_validate({"data": "d", "samples": 4, "num_problems": 3, "max_new_tokens": 9} | settings)
    return Evaluator(config, problems, tokenizer=tokenizer, layout=build_layout(TemplateConfig(), tokenizer), seed=seed)


def test_the_figures_are_those_counted_by_hand(tokenizer: Tokenizer) -> None:
    found = evaluator(tokenizer).evaluate(Script(tokenizer, ANSWERS))
    assert found.metrics == pytest.approx(
        {
            "pass@1": (3 / 4 + 2 / 4 + 0) / 3,
            "pass@4": 2 / 3,  # two problems are solved at least once in four
            "maj@4": (1 + 1 / 2 + 0) / 3,  # the tie of the second is right half of the time
            "format": 2 / 12,
            "length": ((7 + 4 + 4 + 4) + (4 + 7 + 4 + 4) + (4 + 4 + 4 + 2)) / 12,
            "truncated": 1 / 12,
        }
    )
    low, high = found.pass1_interval
    assert low == 0.0  # all three draws may be the third problem: 1 of 27 resamples
    assert high == pytest.approx(0.75)
    assert [len(group.rollouts) for group in found.groups] == [4, 4, 4]
    assert [member.verdict.status for member in found.groups[2].rollouts] == ["no_answer", "wrong", "wrong", "no_answer"]
    assert [member.reward.total for member in found.groups[0].rollouts] == [1.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(("ties", "credit"), [("expected", 0.5), ("first", 0.0)])
def test_a_tied_vote_is_credited_as_the_recipe_says(tokenizer: Tokenizer, ties: str, credit: float) -> None:
    script = Script(tokenizer, ANSWERS)
    assert evaluator(tokenizer, PROBLEMS[1:2], ties=ties).evaluate(script).metrics["maj@4"] == credit


def test_spellings_of_the_right_answer_vote_together(tokenizer: Tokenizer) -> None:
    script = Script(tokenizer, {"a?": [right("1"), right("9"), right("9"), right("01"), right("001")]})
    found = evaluator(tokenizer, PROBLEMS[:1], samples=5).evaluate(script)
    assert [member.verdict.correct for member in found.groups[0].rollouts] == [True, False, False, True, True]
    assert found.metrics["maj@5"] == 1.0


def test_no_answer_does_not_vote(tokenizer: Tokenizer) -> None:
    script = Script(tokenizer, {"a?": ["x", "x", "x", right("1")]})
    metrics = evaluator(tokenizer, PROBLEMS[:1]).evaluate(script).metrics
    assert (metrics["maj@4"], metrics["pass@1"]) == (1.0, 0.25)


def test_a_question_outside_the_models_alphabet_is_named_with_its_source(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^test: problem a’: tokenizer: character 1 \('’', U\+2019\) .* only its own alphabet"):
        evaluator(tokenizer, [*PROBLEMS[:2], problem("a’", "4")])


def test_one_sample_has_neither_pass_at_k_nor_votes(tokenizer: Tokenizer) -> None:
    found = evaluator(tokenizer, samples=1, temperature=0).evaluate(Script(tokenizer, ANSWERS))
    assert set(found.metrics) == {"pass@1", "format", "length", "truncated"}
    assert found.metrics["pass@1"] == pytest.approx(1 / 3)


def test_step_skill_is_greedy_and_behind_the_prefix(tokenizer: Tokenizer) -> None:
    forced = {f"{prompt}<think>": [f"x</think>{right(answer)}"] for prompt, answer in (("a?", "1"), ("b?", "2"), ("c?", "4"))}
    script = Script(tokenizer, ANSWERS | forced)
    found = evaluator(tokenizer, skill_prefix="<think>").evaluate(script)
    assert found.metrics["step_skill"] == pytest.approx(2 / 3)
    assert found.metrics["format"] == pytest.approx(2 / 12)  # of the unforced completions alone
    (_, free), (requests, greedy) = script.asked
    assert (free.temperature, greedy.temperature) == (1.0, 0.0)
    assert [len(request.seeds) for request in requests] == [1, 1, 1]


def test_it_asks_as_the_recipe_says(tokenizer: Tokenizer) -> None:
    script = Script(tokenizer, ANSWERS)
    evaluator(tokenizer, num_problems=2, samples=3, temperature=0.7, top_p=0.9).evaluate(script)
    ((requests, params),) = script.asked
    assert [tokenizer.decode(list(request.prompt_ids)) for request in requests] == ["a?", "b?"]
    assert (params.temperature, params.top_p, params.max_new_tokens) == (0.7, 0.9, 9)
    assert params.stop_token_ids == tokenizer.stop_ids


def test_seeds_come_from_the_seed_and_the_problem_alone(tokenizer: Tokenizer) -> None:
    def seeds(problems: Sequence[Problem], seed: int = 5) -> dict[str, tuple[int, ...]]:
        script = Script(tokenizer, ANSWERS)
        evaluator(tokenizer, problems, seed=seed).evaluate(script)
        return {problem.id: request.seeds for problem, request in zip(problems, script.asked[0][0])}

    all_three = seeds(PROBLEMS)
    assert len({seed for row in all_three.values() for seed in row}) == 12
    assert seeds(PROBLEMS[::-1]) == all_three  # whatever stands beside it
    assert seeds(PROBLEMS[1:2])["b"] == all_three["b"]
    assert not set(seeds(PROBLEMS, seed=6)["a"]) & set(all_three["a"])


def test_greedy_drawing_wants_one_sample() -> None:
    with pytest.raises(ValueError, match="set samples to 1"):
        EvaluationConfig(data="d", samples=4, temperature=0)


def test_calls_of_the_tool_and_their_failures_are_kept_with_the_samples() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(), alphabet=string.printable)

    def stretch(text: str, *, is_model: bool) -> tuple[list[int], list[bool]]:
        ids = tokenizer.encode(text, special=False)
        return ids, [is_model] * len(ids)

    parts = [
        stretch("x", is_model=True),
        stretch("Runtime errors: x\n```\n", is_model=False),
        stretch("x", is_model=True),
        stretch("3\n```\n", is_model=False),
    ]
    completion = Completion(
        token_ids=np.array([i for ids, _ in parts for i in ids], np.int32),
        logprobs=np.zeros(sum(len(ids) for ids, _ in parts), np.float32),
        mask=np.array([kept for _, mask in parts for kept in mask]),
        finish_reason="length",
        weights_version=0,
    )
    judged = evaluator(tokenizer, PROBLEMS[:1], samples=1, temperature=0).evaluate(Script(tokenizer, {"a?": [right("1")]})).groups[0]
    member = replace(judged.rollouts[0], rollout=replace(judged.rollouts[0].rollout, completion=completion))
    config = EvaluationConfig.model_validate({"data": "d", "samples": 1, "temperature": 0.0, "style": "tir", "max_new_tokens": 9})
    tools = Evaluator(config, [], tokenizer=tokenizer, layout=build_layout(TemplateConfig(), tokenizer), seed=0, max_context=99)
    found = tools.as_samples(replace(judged, rollouts=(member,)))
    assert (found.tool_calls, found.tool_failures, found.truncated) == ((2,), (1,), (True,))


def test_joined_examples_end_at_a_question_of_the_models_own(tokenizer: Tokenizer) -> None:
    config = EvaluationConfig(data="d", style="cot", shots=2, joined=True, stop=("x",))
    (messages,) = asked_problems(PROBLEMS[:1], config)
    assert len(messages) == 1
    assert messages[0].content.count("\n\nQuestion:") == 2
    assert config.stop_strings == ("x", "\n\nQuestion:")
    (turns,) = asked_problems(PROBLEMS[:1], config.model_copy(update={"joined": False}))
    assert [message.role for message in turns] == ["user", "assistant"] * 2 + ["user"]
    with pytest.raises(ValueError, match="no effect without worked examples"):
        EvaluationConfig(data="d", joined=True)
