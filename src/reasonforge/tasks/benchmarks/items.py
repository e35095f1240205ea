"""What a row of a benchmark says, and the two common ways to read one: a question with an answer, and a question with options."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.core.records import ProblemKind
from reasonforge.tasks.benchmarks.rows import Place
from reasonforge.tasks.fields import boxed_of, checked, scalar_of, shown, split_gsm8k, text_of, value_of
from reasonforge.tasks.files import Row
from reasonforge.verify.extract import last_boxed

LETTERS = string.ascii_uppercase
FIRST_OPTION = "\n(A) "
"""Where the options of a choice begin in its question."""
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,2})", re.IGNORECASE)
_MARKED = re.compile(r"\s*[(（]?([A-Z])[)）.．:：、]\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row in the words of ``Problem``; what all rows of a benchmark share is added later."""

    question: str
    answer: str
    identity: str | None = None
    """What the file calls the row. None = it has no name, and its question's hash serves."""
    kind: ProblemKind | None = None
    """None = the benchmark's."""
    difficulty: int | None = None
    solution: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


Convert = Callable[[Place], Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a row hold what; of several names the first that is there counts, because copies of a benchmark differ."""

    question: tuple[str, ...] = ("question",)
    before: tuple[str, ...] = ()
    """A text that the question goes on from (a passage, a story). () = there is none."""
    answer: tuple[str, ...] = ("answer",)
    solution: tuple[str, ...] = ()
    """A worked solution; where no answer column is there, its last box holds the answer."""
    options: tuple[str, ...] = ()
    """One column with all options, or one column for each. () = not a choice."""
    identity: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()
    """Further columns that are kept."""


def read_answer(columns: Columns) -> Convert:
    """Return how to read a question with an answer."""

    def convert(place: Place) -> Item:
        row = place.row
        answered = any(row.values.get(name) is not None for name in columns.answer)
        solution = optional_text(row, columns.solution, "solution")
        if not answered and solution is not None:
            answer = boxed_of(row, columns.solution[0], solution)
        else:
            answer = scalar_of(row, columns.answer, "answer")
        # Without a box nobody who learns from a solution would learn to give an answer that can be found.
        if solution is not None and last_boxed(solution) is None:
            solution = None
        return item_of(place, columns, question=question_of(row, columns), answer=answer, solution=solution)

    return convert


def read_gsm8k(columns: Columns) -> Convert:
    """Return how to read GSM8K's form: the answer column holds steps, then ``#### N``. The solution ends in a box."""

    def convert(place: Place) -> Item:
        name, _ = value_of(place.row, columns.answer, "answer")
        answer, steps = split_gsm8k(place.row, name, text_of(place.row, columns.answer, "answer"))
        solution = f"{steps}\n\\boxed{{{answer}}}" if steps else None
        return item_of(place, columns, question=question_of(place.row, columns), answer=answer, solution=solution)

    return convert


def read_choice(columns: Columns) -> Convert:
    """Return how to read a question with options; the answer is a letter, several letters, an index, or an option's text."""

    def convert(place: Place) -> Item:
        row = place.row
        options = options_of(row, columns.options)
        answer = letters_of(row, columns.answer, options)
        question = with_options(question_of(row, columns), options)
        solution = optional_text(row, columns.solution, "solution")
        item = item_of(place, columns, question=question, answer=answer, solution=None)
        explained = {} if solution is None else {"explanation": solution}
        return Item(
            question=item.question,
            answer=item.answer,
            identity=item.identity,
            difficulty=item.difficulty,
            meta={**item.meta, "options": list(options), **explained},
        )

    return convert


def item_of(place: Place, columns: Columns, *, question: str, answer: str, solution: str | None) -> Item:
    """Return an item with what else the columns say."""
    row = place.row
    identity = None
    if any(row.values.get(name) is not None for name in columns.identity):
        identity = scalar_of(row, columns.identity, "id")
    meta: dict[str, Any] = {name: row.values[name] for name in columns.meta if row.values.get(name) is not None}
    if any(row.values.get(name) not in (None, "") for name in columns.subject):
        meta["subject"] = scalar_of(row, columns.subject, "subject")
    stated = next((row.values[name] for name in columns.level if row.values.get(name) is not None), None)
    level = None if stated is None else _LEVEL.fullmatch(str(stated).strip())
    return Item(
        question=question,
        answer=answer,
        identity=identity,
        difficulty=int(level.group(1)) if level else None,
        solution=solution,
        meta=meta,
    )


def question_of(row: Row, columns: Columns) -> str:
    """Return the question, after the text that it goes on from where there is one."""
    question = text_of(row, columns.question, "question").strip()
    before = [row.values[name] for name in columns.before if row.values.get(name)]
    for name, value in zip(columns.before, before):
        if not isinstance(value, str):
            raise DataError(f"{row.place}: column {name!r} is {shown(value)}, not text")
    return "\n".join([*(text.strip() for text in before), question])


def optional_text(row: Row, names: tuple[str, ...], role: str) -> str | None:
    """Return a column of text; None where it is missing, null or blank."""
    for name in names:
        value = row.values.get(name)
        if isinstance(value, str) and value.strip():
            return checked(row, name, role, value)
    return None


def with_options(question: str, options: Sequence[str]) -> str:
    """Return the question with its options below it, one lettered line each."""
    return "\n".join([question, *(f"({letter}) {option}" for letter, option in zip(LETTERS, options))])


def options_of(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options without their letters, from one column (list, mapping or running text) or from one column for each.

    Raises:
        DataError: there are fewer than two, or they are of no known form.
    """
    separate = [name for name in names if name in row.values]
    if len(separate) > 1:
        options = [scalar_of(row, (name,), "options") for name in separate if row.values[name] not in (None, "")]
    else:
        name, value = value_of(row, names, "options")
        options = [text.strip() for text in _option_texts(row, name, value)]
    if not 1 < len(options) <= len(LETTERS):
        raise DataError(f"{row.place}: {len(options)} options; a choice has 2 to {len(LETTERS)}")
    for option in options:
        checked(row, names[0], "options", option.strip() or "-")  # an option may be blank (a picture that was left out), but not broken
    return tuple(_without_letters(options))


def _option_texts(row: Row, name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return _split_running_text(value)
    if isinstance(value, Mapping):
        # {"A": ..., "B": ...}, or the two lists {"label": [...], "text": [...]} of the AI2 sets
        texts = value.get("text") if isinstance(value.get("text"), list) else [value[key] for key in sorted(value)]
    else:
        texts = value
    if isinstance(texts, list | tuple):
        found = [_option_text(option) for option in texts]
        if all(text is not None for text in found):
            return [text for text in found if text is not None]
    raise DataError(f"{row.place}: column {name!r} (options) is {shown(value)}, no list, mapping or text of options")


def _option_text(option: Any) -> str | None:
    # TAL-SCQ5K wraps each option in a list of one mapping with its letter and its content.
    if isinstance(option, list) and len(option) == 1:
        option = option[0]
    if isinstance(option, Mapping):
        option = option.get("content", option.get("text"))
    if option is None:
        # MMLU has options that read "None"; copies made with pandas have lost the word (it stands for a missing value there).
        return "None"
    if isinstance(option, int | float) and not isinstance(option, bool):
        return str(option)
    return option if isinstance(option, str) else None


def _split_running_text(text: str) -> list[str]:
    """Return the options of "A) 3 B) 4 C) 5": a letter counts only when it is the next one."""
    starts: list[tuple[int, int]] = []
    for match in re.finditer(r"(?:^|(?<=\s))[(（]?([A-Z])[)）.．]\s*", text):
        if match.group(1) == LETTERS[len(starts)]:
            starts.append(match.span())
        if len(starts) == len(LETTERS):
            break
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [text[start:end] for (_, start), end in zip(starts, ends)]


def _without_letters(options: Sequence[str]) -> list[str]:
    """Return the options without "(A)" or "A." in front, where every one has its own letter there."""
    marks = [_MARKED.match(option) for option in options]
    if all(mark is not None and mark.group(1) == letter for mark, letter in zip(marks, LETTERS)):
        return [option[mark.end() :].strip() for option, mark in zip(options, marks) if mark is not None]
    return list(options)


def letters_of(row: Row, names: tuple[str, ...], options: Sequence[str]) -> str:
    """Return the letters of the right options: usually one, sorted where there are several.

    Raises:
        DataError: the answer names no option.
    """
    name, value = value_of(row, names, "answer")
    if isinstance(value, list | tuple):
        value = "".join(map(str, value))
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(options):
            return LETTERS[value]
        raise DataError(f"{row.place}: column {name!r} (answer) is {value}; the options are numbered 0 to {len(options) - 1}")
    if isinstance(value, str):
        named = re.fullmatch(r"[\s(（,，]*((?:[A-Z][\s)）,，.、]*)+)", value)
        letters = sorted(set(re.findall("[A-Z]", named.group(1)))) if named else []
        if letters and LETTERS.index(letters[-1]) < len(options):
            return "".join(letters)
        texts = [option.strip() for option in options]
        if value.strip() in texts:
            return LETTERS[texts.index(value.strip())]
    raise DataError(f"{row.place}: column {name!r} (answer) is {shown(value)}, which names none of the {len(options)} options")
