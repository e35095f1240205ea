"""Text for a terminal: what models, data and recipes say made safe to print, tables, and the command line to type next."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = "reasonforge"

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC: window titles, hyperlinks
    r"|\x1b[P^_X][^\x1b]*(?:\x1b\\|$)"  # DCS, PM, APC, SOS strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # everything else that starts with ESC
)


def clean_text(text: str, *, newlines: bool = False) -> str:
    """Return text without terminal escapes, control and bidirectional-override characters; runs of white space become one space.

    Args:
        text: anything at all.
        newlines: keep line breaks (and only them) as they are.

    >>> clean_text("a\\x1b[31mb\\x1b]8;;http://x\\x07c\\u202ed\\n e")
    'abcd e'
    """
    text = _ESCAPES.sub("", text)
    if newlines:
        return "\n".join(clean_text(line) for line in text.splitlines())
    # Cc, Cf, Cs: controls, bidi and zero-width formats, lone surrogates. White space among them (tab, newline) must still part words.
    kept = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return " ".join("".join(kept).split())


def shorten(text: str, width: int) -> str:
    """Return text cut to ``width`` terminal columns with an ellipsis."""
    if _columns(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def counted(count: int, unit: str) -> str:
    """Return a count with its unit, as English wants it.

    >>> counted(1, "step"), counted(2, "step")
    ('1 step', '2 steps')
    """
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def format_number(value: float | None) -> str:
    """Return a short number for tables: four significant digits, no exponent where it can be avoided.

    >>> [format_number(x) for x in (0.43, 12, 1234567.0, 3e-5, None)]
    ['0.43', '12', '1.235M', '3e-05', '-']
    """
    if value is None or value != value:
        return "-"
    for limit, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def format_seconds(seconds: float) -> str:
    """Return a duration as ``h:mm:ss``."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def program_name() -> str:
    """Return what to type to call this program from here, quoted for a shell.

    Its plain name where PATH has it; else the console script beside the running Python (as a relative path where that is shorter);
    else ``python -m reasonforge``.
    """
    if shutil.which(_PROGRAM):
        return _PROGRAM
    script = Path(sys.executable).parent / _PROGRAM
    if not script.is_file():
        return f"python -m {_PROGRAM}"
    return shlex.quote(min(os.path.relpath(script), str(script), key=len))


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 200) -> list[str]:
    """Return the lines of a plain table: first column to the left, the others to the right, the widest cells cut to fit ``width``.

    >>> text_table(["stage", "steps"], [["rl", "75"]])
    ['stage  steps', 'rl        75']
    """
    cells = [[clean_text(cell) for cell in row] for row in (header, *rows)]
    widths = [max(_columns(cell) for cell in column) for column in zip(*cells, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in cells:
        parts = [_pad(shorten(cell, widths[i]), widths[i], left=i == 0) for i, cell in enumerate(row)]
        lines.append("  ".join(parts).rstrip())
    return lines


def _columns(text: str) -> int:
    """Terminal columns of a text: East Asian wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, *, left: bool) -> str:
    space = " " * max(0, width - _columns(text))
    return text + space if left else space + text
