from __future__ import annotations

import json
import math

import numpy as np
import pytest

from reasonforge.evaluation.seeds import seed_difference
from reasonforge.pipelines.compare_results import compare_pairs, comparison_table, comparison_text, verdict_of
from tests.pipelines.compared import compared, result

BETTER = {"dapo": [0.78, 0.80, 0.77, 0.79], "grpo": [0.62, 0.66, 0.60, 0.64]}


def test_a_difference_beyond_the_noise_names_the_better_its_size_and_its_interval() -> None:
    # Differences 0.16, 0.14, 0.17, 0.15: standard error 0.00645, three degrees of freedom, 3.182 of them to either side.
    pair = compared(BETTER)["pairs"][0]
    assert pair["verdict"] == "beyond_noise"
    assert pair["words"].startswith(
        "dapo is better than grpo by 0.155 [0.134, 0.176], beyond the noise (paired by seed, 4 seeds, p < 0.001)"
    )


def test_the_words_do_not_depend_on_the_order_of_the_recipes() -> None:
    other = compared(dict(reversed(BETTER.items())))
    assert other["findings"] == compared(BETTER)["findings"]


def test_noise_is_called_noise_with_what_could_have_been_seen() -> None:
    pair = compared({"a": [0.60, 0.66, 0.63], "b": [0.62, 0.63, 0.65]})["pairs"][0]
    assert pair["verdict"] == "none"
    assert "a and b: no difference beyond the noise (-0.003 [" in pair["words"]
    assert f"A difference below {pair['visible']:.3f} would be missed more often than one time in five." in pair["words"]


def test_one_seed_says_nothing() -> None:
    data = compared({"a": [0.9], "b": [0.1]})
    assert data["pairs"][0]["verdict"] == "untested"
    assert "nothing can be said" in data["findings"][0]
    assert (data["pairs"][0]["low"], data["pairs"][0]["visible"]) == (None, None)


def test_where_lower_is_better_the_lower_one_is_better() -> None:
    words = compared({"a": [0.5, 0.51, 0.52], "b": [0.1, 0.11, 0.13]}, metric="eval/truncated")["findings"][0]
    assert words.startswith("b is better than a (lower by ")


def test_a_metric_without_a_better_end_has_only_higher_and_lower() -> None:
    words = compared({"a": [50, 51, 52], "b": [10, 11, 13]}, metric="eval/length")["findings"][0]
    assert words.startswith("a is higher than b by ")


@pytest.mark.parametrize(
    ("figures", "headline"),
    [
        (BETTER, "dapo is better than grpo, beyond the noise."),
        ({**BETTER, "rft": [0.5, 0.52, 0.49, 0.51]}, "dapo is better than every other recipe, beyond the noise."),
        ({"a": [0.60, 0.66, 0.63], "b": [0.62, 0.63, 0.65]}, "No difference exceeds the noise."),
        ({"a": [0.9], "b": [0.1]}, "One seed each: what is noise cannot be told."),
        (
            {"a": [0.80, 0.79, 0.81, 0.80], "b": [0.80, 0.81, 0.79, 0.80], "c": [0.1, 0.11, 0.12, 0.1]},
            "2 of 3 differences exceed the noise: a is better than c; b is better than c.",
        ),
    ],
)
def test_the_headline_says_what_all_pairs_come_to(figures: dict[str, list[float]], headline: str) -> None:
    data = compared(figures)
    assert data["headline"] == headline
    assert comparison_text(data).startswith(headline)


def test_in_the_headline_too_the_lower_is_better_where_it_is() -> None:
    data = compared({"a": [0.5, 0.51, 0.52], "b": [0.1, 0.11, 0.13]}, metric="eval/truncated")
    assert data["headline"] == "b is better than a, beyond the noise."


def test_other_seeds_are_compared_unpaired() -> None:
    first = [result("a", seed, value) for seed, value in ((1, 0.5), (2, 0.6), (3, 0.55))]
    second = [result("b", seed, value) for seed, value in ((1, 0.1), (2, 0.2))]
    pair = compare_pairs(["a", "b"], [first, second], "eval/pass@1")[0]
    assert pair.seeds.method == "welch"
    assert "Welch, 3 and 2 seeds" in pair.words


def test_a_recipe_without_a_finished_run_is_in_no_pair() -> None:
    data = compared({"a": [0.5, 0.6], "b": [], "c": [0.5, 0.7]})
    assert [(pair["first"], pair["second"]) for pair in data["pairs"]] == [("a", "c")]
    assert data["recipes"][1]["final"] is None
    assert "2 runs could not be read" in data["remarks"][-1]


def test_what_holds_alone_may_fall_when_all_pairs_are_counted() -> None:
    figures = {"a": [0.50, 0.53, 0.49], "b": [0.55, 0.56, 0.55], "c": [0.51, 0.50, 0.52], "d": [0.50, 0.54, 0.47]}
    pairs = compared(figures)["pairs"]
    fallen = [pair for pair in pairs if pair["p"] < 0.05]
    assert fallen
    assert {pair["verdict"] for pair in fallen} == {"corrected_away"}
    assert "once all 6 pairs are counted" in fallen[0]["words"]


