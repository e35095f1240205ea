"""The grader: tables of ordinary answers and of hacks, the profiles' differences, and a verdict for anything at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.records import ProblemKind
from reasonforge.verify import pool
from reasonforge.verify.extract import MAX_TEXT_CHARS
from reasonforge.verify.grade import equivalence_classes, equivalent, grade
from reasonforge.verify.profiles import PROFILES, Profile
from reasonforge.verify.tree import Node
from tests.verify.cases import COMPLETION_HACKS, COMPLETIONS, HACKS, ONE_SIDED, ORDINARY

WRAPPERS = ("\\boxed{%s}", "<think>0</think><answer>%s</answer>", "So\n\\boxed{%s}.<|im_end|>")


def wrap(wrapper: str, answer: str) -> str:
    return wrapper.replace("%s", answer)


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(set(ORDINARY)) == len(ORDINARY) >= 300
    assert len(set(HACKS)) == len(HACKS) >= 300
    assert len({(gold, text) for gold, text, _ in COMPLETION_HACKS}) == len(COMPLETION_HACKS) >= 75
    assert len(set(COMPLETIONS)) == len(COMPLETIONS) >= 90


@pytest.mark.parametrize(("gold", "answer"), ORDINARY)
def test_equal_answers_are_correct_in_every_place(gold: str, answer: str) -> None:
    for wrapper in WRAPPERS:
        assert grade(gold, wrap(wrapper, answer)).correct, wrap(wrapper, answer)


@pytest.mark.parametrize(("gold", "answer"), ORDINARY)
def test_equality_holds_in_both_directions(gold: str, answer: str) -> None:
    assert equivalent(gold, answer)
    assert bool(equivalent(answer, gold)) == ((gold, answer) not in ONE_SIDED)


@pytest.mark.parametrize(("gold", "answer"), HACKS)
def test_answers_that_say_something_else_are_not_correct(gold: str, answer: str) -> None:
    for text in (*(wrap(wrapper, answer) for wrapper in WRAPPERS), f"The answer is {answer}"):
        assert not grade(gold, text).correct, text


@pytest.mark.parametrize(("gold", "text", "why"), COMPLETION_HACKS)
def test_completions_that_hedge_hide_or_take_back_are_not_correct(gold: str, text: str, why: str) -> None:
    assert not grade(gold, text).correct, why


@pytest.mark.parametrize(("gold", "text"), COMPLETIONS)
def test_honest_completions_are_correct(gold: str, text: str) -> None:
    verdict = grade(gold, text)
    assert verdict.correct, verdict


@pytest.mark.parametrize(
    ("question", "answer", "correct"),
    [("What percent of 20 is 7?", "35\\%", True), ("What percentage?", "35%", True), ("增长了百分之几？", "35%", True),
     ("How many?", "35\\%", False),
     ("", "35\\%", False), ("What percent?", "0.35", False), ("What percent?", "3500\\%", False),
     ("What is 70 percent of 50?", "35%", False), ("Prices fell 5 percent. How much is it?", "35%", False),
     ("Give the chance as a percentage.", "35%", True), ("What's the percentage of boys?", "35%", True)],
)  # fmt: skip
def test_a_percentage_answers_a_plain_number_only_where_the_question_asks_for_one(question: str, answer: str, correct: bool) -> None:
    assert grade("35", f"\\boxed{{{answer}}}", question=question).correct == correct


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        ("Expand $(x+1)^2$.", "x^2+2x+1", "(x+1)^2"),
        ("Factor $x^2 - 1$.", "(x-1)(x+1)", "x^2-1"),
        ("Simplify \\[\\sqrt{50} + \\sqrt{18}.\\]", "8\\sqrt{2}", "\\sqrt{18}+\\sqrt{50}"),
        ("Write $x \\le 3$ as an interval.", "(-\\infty,3]", "x \\le 3"),
        ("Bring the line $2x-y=0$ to slope form.", "y=2x", "2x-y=0"),
    ],
)
def test_a_formula_of_the_question_is_no_answer_where_the_reference_is_another_form(question: str, gold: str, answer: str) -> None:
    verdict = grade(gold, f"\\boxed{{{answer}}}", question=question)
    assert (verdict.status, verdict.reason) == ("wrong", "restates the question")
    assert grade(gold, f"\\boxed{{{answer}}}").correct
    assert grade(gold, f"\\boxed{{{gold}}}", question=f"{question} Is it ${gold}$?").correct


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        ("Which is larger, $2\\sqrt{3}$ or $3$?", "2\\sqrt3", "2\\sqrt{3}"),
        ("Which of $0.5$ and $\\frac13$?", "\\frac12", "0.5"),
        ("How many gnu are there?", "5", "5 gnu"),
        ("How many times is that?", "5", "5 times"),
        ("是几倍？", "5", "5倍"),
    ],
)
def test_words_and_formulas_of_the_question_may_stand_in_the_answer(question: str, gold: str, answer: str) -> None:
    assert grade(gold, f"\\boxed{{{answer}}}", question=question).correct


@pytest.mark.parametrize(
    ("gold", "answer", "reason"),
    [
        ("12", "13", "13 is not 12"),
        ("5 cm", "5 mm", "5 mm is not 5 cm"),
        ("5", "2+3", "not worked out: 2+3"),
        ("x+1", "x+2", "x+2 is not x+1"),
    ],
)
def test_a_wrong_answer_says_what_it_is_and_what_it_should_be(gold: str, answer: str, reason: str) -> None:
    assert grade(gold, f"\\boxed{{{answer}}}").reason == reason
    assert grade("C", "\\boxed{D}", kind="choice").reason == "D is not C"


def test_the_order_of_votes_decides_nothing() -> None:
    assert equivalence_classes(["5", "5 cm", "5 mm"]) == equivalence_classes(["5 cm", "5", "5 mm"]) == [0, 1, 2]
    assert equivalence_classes(["5 cm", "5", None, "6"]) == equivalence_classes(["5", "5 cm", None, "6"]) == [0, 0, None, 1]


# What each profile accepts beyond strict, or refuses.
DIFFERENCES: list[tuple[str, str, set[Profile]]] = [
    ("25", "\\boxed{2500}", {"deepseek-math", "qwen-math"}),
    ("25", "\\boxed{0.25}", {"deepseek-math", "qwen-math"}),
    ("1", "\\boxed{100}", {"deepseek-math", "qwen-math"}),
    ("0.05", "\\boxed{0}", {"deepseek-math"}),
    ("3.14159", "\\boxed{3.1416}", {"deepseek-math", "qwen-math"}),
    ("1000", "\\boxed{1000.05}", {"qwen-math"}),
    ("5", "\\boxed{5\\%}", {"deepseek-math", "qwen-math", "prm800k"}),
    ("5 cm", "\\boxed{5 mm}", {"deepseek-math", "qwen-math", "prm800k"}),
    ("5", "\\boxed{5=5}", {"deepseek-math", "qwen-math"}),
    ("5", "\\boxed{2+3=5}", {"strict", "deepseek-math", "qwen-math", "prm800k"}),
    ("5", "\\boxed{2+3}", {"deepseek-math", "qwen-math", "prm800k"}),
    ("(1,5)", "\\boxed{1,5}", {"deepseek-math", "qwen-math"}),
    ("\\begin{pmatrix}1\\\\5\\end{pmatrix}", "\\boxed{(1,5)}", {"deepseek-math", "qwen-math"}),
    ("6", "\\boxed{5} and \\boxed{6}", {"deepseek-math", "qwen-math", "prm800k"}),
    ("5", "\\boxed{5}. Wait, actually 6.", {"deepseek-math", "qwen-math", "prm800k"}),
    ("5", "<think>\\boxed{5}", {"deepseek-math", "qwen-math", "prm800k"}),
    ("5", "so in the end there are 5", {"deepseek-math", "qwen-math"}),
    ("\\frac{1}{2}", "\\boxed{0.5}", {"strict", "deepseek-math", "qwen-math", "prm800k"}),
    ("x^2", "\\boxed{x \\cdot x}", {"strict", "deepseek-math", "qwen-math", "prm800k"}),
    ("5", "\\boxed{6}", set()),
    ("valid", "So the answer is valid.", {"strict", "deepseek-math", "qwen-math", "prm800k", "bbh"}),
    ("(A)", "So the answer is (A).", {"strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"}),
    ("] }", "So the answer is ] }.", {"bbh"}),
    ("C", "I would pick C here, because (C) is larger", {"mcq"}),
]


@pytest.mark.parametrize(("gold", "text", "accepting"), DIFFERENCES)
def test_profiles_differ_exactly_where_they_say(gold: str, text: str, accepting: set[Profile]) -> None:
    profiles: list[Profile] = [profile for profile in PROFILES if profile not in ("bbh", "mcq") or profile in accepting]
    assert {profile for profile in profiles if grade(gold, text, profile=profile).correct} - {"strict"} == accepting - {
        "strict"
    } or gold == "] }"
    assert grade(gold, text).correct == ("strict" in accepting) or gold == "] }"


def test_bbh_compares_texts_letter_by_letter() -> None:
    assert grade("(B)", "Let's see. So the answer is (B).", profile="bbh").correct
    assert grade("(B)", "So the answer is B", profile="bbh").correct
    assert not grade("(B)", "So the answer is (A).", profile="bbh").correct
    assert grade("] )", "So the answer is ] ).", profile="bbh").correct
    assert not grade("] )", "So the answer is ) ].", profile="bbh").correct
    assert not grade("0.5", "So the answer is 1/2.", profile="bbh").correct
    assert grade("True", "So the answer is True.\n\nQ: next\nA: So the answer is False.", profile="bbh").correct


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("C", "C"), ("(C)", "C"), ("c", "C"), ("C.", "C"), ("C. 5", "C"), ("\\text{(C)}", "C"), ("C) the sum", "C"), ("Ｃ", "C"),
     ("（C）", "C"), ("BD", "BD"), ("B, D", "BD"),
     ("DB", "BD"), ("B、D", "BD"), ("\\textbf{(E)}", "E")],
)  # fmt: skip
def test_a_choice_is_its_letters(answer: str, letter: str) -> None:
    assert grade(letter, f"\\boxed{{{answer}}}", kind="choice").correct
    assert grade(f"({letter})", f"The answer is {answer}", kind="choice").correct
    assert grade(letter, f"\\boxed{{{answer}}}", profile="mcq").correct


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        "A or C",
        "A) or C)",
        "C. or A",
        "AC",
        "CC",
        "all",
        "C or D",
        "C，或 D",
        "5",
        "ABCD",
        "",
        "not C",
        "C?D",
        "A, B, C, D",
        "C. D. A",
        "C: D",
        "C.D.A",
        "C) D) A)",
        "C. No, D.",
        "C) and also D)",
    ],
)
def test_a_choice_that_hedges_or_names_another_is_not_correct(answer: str) -> None:
    assert not grade("C", f"\\boxed{{{answer}}}", kind="choice").correct


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{C} \\boxed{D}",
        "\\boxed{C}. Wait, that is wrong.",
        "\\boxed{C}. The answer is D.",
        "The answer is not \\boxed{C}",
        "I choose C",
        "\\boxed{C}, D",
        "\\boxed{C}/D",
        "\\boxed{C} (maybe D)",
        "The answer is C. Wait, it is D.",
        "The answer is C. Actually, D.",
        "The answer is C. No, D.",
        "The answer is C. Alternatively, D.",
        "\\boxed{C}. Correction: D",
        "\\boxed{C} and D",
        "The answer is C. D. A. B.",
        "Everything except \\boxed{C}",
        "Final answer:\nC\nD",
        "故选项C错误。",
        "<think>\\boxed{C}",
    ],
)
def test_a_choice_that_is_taken_back_or_not_declared_is_not_correct_in_strict(text: str) -> None:
    assert not grade("C", text, kind="choice").correct


@pytest.mark.parametrize(
    "text",
    [
        "故选C。",
        "故选：C",
        "【答案】C",
        "答案选C",
        "因此答案是（C）。",
        "The correct answer is **C**.",
        "The correct option is **(C)**.",
        "The correct choice is C. No, there is no other.",
        "\\boxed{\\text{(C) $3\\sqrt{2}$}}",
        "故选择$C$．",
        "故选答案$C$",
        "因此选C。",
        "so (C) fits\n#### C",
        "因此，正确选项是 **C**。",
        "\\boxed{C}\n\n甲说得不对，所以排除。",
        "Answer: C",
        "A and B are wrong, so the answer is C, not D.",
        "因此选择 C 选项",
        "#### C\nThe answer is C",
    ],
)
def test_choices_are_found_in_prose(text: str) -> None:
    assert grade("C", text, kind="choice").correct


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("C", "so (C)"),
        ("C", "Among these, C is right."),
        ("D", "A is small, B is large, option D fits"),
        ("B", "选择 B"),
        ("A", "The answer must be (A)"),
    ],
)
def test_the_mcq_profile_guesses_a_letter_where_none_is_declared(gold: str, text: str) -> None:
    assert grade(gold, text, profile="mcq").correct


def test_states_are_told_apart() -> None:
    assert grade("5", "\\boxed{6}").status == "wrong"
    assert grade("5", "I think it is 5").status == "no_answer"
    assert grade("5", "<think>endless").reason == "thinking does not end"
    assert grade("", "\\boxed{5}").status == "error"
    assert grade("5" * 1_001, "\\boxed{" + "5" * 1_000 + "}").status == "error"
    assert grade("5", "\\boxed{5}", kind="open").status == "error"
    assert grade("5", "\\boxed{5}", kind="code").status == "error"
    assert grade("5", "x" * (MAX_TEXT_CHARS + 1)).status == "error"
    assert grade("5", "\\boxed{" + "1" * 5_000 + "}").status == "no_answer"
    assert grade("6", "\\boxed{5} \\boxed{6}").reason == "two different answers are declared"


def test_equal_answers_have_one_prediction() -> None:
    texts = ["0.5", "1/2", "\\frac{2}{4}", "\\dfrac12", "½", "0.50", "$\\frac{1}{2}$", ".5"]
    assert {grade("7", f"\\boxed{{{text}}}").prediction for text in texts} == {"1/2"}
    assert grade("7", "\\boxed{50\\%}").prediction == "50%"
    surds = ["2\\sqrt{3}", "\\sqrt{12}", "\\frac{6}{\\sqrt3}", "2 \\cdot 3^{1/2}"]
    assert len({grade("7", f"\\boxed{{{text}}}").prediction for text in surds}) == 1


def test_a_unit_belongs_to_the_answer_only_where_the_reference_has_one() -> None:
    assert grade("5", "\\boxed{5 cm}").prediction == grade("5", "\\boxed{5 mm}").prediction == "5"
    assert grade("5 cm", "\\boxed{5 mm}").prediction != grade("5 cm", "\\boxed{5 cm}").prediction


def test_equivalence_classes_count_answers_and_not_strings() -> None:
    answers = ["0.5", None, "\\frac12", "2", "2.0", "50\\%", "x=2", "2\\sqrt3", "\\sqrt{12}", None, "(1,2)", "(2,1)", "\\{1,2\\}", "2,1"]
    assert equivalence_classes(answers) == [0, None, 0, 1, 1, 2, 1, 3, 3, None, 4, 5, 6, 6]
    assert equivalence_classes([]) == []
    assert equivalence_classes(["(A)", "A", "B."], profile="mcq") == [0, 0, 1]
    assert equivalence_classes(["25", "2500", "7"], profile="qwen-math") == [0, 0, 1]


def test_answers_with_different_keys_still_meet_in_one_class() -> None:
    assert equivalence_classes(["[0,\\infty)", "x \\ge 0", "(-\\infty,0)"]) == [0, 0, 1]
    assert equivalence_classes(["90^\\circ", "\\frac{\\pi}{2}"]) == [0, 0]
    assert equivalence_classes(["\\frac{x^2-1}{x-1}", "x+1", "x+2"]) == [0, 0, 1]


def test_ten_thousand_different_votes_are_grouped_at_once() -> None:
    start = time.process_time()
    assert equivalence_classes([str(number) for number in range(2_000)]) == list(range(2_000))
    assert time.process_time() - start < 5.0


def test_the_language_hint_reads_phrases_of_chinese_prose() -> None:
    assert grade("5", "答：5", language="zh").correct
    assert grade("5", "计算结果是5", language="zh").correct
    assert grade("5", "计算结果是5").status == "no_answer"
    assert not grade("5", "答：不是5", language="zh").correct


def test_logic_answers_never_reach_the_symbolic_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("asked the pool")

    monkeypatch.setattr("reasonforge.verify.pool.default_pool", refuse)
    assert grade("\\sin(2x)", "\\boxed{2\\sin x\\cos x}", kind="logic").status == "wrong"
    with pytest.raises(AssertionError, match="asked the pool"):
        grade("\\sin(2x)", "\\boxed{2\\sin x\\cos x}")


def test_what_exact_rules_leave_open_goes_to_the_symbolic_worker() -> None:
    assert grade("\\sin(2x)", "\\boxed{2\\sin x\\cos x}").correct
    assert grade("1+\\sqrt{2}", "\\boxed{\\sqrt{3+2\\sqrt{2}}}").correct
    assert grade("\\{\\sin(2x), 1\\}", "\\boxed{\\{1, 2\\sin x\\cos x\\}}").correct
    assert not grade("\\sin(2x)", "\\boxed{2\\sin x}").correct


def test_a_symbolic_worker_that_is_late_or_dead_is_a_state_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def symbolic_equal(self, _left: object, _right: object) -> bool:
            raise self.error

    for error, status in ((pool.DeadlineExceeded("late"), "timeout"), (pool.WorkerFailed("dead"), "error")):
        monkeypatch.setattr(pool, "default_pool", lambda error=error: Broken(error))
        assert grade("\\sin(2x)", "\\boxed{2\\sin x\\cos x}").status == status
        assert equivalent("\\sin(2x)", "2\\sin x\\cos x") is None


@given(st.text(max_size=200), st.text(max_size=400), st.sampled_from(["math", "choice", "logic"]), st.sampled_from(PROFILES))
def test_any_text_gets_a_verdict(gold: str, text: str, kind: ProblemKind, profile: Profile) -> None:
    for wrapped in (text, f"\\boxed{{{text}}}", f"<answer>{text}</answer>", f"the answer is {text}"):
        verdict = grade(gold, wrapped, kind=kind, profile=profile)
        assert verdict.status in ("correct", "wrong", "no_answer", "error")
        assert (verdict.prediction is None) == (verdict.status in ("no_answer", "error"))


PIECES = [
    *[
        "\\frac",
        "\\sqrt",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\\{",
        "\\}",
        "1",
        "2",
        "x",
        "y",
        "+",
        "-",
        "^",
        "_",
        ",",
        "=",
        "<",
        "\\le",
        "\\pm",
        "\\cup",
        "\\infty",
        "\\text{cm}",
        "\\pi",
        "!",
        "%",
        "|",
        "\\sin",
        "\\log",
        "i",
        "or",
        "0",
        ".",
    ],
    *["/", ":", "^\\circ", "&", "\\\\", "\\begin{pmatrix}", "\\end{pmatrix}", "\\approx", "≈", "\\text{to}"],
    " ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_mathematics_gets_a_verdict_and_equals_itself(gold_pieces: list[str], pieces: list[str]) -> None:
    gold, answer = "".join(gold_pieces), "".join(pieces)
    verdict = grade(gold or "0", f"<answer>{answer}</answer>", kind="logic")
    assert verdict.status in ("correct", "wrong", "no_answer", "error")
    if answer.strip():
        itself = grade(answer, f"<answer>{answer}</answer>", kind="logic")
        assert itself.correct or not itself.prediction


@given(st.from_regex(r"[^{}\\<>$]{1,60}", fullmatch=True))
def test_a_reference_is_equal_to_itself(gold: str) -> None:
    verdict = grade(gold, f"\\boxed{{{gold}}}")
    assert verdict.correct or not verdict.prediction


@given(st.fractions(), st.fractions())
def test_correct_means_exactly_equal(left: object, right: object) -> None:
    assert grade(str(left), f"\\boxed{{{right}}}").correct == (left == right)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true')", "9**9**9**9", "((9!)!)!", "9^{9^{9^9}}", "\\int_0^1 x", "1" + "0" * 900, "\\sqrt{" * 100,
     "{" * 900],
)  # fmt: skip
def test_nothing_large_in_an_answer_is_computed(text: str) -> None:
    start = time.process_time()
    assert not grade("5", f"\\boxed{{{text}}}", kind="logic").correct
    assert time.process_time() - start < 0.2


def test_three_thousand_grades_take_at_most_a_second() -> None:
    text = "She sells 16 - 3 - 4 = 9 eggs and makes 9 * 2 = $18 every day.\n" * 5 + "The answer is \\boxed{\\$18}."
    start = time.process_time()
    for number in range(3_000):
        grade(str(number), text)
    assert time.process_time() - start < 1.0


def test_the_symbolic_comparisons_of_one_completion_share_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 100, 3))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    asked: list[Node] = []

    class Slow:
        def symbolic_equal(self, a: Node, b: Node) -> bool | None:
            asked.append(b)
            return True

    monkeypatch.setattr(pool, "default_pool", Slow)
    doubled = r"\boxed{\{2\sin(x)\cos(x), 2\sin(2x)\cos(2x), 2\sin(4x)\cos(4x)\}}"
    assert grade(r"\{\sin(2x), \sin(4x), \sin(8x)\}", doubled).status == "timeout"
    assert len(asked) == 1
