"""Rows become problems: column maps, answer formats, and one line for every row that cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.tasks.config import DataSource, FileSource
from reasonforge.tasks.sources import load_demonstrations, load_documents, load_problems

WORKED = "He has 2*500=<<2*500=1000>>1,000 coins.\nThat is all.\n#### 1,000"


def file_of(folder: Path, rows: list[Any], name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(path: Path, **settings: Any) -> list[Problem]:
    source = FileSource.model_validate({"path": path, **settings})
    problems = load_problems(source, seed=0)
    assert isinstance(problems, list)
    return problems


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as refused:
        load(path, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_plain_rows(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": "1+1?", "answer": " 2 "}])
    (problem,) = load(path, language="zh", kind="logic", name="sums")
    assert (problem.question, problem.answer, problem.language, problem.kind, problem.source) == ("1+1?", "2", "zh", "logic", "sums")
    assert problem.solution is None


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"q": "1+1?", "a": "2", "why": "because", "key": 7, "stars": 3}])
    fields = {"question": "q", "answer": "a", "solution": "why", "id": "key", "difficulty": "stars"}
    (problem,) = load(path, fields=fields)
    assert (problem.id, problem.solution, problem.difficulty) == ("7", "because", 3)


def test_columns_can_be_kept_as_they_are(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": "?", "answer": "2", "unit": {"of": "m"}, "other": 1}])
    (problem,) = load(path, fields={"meta": ["unit"]})
    assert problem.meta == {"unit": {"of": "m"}}
    assert "no column 'units' for the meta" in refusal(path, fields={"meta": ["units"]})


def test_problems_that_a_program_answers_bring_their_tests(tmp_path: Path) -> None:
    suite = {"type": "stdio", "cases": [{"stdin": "1", "stdout": "2"}]}
    path = file_of(tmp_path, [{"question": "?", "answer": "print(2)", "tests": suite}])
    (problem,) = load(path, kind="code", fields={"meta": ["tests"]})
    assert problem.meta == {"tests": suite}
    assert refusal(path, kind="code").endswith("Name the column of test suites: fields.meta = ['tests']")
    broken = file_of(tmp_path, [{"question": "?", "answer": "print(2)", "tests": {**suite, "cases": []}}], "broken.jsonl")
    assert "broken.jsonl:1: the tests of a problem of kind code cannot be read: there are no tests" in refusal(
        broken, kind="code", fields={"meta": ["tests"]}
    )


@pytest.mark.parametrize(("value", "text"), [(2, "2"), (70.0, "70"), (0.5, "0.5"), (-3, "-3"), ("2/3", "2/3"), (10**30, str(10**30))])
def test_numbers_are_answers_too(tmp_path: Path, value: object, text: str) -> None:
    (problem,) = load(file_of(tmp_path, [{"question": "?", "answer": value}]))
    assert problem.answer == text


def test_ids_are_those_of_the_content(tmp_path: Path) -> None:
    rows = [{"question": f"{number}?", "answer": 1} for number in range(5)]
    first, second = load(file_of(tmp_path, rows), name="n"), load(file_of(tmp_path, rows[::-1], "other.jsonl"), name="n")
    assert {p.question: p.id for p in first} == {p.question: p.id for p in second}
    assert len({p.id for p in first}) == 5


def test_gsm8k_answers_bring_steps_and_a_number(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": "?", "answer": WORKED}])
    (problem,) = load(path, answer_format="gsm8k")
    assert problem.answer == "1000"
    assert problem.solution == "He has 2*500=1,000 coins.\nThat is all.\n\\boxed{1000}"
    (marked,) = load(path, answer_format="gsm8k", solution_ending="hashes", keep_calculator_marks=True)
    assert marked.solution == "He has 2*500=<<2*500=1000>>1,000 coins.\nThat is all.\n#### 1000"


def test_boxed_answers_are_the_last_box(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"problem": "?", "solution": r"First \boxed{1}, then \boxed{\frac{1}{2}}."}])
    (problem,) = load(path, answer_format="boxed", fields={"question": "problem", "answer": "solution"})
    assert problem.answer == r"\frac{1}{2}"
    assert problem.solution == r"First \boxed{1}, then \boxed{\frac{1}{2}}."


def test_several_files_are_one_source_and_the_first_names_it(tmp_path: Path) -> None:
    paths = [file_of(tmp_path, [{"question": name, "answer": 1}], f"{name}.jsonl") for name in ("one", "two")]
    problems = load_problems(FileSource.model_validate({"path": [str(path) for path in paths]}), seed=0)
    assert isinstance(problems, list)
    assert [problem.question for problem in problems] == ["one", "two"]
    assert problems[0].source == f"{tmp_path.name}/one"


def test_shuffling_is_a_fixed_order_and_the_limit_comes_after(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": str(number), "answer": 1} for number in range(50)])
    shuffled = [problem.question for problem in load(path, shuffle_seed=1)]
    assert sorted(shuffled, key=int) == [str(number) for number in range(50)] != shuffled
    assert [problem.question for problem in load(path, shuffle_seed=1, limit=5)] == shuffled[:5]
    assert [problem.question for problem in load(path, limit=5)] == ["0", "1", "2", "3", "4"]
    assert [problem.question for problem in load(path, shuffle_seed=2)] != shuffled


def test_documents_are_the_text_column(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"text": "Once upon"}, {"text": "a time"}])
    documents = load_documents(FileSource(path=(path,)), seed=0)
    assert isinstance(documents, list)
    assert [document.text for document in documents] == ["Once upon", "a time"]


def test_demonstrations_are_the_files_own_solutions(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": "?", "answer": WORKED}])
    shown = load_demonstrations(FileSource(path=(path,), answer_format="gsm8k"), seed=0)
    assert shown[0].completion.endswith("\\boxed{1000}")
    plain = file_of(tmp_path, [{"question": "?", "answer": "2"}], "plain.jsonl")
    with pytest.raises(DataError, match=r"has no solution to imitate. Map a column with fields.solution"):
        load_demonstrations(FileSource(path=(plain,)), seed=0)


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "missing column": ({"q": "?", "answer": 1}, "no column 'question' for the question. Columns there: q, answer. Set fields.question"),
    "null answer": ({"question": "?", "answer": None}, "column 'answer' (answer) is null"),
    "empty answer": ({"question": "?", "answer": "  "}, "column 'answer' (answer) is empty"),
    "empty question": ({"question": "", "answer": 1}, "column 'question' (question) is empty"),
    "list answer": ({"question": "?", "answer": ["D"]}, "is list [\"D\"], not text or a number"),
    "boolean answer": ({"question": "?", "answer": True}, "is bool true, not text or a number"),
    "number question": ({"question": 7, "answer": 1}, "is int 7, not text"),
    "half a pair": ({"question": "a\ud800b", "answer": 1}, "holds half of a surrogate pair"),
    "no columns": ({"": 0}, "Columns there: "),
}  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_with_its_reason(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    path = file_of(tmp_path, [{"question": "fine", "answer": 1}, row])
    text = refusal(path)
    assert text.startswith(f"{path}:2: ")
    assert reason in text


def test_wrong_answer_formats_are_found_out(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"question": "?", "answer": "2"}])
    assert "does not end in '#### answer'" in refusal(path, answer_format="gsm8k")
    assert "no balanced \\boxed{}" in refusal(path, answer_format="boxed")
    assert "difficulty" in refusal(path, fields={"difficulty": "answer"})


def test_repeated_ids_are_counted_or_dropped(tmp_path: Path) -> None:
    rows = [{"question": "a", "answer": 1}, {"question": "b", "answer": 1}, {"question": "a", "answer": 2}, {"question": "a", "answer": 1}]
    path = file_of(tmp_path, rows)
    text = refusal(path)
    assert f"{path}:3 repeats id" in text
    assert "(2 such rows)" in text
    assert [problem.question for problem in load(path, duplicates="drop")] == ["a", "b"]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "no rows" in refusal(file_of(tmp_path, []))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"path": []}, "at least 1 item"),
        ({}, "Field required"),
        ({"path": "a.jsonl", "solution_ending": "hashes"}, "has no effect with answer_format 'plain'"),
        ({"path": "a.jsonl", "keep_calculator_marks": True}, "has no effect"),
        ({"path": "a.jsonl", "answer_format": "gsm8k", "fields": {"solution": "s"}}, "has no effect"),
        ({"path": "a.jsonl", "fields": {"qestion": "q"}}, "Extra inputs"),
        ({"path": "a.jsonl", "limit": 0}, "greater than 0"),
        ({"path": "a.jsonl", "answer_format": "xml"}, "'plain', 'gsm8k' or 'boxed'"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TypeAdapter(DataSource).validate_python({"type": "file", **settings})
