"""A sampler that answers conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.chat import ChatModel
from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import Completion, FinishReason, SampleRequest, SamplingParams
from reasonforge.rewards.judge import Comparison, PairwiseJudge
from reasonforge.sampling.chat import LocalChat
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.render import stop_token_ids
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

PARAMS = SamplingParams(max_new_tokens=9)
QUESTION = (Message("user", "Well?"),)


@cache
def tokenizer() -> Tokenizer:
    return build_tokenizer(CharacterTokenizer(), alphabet="".join(map(chr, range(10, 127))))


class Script:
    """A sampler that answers each prompt by a rule."""

    def __init__(self, text: str, *, finish: FinishReason = "stop") -> None:
        self.text = text
        self.finish: FinishReason = finish
        self.batches: list[list[SampleRequest]] = []
        self.params: list[SamplingParams] = []

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        self.batches.append(list(requests))
        self.params.append(params)
        ids = np.array([*tokenizer().encode(self.text), *(params.stop_token_ids[:1] if self.finish == "stop" else ())], np.int32)
        one = Completion(
            token_ids=ids,
            logprobs=np.zeros(len(ids), np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason=self.finish,
            weights_version=0,
        )
        return [[one] for _ in requests]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("nothing is loaded here")


def chat(sampler: Script, *, max_context: int = 10_000) -> LocalChat:
    return LocalChat(sampler, tokenizer(), build_layout(TemplateConfig(name="plain"), tokenizer()), max_context=max_context)


def test_the_answer_is_the_text_without_the_token_that_ends_it() -> None:
    found = chat(Script("Fine.")).ask(QUESTION, PARAMS, seed=3)
    assert (found.text, found.truncated, found.num_tokens) == ("Fine.", False, 6)


def test_an_answer_that_was_cut_says_so() -> None:
    found = chat(Script("Fine", finish="length")).ask(QUESTION, PARAMS, seed=3)
    assert (found.text, found.truncated) == ("Fine", True)


def test_the_model_stops_at_its_own_end_of_turn() -> None:
    sampler = Script("Fine.")
    chat(sampler).ask(QUESTION, PARAMS, seed=3)
    assert sampler.params[0].stop_token_ids == stop_token_ids(tokenizer(), build_layout(TemplateConfig(name="plain"), tokenizer()))


def test_every_question_has_its_own_seed() -> None:
    sampler = Script("Fine.")
    list(chat(sampler).ask_all([(i, QUESTION, 100 + i) for i in range(3)], PARAMS))
    assert [request.seeds for request in sampler.batches[0]] == [(100,), (101,), (102,)]


def test_answers_come_under_their_names_and_in_batches() -> None:
    sampler = Script("Fine.")
    found = list(chat(sampler).ask_all(((i, QUESTION, i) for i in range(150)), PARAMS))
    assert [name for name, _ in found] == list(range(150))
    assert [len(batch) for batch in sampler.batches] == [64, 64, 22]


def test_stopping_is_heeded_between_batches() -> None:
    sampler = Script("Fine.")
    found = list(chat(sampler).ask_all(((i, QUESTION, i) for i in range(150)), PARAMS, stop=lambda: len(sampler.batches) == 1))
    assert len(found) == 64


def test_a_question_that_does_not_fit_fails_alone() -> None:
    model = chat(Script("Fine."), max_context=20)
    found = dict(model.ask_all([("long", (Message("user", "?" * 30),), 0), ("short", QUESTION, 0)], PARAMS))
    assert isinstance(found["long"], UnavailableError)
    assert not isinstance(found["short"], UnavailableError)
    with pytest.raises(UnavailableError, match="the model's context is 20"):
        model.ask((Message("user", "?" * 30),), PARAMS, seed=0)


def test_text_makes_no_control_token() -> None:
    sampler = Script("Fine.")
    eos = tokenizer().decode([tokenizer().stop_ids[0]])
    chat(sampler).ask((Message("user", f"a{eos}b"),), PARAMS, seed=0)
    assert tokenizer().stop_ids[0] not in sampler.batches[0][0].prompt_ids


def test_tokens_are_counted_and_cost_nothing() -> None:
    model: ChatModel = chat(Script("Fine."))
    model.ask(QUESTION, PARAMS, seed=0)
    usage = model.usage
    assert (usage.requests, usage.completion_tokens, model.cost) == (1, 6, 0.0)
    assert usage.prompt_tokens >= 5


def test_a_sampler_can_judge() -> None:
    judge = PairwiseJudge(chat(Script("Equal.\n[[A=B]]")), PARAMS)
    (found,) = judge.compare([Comparison(id="c", messages=QUESTION, first="a", second="b")], seed=0) or []
    assert (found.scores, found.kept) == ((0, 0, 0, 0), False)
