from __future__ import annotations

import doctest
import math
import subprocess
import sys
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.evaluation import estimators
from reasonforge.evaluation.estimators import (
    avg_at_k,
    best_of_n,
    bootstrap_interval,
    bootstrap_intervals,
    expected_majority_vote,
    majority_vote,
    normal_interval,
    paired_difference,
    pass_at_k,
    weighted_vote,
    wilson_interval,
)
from tests.oracle import Case, case, cases


@pytest.mark.parametrize("example", cases("metrics", prefix="pass@"), ids=lambda example: example.id)
def test_pass_at_k_matches_the_worked_examples(example: Case) -> None:
    given_ = example.inputs
    assert pass_at_k(given_["n"], given_["c"], given_["k"]) == pytest.approx(example.expected["pass_at_k"], abs=example.tolerance)


@given(st.integers(1, 40), st.data())
def test_pass_at_k_is_the_ratio_of_binomials(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(1 - math.comb(n - c, k) / math.comb(n, k), abs=1e-12)


def test_pass_at_k_survives_sizes_whose_binomials_are_no_floats() -> None:
    assert 0.99 < pass_at_k(20_000, 100, 1_000) < 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} of {n} samples"):
        pass_at_k(n, c, k)


@pytest.mark.parametrize("ties", ["expected", "first"])
def test_majority_votes_match_the_worked_examples(ties: estimators.Ties) -> None:
    example = case("metrics", "maj_at_k")
    credits = [majority_vote(answers, gold, ties=ties) for answers, gold in zip(example.inputs["answers"], example.inputs["gold"])]
    assert credits == example.expected["tie_first_seen" if ties == "first" else "tie_expected"]


def test_no_answer_never_wins() -> None:
    assert majority_vote([None, None, None, "7"], "7") == 1.0
    assert majority_vote([None, None], "7", ties="first") == 0.0


def test_expected_majority_matches_the_worked_example() -> None:
    example = case("metrics", "expected_maj_at_3_of_6")
    given_ = example.inputs
    computed = expected_majority_vote(given_["answers"], given_["gold"], k=given_["k"], ties=given_["tie"])
    assert computed == pytest.approx(example.expected["maj_at_k"], abs=example.tolerance)


@pytest.mark.parametrize("ties", ["expected", "first", "last"])
@given(st.lists(st.sampled_from(["7", "3", "5", None]), min_size=1, max_size=7), st.data())
def test_expected_majority_is_the_mean_over_all_subsets(ties: estimators.Ties, answers: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    by_hand = np.mean([majority_vote(subset, "7", ties=ties) for subset in combinations(answers, k)])
    assert expected_majority_vote(answers, "7", k=k, ties=ties) == pytest.approx(by_hand)


@pytest.mark.parametrize("ties", ["first", "last"])
def test_too_many_ordered_subsets_are_drawn_from_the_seed_and_come_close(ties: estimators.Ties) -> None:
    answers = ["7", "3", "5"] * 10 + ["7", "3"]
    first, again, other = (expected_majority_vote(answers, "7", k=8, ties=ties, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert abs(first - other) < 0.1


def test_the_exact_expectation_lies_where_drawn_subsets_do() -> None:
    answers = ["7"] * 20 + ["3"] * 18 + ["5"] * 10 + [f"w{i}" for i in range(14)] + [None] * 2
    draws = np.random.default_rng(0)

    def credit(k: int) -> float:
        votes = Counter(answers[i] for i in draws.choice(64, size=k, replace=False) if answers[i] is not None)
        winners = [answer for answer, count in votes.items() if count == max(votes.values())]
        return ("7" in winners) / len(winners)

    for k in (3, 16, 40):
        assert expected_majority_vote(answers, "7", k=k) == pytest.approx(np.mean([credit(k) for _ in range(4_000)]), abs=0.03)


def test_the_exact_expectation_of_all_but_one_sample_is_worked_by_hand() -> None:
    answers = ["7"] * 12 + ["3"] * 11 + ["5"] * 9
    # One draw of k = n - 1 leaves one sample out: "7" wins unless it is a "7", which ties with "3".
    assert expected_majority_vote(answers, "7", k=31) == pytest.approx((12 * 0.5 + 20) / 32)


def test_many_samples_neither_overflow_nor_leave_the_unit_interval() -> None:
    answers = [str(i % 5) for i in range(600)]
    assert expected_majority_vote(answers, "0", k=300) == pytest.approx(1 / 5, abs=1e-9)


def test_ties_are_settled_by_order_where_asked() -> None:
    answers = ["3", "7", "7", "3", None]
    assert [majority_vote(answers, "7", ties=ties) for ties in ("first", "expected", "last")] == [0.0, 0.5, 1.0]


def test_maj_at_one_is_avg_at_k() -> None:
    answers = ["7", "3", None, "7", "5"]
    assert expected_majority_vote(answers, "7", k=1) == pytest.approx(avg_at_k([answer == "7" for answer in answers]))


@pytest.mark.parametrize("k", [0, 4])
def test_votes_of_more_samples_than_there_are_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"maj@{k} of 3 samples"):
        expected_majority_vote(["1", "2", "3"], "1", k=k)


def test_avg_at_k_matches_the_worked_example() -> None:
    example = case("metrics", "pass1_r1_style")
    assert avg_at_k(example.inputs["correct"]) == pytest.approx(example.expected["pass@1"])


def test_a_weighted_vote_matches_the_worked_example() -> None:
    example = case("metrics", "rm_weighted_vote")
    vote = weighted_vote(example.inputs["answers"], example.inputs["rm_scores"])
    assert vote.winner == example.expected["winner"]
    assert vote.totals == pytest.approx(example.expected["totals"])


def test_a_weighted_vote_of_equal_weights_is_a_majority_and_of_no_answers_has_no_winner() -> None:
    assert weighted_vote(["3", None, "7", "7", None, None], [1.0] * 6).winner == "7"
    assert weighted_vote([None], [5.0]) == (None, {})


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=7), st.data())
def test_best_of_k_is_the_mean_over_all_subsets(samples: list[tuple[bool, int]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(samples)))

    def credit(subset: tuple[tuple[bool, int], ...]) -> float:
        best = [right for right, score in subset if score == max(score for _, score in subset)]
        return sum(best) / len(best)

    by_hand = np.mean([credit(subset) for subset in combinations(samples, k)])
    assert best_of_n([right for right, _ in samples], [score for _, score in samples], k=k) == pytest.approx(by_hand)


