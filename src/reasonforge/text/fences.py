"""Fenced blocks of tool-integrated text: the model writes the program and opens the output, the tool fills and closes it."""

from __future__ import annotations

import re
from collections.abc import Iterator

CALL = "```output\n"
"""The model asks for the tool by opening a block of this kind after its program; what stands inside is the tool's."""
RETURN = "\n```\n"
"""What the tool closes its block with."""

_OUTPUT = re.compile(r"(?<=```output\n).*?\n```(?:\n|\Z)", re.DOTALL)


def split_outputs(text: str) -> Iterator[tuple[str, bool]]:
    """Cut an assistant's words into stretches: (text, whether the assistant wrote it). Inside an output block the tool speaks.

    >>> list(split_outputs("Run:\\n```output\\n42\\n```\\nSo 42."))
    [('Run:\\n```output\\n', True), ('42\\n```\\n', False), ('So 42.', True)]

    Source:
        DeepSeekMath (arXiv:2402.03300), section 3.1; ToRA (arXiv:2309.17452): the loss leaves tool outputs out.
    """
    end = 0
    for match in _OUTPUT.finditer(text):
        yield text[end : match.start()], True
        yield match.group(), False
        end = match.end()
    if end < len(text):
        yield text[end:], True
