"""Paths into a recipe: ``("stages", "rl", "lr")`` inside, ``stages.rl.lr`` for people."""

from __future__ import annotations

import json
import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Keys from the top of a recipe to one place in it; an int is an index into a list."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MAX_PARTS = 64
"""No schema is that deep; an endless key would only cost memory."""
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')


def dotted(path: KeyPath) -> str:
    """Write a path the way TOML would.

    >>> dotted(("stages", "rl", "stops", 0))
    'stages.rl.stops[0]'
    >>> dotted(("data", "a b"))
    'data."a b"'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # JSON's escapes are TOML's, but JSON lets DEL stand unescaped.
            key = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False).replace("\x7f", "\\u007f")
            text += f".{key}" if text else key
    return text


def read_key(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """Read a dotted key that starts at ``position``; return its parts and the position after it.

    Raises:
        ValueError: no key stands there, or one of absurd length.
    """
    parts: list[str] = []
    while True:
        position = _skip_blanks(text, position)
        if match := _BARE.match(text, position):
            parts.append(match.group())
        elif match := _QUOTED.match(text, position):
            parts.append(_unquote(match.group()))
        else:
            raise ValueError(f"no key at position {position}")
        after = _skip_blanks(text, match.end())
        if not text.startswith(".", after):
            return tuple(parts), match.end()
        if len(parts) == _MAX_PARTS:
            raise ValueError(f"a key has more than {_MAX_PARTS} parts")
        position = after + 1


def parse_dotted(text: str) -> tuple[str, ...]:
    """Split a dotted key into its parts.

    >>> parse_dotted('data."a b".path')
    ('data', 'a b', 'path')

    Raises:
        ValueError: the text is not one dotted key.
    """
    parts, end = read_key(text, 0)
    if end != len(text):
        raise ValueError(f"unexpected text at position {end}")
    return parts


def _skip_blanks(text: str, position: int) -> int:
    while text.startswith((" ", "\t"), position):
        position += 1
    return position


def _unquote(quoted: str) -> str:
    # tomllib knows the escapes of a quoted key; a literal one has none.
    return quoted[1:-1] if quoted.startswith("'") else tomllib.loads(f"key = {quoted}")["key"]
