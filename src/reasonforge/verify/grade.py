"""Judging an answer: is what a completion declares equal to the reference? What a reward may trust; nothing is guessed.

A ladder: normal text, exact rationals, normal forms of scalars, structures; what these leave open goes to a symbolic worker that can be
killed. Everything before that last step is pure, bounded and linear in the text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from reasonforge.core.records import ProblemKind, Verdict
from reasonforge.verify.answers import (
    Answer,
    choice_letter,
    formulas_of,
    halves_of_rounding,
    letter_of,
    normal_text,
    read_answer,
    same_time,
    without_percent,
)
from reasonforge.verify.choices import exact_text, grade_exact, grade_letters, letters_of
from reasonforge.verify.cleaning import strip_fences
from reasonforge.verify.extract import MAX_ANSWER_CHARS, MAX_TEXT_CHARS, Found, answer_section, find_answer
from reasonforge.verify.profiles import RULES, Profile, Rules
from reasonforge.verify.retraction import second_thoughts
from reasonforge.verify.structures import Comparison, is_total, is_unfinished, restates
from reasonforge.verify.tree import Apply, Name, Node, Number
from reasonforge.verify.units import with_upright_symbol, without_asked_words

MAX_SYMBOLIC_CALLS = 8
"""Pairs that one answer may send to the symbolic worker; a list of a hundred integrals is not an answer."""

# "What percent", "as a percentage", "the percent of those who": a percentage is wanted. Behind a number it is only told: 20 percent of 40.
_ASKS_PERCENT = re.compile(
    r"(?:\b(?:what(?:['’]s)?|which|how many|find|give|express|write|compute|calculate|determine|estimate|as|in|by)\s(?:[^\W\d]+\s){0,6}?"
    r"(?:percent|%)|(?<![0-9\\])(?<![0-9\\]\s)%\s*(?:of|is|are)?\s*\?|百分之几|百分之多少|百分比|百分率)",
    re.IGNORECASE,
)
_PERCENT_NEXT = re.compile(r"[\s$]{0,3}(?:\\?%|percent)")
_APPROXIMATELY = re.compile(r"\A\s*(?:\\approx|≈)\s*(?=\\?\$?[-0-9])")
_SHOWN_CHARS = 60
_SPACE_AT_LETTER = re.compile(r"(?<=[A-Za-z]) | (?=[A-Za-z])")
_COMMA_GROUPS = re.compile(r"\s*\$?[0-9]{1,3}(?:,[0-9]{3})+\$?\s*")


def grade(
    gold: str,
    text: str,
    *,
    profile: Profile = "strict",
    question: str = "",
    kind: ProblemKind = "math",
    language: str | None = None,
) -> Verdict:
    """Judge a completion against the reference answer. Never raises on any text.

    Args:
        gold: the reference answer, as written.
        text: the completion.
        profile: what counts as equal; ``strict`` for rewards.
        question: the question; where it asks for a percentage, 35 % answers a reference of 35.
        kind: ``choice`` compares letters; ``logic`` never goes to the symbolic worker; ``code`` and ``open`` are not judged here.
        language: a hint for answer phrases (``zh``); None = both languages' usual phrases.

    Returns:
        ``correct`` or ``wrong`` with the prediction in normal form; ``no_answer`` where nothing is declared or thinking never ends;
        ``timeout`` where the symbolic worker passed its deadline; ``error`` where no rule can judge: an empty or overlong reference,
        a kind without rules, a worker that failed.

    >>> grade("18", "She makes 9 * 2 = 18.").status, grade("18", "<think>9 * 2</think> \\\\boxed{\\\\$18.00}").prediction
    ('no_answer', '18')
    """
    rules = RULES[profile]
    if kind in ("code", "open"):
        return Verdict(status="error", reason=f"no rule judges problems of kind {kind!r}")
    if not isinstance(gold, str) or not isinstance(text, str):
        return Verdict(
            status="error", reason="reference and completion must be strings, not " + type(text if isinstance(gold, str) else gold).__name__
        )
    if not gold.strip() or len(gold) > MAX_ANSWER_CHARS:
        # A cut reference would be equal to whatever begins like it.
        return Verdict(status="error", reason=f"the reference answer is empty or longer than {MAX_ANSWER_CHARS} characters")
    if len(text) > MAX_TEXT_CHARS:
        return Verdict(status="error", reason=f"completion of {len(text)} characters; at most {MAX_TEXT_CHARS} are read")
    section = answer_section(text)
    if section is None:
        if rules.one_declaration:
            return Verdict(status="no_answer", reason="thinking does not end")
        section = text
    if rules.form == "exact":
        return _with_reason(grade_exact(gold, section), gold)
    found = find_answer(section, language=language, last_number=rules.last_number)
    if kind == "choice" or rules.form == "letter":
        return _with_reason(grade_letters(gold, section, found, guess=not rules.one_declaration), gold)
    if found is None:
        return Verdict(status="no_answer", reason="no box, answer block, #### or answer phrase")
    if len(found.answer) > MAX_ANSWER_CHARS:
        return Verdict(status="no_answer", reason=f"an answer of {len(found.answer)} characters is no answer")
    return _grade_math(gold, found, rules, question, symbolic=kind == "math")


def equivalent(gold: str, answer: str, *, profile: Profile = "strict") -> bool | None:
    """Tell whether two answers say the same; None where the symbolic worker could not decide.

    >>> equivalent("1/2", "0.5"), equivalent("(1,5)", "(5,1)")
    (True, False)
    """
    rules = RULES[profile]
    if max(len(gold), len(answer)) > MAX_ANSWER_CHARS:
        return gold == answer
    if rules.form == "letter":
        return letters_of(gold) is not None and letters_of(gold) == letters_of(answer)
    if rules.form == "exact":
        return exact_text(gold) == exact_text(answer)
    judge = _SymbolicJudge(allowed=rules.symbolic)
    return (
        True
        if _equal(read_answer(gold), read_answer(answer), gold, answer, rules, judge)
        else (None if judge.failure or judge.undecided else False)
    )


def equivalence_classes(answers: Sequence[str | None], *, profile: Profile = "strict") -> list[int | None]:
    """Return the class of each answer, numbered in order of appearance; None for None. Votes count classes, not strings.

    A number without a unit votes for the same number with one, unless it comes with several (5 is neither 5 cm nor 5 mm then). Answers
    with one key are one class at once; the rest are compared pair by pair with one answer per class, so a pair that the symbolic worker
    cannot decide counts as different.

    >>> equivalence_classes(["0.5", None, "1/2", "2"])
    [0, None, 0, 1]
    """
    rules = RULES[profile]
    values = _value_classes(answers, replace(rules, units_agree=False))
    if not rules.units_agree or rules.form != "math":
        return values
    units = [read_answer(raw).unit if raw is not None and len(raw) <= MAX_ANSWER_CHARS else "" for raw in answers]
    named: dict[int, set[str]] = {}
    for value, unit in zip(values, units, strict=True):
        if value is not None and unit:
            named.setdefault(value, set()).add(unit)
    # The order of the votes decides nothing: values first, then those that come with several units are split.
    split = [
        None if value is None else (value, unit if len(named.get(value, ())) > 1 else "") for value, unit in zip(values, units, strict=True)
    ]
    order = {vote: index for index, vote in enumerate(dict.fromkeys(vote for vote in split if vote is not None))}
    return [None if vote is None else order[vote] for vote in split]


def _value_classes(answers: Sequence[str | None], rules: Rules) -> list[int | None]:
    """Return the classes of answers by their values alone."""
    classes: dict[str, int] = {}
    representatives: list[tuple[str, Answer]] = []
    judge = _SymbolicJudge(allowed=rules.symbolic)
    result: list[int | None] = []
    for raw in answers:
        if raw is None:
            result.append(None)
            continue
        key, answer = _class_key(raw, rules)
        if key not in classes:
            found = None
            if answer is not None:
                found = next(
                    (
                        index
                        for index, (other_raw, other) in enumerate(representatives)
                        if not _both_plain(answer, other, rules) and _equal(other, answer, other_raw, raw, rules, judge)
                    ),
                    None,
                )
            if found is None:
                found = len(representatives)
                representatives.append((raw, answer or Answer(key, None, "", key)))
            classes[key] = found
        result.append(classes[key])
    return result


def _class_key(raw: str, rules: Rules) -> tuple[str, Answer | None]:
    if rules.form == "letter":
        return letters_of(raw) or normal_text(raw), None
    if rules.form == "exact" or len(raw) > MAX_ANSWER_CHARS:
        return exact_text(raw), None
    answer = read_answer(raw)
    return answer.key, answer


def _both_plain(left: Answer, right: Answer, rules: Rules) -> bool:
    """Tell whether two answers are short exact numbers without units: their keys have decided already."""
    if rules.tolerance.relative or rules.tolerance.absolute or left.unit or right.unit:
        return False
    return all(isinstance(answer.node, Number) and not answer.node.is_decimal for answer in (left, right))


# Mathematics.


class _SymbolicJudge:
    """Asks the symbolic worker and remembers what it could not say; such a pair counts as different until someone looks."""

    def __init__(self, *, allowed: bool) -> None:
        self._calls_left = MAX_SYMBOLIC_CALLS if allowed else 0
        self._deadline: float | None = None
        self.failure: Verdict | None = None
        self.undecided = False

    def __call__(self, gold: Node, answer: Node) -> bool:
        if self._calls_left <= 0 or self.failure is not None:
            return False
        self._calls_left -= 1
        # Not at the top: the pool is heavier than all exact rules together, and most answers never need it.
        from reasonforge.verify.pool import DEADLINE_SECONDS, DeadlineExceeded, WorkerFailed, default_pool

        if self._deadline is None:
            self._deadline = time.monotonic() + DEADLINE_SECONDS
        elif time.monotonic() > self._deadline:
            self.failure = Verdict(status="timeout", reason="the symbolic comparisons of one completion passed their deadline together")
            return False
        try:
            equal = default_pool().symbolic_equal(gold, answer)
            self.undecided |= equal is None
            return bool(equal)
        except DeadlineExceeded as error:
            self.failure = Verdict(status="timeout", reason=str(error) or "the symbolic comparison passed its deadline")
        except WorkerFailed as error:
            self.failure = Verdict(status="error", reason=str(error) or "the symbolic worker failed")
        return False


def _grade_math(gold: str, found: Found, rules: Rules, question: str, *, symbolic: bool) -> Verdict:
    # [box 50] % says 50 %, never 50.
    answer = f"{found.answer}\\%" if "%" in found.after[:12] and _PERCENT_NEXT.match(found.after) else found.answer
    reference, prediction = read_answer(gold), read_answer(answer)
    if not prediction.text:
        return Verdict(status="no_answer", reason="the answer is empty")
    judge = _SymbolicJudge(allowed=symbolic and rules.symbolic)
    correct = _equal(reference, prediction, gold, answer, rules, judge)
    if not correct and rules.percent_agrees and "%" in prediction.key and question and _ASKS_PERCENT.search(question[-2_000:]):
        correct = _equal(_in_percent(reference), prediction, gold, answer, rules, judge)
    if not correct and reference.unit and (upright := with_upright_symbol(answer)):
        correct = _equal(reference, read_answer(upright), gold, upright, rules, judge)
    if not correct and question and (bare := without_asked_words(answer, question)):
        # 5 gnu: an unknown word is a unit where the question counts in it.
        correct = _equal(reference, read_answer(bare), gold, bare, rules, judge)
    if not correct and found.others and isinstance(reference.node, Apply) and reference.node.op in ("list", "set"):
        # x = [box 3] or [box 2/5]: where several values are asked for, several boxes may hold them.
        together = ", ".join(dict.fromkeys((*found.others, found.answer)))
        if len(together) <= MAX_ANSWER_CHARS and _equal(reference, read_answer(together), gold, together, rules, judge):
            found, prediction, correct = replace(found, answer=together, others=()), read_answer(together), True
    if not correct and judge.failure is not None:
        return Verdict(status=judge.failure.status, prediction=prediction.key, reason=judge.failure.reason)
    shown = reference.key if correct else _with_unit(prediction, reference, rules)
    if correct and rules.one_declaration and (reason := _second_thoughts(found, prediction, rules)):
        return Verdict(status="wrong", prediction=shown, reason=reason)
    if correct and rules.finished_numbers and question and prediction.node is not None and reference.node is not None:
        formulas = formulas_of(question) if reference.text != prediction.text else ()
        if formulas and restates(prediction.node, reference.node, formulas):
            return Verdict(status="wrong", prediction=shown, reason="restates the question")
    return Verdict(status="correct", prediction=shown) if correct else _wrong(reference, prediction, shown, rules, judge)


def _wrong(reference: Answer, prediction: Answer, shown: str, rules: Rules, judge: _SymbolicJudge) -> Verdict:
    """Return the verdict on an answer that is not the reference, with what makes it so."""
    if _unfinished(reference, prediction, rules):
        reason = f"not worked out: {_cut(prediction.text)}"
    elif judge.undecided:
        reason = "equality was neither proved nor refuted"
    else:
        reason = f"{_cut(shown)} is not {_cut(_with_unit(reference, prediction, rules))}"
    return Verdict(status="wrong", prediction=shown, reason=reason)


def _with_reason(verdict: Verdict, gold: str) -> Verdict:
    if verdict.status != "wrong" or verdict.reason:
        return verdict
    return replace(verdict, reason=f"{_cut(verdict.prediction or '')} is not {_cut(normal_text(gold))}")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def _unfinished(reference: Answer, prediction: Answer, rules: Rules) -> bool:
    return rules.finished_numbers and reference.node is not None and is_unfinished(prediction.node, reference.node)


def _rounded(raw: str) -> str:
    """Return the decimal that an answer names as approximate: of 5√2 ≈ 7.07 and of ≈ 7.07 the 7.07; "" where there is none."""
    if "≈" not in raw and "\\approx" not in raw:
        return ""
    return halves_of_rounding(raw)[1] or _APPROXIMATELY.sub("", strip_fences(raw), count=1)


def _with_unit(prediction: Answer, reference: Answer, rules: Rules) -> str:
    """Return the key of an answer, with its unit where the reference has another: 5 mm is not the 5 of 5 cm."""
    differs = rules.units_agree and prediction.unit and reference.unit and prediction.unit != reference.unit
    return f"{prediction.key} {prediction.unit}" if differs else prediction.key


def _in_percent(answer: Answer) -> Answer:
    if not isinstance(answer.node, Number):
        return answer
    return Answer(answer.text, Apply("mul", (answer.node, Name("%"))), answer.unit, f"{answer.key}%")


def _equal(reference: Answer, prediction: Answer, gold: str, answer: str, rules: Rules, judge: _SymbolicJudge) -> bool:
    """Climb the ladder; where the reference is a decimal, with the rounding that an answer names too."""
    if _climb(reference, prediction, gold, answer, rules, judge):
        return True
    if not (isinstance(reference.node, Number) and reference.node.is_decimal and (rounded := _rounded(answer))):
        return False
    return _climb(reference, read_answer(rounded), gold, rounded, rules, judge)


def _climb(reference: Answer, prediction: Answer, gold: str, answer: str, rules: Rules, judge: _SymbolicJudge) -> bool:
    if rules.units_agree and reference.unit and prediction.unit and reference.unit != prediction.unit:
        return False
    if reference.key == prediction.key and reference.clock == prediction.clock:
        return not _unfinished(reference, prediction, rules) and (not reference.name or prediction.name in ("", reference.name))
    if reference.text == prediction.text or _SPACE_AT_LETTER.sub("", reference.text) == _SPACE_AT_LETTER.sub("", prediction.text):
        return True
    if (letter := letter_of(reference.text)) is not None and not answer.islower():
        return choice_letter(answer) == letter
    if reference.clock or prediction.clock:
        return same_time(reference, prediction)
    left, right = reference.node, prediction.node
    if isinstance(left, Number) and isinstance(right, Apply) and right.op == "equation" and is_total(right.args[0]):
        # a + b = 5, |AB| = 5
        right = right.args[1]
    if rules.last_of_chain and right is None and "=" in answer:
        right = read_answer(answer.rpartition("=")[2]).node
    if left is None or right is None:
        return False
    exact = not (rules.tolerance.relative or rules.tolerance.absolute)
    if exact and isinstance(left, Number) and isinstance(right, Number) and not (left.is_decimal or right.is_decimal):
        return left.value == right.value
    if rules.finished_numbers and is_unfinished(right, left):
        return False
    if rules.last_of_chain:
        left, right = _right_side(left, right), _right_side(right, left)
    if not rules.percent_agrees:
        left, right = without_percent(left), without_percent(right)
    comparison = Comparison(tolerance=rules.tolerance, loose_brackets=rules.loose_brackets, symbolic=judge)
    if comparison.equal(left, right):
        return True
    return _equal_ungrouped(left, right, gold, answer, comparison)


def _equal_ungrouped(left: Node, right: Node, gold: str, answer: str, comparison: Comparison) -> bool:
    """Compare once more with the commas of 100,200 read as separators, where the other side is a list."""
    if isinstance(right, Number) and isinstance(left, Apply) and left.op in ("list", "set") and _COMMA_GROUPS.fullmatch(answer):
        node = read_answer(answer, thousands=False).node
        return node is not None and comparison.equal(left, node)
    if isinstance(left, Number) and isinstance(right, Apply) and right.op in ("list", "set") and _COMMA_GROUPS.fullmatch(gold):
        node = read_answer(gold, thousands=False).node
        return node is not None and comparison.equal(node, right)
    return False


def _right_side(node: Node, other: Node) -> Node:
    """Return the right side of an equation whose other side of the comparison is none."""
    if isinstance(node, Apply) and node.op == "equation" and not (isinstance(other, Apply) and other.op == "equation"):
        return node.args[1]
    return node


def _second_thoughts(found: Found, prediction: Answer, rules: Rules) -> str:
    """Return why a right answer does not stand; "" where it stands."""
    exact_rules_only = _SymbolicJudge(allowed=False)
    # What stands beside the answer may show the way to it: 6 - 7 = -1.
    rules = replace(rules, finished_numbers=False, last_of_chain=True)

    def same(text: str) -> bool:
        if len(text) > MAX_ANSWER_CHARS:
            return False
        other = read_answer(text)
        if _equal(prediction, other, found.answer, text, rules, exact_rules_only):
            return True
        halves = text.rpartition("=")
        if halves[1] and _equal(prediction, read_answer(halves[2]), found.answer, halves[2], rules, exact_rules_only):
            return True
        # 1/2, or 50%
        return isinstance(prediction.node, Number) and other.key == f"{prediction.node.value * 100}%"

    return second_thoughts(found, prediction.text, same)
