"""Keep secrets out of what a run writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

REDACTED = "<redacted>"

_SECRET_KEY = re.compile(
    r"(^|[._-])(api[_-]?key|access[_-]?key|private[_-]?key|secret|password|passwd|passphrase|credentials?|authorization|bearer)([._-]|$)"
    # "token" alone is a word of this field (eos_token, max_new_tokens): only these compounds, or the bare word, are secrets.
    r"|(^|[._-])((api|auth|access|session|refresh|hub|hf|github|gitlab|wandb|bot)[_-]?)?token$"
    r"|apikey$",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(^|[._-])(eos|bos|pad|unk|mask|sep|cls|stop|start|end)[_-]?token$", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_TOML_LINE = re.compile(r"^(?P<head>\s*(?P<key>[\w.\"'-]+)\s*=\s*)(?P<value>\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)
_SHORTEST_SEARCHED = 6
"""A shorter secret is hidden where its key stands, not searched in free text: it would black out ordinary words."""


def is_secret_key(key: str) -> bool:
    """Return whether a setting of this name holds a secret.

    >>> is_secret_key("api_key"), is_secret_key("hub_token"), is_secret_key("max_new_tokens"), is_secret_key("eos_token")
    (True, True, False, False)
    """
    return bool(_SECRET_KEY.search(key)) and not _NOT_SECRET.search(key)


def redact(value: Any) -> Any:
    """Return JSON-able data with the strings under secret keys, and passwords within URLs, replaced."""
    if isinstance(value, Mapping):
        return {key: _hidden(item) if is_secret_key(str(key)) else redact(item) for key, item in value.items()}
    if isinstance(value, str):
        return _USER_INFO.sub(REDACTED, value)
    if isinstance(value, Sequence):
        return [redact(item) for item in value]
    return value


def secret_values(value: Any, *, within_secret: bool = False) -> frozenset[str]:
    """Return the strings under secret keys that are long enough to be searched for elsewhere."""
    if isinstance(value, Mapping):
        parts = [secret_values(item, within_secret=within_secret or is_secret_key(str(key))) for key, item in value.items()]
        return frozenset().union(*parts)
    if isinstance(value, str):
        if not within_secret or len(value) < _SHORTEST_SEARCHED:
            return frozenset()
        return frozenset({value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]})  # as it stands in JSON lines too
    if isinstance(value, Sequence):
        return frozenset().union(*(secret_values(item, within_secret=within_secret) for item in value))
    return frozenset()


def redact_text(text: str, secrets: frozenset[str]) -> str:
    """Return free text without the given values and without passwords in URLs."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return _USER_INFO.sub(REDACTED, text)


def redact_toml(text: str, secrets: frozenset[str]) -> str:
    """Return a recipe's text without its secrets; everything else stays as written."""

    def hide(match: re.Match[str]) -> str:
        return f'{match["head"]}"{REDACTED}"' if is_secret_key(match["key"].strip("\"'")) else match[0]

    return redact_text(_TOML_LINE.sub(hide, text), secrets)


def redact_argv(argv: Sequence[str], secrets: frozenset[str]) -> list[str]:
    """Return a command line with the values of secret options replaced (``--api_key x`` and ``--api_key=x``)."""
    hidden: list[str] = []
    previous_is_secret = False
    for argument in argv:
        key, equals, _ = argument.partition("=")
        if previous_is_secret and not argument.startswith("--"):
            hidden.append(REDACTED)
        elif equals and is_secret_key(key.lstrip("-")):
            hidden.append(f"{key}={REDACTED}")
        else:
            hidden.append(redact_text(argument, secrets))
        previous_is_secret = argument.startswith("--") and not equals and is_secret_key(argument.lstrip("-"))
    return hidden


def _hidden(value: Any) -> Any:
    """Hide every string below a secret key; numbers and booleans say nothing."""
    if isinstance(value, str):
        return REDACTED if value else value
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_hidden(item) for item in value]
    return value
