"""Where each key of a TOML text stands: ``tomllib`` gives values without positions, and a good error names the line.

The scanner walks text that ``tomllib`` has already accepted, so it only finds borders of tokens and judges nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

from reasonforge.config.keys import KeyPath, read_key

# A multi-line string ends at three quotes, and one or two more may belong to it.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the 1-based line of every key, table header and list element of a valid TOML text.

    >>> dict(key_lines("a = 1\\n[t]\\nb.c = [2,\\n3]"))
    {('a',): 1, ('t',): 2, ('t', 'b'): 3, ('t', 'b', 'c'): 3, ('t', 'b', 'c', 0): 3, ('t', 'b', 'c', 1): 4}
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._last_element: dict[KeyPath, int] = {}
        """Index of the newest ``[[table]]`` of each array of tables."""

    def document(self) -> None:
        table: KeyPath = ()
        while not self._at_end():
            if self.text.startswith("[", self.position):
                table = self._header()
            else:
                self._pair(table)

    def _at_end(self) -> bool:
        self._skip(_BLANK)
        return self.position >= len(self.text)

    def _header(self) -> KeyPath:
        is_array = self.text.startswith("[[", self.position)
        self.position += 2 if is_array else 1
        line, parts = self._line(), self._key()
        self.position = self.text.index("]", self.position) + (2 if is_array else 1)
        path = (*self._record((), parts[:-1], line), parts[-1])
        if is_array:
            self._last_element[path] = self._last_element.get(path, -1) + 1
            self.lines.setdefault(path, line)
            path += (self._last_element[path],)
        self.lines[path] = line
        return path

    def _pair(self, table: KeyPath) -> None:
        line, parts = self._line(), self._key()
        path = self._record(table, parts, line)
        self.position = self.text.index("=", self.position) + 1
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts, self.position = read_key(self.text, self.position)
        return parts

    def _record(self, table: KeyPath, parts: tuple[str, ...], line: int) -> KeyPath:
        path = table
        for part in parts:
            path += (part,)
            self.lines.setdefault(path, line)
            if path in self._last_element:
                path += (self._last_element[path],)
        return path

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        opening = self.text[self.position : self.position + 1]
        if opening == "[":
            self._elements(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if opening in ("'", '"') else _SCALAR)

    def _elements(self, path: KeyPath) -> None:
        index = 0
        while self._inside("]"):
            element = (*path, index)
            self.lines[element] = self._line()
            self._value(element)
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._inside("}"):
            self._pair(path)

    def _inside(self, closing: str) -> bool:
        """Step over the opening bracket or a comma; False (and past the bracket) when the list or table ends here."""
        self._skip(_BLANK)
        if not self.text.startswith(closing, self.position):
            self.position += 1
            self._skip(_BLANK)
        if self.text.startswith(closing, self.position):
            self.position += 1
            return False
        return True

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        assert match is not None, f"tomllib accepted what the scanner cannot read at {self.position}"
        self.position = match.end()

    def _line(self) -> int:
        return bisect_right(self._newlines, self.position - 1) + 1