def test_seeds_that_agree_are_not_enough_where_the_problems_are_few() -> None:
    # Every seed finds the same difference, on three problems of which one decides.
    first = [result("a", seed, 0.5 + 0.001 * seed, scores={"p1": 1.0, "p2": 0.5, "p3": 0.0}) for seed in (1, 2, 3)]
    second = [result("b", seed, 0.17 + 0.002 * seed, scores={"p1": 0.0, "p2": 0.5, "p3": 0.0}) for seed in (1, 2, 3)]
    pair = compare_pairs(["a", "b"], [first, second], "eval/pass@1")[0]
    assert pair.adjusted_p < 0.05
    assert pair.verdict == "few_problems"
    assert pair.problems is not None
    assert pair.problems[0] <= 0.0
    assert pair.visible > 0.3


def test_problems_that_seeds_share_count_once() -> None:
    scores = {f"p{i}": float(i % 2) for i in range(20)}
    shared = [result("a", seed, 0.5, scores=scores) for seed in (1, 2)]
    other = [result("b", seed, 0.4, scores={key: 0.8 * value for key, value in scores.items()}) for seed in (1, 2)]
    once = compare_pairs(["a", "b"], [shared[:1], other[:1]], "eval/pass@1")[0]
    twice = compare_pairs(["a", "b"], [shared, other], "eval/pass@1")[0]
    assert twice.problems == once.problems


def test_recipes_that_are_the_same_are_seldom_told_apart() -> None:
    # The whole rule: Student's t, corrected, and the problems. Three recipes, so three chances to be wrong.
    rng = np.random.default_rng(0)
    count, alarms = 400, 0
    for _ in range(count):
        figures = rng.normal(0.5, 0.05, size=(3, 4))
        pairs = compare_pairs(["a", "b", "c"], [[result("x", s, float(v)) for s, v in enumerate(row)] for row in figures], "eval/pass@1")
        alarms += any(pair.verdict == "beyond_noise" for pair in pairs)
    assert alarms / count < 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)


@pytest.mark.parametrize("problems", [None, (0.1, 0.2)])
def test_a_difference_must_pass_both_tests_to_be_beyond_the_noise(problems: tuple[float, float] | None) -> None:
    large = seed_difference({1: 0.9, 2: 0.91, 3: 0.92}, {1: 0.1, 2: 0.1, 3: 0.12})
    assert verdict_of(large, large.p, problems) == "beyond_noise"
    assert verdict_of(large, 0.06, problems) == "corrected_away"
    assert verdict_of(large, large.p, (-0.01, 0.2)) == "few_problems"


def test_the_band_of_a_curve_is_one_standard_deviation_around_the_mean_over_seeds() -> None:
    curve = compared({"a": [0.4, 0.8], "b": [0.1, 0.2]})["recipes"][0]["curve"]
    assert curve["rollouts"] == [16, 32, 48, 64]
    last = [0.4 + 0.01, 0.8 + 0.02]
    assert curve["mean"][-1] == pytest.approx(np.mean(last))
    assert curve["high"][-1] - curve["mean"][-1] == pytest.approx(np.std(last, ddof=1))


def test_a_recipe_that_measures_nothing_while_it_trains_is_drawn_from_its_ends() -> None:
    recipe = compared({"a": [0.4, 0.8], "b": [0.1, 0.2]}, steps=0)["recipes"][0]
    assert not recipe["has_curve"]
    assert (recipe["curve"]["rollouts"], recipe["curve"]["mean"]) == ([64.0], [pytest.approx(0.6)])


def test_the_data_is_json_and_the_table_has_a_row_per_recipe() -> None:
    data = compared({**BETTER, "one": [0.5]})
    json.dumps(data, allow_nan=False)
    lines = comparison_text(data).splitlines()
    assert lines[3].split()[:4] == ["dapo", "0.785", "[0.764,", "0.806]"]
    assert lines[5].split()[:2] == ["one", "0.500"]
    assert sum(line.startswith("- ") for line in lines) == 3


def test_where_no_run_draws_rollouts_tokens_are_shown() -> None:
    data = compared({"clean": [0.5, 0.6], "noisy": [0.4, 0.3]}, steps=0, tokens={"clean": 4096.0, "noisy": 4096.0})
    header, rows = comparison_table(data)
    assert "rollouts" not in header
    assert [row[header.index("tokens")] for row in rows] == ["4096", "4096"]
    assert data["remarks"] == []
    assert "tokens" not in comparison_table(compared(BETTER))[0]


def test_runs_that_were_not_trained_on_equally_many_tokens_are_named() -> None:
    (remark,) = compared({"clean": [0.5], "noisy": [0.4]}, steps=0, tokens={"clean": 4096.0, "noisy": 2048.0})["remarks"]
    assert remark.startswith("Runs were not trained on equally many tokens: clean 4096 to 4096, noisy 2048 to 2048.")
