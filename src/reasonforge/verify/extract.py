"""Where the answer stands in a completion. Every function is linear in its input and finds the same answer on every call.

The order: the text after the last ``</think>``; in it the last box or answer block; else ``#### N``; else an answer phrase.
The last number in the text is never guessed: a reward must not pay for it.
"""

from __future__ import annotations

import re
from collections import deque

from reasonforge.verify.numbers import parse_number

MAX_TEXT_CHARS = 500_000
"""Longer completions are not read."""
MAX_ANSWER_CHARS = 1_000
"""Longer answers are not answers."""
_MAX_NESTED_BOXES = 4
_MAX_HASH_LINES = 20

_END_MARKER = re.compile(r"(?:\s|<\|[A-Za-z_]{1,32}\|>|<｜[^<>｜]{1,32}｜>|</s>|<eos>|<end_of_turn>)*\Z")
_END_MARKER_REACH = 400
_BOX_OR_BRACE = re.compile(r"\\\\|\\[{}]|\\(?:boxed|fbox)\s{0,8}\{|[{}]")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox) {1,4}([^\s${}\\]{1,40})")
_HASHES = re.compile(r"^####[ \t]*(\S[^\n]{0,200})$", re.MULTILINE)
_PHRASE = re.compile(
    r"(?:\banswer(?:\s{1,3}to\s{1,3}the\s{1,3}(?:question|problem))?\s{0,3}(?:is|=|:|：)|答案\s{0,3}(?:是|为|：|:)|【答案】|故选)[:：\s*]{0,6}",
    re.IGNORECASE,
)
_MAX_PHRASE_CHARS = 300
# A sentence ends at a Chinese stop or at a full stop that is no decimal point. Not at "!": 5! is 120.
_SENTENCE_END = re.compile(r"[\n。！？]|\.(?=\s|$)")


def strip_end_marker(text: str) -> str:
    """Return the text without the white space and end-of-turn tokens at its end (rollouts keep special tokens).

    >>> strip_end_marker("<answer>3</answer><|im_end|>")
    '<answer>3</answer>'
    """
    text = text.rstrip()
    reach = max(0, len(text) - _END_MARKER_REACH)
    tail = text[reach:]
    match = _END_MARKER.search(tail)
    assert match is not None  # the empty end always matches
    return (text[:reach] + tail[: match.start()]).rstrip()


def answer_section(text: str) -> str | None:
    """Return what follows the last ``</think>``; the whole text where nobody thinks; None where thinking never ends.

    A completion whose ``<think>`` stood in the prompt shows only ``</think>``, if it gets that far; put the tag back in front of the
    completion to have unfinished thinking found out.
    """
    _, closing, after = text.rpartition("</think>")
    if "<think>" in after:
        return None
    return after if closing else text


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last balanced ``\boxed{}`` or ``\fbox{}`` (or of a later ``\boxed 5``); None = there is none.

    >>> last_boxed(r"so \boxed{\frac{1}{2}} and \boxed{3")
    '\\frac{1}{2}'
    """
    span = _last_box_span(text)
    return None if span is None else text[span[0] : span[1]]


def extract_answer(text: str) -> str | None:
    """Return the answer a completion declares, as it is written; None = it declares none.

    >>> extract_answer("<think>maybe 7</think>The answer is 18 dollars. Done.")
    '18 dollars'
    """
    section = answer_section(text)
    if section is None:
        return None
    section = strip_end_marker(section)
    return _declared(section) or _after_hashes(section) or _after_phrase(section)


def _last_box_span(text: str) -> tuple[int, int] | None:
    """Return the span of the content of the box that closes last: one pass with a stack, so nesting costs nothing."""
    if "boxed" not in text and "fbox" not in text:
        return None
    last: tuple[int, int] | None = None
    stack: list[int] = []  # start of a box's content, or -1 for a plain brace
    for match in _BOX_OR_BRACE.finditer(text):
        token = match.group()
        if token == "{":
            stack.append(-1)
        elif token == "}":
            start = stack.pop() if stack else -1
            if start >= 0:
                last = (start, match.start())
        elif token[-1] == "{" and len(token) > 2:
            stack.append(match.end())
    for match in _BARE_BOX.finditer(text, last[1] if last else 0):
        last = match.span(1)
    return last


def _declared(section: str) -> str | None:
    """Return what the box or answer block that ends last says; a box inside it is opened."""
    box = _last_box_span(section)
    block_end = section.rfind("</answer>")
    block_start = section.rfind("<answer>", 0, block_end) if block_end >= 0 else -1
    if block_start >= 0 and (box is None or box[1] < block_end):
        content = section[block_start + len("<answer>") : block_end]
    elif box is not None:
        content = section[box[0] : box[1]]
    else:
        return None
    for _ in range(_MAX_NESTED_BOXES):
        inner = _last_box_span(content)
        if inner is None:
            return content.strip() or None
        content = content[inner[0] : inner[1]]
    return None


def _after_hashes(section: str) -> str | None:
    """Return the number of the last ``#### N`` line. Without a number it is a Markdown heading."""
    lines = deque((match.group(1).strip() for match in _HASHES.finditer(section)), maxlen=_MAX_HASH_LINES)
    return next((line for line in reversed(lines) if parse_number(line) is not None), None)


def _after_phrase(section: str) -> str | None:
    """Return what follows the last answer phrase, up to the end of its sentence."""
    start = None
    for match in _PHRASE.finditer(section):
        start = match.end()
    if start is None:
        return None
    return _SENTENCE_END.split(section[start : start + _MAX_PHRASE_CHARS], maxsplit=1)[0].strip(" *") or None
