"""What a row's columns hold, or one line that says what is wrong with them, and the answer texts that data sets share."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.tasks.files import Row
from reasonforge.verify.extract import last_boxed

_CALCULATOR_MARK = re.compile(r"<<[^<>\n]*>>")
_HASHES = re.compile(r"\n?#### *([^\n]*)\s*\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_COLUMNS_SHOWN = 20


def value_of(row: Row, names: tuple[str, ...], role: str, *, hint: str = "") -> tuple[str, Any]:
    """Return the name and value of the first of several columns that is there and not null.

    Raises:
        DataError: there is none, or only nulls.
    """
    for name in names:
        if row.values.get(name) is not None:
            return name, row.values[name]
    for name in names:
        if name in row.values:
            raise DataError(f"{row.place}: column {name!r} ({role}) is null")
    there = ", ".join(map(str, list(row.values)[:_MAX_COLUMNS_SHOWN])) or "none"
    wanted = " or ".join(map(repr, names))
    raise DataError(f"{row.place}: no column {wanted} for the {role}. Columns there: {there}{hint}")


def text_of(row: Row, names: tuple[str, ...], role: str, *, hint: str = "") -> str:
    """Return a column of text, as it is."""
    name, value = value_of(row, names, role, hint=hint)
    if not isinstance(value, str):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {shown(value)}, not text")
    return checked(row, name, role, value)


def scalar_of(row: Row, names: tuple[str, ...], role: str, *, hint: str = "") -> str:
    """Return text or a number as text: 70.0 is "70", because data sets store whole answers as floats."""
    name, value = value_of(row, names, role, hint=hint)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {shown(value)}, not text or a number")
    return checked(row, name, role, value.strip())


def whole_of(row: Row, names: tuple[str, ...], role: str, *, hint: str = "") -> int:
    """Return a column of whole numbers."""
    name, value = value_of(row, names, role, hint=hint)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {shown(value)}, not a whole number")
    return value


def checked(row: Row, name: str, role: str, text: str) -> str:
    """Return the text; refuse what is empty or no text."""
    if not text.strip():
        raise DataError(f"{row.place}: column {name!r} ({role}) is empty")
    # Half of a UTF-16 pair can be written in JSON and in no file: refuse it here, not when the first record is saved.
    if _SURROGATE.search(text):
        raise DataError(f"{row.place}: column {name!r} ({role}) holds half of a surrogate pair, which is no character")
    return text


def shown(value: Any) -> str:
    """Return a value's type and its beginning, for messages."""
    return f"{type(value).__name__} {json.dumps(value, default=str)[:40]}"


def split_gsm8k(row: Row, name: str, worked: str, *, keep_calculator_marks: bool = False) -> tuple[str, str]:
    """Return (answer, steps) of GSM8K's answer text: steps, then ``#### N``; N may have thousands separators.

    Raises:
        DataError: the text does not end so.
    """
    match = _HASHES.search(worked)
    if match is None or not match.group(1).strip():
        raise DataError(f"{row.place}: column {name!r} does not end in '#### answer'. Is this GSM8K's format?")
    steps = worked[: match.start()].rstrip()
    if not keep_calculator_marks:
        steps = _CALCULATOR_MARK.sub("", steps)
    return match.group(1).strip().replace(",", ""), steps


def boxed_of(row: Row, name: str, text: str) -> str:
    """Return the content of the last box of a column.

    Raises:
        DataError: there is none, or an empty one.
    """
    boxed = last_boxed(text)
    if boxed is None or not boxed.strip():
        raise DataError(f"{row.place}: column {name!r} has no balanced \\boxed{{}}, or an empty one")
    return boxed.strip()
