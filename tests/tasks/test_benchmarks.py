"""Benchmarks in small files of their published forms: every column finds its place, and what is wrong is one clear line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Problem
from reasonforge.tasks.benchmarks.listing import listing
from reasonforge.tasks.benchmarks.load import benchmark_names, get_benchmark, load_benchmark
from reasonforge.tasks.config import BenchmarkSource
from reasonforge.tasks.shots import shot_sets
from reasonforge.tasks.sources import load_demonstrations, load_documents, load_problems
from reasonforge.verify.grade import grade

NAMED = {
    "gsm8k", "math", "math500", "sat", "ocw", "mmlu_stem", "mgsm_zh", "cmath", "gaokao_mathcloze", "gaokao_mathqa", "minif2f", "mmlu",
    "bbh", "humaneval", "mbpp", "aime24", "aime25", "amc", "minerva_math", "olympiadbench", "tal_scq5k_en", "tal_scq5k_zh",
    "pubmedqa", "medqa", "medmcqa",
}  # fmt: skip


def write_lines(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def only(name: str, path: Path, **keywords: Any) -> Problem:
    (problem,) = load_benchmark(name, path, **keywords)
    return problem


def one(tmp_path: Path, name: str, row: Mapping[str, Any]) -> Problem:
    return only(name, write_lines(tmp_path / "rows.jsonl", row))


FORMS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "gsm8k",
        {"question": "Q?", "answer": "1,000 + 5 = <<1000+5=1005>>1005\n#### 1,005"},
        "Q?",
        "1005",
    ),
    (
        "math",
        {"problem": "P", "level": "Level 3", "type": "Algebra", "solution": "so $\\boxed{\\frac12}$"},
        "P",
        "\\frac12",
    ),
    (
        "math500",
        {"problem": "P", "solution": "s \\boxed{3}", "answer": "3", "subject": "Algebra", "level": 2, "unique_id": "t/1"},
        "P",
        "3",
    ),
    (
        "ocw",
        {"problem": "P", "solution": "s", "answer": "1.6", "id": "0"},
        "P",
        "1.6",
    ),
    (
        "minerva_math",
        {"problem": "P", "solution": "is \\boxed{4.5e33}", "type": "astro"},
        "P",
        "4.5e33",
    ),
    (
        "minerva_math",
        {"question": "P", "answer": "4.5e33"},
        "P",
        "4.5e33",
    ),
    (
        "sat",
        {"id": "0", "question": "Q", "options": "A) 1 B) $x)$ C) -1 D) 4", "Answer": "C"},
        "Q\n(A) 1\n(B) $x)$\n(C) -1\n(D) 4",
        "C",
    ),
    (
        "sat",
        {"passage": None, "question": "Q", "options": ["(A)2", "(B)4"], "label": "B"},
        "Q\n(A) 2\n(B) 4",
        "B",
    ),
    (
        "mmlu_stem",
        {"question": "Q", "options": ["0", "4"], "answer": "B", "topic": "college_physics"},
        "Q\n(A) 0\n(B) 4",
        "B",
    ),
    (
        "mmlu_stem",
        {"question": "Q", "choices": ["0", "4"], "answer": 1, "subject": "college_physics"},
        "Q\n(A) 0\n(B) 4",
        "B",
    ),
    (
        "mmlu_pro",
        {"question_id": 7, "question": "Q", "options": ["0", "4", "5"], "answer": "C", "category": "law"},
        "Q\n(A) 0\n(B) 4\n(C) 5",
        "C",
    ),
    (
        "mgsm_zh",
        {"dataset": "mgsm-zh", "id": "0", "messages": [{"role": "user", "content": "问"}], "answer": "18"},
        "问",
        "18",
    ),
    (
        "mgsm_de",
        {"question": "F?", "answer": None, "answer_number": 1200},
        "F?",
        "1200",
    ),
    (
        "cmath",
        {"grade": 2, "question": "问", "golden": "9/10", "reasoning_step": 1, "num_digits": 2},
        "问",
        "9/10",
    ),
    (
        "cmath",
        {"grade": 2, "input": "问", "golden": "9", "reasoning_step": 1, "num_digits": 2},
        "问",
        "9",
    ),
    (
        "gaokao_mathcloze",
        {"passage": None, "question": "问", "options": None, "label": None, "answer": "$5$;$10$"},
        "问",
        "$5$;$10$",
    ),
    (
        "gaokao_mathqa",
        {"passage": None, "question": "问", "options": ["(A)$1$", "(B)$2$", "(C)3"], "label": "A C"},
        "问\n(A) $1$\n(B) $2$\n(C) 3",
        "AC",
    ),
    (
        "aime24",
        {"id": 60, "problem": "P", "solution": "s", "answer": "204"},
        "P",
        "204",
    ),
    (
        "aime24",
        {"id": 60, "problem": "P", "solution": "\\boxed{204}", "url": "u"},
        "P",
        "204",
    ),
    (
        "aime24",
        {"ID": "2024-I-4", "Problem": "P", "Solution": "s", "Answer": 116},
        "P",
        "116",
    ),
    (
        "aime25",
        {"id": "0", "question": "P", "answer": 70.0},
        "P",
        "70",
    ),
    (
        "amc",
        {"id": 0, "problem": "P", "answer": 142.0, "url": "u"},
        "P",
        "142",
    ),
    (
        "tal_scq5k_zh",
        {
            "queId": "k",
            "problem": "问 ",
            "difficulty": "2",
            "answer_option_list": [[{"aoVal": "A", "content": "一 "}], [{"aoVal": "B", "content": "二"}]],
            "answer_value": "B",
        },
        "问\n(A) 一\n(B) 二",
        "B",
    ),
    (
        "medqa",
        {"question": "Q", "answer": "Zinc", "options": {"B": "Zinc", "A": "Iron"}, "meta_info": "step1", "answer_idx": "B"},
        "Q\n(A) Iron\n(B) Zinc",
        "B",
    ),
    (
        "pubmedqa",
        {"pubid": 5, "question": "Does it?", "context": {"contexts": ["A.", "B."]}, "final_decision": "Maybe"},
        "A.\nB.\n\nDoes it?",
        "maybe",
    ),
    (
        "aqua",
        {"question": "Q", "options": ["A)5", "B)6"], "rationale": "r", "correct": "B"},
        "Q\n(A) 5\n(B) 6",
        "B",
    ),
    (
        "svamp",
        {"Body": "There are 5.", "Question": "How many?", "Answer": 5.0, "ID": "c-1", "Type": "x"},
        "There are 5.\nHow many?",
        "5",
    ),
    (
        "bbh",
        {"input": "Q\nOptions:\n(A) x\n(B) y", "target": "(B)"},
        "Q\nOptions:\n(A) x\n(B) y",
        "B",
    ),
    (
        "bbh",
        {"input": "Q", "target": "-33"},
        "Q",
        "-33",
    ),
    (
        "bbh",
        {"input": "Q", "target": "] ] >"},
        "Q",
        "] ] >",
    ),
    (
        "olympiadbench",
        {"id": 1, "context": "C", "question": "Q", "final_answer": ["$2$"], "unit": None, "error": "1e-1"},
        "C\nQ",
        "$2$",
    ),
]


PROGRAMS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "humaneval",
        {
            "task_id": "HumanEval/0",
            "prompt": "def f(x):\n",
            "entry_point": "f",
            "canonical_solution": "    return x\n",
            "test": "def check(candidate):\n    assert candidate(2) == 2\n",
        },
        "def f(x):\n",
        "def f(x):\n    return x\n",
    ),
    (
        "mbpp",
        {"text": "T", "code": "def f(x): return x", "task_id": 11, "test_setup_code": "", "test_list": ["assert f(2) == 2"]},
        "T\n\nassert f(2) == 2",
        "def f(x): return x",
    ),
    (
        "medmcqa",
        {"id": "1", "question": "Q", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": 4, "exp": "e", "subject_name": "s"},
        "Q\n(A) 1\n(B) 2\n(C) 3\n(D) 4",
        "D",
    ),
    (
        "minif2f",
        {
            "problem_name": "a",
            "formal_statement": "theorem a: True",
            "informal_statement": "S",
            "header": "theory a\n imports Main\nbegin\n",
        },
        "S\n\n```isabelle\ntheorem a: True\n```",
        "a proof that Isabelle accepts",
    ),
    ("theoremqa", {"id": "t", "Question": "Q", "Answer": [1, 2], "Answer_type": "list", "Picture": None, "field": "F"}, "Q", "[1, 2]"),
    ("cn_middle_school", {"idx": 0, "question": "问", "answer": "-2", "choice_answer": "A"}, "问", "A"),
]


@pytest.mark.parametrize(("name", "row", "question", "answer"), [*FORMS, *PROGRAMS])
def test_a_row_of_the_published_form_is_read(tmp_path: Path, name: str, row: dict[str, Any], question: str, answer: str) -> None:
    problem = one(tmp_path, name, row)
    assert (problem.question, problem.answer, problem.source) == (question, answer, name)


@pytest.mark.parametrize(("name", "row", "question", "answer"), FORMS)
def test_the_reference_of_every_form_is_graded_correct(tmp_path: Path, name: str, row: dict[str, Any], question: str, answer: str) -> None:
    problem = one(tmp_path, name, row)
    assert grade(problem.answer, f"\\boxed{{{problem.answer}}}", kind=problem.kind).status == "correct"


@pytest.mark.parametrize(("name", "row", "question", "answer"), FORMS)
def test_a_missing_column_is_one_line_that_names_the_row(
    tmp_path: Path, name: str, row: dict[str, Any], question: str, answer: str
) -> None:
    path = write_lines(tmp_path / "rows.jsonl", {"unrelated": 1, "answer_option_list": [1, 2], "topic": "college_physics"})
    with pytest.raises(DataError) as caught:
        load_benchmark(name, path)
    assert str(caught.value).startswith(f"{path}:1: no ")
    assert "\n" not in str(caught.value)


ODD = (None, 5, -1, 2.5, True, "", " ", "x", [], {}, [None], [[]], [{}], ["a"], {"a": 1}, {"contexts": "x"}, {"text": 1}, "\ud800", "A" * 9)


@pytest.mark.parametrize(("name", "row", "question", "answer"), [*FORMS, *PROGRAMS])
def test_no_odd_value_in_any_column_does_worse_than_one_line(
    tmp_path: Path, name: str, row: dict[str, Any], question: str, answer: str
) -> None:
    refused: list[str] = []
    for column in row:
        for odd in ODD:
            path = tmp_path / "rows.jsonl"
            path.write_text(json.dumps({**row, column: odd}) + "\n", encoding="utf-8")
            try:
                problems = load_benchmark(name, path)
            except DataError as error:
                refused.append(str(error))
            else:
                assert all(problem.question.strip() and problem.answer.strip() for problem in problems)
    assert len(refused) > len(ODD) // 2
    assert [line for line in refused if "\n" in line or not line.startswith(str(tmp_path))] == []


def test_every_benchmark_that_the_papers_name_is_there() -> None:
    assert set(benchmark_names()) >= NAMED


@pytest.mark.parametrize("name", benchmark_names())
def test_every_benchmark_says_what_it_is_and_names_examples_that_exist(name: str) -> None:
    benchmark = get_benchmark(name)
    assert benchmark.description
    assert benchmark.files
    assert benchmark.shots in {"", *shot_sets()}


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'gsm8k'"):
        get_benchmark("gsm8")


# facts beside question and answer


def test_a_gsm8k_solution_ends_in_a_box_and_has_no_calculator_marks(tmp_path: Path) -> None:
    problem = one(tmp_path, "gsm8k", {"question": "Q", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"})
    assert problem.solution == "2 + 3 = 5\n\\boxed{5}"


def test_a_solution_without_a_box_is_nothing_to_imitate(tmp_path: Path) -> None:
    row = {"id": 1, "problem": "P", "answer": "204"}
    assert one(tmp_path, "aime24", {**row, "solution": "so it is 204"}).solution is None
    assert one(tmp_path, "aime24", {**row, "solution": "so $\\boxed{204}$"}).solution == "so $\\boxed{204}$"


def test_level_and_subject_of_math_are_kept(tmp_path: Path) -> None:
    problem = one(tmp_path, "math", {"problem": "P", "level": "Level 5", "type": "Geometry", "solution": "\\boxed{1}"})
    assert (problem.difficulty, problem.meta["subject"]) == (5, "Geometry")


def test_an_unstated_level_of_math_is_none(tmp_path: Path) -> None:
    assert one(tmp_path, "math", {"problem": "P", "level": "Level ?", "type": "G", "solution": "\\boxed{1}"}).difficulty is None


def test_unit_and_tolerance_of_olympiadbench_are_kept(tmp_path: Path) -> None:
    problem = one(
        tmp_path, "olympiadbench", {"id": 1, "question": "Q", "final_answer": ["2"], "unit": "km", "error": "1e-1", "subfield": "Algebra"}
    )
    assert (problem.meta["unit"], problem.meta["tolerance"], problem.meta["subject"]) == ("km", "1e-1", "Algebra")


def test_options_are_kept_without_their_letters(tmp_path: Path) -> None:
    problem = one(tmp_path, "aqua", {"question": "Q", "options": ["A)5", "B)6"], "correct": "B"})
    assert problem.meta["options"] == ["5", "6"]


def test_an_option_that_begins_like_a_letter_stays_whole(tmp_path: Path) -> None:
    problem = one(tmp_path, "mmlu_pro", {"question": "Q", "options": ["A. Smith", "A. Jones"], "answer": "A"})
    assert problem.meta["options"] == ["A. Smith", "A. Jones"]


def test_an_option_that_pandas_took_for_a_missing_value_reads_none(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"question": "Q", "options": [NaN, "I only"], "answer": "A", "topic": "college_physics"}\n', encoding="utf-8")
    assert only("mmlu_stem", path).meta["options"] == ["None", "I only"]


def test_the_kind_of_a_bbh_answer_follows_its_target(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", *({"input": f"Q{t}", "target": t} for t in ("(A)", "17", "valid")))
    assert [problem.kind for problem in load_benchmark("bbh", path)] == ["choice", "math", "logic"]


def test_language_follows_the_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "mgsm_fr.tsv"
    path.write_text("Combien d'œufs « à 2 € » ?\t1,200\n", encoding="utf-8")
    problem = only("mgsm_fr", path)
    assert (problem.language, problem.question, problem.answer) == ("fr", "Combien d'œufs « à 2 € » ?", "1200")


def test_no_profile_is_applied_unasked(tmp_path: Path) -> None:
    # Rewards look at meta["profile"]: a lenient one would pay for guesses when somebody trains on the training split.
    assert all("profile" not in one(tmp_path, name, row).meta for name, row, _, _ in FORMS)


def test_equal_questions_are_two_problems_with_two_ids(tmp_path: Path) -> None:
    row = {"question": "Q", "golden": "1", "grade": 1}
    first, second = load_benchmark("cmath", write_lines(tmp_path / "test.jsonl", row, row))
    assert second.id == f"{first.id}-2"


# programs


def test_humaneval_asserts_become_calls_and_the_reference_is_the_whole_program(tmp_path: Path) -> None:
    prompt = "def f(x):\n    '''Double.'''\n"
    test = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(0) == 0\n"
    row = {"task_id": "HumanEval/0", "prompt": prompt, "entry_point": "f", "canonical_solution": "    return 2 * x\n", "test": test}
    problem = one(tmp_path, "humaneval", row)
    assert (problem.id, problem.kind, problem.answer) == ("HumanEval/0", "code", prompt + "    return 2 * x\n")
    suite = problem.meta["tests"]
    assert (suite["type"], suite["entry_point"], suite["prompt"], len(suite["cases"])) == ("calls", "f", prompt, 2)


def test_an_mbpp_question_shows_its_asserts(tmp_path: Path) -> None:
    row = {"text": "Double.", "code": "def f(x):\r\n\treturn 2*x", "task_id": 11, "test_setup_code": "", "test_list": ["assert f(2) == 4"]}
    problem = one(tmp_path, "mbpp", row)
    assert problem.question == "Double.\n\nassert f(2) == 4"
    assert problem.solution == "```python\ndef f(x):\n\treturn 2*x\n```"
    assert len(problem.meta["tests"]["cases"]) == 1


def test_sanitized_mbpp_is_read_too(tmp_path: Path) -> None:
    row = {
        "prompt": "Root.",
        "code": "def f(x): return x**.5",
        "task_id": 12,
        "test_imports": ["import math"],
        "test_list": ["assert f(4) == 2"],
    }
    assert one(tmp_path, "mbpp", row).meta["tests"]["setup"] == "import math"


def test_mbpp_tasks_11_to_510_are_the_test_split(tmp_path: Path) -> None:
    rows = [{"text": "T", "code": "x=1", "task_id": i, "test_list": [f"assert f({i}) == 1"]} for i in (10, 11, 510, 511, 601)]
    path = write_lines(tmp_path / "mbpp.jsonl", *rows)
    assert [problem.id for problem in load_benchmark("mbpp", path)] == ["mbpp/11", "mbpp/510"]
    assert [problem.id for problem in load_benchmark("mbpp", path, split="train")] == ["mbpp/601"]
    assert len(load_benchmark("mbpp", path, split="all")) == 5


def test_tests_that_are_no_python_are_one_line(tmp_path: Path) -> None:
    row = {"text": "T", "code": "x", "task_id": 11, "test_list": ["assert f( =="]}
    with pytest.raises(DataError, match=r"rows.jsonl:1: column 'test_list' \(tests\) is no Python"):
        one(tmp_path, "mbpp", row)


# files and folders


def test_mmlu_is_a_folder_of_files_without_header(tmp_path: Path) -> None:
    (tmp_path / "anatomy_test.csv").write_text('"Which, of these?",a,b,c,d,C\n', encoding="utf-8")
    (tmp_path / "law_test.csv").write_text("Q,1,2,3,4,A\n", encoding="utf-8")
    (tmp_path / "law_dev.csv").write_text("shown before,1,2,3,4,A\n", encoding="utf-8")
    first, second = load_benchmark("mmlu", tmp_path)
    assert (first.question, first.answer) == ("Which, of these?\n(A) a\n(B) b\n(C) c\n(D) d", "C")
    assert (first.meta["subject"], second.meta["subject"]) == ("anatomy", "law")


def test_mmlu_stem_takes_its_subjects_out_of_all_of_mmlu(tmp_path: Path) -> None:
    (tmp_path / "anatomy_test.csv").write_text("Q,1,2,3,4,A\n", encoding="utf-8")
    (tmp_path / "astronomy_test.csv").write_text("Q,1,2,3,4,B\n", encoding="utf-8")
    assert only("mmlu_stem", tmp_path).answer == "B"


def test_bbh_is_a_folder_with_a_file_for_each_task(tmp_path: Path) -> None:
    for task in ("snarks", "navigate"):
        content = {"canary": "never train", "examples": [{"input": f"{task}?", "target": "Yes"}]}
        (tmp_path / f"{task}.json").write_text(json.dumps(content), encoding="utf-8")
    assert [problem.meta["subject"] for problem in load_benchmark("bbh", tmp_path)] == ["navigate", "snarks"]


def test_math_is_a_folder_of_single_problems(tmp_path: Path) -> None:
    for split, answer in (("train", "1"), ("test", "2")):
        folder = tmp_path / split / "algebra"
        folder.mkdir(parents=True)
        row = {"problem": "P", "level": "Level 1", "type": "Algebra", "solution": f"\\boxed{{{answer}}}"}
        (folder / "1.json").write_text(json.dumps(row), encoding="utf-8")
    assert only("math", tmp_path).answer == "2"
    assert only("math", tmp_path, split="train").answer == "1"


def test_shards_of_parquet_take_the_folder_for_their_subject(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "snarks").mkdir()
    parquet.write_table(arrow.table({"input": ["Q"], "target": ["(A)"]}), tmp_path / "snarks" / "test-00000-of-00001.parquet")
    assert only("bbh", tmp_path).meta["subject"] == "snarks"


def test_packed_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ori_pqal.json.gz"
    row = {"QUESTION": "Does it?", "CONTEXTS": ["A."], "final_decision": "no"}
    path.write_bytes(gzip.compress(json.dumps({"21645374": row}).encode()))
    problem = only("pubmedqa", path)
    assert (problem.id, problem.answer) == ("pubmedqa/21645374", "no")


def test_the_test_half_of_pubmedqa_is_the_one_with_ground_truth(tmp_path: Path) -> None:
    rows = {key: {"QUESTION": "Q?", "CONTEXTS": ["A."], "final_decision": "yes"} for key in ("1", "2", "3")}
    (tmp_path / "ori_pqal.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "test_ground_truth.json").write_text(json.dumps({"2": "yes"}), encoding="utf-8")
    assert only("pubmedqa", tmp_path, split="test").id == "pubmedqa/2"
    assert len(load_benchmark("pubmedqa", tmp_path)) == 3


@pytest.mark.parametrize(("cops", "letters"), [((1, 4), ["A", "D"]), ((0, 3), ["A", "D"])])
def test_medmcqa_counts_its_options_from_one_or_from_zero(tmp_path: Path, cops: tuple[int, int], letters: list[str]) -> None:
    rows = [{"id": str(cop), "question": "Q", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": cop} for cop in cops]
    problems = load_benchmark("medmcqa", write_lines(tmp_path / "dev.json", *rows))
    assert [problem.answer for problem in problems] == letters


def test_the_hidden_answers_of_medmcqa_are_said_to_be_hidden(tmp_path: Path) -> None:
    row = {"id": "1", "question": "Q", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": -1}
    with pytest.raises(DataError, match="test answers are not public"):
        one(tmp_path, "medmcqa", row)


def test_the_right_option_of_gpqa_does_not_always_come_first(tmp_path: Path) -> None:
    rows = [f"Q{i},right,w1,w2,w3" for i in range(40)]
    header = "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3"
    path = tmp_path / "gpqa_diamond.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    problems = load_benchmark("gpqa", path)
    assert {problem.answer for problem in problems} == set("ABCD")
    assert all(problem.meta["options"]["ABCD".index(problem.answer)] == "right" for problem in problems)


def test_chinese_examinations_come_with_a_header(tmp_path: Path) -> None:
    (tmp_path / "physics_val.csv").write_text("id,question,A,B,C,D,answer\n0,问,1,2,3,4,D\n", encoding="utf-8")
    assert only("ceval", tmp_path).answer == "D"


def test_a_language_is_taken_out_of_a_folder_of_all(tmp_path: Path) -> None:
    (tmp_path / "mgsm_de.tsv").write_text("Wie viele?\t3\n", encoding="utf-8")
    (tmp_path / "mgsm_fr.tsv").write_text("Combien?\t3\n", encoding="utf-8")
    assert only("mgsm_de", tmp_path).question == "Wie viele?"


def test_a_language_is_taken_out_of_a_folder_for_each(tmp_path: Path) -> None:
    for language in ("de", "fr"):
        write_lines(tmp_path / language / "test.jsonl", {"question": language, "answer": None, "answer_number": 3})
    assert only("mgsm_fr", tmp_path).question == "fr"


def test_pubmedqa_is_taken_out_of_a_folder_of_all_its_parts(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for part in ("pqa_labeled", "pqa_artificial"):
        row = {"pubid": 5, "question": f"{part}?", "context": {"contexts": ["A."]}, "final_decision": "yes"}
        (tmp_path / part).mkdir()
        parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / part / "train-00000-of-00001.parquet")
    assert only("pubmedqa", tmp_path).question == "A.\n\npqa_labeled?"


# refusals


def test_a_folder_with_other_splits_only_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", {"question": "Q", "answer": "#### 1"})
    with pytest.raises(DataError, match=r"no file of split 'test'. Files there: train.jsonl"):
        load_benchmark("gsm8k", tmp_path)


def test_a_split_of_a_single_file_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", {"question": "Q", "answer": "#### 1"})
    with pytest.raises(DataError, match="is one file, and split 'test' chooses among the files of a folder"):
        load_benchmark("gsm8k", path, split="test")


def test_the_same_rows_in_two_forms_are_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", {"question": "Q", "answer": "#### 1"})
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=r"test.jsonl and test.jsonl.gz look like the same rows twice"):
        load_benchmark("gsm8k", tmp_path)


def test_a_missing_path_is_one_line(tmp_path: Path) -> None:
    for name in ("nothing.jsonl", "nothing.json", "nothing"):
        with pytest.raises(DataError, match=r"nothing.*: no such file"):
            load_benchmark("gsm8k", tmp_path / name)


def test_an_empty_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data file"):
        load_benchmark("gsm8k", tmp_path)
    (tmp_path / "test.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no row of gsm8k"):
        load_benchmark("gsm8k", tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1]", "row 1 is a int, not an object"),
        ('"text"', "a str, not a list of rows"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=reason) as caught:
        load_benchmark("bbh", tmp_path / "x.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Q,1,2,3,A\n", "x.csv:1: 5 cells; 6 are wanted: question, A, B, C, D, answer"),
        ('"Q,1,2,3,4,A\n', "not readable as separated values"),
        ("Q,1,2,3,4,E\n", "names none of the 4 options"),
    ],
)
def test_broken_csv_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "x.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        load_benchmark("mmlu", tmp_path / "x.csv")


def test_text_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe,1,2,3,4,A\n")
    with pytest.raises(DataError, match="not UTF-8 at byte 0"):
        load_benchmark("mmlu", tmp_path / "x.csv")


@pytest.mark.parametrize("answer", ["E", "AE", 4, -1, "", "none of them", True])
def test_an_answer_that_names_no_option_is_refused(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(DataError, match=r"column 'answer' \(answer\) is"):
        one(tmp_path, "mmlu_pro", {"question": "Q", "options": ["1", "2", "3", "4"], "answer": answer})


def test_a_lean_file_of_minif2f_is_refused(tmp_path: Path) -> None:
    row = {"id": "a", "problem_name": "a", "formal_statement": "theorem a : 1 = 1", "informal_statement": "s", "header": "import Mathlib\n"}
    with pytest.raises(DataError, match="opens no Isabelle theory"):
        one(tmp_path, "minif2f", row)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    row = {"question": "Q", "answer": "#### 1"}
    for name, text in (("a.jsonl", json.dumps(row)), ("b.json", json.dumps([row])), ("c.csv", "question,answer\r\nQ,#### 1\r\n")):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert only("gsm8k", tmp_path / name).answer == "1"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.json", "x.csv", "x.parquet"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a pointer of Git LFS, not the file"),
        ("\n<!DOCTYPE html>\n<html>Not found</html>\n", "is a web page, not data"),
    ],
)
def test_what_a_download_leaves_in_place_of_a_file_is_named(tmp_path: Path, name: str, content: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}: {reason}"):
        load_benchmark("gsm8k", path)


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.parquet"])
def test_half_a_file_is_one_line(tmp_path: Path, name: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / name
    rows = [{"question": f"Q{i}", "answer": f"#### {i}"} for i in range(200)]
    if name.endswith(".parquet"):
        parquet.write_table(arrow.Table.from_pylist(rows), path)
    else:
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"not readable as Parquet|the gzip data is cut or corrupt") as caught:
        load_benchmark("gsm8k", path)
    assert "\n" not in str(caught.value)


def test_two_configurations_side_by_side_are_not_counted_twice(tmp_path: Path) -> None:
    for folder in ("main", "socratic"):
        write_lines(tmp_path / folder / "test.jsonl", *({"question": f"Q{i}", "answer": f"{folder} #### {i}"} for i in range(12)))
    with pytest.raises(DataError, match=r"main/test.jsonl and .*socratic/test.jsonl hold the same questions"):
        load_benchmark("gsm8k", tmp_path)
    assert len(load_benchmark("gsm8k", tmp_path / "main")) == 12


def test_the_full_and_the_sanitized_mbpp_side_by_side_are_refused(tmp_path: Path) -> None:
    row = {"text": "T", "code": "x=1", "task_id": 11, "test_list": ["assert f(1) == 1"]}
    for folder in ("full", "sanitized"):
        write_lines(tmp_path / folder / "test.jsonl", row)
    with pytest.raises(DataError, match=r"task 11 stands at .* too"):
        load_benchmark("mbpp", tmp_path)


# as a source of a recipe


def test_a_benchmark_is_a_source_of_a_recipe(tmp_path: Path) -> None:
    rows = [{"question": f"Q{i}", "answer": f"s\n#### {i}"} for i in range(20)]
    path = write_lines(tmp_path / "test.jsonl", *rows)
    source = BenchmarkSource(name="gsm8k", path=path, limit=5, shuffle_seed=1)
    problems = load_problems(source, seed=0)
    assert isinstance(problems, list)
    assert len(problems) == 5
    assert [problem.answer for problem in problems] != ["0", "1", "2", "3", "4"]
    assert problems == load_problems(source, seed=7)


def test_an_unknown_benchmark_in_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ValidationError, RecipeError), match="no benchmark named 'gsm9k'"):
        BenchmarkSource(name="gsm9k", path=tmp_path)


def test_solutions_of_a_benchmark_can_be_imitated(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", {"question": "Q", "answer": "1 + 1 = 2\n#### 2"})
    demonstration = load_demonstrations(BenchmarkSource(name="gsm8k", path=path), seed=0)[0]
    assert demonstration.completion == "1 + 1 = 2\n\\boxed{2}"


def test_a_benchmark_without_solutions_cannot_be_imitated(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", {"input": "Q", "target": "(A)"})
    with pytest.raises(DataError, match=r"has no solution to imitate\. Choose other data"):
        load_demonstrations(BenchmarkSource(name="bbh", path=path), seed=0)


def test_a_benchmark_is_no_text_to_pre_train_on(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no documents"):
        load_documents(BenchmarkSource(name="bbh", path=tmp_path), seed=0)


def test_the_page_shows_the_table_that_the_loaders_print() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
    assert listing() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("count", sorted({(name, len(shots)) for name, shots in shot_sets().items()}))
def test_the_page_states_how_many_examples_a_set_has(count: tuple[str, int]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
    assert f"`{count[0]}` {count[1]}" in page.read_text(encoding="utf-8")
