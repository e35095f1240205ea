"""Endless streams: lazily indexed, reproducible, and train apart from test."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from reasonforge.core.errors import RecipeError
from reasonforge.tasks.config import DataSource, DocumentMixture, TaskSource
from reasonforge.tasks.registry import get_task, task_names
from reasonforge.tasks.sources import load_demonstrations, load_documents, load_problems
from reasonforge.tasks.streams import ProblemStream, split_of
from tests.tasks.grading import grade

ARITHMETIC = "labelled_arithmetic"


def stream(seed: int = 0, **settings: object) -> ProblemStream:
    return ProblemStream(TaskSource.model_validate({"task": ARITHMETIC, **settings}), seed=seed)


def test_any_index_is_the_same_whatever_was_asked_before() -> None:
    one, two = stream(), stream()
    assert [one[index] for index in (5, 0, 10_000_000, 5)] == [two[index] for index in (5, 0, 10_000_000, 5)]
    assert stream(seed=1)[0] != stream(seed=2)[0]


def test_a_seed_of_its_own_fixes_a_source() -> None:
    fixed = TaskSource(task=ARITHMETIC, seed=5)
    assert ProblemStream(fixed, seed=1)[3] == ProblemStream(fixed, seed=2)[3]


@pytest.mark.parametrize("name", task_names())
def test_train_and_test_never_share_a_prompt(name: str) -> None:
    sides = {}
    easiest = get_task(name).levels[0]
    for split in ("train", "test"):
        # Different seeds: the split must hold between runs, too.
        problems = ProblemStream(TaskSource(task=name, split=split, levels=(easiest, easiest)), seed=len(split))
        sides[split] = {problems[index].question for index in range(150)}
        assert all(split_of(problems[index]) == split for index in range(20))
    assert not sides["train"] & sides["test"]


def test_one_prompt_in_ten_is_a_test_prompt() -> None:
    problems = stream(levels=(4, 8))
    share = sum(split_of(problems[index]) == "test" for index in range(4_000)) / 4_000
    assert abs(share - 0.1) < 0.025


def test_levels_are_kept_and_equally_likely() -> None:
    problems = stream(levels=(3, 6), split="test")
    levels = [problems[index].difficulty for index in range(800)]
    assert set(levels) == {3, 4, 5, 6}
    assert all(abs(levels.count(level) - 200) < 65 for level in (3, 4, 5, 6))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_source_may_speak_one_language(language: str) -> None:
    problems = stream(task="sorting", language=language, split="test", levels=(2, 3))
    assert {problems[index].language for index in range(30)} == {language}


def test_a_count_gives_that_many_different_problems() -> None:
    source = TaskSource(task=ARITHMETIC, levels=(1, 2), split="train", count=300)
    problems = load_problems(source, seed=0)
    assert isinstance(problems, list)
    assert len({problem.question for problem in problems}) == len(problems) == 300


def test_more_different_problems_than_there_are_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"levels 1 to 1 in split 'test' hold about \d\d different problems, 100 are wanted"):
        load_problems(TaskSource(task=ARITHMETIC, levels=(1, 1), split="test", count=100), seed=0)


def test_demonstrations_keep_their_mixture() -> None:
    source = TaskSource(task=ARITHMETIC, levels=(3, 3), documents=DocumentMixture(think_share=0.25, step_noise=0.1))
    shown = load_demonstrations(source, seed=3)
    sample = [shown[index] for index in range(1_500)]
    thinking = [demonstration for demonstration in sample if "<think>" in demonstration.completion]
    assert abs(len(thinking) / len(sample) - 0.25) < 0.06
    right = sum(grade(demonstration.problem, demonstration.completion).correct for demonstration in thinking) / len(thinking)
    # Three steps at 0.9, and an error can be undone by a later multiplication.
    assert 0.66 < right < 0.86
    direct = [demonstration for demonstration in sample if "<think>" not in demonstration.completion]
    assert all(grade(demonstration.problem, demonstration.completion).correct for demonstration in direct)


def test_documents_are_prompt_and_completion() -> None:
    source = TaskSource(task=ARITHMETIC, levels=(1, 6), split="train", documents=DocumentMixture(think_share=0.5, step_noise=0.1))
    documents, shown = load_documents(source, seed=0), load_demonstrations(source, seed=0)
    for index in range(200):
        text = documents[index].text
        assert text == shown[index].problem.question + shown[index].completion
        assert re.fullmatch(r"\d(?:[a-h][-+*]\d)+=(?:<think>(?:[a-h]\d)+</think>)?<answer>\d</answer>", text)


def test_counted_demonstrations_come_round_and_are_written_anew() -> None:
    source = TaskSource(task=ARITHMETIC, count=4, documents=DocumentMixture(think_share=1, step_noise=0.5))
    shown = load_demonstrations(source, seed=0)
    assert shown[0].problem == shown[4].problem
    assert len({shown[4 * lap].completion for lap in range(20)}) > 1


@pytest.mark.parametrize("name", task_names())
def test_documents_of_every_task_end_in_a_right_answer(name: str) -> None:
    source = TaskSource(task=name)
    shown, documents = load_demonstrations(source, seed=0), load_documents(source, seed=0)
    for index in range(30):
        assert grade(shown[index].problem, shown[index].completion).correct
        assert documents[index].text.startswith(shown[index].problem.question + get_task(name).joint)
        assert documents[index].source == f"task:{name}"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"task": "labeled_arithmetic"}, "Did you mean 'labelled_arithmetic'"),
        ({"task": ARITHMETIC, "levels": (0, 3)}, "has levels 1 to 8"),
        ({"task": ARITHMETIC, "levels": (5, 3)}, "easiest first"),
        ({"task": ARITHMETIC, "language": "zh"}, "labelled_arithmetic speaks en"),
        ({"task": ARITHMETIC, "count": 0}, "greater than 0"),
        ({"task": ARITHMETIC, "split": "valid"}, "'train', 'test' or 'all'"),
        ({"task": ARITHMETIC, "documents": {"think_share": 1.5}}, "less than or equal to 1"),
        ({"task": "countdown", "documents": {"step_noise": 0.1}}, "has no effect"),
        ({"task": ARITHMETIC, "documents": {"step_noise": 0.1, "think_share": 0}}, "has no effect"),
        ({"task": ARITHMETIC, "levles": (1, 2)}, "Extra inputs"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TypeAdapter(DataSource).validate_python({"type": "task", **settings})