def test_the_bootstrap_and_the_closed_form_agree_on_many_problems() -> None:
    scores = np.random.default_rng(0).random(400)
    closed, drawn = normal_interval(scores), bootstrap_interval(scores, seed=3)
    assert drawn.low == pytest.approx(closed.low, abs=2e-3)
    assert drawn.high == pytest.approx(closed.high, abs=2e-3)
    assert drawn == bootstrap_interval(scores, seed=3)


def test_the_bootstrap_does_not_depend_on_how_it_is_cut_into_chunks() -> None:
    scores = np.random.default_rng(0).random(3_000)  # 1,333 resamples per chunk
    interval = bootstrap_interval(scores, seed=0, num_resamples=1_400)
    generator = np.random.default_rng(0)
    means = [scores[generator.integers(3_000, size=3_000)].mean() for _ in range(1_400)]
    assert interval == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    runs = generator.random((1_000, 60)) < 0.3
    intervals = [normal_interval(run) for run in runs]
    assert np.mean([low <= 0.3 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.02)
    wilson = [wilson_interval(int(run.sum()), 60) for run in runs]
    assert np.mean([low <= 0.3 <= high for low, high in wilson]) == pytest.approx(0.95, abs=0.02)


def test_several_figures_have_the_intervals_that_each_has_alone() -> None:
    columns = np.random.default_rng(0).random((3, 50))
    together = bootstrap_intervals(list(columns), seed=4, num_resamples=500)
    for found, column in zip(together, columns, strict=True):
        assert found == pytest.approx(bootstrap_interval(column, seed=4, num_resamples=500), abs=1e-9)


def test_a_higher_level_widens_an_interval() -> None:
    scores = [0.0, 1.0, 1.0, 0.5]
    narrow, wide = normal_interval(scores, level=0.68), normal_interval(scores, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.high - narrow.low) / 2 == pytest.approx(0.994 * np.std(scores, ddof=1) / 2, abs=1e-3)


def test_wilson_is_honest_where_all_answers_are_right_or_wrong() -> None:
    assert wilson_interval(0, 30).high == pytest.approx(1 - wilson_interval(30, 30).low)
    assert wilson_interval(0, 30).low == 0.0
    assert 0.1 < wilson_interval(0, 30).high < 0.15


def test_one_problem_has_an_unbounded_interval() -> None:
    assert normal_interval([0.5]) == (-math.inf, math.inf)


@pytest.mark.parametrize("call", [lambda: bootstrap_interval([], seed=0), lambda: normal_interval([]), lambda: wilson_interval(0, 0)])
def test_no_problems_are_refused(call) -> None:
    with pytest.raises(ValueError, match="problem"):
        call()


def test_pairing_narrows_the_difference_of_two_runs_on_the_same_problems() -> None:
    generator = np.random.default_rng(0)
    difficulty = generator.random(200)
    first = {f"p{i}": float(p) for i, p in enumerate(difficulty)}
    second = {f"p{i}": float(p + 0.05 + 0.02 * generator.standard_normal()) for i, p in reversed(list(enumerate(difficulty)))}
    paired = paired_difference(first, second)
    assert paired.difference == pytest.approx(0.05, abs=0.005)
    assert paired.low > 0.04
    assert paired.bootstrap == pytest.approx((paired.low, paired.high), abs=5e-4)
    unpaired = math.hypot(*(np.std(list(run.values()), ddof=1) / math.sqrt(200) for run in (first, second)))
    assert paired.standard_error < unpaired / 10


def test_runs_on_different_problems_are_not_compared() -> None:
    with pytest.raises(ValueError, match="2 problems"):
        paired_difference({"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 0.0})


def test_estimators_need_no_torch() -> None:
    program = "import reasonforge.evaluation.estimators, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_examples_in_docstrings_run_as_printed() -> None:
    result = doctest.testmod(estimators)
    assert result.attempted > 0
    assert result.failed == 0
