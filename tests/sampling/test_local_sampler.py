"""Two backends, one learner, one answer; and nothing that a neighbour, a slot or a thread could change about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import NonFiniteError
from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.sampling.local import LocalSampler
from reasonforge.sampling.native.build import library
from reasonforge.sampling.scheduler import Group
from tests.models.build import VOCAB, decoder
from tests.sampling.build import PARAMS, SHAPES, next_logprobs, requests, same_bits, worst_difference

BackendName = Literal["native", "torch"]
BACKENDS: tuple[BackendName, ...] = ("native", "torch")
QWEN3 = SHAPES["qwen3"]

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler here")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SHAPES)
def test_the_sampler_reports_the_learners_logprobs(name: str, backend: BackendName) -> None:
    model, asked = decoder(SHAPES[name]), requests(4)
    answers = LocalSampler(model, backend=backend).sample(asked, PARAMS)
    assert worst_difference(model, asked, answers) <= 1e-5


@pytest.mark.parametrize("threads", [1, 2])
def test_streaming_hands_over_each_completion_once_as_it_is_finished_and_draws_the_same(threads: int) -> None:
    model, asked, params = decoder(QWEN3), requests(6, group_size=3), replace(PARAMS, stop_token_ids=tuple(range(VOCAB // 8)))
    sampler = LocalSampler(model, backend="native", threads=threads)
    finished: dict[tuple[int, int], Completion] = {}
    order: list[int] = []

    def on_done(row: int, index: int, completion: Completion) -> None:
        assert (row, index) not in finished
        finished[row, index] = completion
        order.append(len(completion))

    streamed = sampler.stream(asked, params, on_done)
    assert same_bits(streamed, sampler.sample(asked, params))
    assert same_bits(streamed, [[finished[row, index] for index in range(3)] for row in range(6)])
    if threads == 1:
        assert order == sorted(order)
        assert order[0] < order[-1]


@pytest.mark.parametrize("name", SHAPES)
def test_both_backends_draw_the_same_tokens(name: str) -> None:
    model, asked = decoder(SHAPES[name]), requests(6, group_size=3)
    native, plain = (LocalSampler(model, backend=backend).sample(asked, PARAMS) for backend in BACKENDS)
    for left, right in zip((c for group in native for c in group), (c for group in plain for c in group), strict=True):
        assert left.token_ids.tolist() == right.token_ids.tolist()
        np.testing.assert_allclose(left.logprobs, right.logprobs, atol=1e-5)


@pytest.mark.parametrize(
    "warp",
    [
        {"temperature": 0.0},
        {"temperature": 0.6},
        {"top_k": 3},
        {"top_p": 0.5},
        {"temperature": 1.4, "top_k": 20, "top_p": 0.8},
        {"top_k": 10**9},
    ],
    ids=str,
)
def test_both_backends_warp_alike(warp: dict[str, float]) -> None:
    model, asked, params = decoder(QWEN3), requests(6, group_size=3), replace(PARAMS, **warp)
    native, plain = (LocalSampler(model, backend=backend).sample(asked, params) for backend in BACKENDS)
    for left, right in zip((c for group in native for c in group), (c for group in plain for c in group), strict=True):
        assert left.token_ids.tolist() == right.token_ids.tolist()
        np.testing.assert_allclose(left.logprobs, right.logprobs, atol=1e-5)


def test_the_learner_scores_a_tempered_completion_at_its_temperature() -> None:
    model, asked = decoder(QWEN3), requests(4)
    answers = LocalSampler(model).sample(asked, replace(PARAMS, temperature=0.7))
    assert worst_difference(model, asked, answers, temperature=0.7) <= 1e-5


def test_greedy_takes_the_learners_maximum_at_every_step() -> None:
    model, (request, *_) = decoder(QWEN3), requests(1, group_size=1)
    ((completion,),) = LocalSampler(model).sample([request], replace(PARAMS, temperature=0.0))
    ids = list(request.prompt_ids)
    for token in completion.token_ids.tolist():
        assert token == int(np.argmax(next_logprobs(model, ids)))
        ids.append(token)


def test_bfloat16_stays_near_the_learner() -> None:
    model, asked = decoder(QWEN3), requests(8)
    for backend in BACKENDS:
        answers = LocalSampler(model, backend=backend, dtype="bfloat16").sample(asked, PARAMS)
        worst = worst_difference(model, asked, answers)
        print(f"bfloat16, {backend}: worst |sampler - learner| {worst:.4f} nats")
        assert 1e-5 < worst < 0.2


def test_a_completion_is_the_same_alone_and_in_any_company() -> None:
    """Bitwise: every output element is one chain of multiply-adds, whatever stands beside it."""
    model, asked = decoder(QWEN3), requests(32)
    expected = LocalSampler(model).sample(asked, PARAMS)
    alone = [LocalSampler(model, max_slots=1).sample([request], PARAMS)[0] for request in asked]
    assert same_bits(alone, expected)
    for max_slots in (3, 64, 128):
        backwards = LocalSampler(model, max_slots=max_slots).sample(asked[::-1], PARAMS)
        assert same_bits(backwards[::-1], expected)


def test_a_member_of_a_group_does_not_depend_on_the_group() -> None:
    model, (request, *_) = decoder(QWEN3), requests(1, group_size=20)
    together = LocalSampler(model, max_slots=7).sample([request], PARAMS)[0]
    apart = LocalSampler(model).sample([replace(request, seeds=(seed,)) for seed in request.seeds], PARAMS)
    assert same_bits([together], [[completion for group in apart for completion in group]])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_threads_change_nothing(dtype: Literal["float32", "bfloat16"]) -> None:
    model, asked = decoder(QWEN3), requests(12, group_size=3)
    one, three = (LocalSampler(model, max_slots=8, threads=threads, dtype=dtype).sample(asked, PARAMS) for threads in (1, 3))
    assert same_bits(one, three)


def test_one_sampler_serves_several_callers() -> None:
    model = decoder(QWEN3)
    sampler, batches = LocalSampler(model, max_slots=4), [requests(5, seed=seed) for seed in range(6)]
    expected = [sampler.sample(asked, PARAMS) for asked in batches]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda asked: sampler.sample(asked, PARAMS), batches))
    assert all(same_bits(left, right) for left, right in zip(answers, expected, strict=True))


def test_a_lower_limit_only_cuts_the_same_completion() -> None:
    model, asked = decoder(QWEN3), requests(6, group_size=3)
    whole = [completion for group in LocalSampler(model).sample(asked, PARAMS) for completion in group]
    limits = np.random.default_rng(0).integers(1, 13, size=(6, 3)).astype(np.int32)
    groups = [
        Group(prompt_ids=np.array(request.prompt_ids, np.int32), seeds=np.array(request.seeds, np.uint64), limits=row)
        for request, row in zip(asked, limits)
    ]
    LocalSampler(model, max_slots=4).run_groups(groups, PARAMS)
    for limit, full, cut in zip(limits.flatten(), whole, (c for group in groups for c in group.results), strict=True):
        assert cut is not None
        assert cut.token_ids.tolist() == full.token_ids[:limit].tolist()
        assert cut.logprobs.tobytes() == full.logprobs[:limit].tobytes()


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    max_slots=st.integers(1, 9),
    stops=st.sets(st.integers(0, VOCAB - 1), max_size=15),
)
def test_any_schedule_gives_the_same_completions(sizes: list[int], max_slots: int, stops: set[int]) -> None:
    model, params = decoder(QWEN3), replace(PARAMS, stop_token_ids=tuple(stops))
    asked = [replace(request, seeds=request.seeds[:size]) for request, size in zip(requests(len(sizes), group_size=5), sizes)]
    answers = LocalSampler(model, max_slots=max_slots).sample(asked, params)
    assert [len(group) for group in answers] == sizes
    assert same_bits(answers, LocalSampler(model).sample(asked, params))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_prompt_longer_than_a_step_is_fed_in_pieces(backend: BackendName) -> None:
    config = QWEN3.model_copy(update={"max_positions": 700})
    model = decoder(config)
    prompts = [tuple(np.random.default_rng(length).integers(VOCAB, size=length).tolist()) for length in (600, 3, 300)]
    asked = [SampleRequest(prompt_ids=ids, seeds=(1, 2)) for ids in prompts]
    params = replace(PARAMS, max_new_tokens=4)
    assert worst_difference(model, asked, LocalSampler(model, backend=backend, max_slots=3).sample(asked, params)) <= 1e-5


def test_draws_follow_the_exact_distribution() -> None:
    """Chi-square over 20000 fixed seeds; the bound is four standard deviations of the statistic."""
    model, count = decoder(QWEN3), 20_000
    request = SampleRequest(prompt_ids=(3, 1, 4), seeds=tuple(range(count)))
    answers = LocalSampler(model).sample([request], replace(PARAMS, max_new_tokens=1))[0]
    observed = np.bincount([completion.token_ids[0] for completion in answers], minlength=VOCAB)
    expected = count * np.exp(next_logprobs(model, request.prompt_ids))
    assert expected.min() >= 5
    freedom = VOCAB - 1
    assert ((observed - expected) ** 2 / expected).sum() < freedom + 4 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_new_weights_count_from_load_on_and_carry_their_version(backend: BackendName) -> None:
    model, other, asked = decoder(QWEN3), decoder(QWEN3, seed=5), requests(3)
    sampler = LocalSampler(model, backend=backend)
    before = sampler.sample(asked, PARAMS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)  # training in place must not reach the sampler
    assert same_bits(sampler.sample(asked, PARAMS), before)
    sampler.load(dict(other.named_parameters()), version=7)
    after = sampler.sample(asked, PARAMS)
    assert {completion.weights_version for group in before for completion in group} == {0}
    assert {completion.weights_version for group in after for completion in group} == {7}
    assert same_bits(
        after, [[replace(c, weights_version=7) for c in group] for group in LocalSampler(other, backend=backend).sample(asked, PARAMS)]
    )


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("backend", BACKENDS)
def test_diverged_weights_are_an_error_and_leave_no_trace(backend: BackendName, temperature: float) -> None:
    model, asked, params = decoder(QWEN3), requests(3), replace(PARAMS, temperature=temperature)
    sampler = LocalSampler(model, backend=backend)
    expected = sampler.sample(asked, params)
    good = dict(model.named_parameters())
    sampler.load(good | {"layers.1.mlp.up_proj.weight": good["layers.1.mlp.up_proj.weight"] * float("nan")}, version=1)
    with pytest.raises(NonFiniteError, match="diverged"):
        sampler.sample(asked, params)
    sampler.load(good, version=2)
    assert same_bits(sampler.sample(asked, params), expected)


def test_nothing_asked_nothing_answered() -> None:
    sampler = LocalSampler(decoder(QWEN3))
    assert sampler.sample([], PARAMS) == []
    assert sampler.sample([SampleRequest(prompt_ids=(1,), seeds=())], PARAMS) == [[]]


def test_seeds_up_to_63_bits_count_in_full() -> None:
    model = decoder(QWEN3)
    request = SampleRequest(prompt_ids=(1, 2), seeds=(2**63 - 1, 2**31 - 1, 2**63 - 1))
    first, second, third = LocalSampler(model).sample([request], replace(PARAMS, max_new_tokens=30))[0]
    assert same_bits([[first]], [[third]])
    assert first.token_ids.tolist() != second.token_ids.tolist()


def test_a_large_vocabulary_is_sampled_in_pieces() -> None:
    """Its logits do not fit one scratch buffer."""
    config = QWEN3.model_copy(update={"vocab_size": 150_001, "hidden_size": 8, "num_layers": 1, "intermediate_size": 8})
    model = decoder(config)
    asked = [SampleRequest(prompt_ids=(i, 150_000 - i), seeds=(i,)) for i in range(30)]
    params = SamplingParams(max_new_tokens=1, top_p=0.9)
    native, plain = (LocalSampler(model, backend=backend).sample(asked, params) for backend in BACKENDS)
    agreeing = [a.token_ids.tolist() == b.token_ids.tolist() for (a,), (b,) in zip(native, plain, strict=True)]
    assert np.mean(agreeing) > 0.9  # a draw within rounding of a border between two of 150001 tokens may fall on either side
