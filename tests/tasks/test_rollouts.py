"""Completions that a stage left: read back, filtered, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Verdict
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.runs.rollouts import step_file, write_rollouts
from reasonforge.tasks.config import RolloutSource
from reasonforge.tasks.rollouts import equations, filter_groups, load_groups, pass_rates
from reasonforge.tasks.sources import load_demonstrations, load_documents, load_problems
from tests.runs.fabricate import group, new_run, problem, scored


def source(**settings: object) -> RolloutSource:
    return RolloutSource.model_validate({"stage": "sample", **settings})


def texts(groups: list[RolloutGroup]) -> list[str]:
    return [member.rollout.text for one in groups for member in one.rollouts]


def of_texts(index: int, *found: str, rewards: tuple[float, ...] | None = None) -> RolloutGroup:
    of = problem(index)
    rewards = rewards or (1.0,) * len(found)
    members = tuple(scored(of, i, text, reward=reward) for i, (text, reward) in enumerate(zip(found, rewards, strict=True)))
    return RolloutGroup(problem=of, rollouts=members)


def ungraded(one: RolloutGroup, index: int) -> RolloutGroup:
    members = list(one.rollouts)
    members[index] = replace(members[index], verdict=Verdict(status="timeout"))
    return replace(one, rollouts=tuple(members))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose stage ``sample`` drew two files."""
    with new_run(tmp_path / "run") as opened:
        opened.plan([("sample", "sample")])
        for step in (1, 2):
            groups = [group(step, [1.0, 0.0, 1.0], step=step)]
            write_rollouts(
                step_file(opened.rollouts_dir("sample"), step),
                groups,
                None,
                run="r",
                stage="sample",
                step=step,
                tokens="all",
                tokenizer="abc",
            )
    return tmp_path / "run"


def test_the_groups_of_all_files_are_loaded(run: Path) -> None:
    assert [(one.problem.id, len(one.rollouts)) for one in load_groups(source(), run)] == [("p-1", 3), ("p-2", 3)]


def test_a_source_that_names_a_run_is_read_from_there(run: Path, tmp_path: Path) -> None:
    assert len(load_groups(source(run=str(run)), tmp_path)) == 2


def test_samples_of_another_tokenizer_are_refused(run: Path) -> None:
    assert load_groups(source(), run, tokenizer="abc")
    with pytest.raises(DataError, match="another tokenizer"):
        load_groups(source(), run, tokenizer="def")


def test_a_stage_that_has_not_run_is_named_with_those_there_are(run: Path) -> None:
    with pytest.raises(DataError, match=r"stage 'other' has drawn no completions \(stages of this run: sample\). Run it first"):
        load_groups(source(stage="other"), run)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run here"):
        load_groups(source(), tmp_path)


@pytest.mark.parametrize(("only", "kept"), [("correct", ["a", "c"]), ("wrong", ["b"]), ("all", ["a", "b", "c"])])
def test_verdicts_choose_completions(only: str, kept: list[str]) -> None:
    groups, _ = filter_groups([of_texts(0, "a", "b", "c", rewards=(1, 0, 1))], source(only=only))
    assert texts(groups) == kept


@pytest.mark.parametrize("only", ["correct", "wrong", "all"])
def test_completions_that_could_not_be_graded_are_never_taken(only: str) -> None:
    one = ungraded(of_texts(0, "a", "b", "c", rewards=(1, 0, 0)), 2)
    groups, left = filter_groups([one], source(only=only))
    assert "c" not in texts(groups)
    assert (left["drawn"], left["graded"]) == (3, 2)


def test_the_pass_rate_is_measured_before_verdicts_choose() -> None:
    groups = [of_texts(0, "a", "b", rewards=(1, 0)), of_texts(1, "c", "d", rewards=(1, 1)), of_texts(2, "e", "f", rewards=(0, 0))]
    found, left = filter_groups(groups, source(only="correct", pass_rate=[0.25, 0.75]))
    assert texts(found) == ["a"]
    assert left == {"drawn": 6, "graded": 6, "pass_rate": 2, "correct": 1}


