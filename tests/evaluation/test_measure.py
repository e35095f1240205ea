"""Figures of graded samples, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Verdict
from reasonforge.evaluation import measure as measure_module
from reasonforge.evaluation.compare import compare
from reasonforge.evaluation.estimators import majority_vote
from reasonforge.evaluation.measure import measure, sizes, vote_classes
from reasonforge.tasks.judge import Judge
from tests.evaluation.made import sampled

RUN = [
    sampled(["7", "7", "8", None], name="a", level=1, subject="sums"),
    sampled(["8", "8", "7", "!"], name="b", level=10, subject="sums"),
    sampled([None, None, "9", "9"], name="c", level=2, subject="proofs"),
]


def test_every_problem_counts_the_same() -> None:
    figures = measure(RUN).figures
    assert figures["pass@1"].value == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)
    assert figures["pass@2"].value == pytest.approx((5 / 6 + 3 / 6 + 0) / 3)
    assert figures["pass@4"].value == pytest.approx(2 / 3)
    assert figures["maj@4"].value == pytest.approx(1 / 3)


def test_maj_at_k_below_n_is_the_mean_over_all_subsets() -> None:
    votes = [["R", "R", "8", None], ["8", "8", "R", None], [None, None, "9", "9"]]
    by_hand = np.mean([[majority_vote(subset, "R") for subset in combinations(row, 2)] for row in votes])
    assert measure(RUN, ks=(2,)).figures["maj@2"].value == pytest.approx(by_hand)


def test_pass_at_one_is_always_there_and_no_k_exceeds_the_samples() -> None:
    assert set(measure(RUN, ks=(2, 64)).figures) == {"pass@1", "pass@2", "maj@2"}
    assert sizes(1) == (1,)
    assert sizes(64)[-3:] == (16, 32, 64)


def test_wrong_answers_vote_by_equivalence_and_right_ones_as_one() -> None:
    found = sampled(["1/2", "0.5", "7", "3", None], gold="7")
    right, half, same_half, three = (vote_classes(found, profile="strict")[i] for i in (2, 0, 1, 3))
    assert right == 0
    assert half == same_half
    assert len({right, half, three}) == 3
    assert vote_classes(found, profile="strict")[4] is None


def test_spellings_of_a_wrong_answer_outvote_a_right_one() -> None:
    assert measure([sampled(["7", "7", "1/2", "0.5", "0.50"])]).figures["maj@5"].value == 0.0


@pytest.mark.parametrize(("ties", "credit"), [("expected", 0.5), ("first", 0.0), ("last", 1.0)])
def test_ties_are_credited_as_asked(ties, credit: float) -> None:
    assert measure([sampled(["8", "7", "8", "7"])], ks=(4,), ties=ties).figures["maj@4"].value == credit


def test_scores_rank_and_weigh_samples() -> None:
    figures = measure(
        [sampled(["8", "7", "8"], scores=(0.4, 0.5, 0.3)), sampled(["7", "8", "9"], name="b", scores=(0.9, 0.1, 0.2))]
    ).figures
    assert figures["best@3"].value == 1.0
    assert figures["weighted@3"].value == 0.5  # 8 has 0.7 against 0.5; then 7 has 0.9 against 0.2


def test_without_scores_nothing_is_ranked() -> None:
    mixed = measure([sampled(["7", "8"], scores=(1.0, 0.0)), sampled(["7", "8"], name="b")])
    assert not any(name.startswith(("best", "weighted")) for name in mixed.figures)


def test_shares_and_lengths_count_samples() -> None:
    found = measure(RUN)
    assert found.shares == pytest.approx(
        {"correct": 3 / 12, "wrong": 5 / 12, "no_answer": 3 / 12, "timeout": 1 / 12, "error": 0, "truncated": 3 / 12}
    )
    assert found.length_unit == "tokens"
    assert found.lengths["mean"] == pytest.approx(11.5)
    assert found.lengths["mean when right"] == pytest.approx((10 + 11 + 12) / 3)


def test_what_became_of_tools_and_budgets_is_counted() -> None:
    with_tools = replace(RUN[0], tool_calls=(2, 0, 1, 1), tool_failures=(1, 0, 0, 0))
    with_budget = replace(RUN[0], thinking_tokens=(10, 20, 30, 40), within_budget=(True, True, False, True))
    assert measure([with_tools]).uses == {"tool_calls": 1.0, "failed_calls": 0.25}
    assert measure([with_budget]).uses == {"thinking_tokens": 25.0, "within_budget": 0.75}
    assert measure([with_tools, RUN[1]]).uses == {}  # of some problems nothing is known


@pytest.mark.parametrize("program", ["1/0", "raise SystemExit(3)"])
def test_programs_that_fail_are_told_from_programs_that_answer_nothing(program: str) -> None:
    reasons = []
    with Judge(answer_from="program") as judge:
        for code in (program, "pass"):
            reasons.append(judge.grade(RUN[0].problem, f"```python\n{code}\n```").reason)
    verdicts = tuple(Verdict(status="no_answer", reason=reason) for reason in reasons)
    assert measure([replace(RUN[0], samples=("", ""), lengths=None, truncated=None, verdicts=verdicts)]).uses == {"failed_programs": 0.5}


def test_texts_are_described() -> None:
    texts = ("<think>wait, wait: wrong</think><answer>7</answer>", "so \\boxed{7} 等于")
    found = measure([replace(RUN[0], samples=texts, lengths=None, truncated=None, verdicts=(RUN[0].verdicts or ())[:2])]).texts
    assert found["think_answer"] == 0.5
    assert found["boxed"] == 0.5
    assert found["reflective_words"] == 1.5
    assert found["language"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["repeated"] == 0.0


def test_of_very_many_texts_some_are_looked_at_spread_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_module, "MOST_TEXTS", 4)
    half = replace(RUN[0], samples=("wait",) * 8, lengths=None, truncated=None, verdicts=(RUN[0].verdicts or ()) * 2)
    other = replace(half, problem=RUN[1].problem, samples=("so",) * 8)
    assert measure([half, other]).texts["reflective_words"] == 0.5


def test_tables_sort_levels_by_size_and_leave_out_what_never_varies() -> None:
    tables = measure(RUN).tables
    assert [(row.name, row.num_problems) for row in tables["level"]] == [("1", 1), ("2", 1), ("10", 1)]
    assert {row.name: row.pass1 for row in tables["subject"]} == pytest.approx({"sums": 3 / 8, "proofs": 0.0})
    assert {row.name: row.majority for row in tables["subject"]} == pytest.approx({"sums": 0.5, "proofs": 0.0})
    assert "language" not in tables


def test_one_sample_each_has_wilsons_interval_which_is_no_point_at_full_marks() -> None:
    run = [sampled(["7"], name=str(i)) for i in range(30)]
    figure = measure(run).figures["pass@1"]
    assert figure.value == 1.0
    assert figure.closed.low == pytest.approx(0.886, abs=1e-3)
    assert figure.bootstrap.low == 1.0


def test_programs_have_no_answers_to_vote_with() -> None:
    found = measure([sampled(["!", None])])
    assert set(found.figures) == {"pass@1", "pass@2"}


def test_a_change_is_paired_by_problem() -> None:
    before = measure([sampled(["7", "8"], name=str(i)) for i in range(20)])
    after = measure([sampled(["7", "7"] if i % 2 else ["7", "8"], name=str(i)) for i in reversed(range(20))])
    found = compare(before, after)
    change = found.differences["pass@1"]
    assert change.difference == pytest.approx(0.25)
    assert change.low == pytest.approx(0.25 - 1.96 * np.std([0.0, 0.5] * 10, ddof=1) / np.sqrt(20), abs=1e-3)
    assert set(found.better) == {str(i) for i in range(1, 20, 2)}
    assert found.worse == ()


def test_problems_of_one_run_only_are_left_out_and_counted() -> None:
    found = compare(
        measure([sampled(["7"], name="a"), sampled(["7"], name="b")]), measure([sampled(["8"], name="b"), sampled(["8"], name="c")])
    )
    assert (found.num_problems, found.num_left_out, found.worse) == (1, 2, ("b",))


def test_runs_without_a_common_problem_are_refused() -> None:
    with pytest.raises(DataError, match="no problem in common"):
        compare(measure([sampled(["7"], name="a")]), measure([sampled(["7"], name="b")]))


def test_no_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="no problems"):
        measure([])
