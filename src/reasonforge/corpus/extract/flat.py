"""All text of a page without a tree, in linear time: for pages that a parser cannot be trusted with."""

from __future__ import annotations

import re
from html import unescape

_DROPPED = ("script", "style", "noscript", "template", "svg", "head")
_BLOCKS = re.compile(
    r"</?(?:p|div|br|li|ul|ol|tr|table|h[1-6]|pre|blockquote|section|article|header|footer|title|dd|dt)(?:[\s/][^<>]*)?>", re.IGNORECASE
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[!?][^<>]*>")
_BROKEN = re.compile(r"<[!/a-zA-Z][^<>\s]*")
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_TITLE = re.compile(r"<title[^<>]*>([^<]{0,2000})", re.IGNORECASE)


def flat_text(html: str) -> tuple[str, str]:
    """Return the title and all text of a page."""
    found = _TITLE.search(html)
    title = " ".join(unescape(found[1]).split()) if found else ""
    html = _without(html, "<!--", "-->")
    lowered = html.lower()
    for name in _DROPPED:
        if f"<{name}" in lowered and len(lowered) == len(html):
            html = _without_element(html, lowered, name)
            lowered = html.lower()
    text = unescape(_BROKEN.sub(" ", _TAG.sub("", _BLOCKS.sub("\n", html))))
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return title, "\n".join(line for line in lines if line)


def _without(text: str, left: str, right: str) -> str:
    parts = []
    position = 0
    while (start := text.find(left, position)) >= 0:
        parts.append(text[position:start])
        end = text.find(right, start + len(left))
        if end < 0:
            return "".join(parts)
        position = end + len(right)
    return "".join([*parts, text[position:]])


def _without_element(html: str, lowered: str, name: str) -> str:
    parts = []
    position = 0
    opening = re.compile(rf"<{name}(?=[\s/>])")
    while found := opening.search(lowered, position):
        end = lowered.find(f"</{name}", found.end())
        if end < 0:
            break  # never closed: what follows is kept, since a page may only be broken there
        parts.append(html[position : found.start()])
        position = end + len(name) + 2
    return "".join([*parts, html[position:]])