def test_pass_rates_count_a_problem_over_all_its_groups_and_only_what_was_graded() -> None:
    groups = [of_texts(0, "a", "b", rewards=(1, 0)), ungraded(of_texts(0, "c", "d", rewards=(1, 0)), 1)]
    assert pass_rates(groups) == {"p-0": pytest.approx(2 / 3)}


def test_the_same_text_but_for_white_space_is_taken_once_per_problem() -> None:
    groups = [of_texts(0, "a  b", "a b\n", "c"), of_texts(1, "a b")]
    assert texts(filter_groups(groups, source(distinct="text"))[0]) == ["a  b", "c", "a b"]


def test_the_same_equations_in_other_words_are_taken_once() -> None:
    groups = [of_texts(0, "So 3 + 4 = 7.", "We see 3+4=7", "4 + 3 = 7", "no equation", "no  equation")]
    assert texts(filter_groups(groups, source(distinct="equations"))[0]) == ["So 3 + 4 = 7.", "4 + 3 = 7", "no equation"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("First 3 + 4 = 7, then 7 \\times 2 = 14.", ("3+4=7", "7*2=14")),
        ("(3 + 4) * 2 = 7*2 = 14", ("(3+4)*2=7*2=14",)),
        ("1,000 - 5 = 995", ("1000-5=995",)),
        ("2 · 3 = 6\n6 ÷ 2 = 3", ("2*3=6", "6/2=3")),
        ("x y", "x y"),
    ],
)
def test_equations_are_read_in_one_spelling(text: str, found: object) -> None:
    assert equations(text) == found


def test_equations_of_a_hostile_text_are_read_in_linear_time() -> None:
    # Ten times the text may cost a quadratic reader a hundred times as much; a million marks would then take hours, not a moment.
    assert equations("1" * 1_000_000 + "=") == ("1" * 1_000_000 + "=",)


def test_the_cap_counts_a_problem_over_all_its_groups() -> None:
    groups = [of_texts(0, "a", "b"), of_texts(0, "c"), of_texts(1, "d")]
    assert texts(filter_groups(groups, source(max_per_problem=2))[0]) == ["a", "b", "d"]


def test_the_seed_alone_decides_which_completions_the_cap_takes() -> None:
    groups = [of_texts(0, *"abcdefgh")]
    draws = [texts(filter_groups(groups, source(max_per_problem=2, shuffle_seed=seed))[0]) for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert len({tuple(found) for found in draws}) > 1


def test_what_is_taken_keeps_its_order_in_the_group() -> None:
    found, _ = filter_groups([of_texts(0, *"abcdefgh"), of_texts(1, *"ij")], source(shuffle_seed=3))
    assert texts(found) == list("abcdefghij")


def test_more_filters_come_before_distinct_and_cap() -> None:
    groups = [of_texts(0, "long text", "a", "a", "b", "c")]
    found, left = filter_groups(
        groups, source(distinct="text", max_per_problem=2), keep={"short": lambda _, member: len(member.rollout.text) == 1}
    )
    assert texts(found) == ["a", "b"]
    assert left == {"drawn": 5, "graded": 5, "short": 4, "distinct": 3, "max_per_problem": 2}


def test_nothing_left_says_how_many_each_filter_left() -> None:
    with pytest.raises(DataError, match=r"stage 'sample': no completion passes the filters \(drawn 2, graded 2, correct 0\)"):
        filter_groups([of_texts(0, "a", "b", rewards=(0, 0))], source(only="correct"))


def test_no_completions_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="drawn 0"):
        filter_groups([], source())


@pytest.mark.parametrize("band", [[0.5, 0.2], [-0.1, 1], [0, 1.1]])
def test_a_band_that_is_none_is_refused(band: list[float]) -> None:
    with pytest.raises(ValueError, match="two shares between 0 and 1"):
        source(pass_rate=band)


@pytest.mark.parametrize("load", [load_problems, load_demonstrations])
def test_completions_are_no_problems(load: Callable[..., object]) -> None:
    with pytest.raises(RecipeError, match="data of type rollouts holds no problems: read those of rollouts through a select stage"):
        load(source(), seed=0)


def test_completions_are_no_documents() -> None:
    with pytest.raises(RecipeError, match="data of type rollouts holds no documents"):
        load_documents(source(), seed=0)
