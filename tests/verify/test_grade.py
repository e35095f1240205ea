"""The strict grader on ordinary answers, on reward hacks, and on anything at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.verify.extract import MAX_TEXT_CHARS
from reasonforge.verify.grade import grade

EQUAL = [
    ("18", "18"), ("18", "\\$18"), ("18", "18 dollars"), ("18", "18.00"), ("18", "１８"), ("18", "18元"),
    ("1200", "1,200"), ("1,200", "1200"),
    ("0.5", "\\frac{1}{2}"), ("1/2", "0.5"), ("3/2", "1 1/2"), ("70.0", "70"), ("50\\%", "50%"), ("5 cm", "5"), ("5", "5 cm"),
    ("5 cm", "5\\text{ centimeters}"), ("$18", "18 dollars"), ("-3", "−3"), ("Yes", "yes"), ("\\text{no solution}", "No solution."),
    ("(1,5)", "(1, 5)"), ("x+1", "x + 1"), ("\\frac{12}{5,\\!525}", "12/5525"), ("三十六", "36"), ("36", "三十六个"), ("0. 98.", "0. 98"),
    ("x=5", "5"), ("10^6", "1,000,000"), ("2\\sqrt{3}", "2\\sqrt{3}"),
]  # fmt: skip

HACKS = [
    ("5", "4=5"), ("5", "1=2=3=4=5"), ("5", "5 \\text{ or more}"), ("5", "\\ge 5"), ("5", "5 or 6"), ("5", "4, 5, 6"),
    ("5", "1,2,3,4,5,6,7"), ("5", "~5"), ("5", "≈5"),
    ("5", "5\\%"), ("50\\%", "50"), ("0.5", "50\\%"), ("5 cm", "5 mm"), ("AB", "BA"), ("(1,5)", "1,5"), ("(1,5)", "\\{1,5\\}"),
    ("(1,5)", "(5,1)"), ("25", "2500"), ("1", "100"), ("800", "8"), ("0.05", "0"), ("0.3333", "0.333333"), ("1/3", "0.3333333333333333"),
    ("5", "x"), ("5", "5x"), ("5", "5!"), ("5", "5^2"), ("5", "5²"), ("25", "5²"), ("52", "5²"), ("5", "not 5"), ("5", "5 million"),
    ("5", "5万"), ("5", "5 or so"), ("5", "5/1/1"), ("15", "1,5"), ("12", "1 2"), ("5", "[5,5]"), ("5", "5 \\boxed"),
    ("a", "A"), ("5", "555"), ("4", "4:30 p.m."), ("5", "<5>"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal_answers_are_correct_in_every_place(gold: str, answer: str) -> None:
    for text in (f"\\boxed{{{answer}}}", f"<think>0</think><answer>{answer}</answer>", f"So\n\\boxed{{{answer}}}.<|im_end|>"):
        assert grade(gold, text).correct, text


@pytest.mark.parametrize(("gold", "answer"), HACKS)
def test_answers_that_say_something_else_are_not_correct(gold: str, answer: str) -> None:
    for text in (f"\\boxed{{{answer}}}", f"<answer>{answer}</answer>", f"The answer is {answer}"):
        assert not grade(gold, text).correct, text


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("5", "<think>so \\boxed{5}</think>"),
        ("5", "<think>so \\boxed{5}"),
        ("5", "5"),
        ("5", "1 2 3 4 5"),
        ("5", "\\boxed{5} and \\boxed{6}"),
        ("5", "<answer>5</answer><answer>6</answer>"),
        ("5", "\\boxed{5} <answer>6</answer>"),
        ("5", "The answer is 5. No: the answer is 6."),
        ("5", "#### 5\n#### 6"),
        ("5", "\\boxed{5 \\boxed{6}}"),
    ],
)
def test_hedging_over_several_places_does_not_pay(gold: str, text: str) -> None:
    assert not grade(gold, text).correct


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("C", "C"), ("(C)", "C"), ("c", "C"), ("C.", "C"), ("C. 5", "C"), ("\\text{(C)}", "C"), ("C) the sum", "C"), ("Ｃ", "C")],
)
def test_a_choice_is_its_letter(answer: str, letter: str) -> None:
    assert grade(letter, f"\\boxed{{{answer}}}", kind="choice").correct
    assert grade(f"({letter})", f"The answer is {answer}", kind="choice").correct


@pytest.mark.parametrize("answer", ["A", "A or C", "A) or C)", "C. or A", "AC", "CC", "all", "C or D", "C，或 D", "5"])
def test_a_choice_that_hedges_or_names_another_is_not_correct(answer: str) -> None:
    assert not grade("C", f"\\boxed{{{answer}}}", kind="choice").correct


def test_states_are_told_apart() -> None:
    assert grade("5", "\\boxed{6}").status == "wrong"
    assert grade("5", "I think it is 5").status == "no_answer"
    assert grade("5", "<think>endless").reason == "thinking does not end"
    assert grade("", "\\boxed{5}").status == "error"
    assert grade("5" * 1_001, "\\boxed{" + "5" * 1_000 + "}").status == "error"
    assert grade("5", "\\boxed{5}", kind="open").status == "error"
    assert grade("5", "x" * (MAX_TEXT_CHARS + 1)).status == "error"
    assert grade("5", "\\boxed{" + "1" * 5_000 + "}").status == "no_answer"


def test_equal_answers_have_one_prediction() -> None:
    texts = ["0.5", "1/2", "\\frac{2}{4}", "\\dfrac12", "½", "0.50", "$\\frac{1}{2}$", ".5"]
    assert {grade("7", f"\\boxed{{{text}}}").prediction for text in texts} == {"1/2"}
    assert grade("7", "\\boxed{50\\%}").prediction == "50%"


def test_a_unit_belongs_to_the_answer_only_where_the_reference_has_one() -> None:
    assert grade("5", "\\boxed{5 cm}").prediction == grade("5", "\\boxed{5 mm}").prediction == "5"
    assert grade("5 cm", "\\boxed{5 mm}").prediction != grade("5 cm", "\\boxed{5 cm}").prediction


@given(st.text(max_size=200), st.text(max_size=400), st.sampled_from(["math", "choice", "logic"]))
def test_any_text_gets_a_verdict(gold: str, text: str, kind: str) -> None:
    for wrapped in (text, f"\\boxed{{{text}}}", f"<answer>{text}</answer>", f"the answer is {text}"):
        verdict = grade(gold, wrapped, kind=kind)  # type: ignore[arg-type]
        assert verdict.status in ("correct", "wrong", "no_answer", "error")
        assert (verdict.prediction is None) == (verdict.status in ("no_answer", "error"))


@given(st.from_regex(r"[^{}\\<>$]{1,60}", fullmatch=True))
def test_a_reference_is_equal_to_itself(gold: str) -> None:
    verdict = grade(gold, f"\\boxed{{{gold}}}")
    assert verdict.correct or not verdict.prediction


@given(st.fractions(), st.fractions())
def test_correct_means_exactly_equal(left: object, right: object) -> None:
    assert grade(str(left), f"\\boxed{{{right}}}").correct == (left == right)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "9**9**9**9",
        "((9!)!)!",
        "9^{9^{9^9}}",
        "\\int_0^1 x",
        "1" + "0" * 900,
        "\\sqrt{" * 100,
        "{" * 900,
    ],
)
def test_nothing_in_an_answer_is_computed(text: str) -> None:
    start = time.process_time()
    assert not grade("5", f"\\boxed{{{text}}}").correct
    assert time.process_time() - start < 0.05


def test_three_thousand_grades_take_at_most_a_second() -> None:
    text = "She sells 16 - 3 - 4 = 9 eggs and makes 9 * 2 = $18 every day.\n" * 5 + "The answer is \\boxed{\\$18}."
    start = time.process_time()
    for number in range(3_000):
        grade(str(number), text)
    assert time.process_time() - start < 1.0
