"""When a completion ends, and what is refused before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.rollouts import SampleRequest
from reasonforge.sampling.config import SamplingConfig
from reasonforge.sampling.local import LocalSampler
from reasonforge.sampling.stops import stop_string_check
from tests.models.build import VOCAB, decoder
from tests.sampling.build import PARAMS, SHAPES, requests

QWEN3 = SHAPES["qwen3"]


def letters(ids: list[int]) -> str:
    return "".join(chr(ord("A") + token) for token in ids)


@pytest.fixture
def sampler() -> LocalSampler:
    return LocalSampler(decoder(QWEN3), decode=letters)


def test_a_stop_token_ends_a_completion_and_belongs_to_it(sampler: LocalSampler) -> None:
    asked, stops = requests(20), (3, 17, 40, VOCAB + 5)
    free, stopped = (sampler.sample(asked, replace(PARAMS, stop_token_ids=ids)) for ids in ((), stops))
    reasons = set()
    for whole, cut in zip((c for group in free for c in group), (c for group in stopped for c in group), strict=True):
        hits = [index for index, token in enumerate(whole.token_ids) if token in stops]
        expected = whole.token_ids[: hits[0] + 1] if hits else whole.token_ids
        assert cut.token_ids.tolist() == expected.tolist()
        assert cut.logprobs.tolist() == whole.logprobs[: len(cut)].tolist()
        assert cut.finish_reason == ("stop" if hits else "length")
        reasons.add(cut.finish_reason)
    assert reasons == {"stop", "length"}


def test_a_stop_string_ends_at_the_token_that_completes_it(sampler: LocalSampler) -> None:
    asked = requests(20)
    free = [completion for group in sampler.sample(asked, PARAMS) for completion in group]
    text = letters(free[0].token_ids.tolist())
    strings = (text[4:7], letters(free[5].token_ids.tolist())[0])
    stopped = [completion for group in sampler.sample(asked, replace(PARAMS, stop_strings=strings)) for completion in group]
    assert len(stopped[0]) <= 7
    assert len(stopped[5]) == 1
    for whole, cut in zip(free, stopped, strict=True):
        text = letters(whole.token_ids.tolist())
        ends = [text.find(string) + len(string) for string in strings if string in text]
        assert len(cut) == min([*ends, len(whole)])
        assert cut.finish_reason == ("stop" if ends else "length")


def test_a_stop_string_is_found_across_tokens_that_are_no_text_alone() -> None:
    """Byte tokens: three of them make one character, and special tokens decode to nothing."""

    def decode(ids: list[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", "replace")

    completes = stop_string_check(("止</", "x"), decode)
    ids = [*"先生".encode(), *[300] * 40, *"止</".encode()]
    found = [length for length in range(1, len(ids) + 1) if completes(np.array(ids[:length], np.int32))]
    assert found == [len(ids)]


def test_max_new_tokens_and_the_context_end_a_completion(sampler: LocalSampler) -> None:
    for length, expected in ((5, 12), (60, 4), (63, 1)):
        ((completion,),) = sampler.sample([SampleRequest(prompt_ids=(1,) * length, seeds=(0,))], PARAMS)
        assert (len(completion), completion.finish_reason) == (expected, "length")
        assert completion.mask.all()


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ((), "request 1: the prompt is empty"),
        ((1,) * 64, "request 1: the prompt has 64 tokens and the context 64"),
        ((1, VOCAB), f"token id {VOCAB} is outside the vocabulary of {VOCAB}"),
        ((-1, 1), "token id -1 is outside"),
    ],
)
def test_prompts_that_cannot_be_answered_are_refused(sampler: LocalSampler, prompt: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        sampler.sample([SampleRequest(prompt_ids=(1,), seeds=(0,)), SampleRequest(prompt_ids=prompt, seeds=(0,))], PARAMS)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0.0}, "top_p is 0"),
        ({"top_k": -2}, "top_k is -2"),
        ({"stop_strings": ("",)}, "a stop string is empty"),
    ],
)
def test_parameters_without_meaning_are_refused(sampler: LocalSampler, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        sampler.sample(requests(1), replace(PARAMS, **change))


def test_stop_strings_need_a_decoder_of_text() -> None:
    with pytest.raises(RecipeError, match="give the sampler a tokenizer's decode"):
        LocalSampler(decoder(QWEN3)).sample(requests(1), replace(PARAMS, stop_strings=("a",)))


@pytest.mark.parametrize("change", [{"max_slots": 0}, {"max_context": 65}])
def test_samplers_without_meaning_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match=next(iter(change))):
        LocalSampler(decoder(QWEN3), **change)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_weights_of_another_model_are_refused(backend: Any) -> None:
    model = decoder(QWEN3)
    sampler, good = LocalSampler(model, backend=backend), dict(model.named_parameters())
    with pytest.raises(DataError, match=r"no tensor 'norm\.weight'"):
        sampler.load({name: tensor for name, tensor in good.items() if name != "norm.weight"}, version=1)
    with pytest.raises(DataError, match=r"norm\.weight has shape \(31,\), the model needs \(32,\)"):
        sampler.load(good | {"norm.weight": good["norm.weight"][:-1]}, version=1)


def test_a_recipe_names_every_sampling_parameter() -> None:
    config = SamplingConfig(max_new_tokens=5, temperature=0.5, top_p=0.9, top_k=4, stop=("</answer>",))
    params = config.params(stop_token_ids=(2,))
    assert (params.max_new_tokens, params.temperature, params.top_p, params.top_k) == (5, 0.5, 0.9, 4)
    assert (params.stop_strings, params.stop_token_ids) == (("</answer>",), (2,))
