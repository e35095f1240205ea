"""One TOML file: read, decoded, parsed, with the line of every key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reasonforge.config.keys import KeyPath
from reasonforge.config.lines import key_lines
from reasonforge.core.errors import RecipeError

MAX_BYTES = 1_000_000
"""A recipe is written by hand; a larger file is a data set or a model given by mistake."""

_POSITION = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_HINTS = {
    "Expected '=' after a key": 'expected "=" after the key. TOML writes key = value',
    "Invalid value": 'not a value. Text needs quotes: key = "text"; yes and no are true and false',
    "Invalid statement": "neither a [table] nor key = value",
    "Exceeds the limit": "a number of too many digits",
    "Cannot overwrite a value": "this key is set twice",
    "Cannot declare": "this table appears twice",
    "Expected newline or end of document": "something follows the value. One key = value per line; text needs quotes",
    "Unbalanced": "a bracket is never closed",
    "Unclosed": "a bracket is never closed",
    "Unterminated": "a quote is never closed",
    "Illegal character '\\n'": "a quote is never closed on this line",
}
"""How tomllib's message begins -> what to tell the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """What one file says."""

    name: str
    """The path as people should see it in messages."""
    path: Path
    text: str
    data: dict[str, Any]
    lines: Mapping[KeyPath, int]

    def origin(self, path: KeyPath) -> str:
        """Return ``file:line`` of a key, or of the nearest table around it that has a line."""
        for length in range(len(path), 0, -1):
            if line := self.lines.get(path[:length]):
                return f"{self.name}:{line}"
        return self.name


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file.

    Raises:
        RecipeError: the file is missing, a folder, unreadable, too large, empty, not UTF-8, or not TOML.
    """
    name = display_name(path)
    text = read_text(path)
    if not text.strip():
        raise RecipeError(f"{name}: the file is empty")
    try:
        return TomlFile(name=name, path=path, text=text, data=tomllib.loads(text), lines=key_lines(text))
    except RecursionError:
        raise RecipeError(f"{name}: brackets are nested too deeply") from None
    except ValueError as error:  # besides TOMLDecodeError: a number of more digits than Python converts
        raise RecipeError(_syntax_error(name, str(error))) from None


def display_name(path: Path) -> str:
    """Return the path relative to the working directory where it lies below it, otherwise as it is."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) and path.is_absolute() else relative


def read_text(path: Path) -> str:
    """Read a UTF-8 file of at most ``MAX_BYTES``.

    Raises:
        RecipeError: the file is missing, a folder, unreadable, too large, or not UTF-8.
    """
    name = display_name(path)
    return _decode(_read_bytes(path, name), name)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecipeError(f"{name}: no such file{_suggest_file(path)}") from None
    except IsADirectoryError:
        raise RecipeError(f"{name}: this is a folder, not a recipe{_suggest_in_folder(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RecipeError(f"{name}: cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise RecipeError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB, which no recipe is. Is this the right file?")
    return content


def _decode(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeError(f"{name}: this is UTF-16. Save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{name}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}). Save it as UTF-8") from None


def _syntax_error(name: str, message: str) -> str:
    where = ""
    if match := _POSITION.search(message):
        message = message[: match.start()]
        where = f":{match['line']}:{match['column']}" if match["line"] else ":end of file"
    hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), message[:1].lower() + message[1:])
    return f"{name}{where}: not valid TOML: {hint}"


def _suggest_file(path: Path) -> str:
    try:
        siblings = [sibling.name for sibling in path.parent.iterdir() if sibling.suffix == ".toml"]
    except OSError:
        return ""
    close = get_close_matches(path.name, siblings, n=1) or get_close_matches(f"{path.name}.toml", siblings, n=1)
    return f". Did you mean {display_name(path.parent / close[0])}?" if close else ""


def _suggest_in_folder(path: Path) -> str:
    try:
        recipes = sorted(child.name for child in path.glob("*.toml"))
    except OSError:
        return ""
    return f". It holds {', '.join(recipes[:6])}{', ...' if len(recipes) > 6 else ''}" if recipes else ""
