"""Steps of a completion: where each ends, in characters and in tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from reasonforge.text.config import StepsConfig

_BORDERS = {
    "newline": r"\n(?:[^\S\n]*\n)*",
    # No look-behind for abbreviations or decimals: white space must follow the mark, and "e.g. this" is cut once too often at worst.
    "sentence": r"[.!?。！？]+[\"')\]]*(?:\s+|$)|(?<=[。！？])|\n\s*",
}

Decode = Callable[[Sequence[int]], str]
"""Token ids to text."""


def step_ends(text: str, config: StepsConfig) -> list[int]:
    """Return the position just after each step's last character; the last one is the text's length.

    A stretch of white space is no step: it belongs to the step before it, or to the first step if nothing stands before it.

    >>> step_ends("2 + 3 = 5\\n\\n5 * 2 = 10\\nSo 10", StepsConfig())
    [11, 22, 27]
    """
    if not text.strip():
        return [len(text)] if text else []
    pattern = config.pattern if config.pattern is not None else _BORDERS[config.at]
    ends: list[int] = []
    start = 0
    for border in [match.end() for match in re.finditer(pattern, text)] + [len(text)]:
        if text[start:border].strip():
            ends.append(border)
            start = border
    ends[-1] = len(text)  # white space behind the last step
    return ends


def token_of_each_end(token_ids: Sequence[int], ends: Sequence[int], decode: Decode) -> list[int]:
    """Return, for each position of the decoded text, the index of the token that completes the text up to there.

    Args:
        token_ids: the completion's.
        ends: increasing positions in their text, each above 0.
        decode: of the tokenizer that wrote them.
    """
    text = decode(token_ids)
    found: list[int] = []
    start, position = 0, 0  # a token before which the text so far is whole, and how long it is there
    for end in ends:
        index = _completing(token_ids, start, text[position:end], decode)
        if index is None:
            # Some decoders write the first token of a text in another way (a word mark without its space): read from the beginning.
            index = _completing(token_ids, 0, text[:end], decode)
        found.append(len(token_ids) - 1 if index is None else index)
        if index is not None and decode(token_ids[start : index + 1]) == text[position:end]:
            start, position = index + 1, end
    return found


def _completing(token_ids: Sequence[int], start: int, wanted: str, decode: Decode) -> int | None:
    """Return the first token with which the text from ``start`` on begins as wanted; None = it never does."""
    # Not by length: half a character decodes to a mark that is as long as the whole one.
    size = 1
    while not decode(token_ids[start : start + size]).startswith(wanted):
        if start + size >= len(token_ids):
            return None
        size *= 2
    first, last = start, min(start + size, len(token_ids)) - 1
    while first < last:
        middle = (first + last) // 2
        if decode(token_ids[start : middle + 1]).startswith(wanted):
            last = middle
        else:
            first = middle + 1
    return first


def step_tokens(token_ids: Sequence[int], text: str, config: StepsConfig, decode: Decode) -> list[int]:
    """Return the index of the last token of each step of a completion, in increasing order.

    Two steps that end in one token are one. The last step ends with the completion's last token, the one that ends the turn included:
    what is paid at its end is then paid for ending, too.

    Args:
        token_ids: the completion's.
        text: the completion decoded, with or without the control token that ended it.
        config: what a step is.
        decode: of the tokenizer that wrote them.
    """
    if not len(token_ids):
        return []
    ends = step_ends(text, config)
    return sorted({*token_of_each_end(token_ids, ends[:-1], decode), len(token_ids) - 1})
