"""Short texts between two tags, guarded from a rule of the main-content extraction that takes them for icons.

resiliparse 2.0.1 drops text in the private use area, where fonts keep their icons, but tells it by the bytes: whatever is three bytes of
UTF-8 without blanks around, the last of them no ASCII. That is every single Chinese character, dash or relation between two elements, and
``où``. A noncharacter before such a text makes it longer; it is taken out again behind the extraction. Texts that are padded in
vain lose nothing.
"""

from __future__ import annotations

import re

PAD = "\ufdd3"
"""Taken out of every page before: whatever is left of it is ours."""

# Real icons and the pilcrow of links to a heading stay what they are. Not in MathML, which reads its characters one by one.
_CHARACTER = "[^\x00-\x7f\xb6\ue000-\uf8ff]"
_BEHIND = r"\s*+(?=<(?!/(?:\w+:)?m(?:[ions]|text)>)|\Z)"
_SHORT = re.compile(rf"(>\s*+)(?=[\x00-\x7f]?{_CHARACTER}{_BEHIND})")
# References are rare: they are looked for by their first letter, and what stands before is looked at behind it.
_REFERENCE = re.compile(rf"&(?:(?<=[>\s]&)|(?<=[>\s].&))(?!(?:nbsp|amp|[lg]t|quot|#160);)(?=#?\w{{2,31}};?{_BEHIND})", re.DOTALL)


def pad(html: str) -> str:
    """Return HTML with a pad in each text that the extraction would drop.

    >>> pad("<i>x</i> ≤ <i>y</i>").count(PAD)
    1
    """
    if not html.isascii():
        html = _SHORT.sub(rf"\1{PAD}", html)
    return _REFERENCE.sub(f"{PAD}&", html)
