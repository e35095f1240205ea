"""Which responses are compared, and which pairs are left once lengths are balanced."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion, FinishReason, Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout
from reasonforge.stages.judge.pairs import Candidate, as_pair, balance_lengths, candidates


def member(text: str, finish: FinishReason = "stop") -> ScoredRollout:
    ids = np.array([ord(character) for character in text], np.int32)
    completion = Completion(
        token_ids=ids, logprobs=np.zeros(len(ids), np.float32), mask=np.ones(len(ids), np.bool_), finish_reason=finish, weights_version=0
    )
    rollout = Rollout(
        problem_id="p",
        group_id="p/0",
        index=0,
        prompt_ids=(0,),
        completion=completion,
        text=text,
        sampling=SamplingParams(max_new_tokens=9),
        seed=0,
    )
    return ScoredRollout(rollout=rollout, reward=Reward(total=0.0), verdict=Verdict(status="wrong"))


def group(*texts: str, name: str = "p", cut: tuple[str, ...] = ()) -> RolloutGroup:
    problem = Problem(id=name, messages=(Message("user", "q"),), answer="", source="test")
    return RolloutGroup(problem=problem, rollouts=(*map(member, texts), *(member(text, "length") for text in cut)))


def drawn(*groups: RolloutGroup, pairs: int = 99, shows: str = "summary", seed: int = 0, prompt: str = "q") -> list[Candidate]:
    return candidates(
        groups,
        pairs_per_problem=pairs,
        shows=shows,
        text_of=lambda completion: "".join(map(chr, completion.token_ids)),
        prompt_of=lambda _: prompt,
        seed=seed,
    )


def test_every_pair_of_different_responses_is_a_candidate_once() -> None:
    assert {frozenset(item.responses) for item in drawn(group("a", "b", "a", "c"))} == {frozenset(x) for x in ("ab", "ac", "bc")}


def test_responses_that_show_the_same_are_not_compared() -> None:
    assert drawn(group("<think>1</think>a", "<think>2</think> a")) == []
    assert len(drawn(group("<think>1</think>a", "<think>2</think> a"), shows="all")) == 1


def test_the_judge_sees_the_summary_and_the_pair_holds_everything() -> None:
    (item,) = drawn(group("<think>1</think>a", "b"))
    assert set(item.shown) == {"a", "b"}
    assert set(item.responses) == {"<think>1</think>a", "b"}


def test_what_was_cut_or_shows_nothing_is_left_out() -> None:
    assert drawn(group("a", "<think>b", "c</think> ", "", cut=("d",))) == []


def test_thinking_that_the_prompt_begins_and_nobody_ends_is_no_answer() -> None:
    assert drawn(group("a", "b"), prompt="q<think>") == []
    (found,) = drawn(group("x</think>a", "y</think>b"), prompt="q<think>")
    assert set(found.shown) == {"a", "b"}


def test_groups_of_one_problem_are_compared_with_each_other() -> None:
    assert len(drawn(group("a"), group("b"))) == 1
    assert drawn(group("a"), group("b", name="q")) == []


def test_no_problem_gives_more_than_its_share() -> None:
    found = drawn(group("a", "b", "c", "d"), group("a", "b", name="q"), pairs=2)
    assert [item.problem.id for item in found] == ["p", "p", "q"]


def test_which_are_drawn_depends_on_the_seed_alone() -> None:
    groups = group(*"abcdef"), group(*"abcdef", name="q")
    assert drawn(*groups, pairs=2) == drawn(*groups, pairs=2)
    assert len({tuple(item.id for item in drawn(*groups, pairs=2, seed=seed)) for seed in range(8)}) > 4


def test_problems_do_not_change_each_others_draws() -> None:
    alone = drawn(group(*"abcdef", name="q"), pairs=2)
    assert drawn(group(*"abcdef"), group(*"abcdef", name="q"), pairs=2)[2:] == alone


@pytest.mark.parametrize(("mean", "chosen"), [(1.5, "a"), (-1.5, "b")])
def test_the_better_response_is_chosen(mean: float, chosen: str) -> None:
    (item,) = drawn(group("a", "b"))
    pair = as_pair(item, mean if item.responses[0] == "a" else -mean, source="judge:j")
    assert (pair.chosen, pair.margin, pair.source) == (chosen, 1.5, "judge:j")


def test_pairs_of_comparable_lengths_are_all_kept() -> None:
    balance = balance_lengths([100, 50], [98, 52], max_gap=0.05)
    assert (balance.kept, balance.gap, balance.gap_before) == ((0, 1), 0.0, 0.0)


def test_the_pair_that_tilts_lengths_most_goes_first() -> None:
    balance = balance_lengths([10, 30, 12, 10], [10, 10, 10, 11], max_gap=0.05)
    assert balance.kept == (0, 2, 3)
    assert balance.gap == pytest.approx(2 * (32 - 31) / (32 + 31))
    assert balance.gap_before == pytest.approx(2 * (62 - 41) / (62 + 41))


def test_rejected_responses_that_are_longer_are_balanced_too() -> None:
    assert balance_lengths([10, 10], [10, 30], max_gap=0.05).kept == (0,)


def test_pairs_that_all_tilt_one_way_are_all_lost() -> None:
    assert balance_lengths([20, 22], [10, 11], max_gap=0.05).kept == ()


lengths = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=40)


@given(lengths, st.sampled_from([0.01, 0.05, 0.3]))
def test_what_is_kept_is_balanced(pairs: list[tuple[int, int]], most: float) -> None:
    balance = balance_lengths([a for a, _ in pairs], [b for _, b in pairs], max_gap=most)
    chosen, rejected = (sum(pairs[i][side] for i in balance.kept) for side in (0, 1))
    assert balance.gap == pytest.approx(2 * (chosen - rejected) / (chosen + rejected) if chosen + rejected else 0.0)
    assert abs(balance.gap) <= most


def test_random_preferences_lose_few_pairs() -> None:
    draws = random.Random(0)
    pairs = [(draws.randint(50, 150), draws.randint(50, 150)) for _ in range(1000)]
    assert len(balance_lengths([a for a, _ in pairs], [b for _, b in pairs], max_gap=0.05).kept) > 950
