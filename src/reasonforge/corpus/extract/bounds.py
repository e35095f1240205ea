"""What a page would cost to parse, told from its tags alone, in linear time.

Three things make the parser or the main-content extraction quadratic: elements open inside each other, formatting elements left open, which
the parser opens again in every block, and attributes of one tag, each compared with all before it. A page beyond the limits goes the flat
way.
"""

from __future__ import annotations

import re
from collections import Counter

from reasonforge.corpus.extract.sketch import TAGS

_LONG_CHARS = 2_000
_MANY_QUOTED = 8
_MAX_ATTRIBUTES = 1_000
_MAX_REOPENED = 250_000
_MAX_DEPTH_TIMES_CHARS = 1_000_000_000
_ALLOWED_DEPTH = 256
"""Levels that a page of any length may have: below, the text of each of the elements around a long text may be looked at."""
_FEW_TAGS = 300
"""Tags below which neither depth nor formatting can cost anything worth a look."""

_FORMATTING = frozenset({"b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"})
"""Without attributes the parser keeps at most three of a name open, and of links one: only these with attributes add up."""

_FREE = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "html", "head",
        "body",
        "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "rp", "rt", "path", "rect", "use",
        "circle",
    }
)  # fmt: skip
"""Void elements, and those that the parser closes by itself: they nest only where something else nests."""
_WEIGHT = {"table": 4, "ul": 2, "ol": 2, "dl": 2, "select": 2, "button": 2, "object": 2, "ruby": 2}
"""Levels that one such element may stand for, with the self-closing ones inside it."""

_RAW = r"script|style|textarea|title|xmp|iframe|noembed|noframes"
# As the tokeniser of HTML reads a tag: quotes mean something only where a value begins. Possessive throughout: nothing is tried twice.
_REST = r"""(?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?+)*+>?+"""
_TAG = re.compile(
    rf"""<(?:!--(?:-?>|(?:[^-]++|-(?!-!?>))*+(?:--!?>)?+)
    |!\[CDATA\[(?P<data>(?:[^\]]++|\](?!\]>))*+)
    |(?i:(?P<raw>{_RAW}))(?=[\s/>]){_REST}(?P<text>(?:[^<]++|<(?!/(?i:(?P=raw))[\s/>]))*+)
    |(?P<closing>/?+)(?P<name>[a-zA-Z][^\s/>]*+)(?P<attributes>[\s/]?+){_REST}
    |[!?/][^>]*+>?+)""",
    re.VERBOSE,
)
_DRESSED = re.compile(r"<(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
_TAG_START = re.compile(r"<[a-zA-Z]")
_QUOTED_CLOSE = re.compile(r"""=\s*+(?:"[^">]*+>|'[^'>]*+>)""")
_FOREIGN = re.compile(r"<(?:svg|math|select|frameset)", re.IGNORECASE)
"""Where these stand, what looks like the text of a script may be markup."""
_ATTRIBUTE = re.compile(r"""(?<![\s/])[\s/]++[^\s/>=]++""")


def beyond_bounds(html: str, *, max_depth: int, names: Counter[str] | None = None) -> str:
    """Return why a page is too costly for a tree, or an empty string.

    Args:
        html: the page.
        max_depth: open elements at one place.
        names: of its tags, counted as ``extract.sketch`` does it; None = they are counted here.

    >>> beyond_bounds("<div>" * 5000, max_depth=3000)
    'too deep'
    """
    if _may_hold_a_long_tag(html) and _holds_a_long_tag(html):
        return "too many attributes"
    max_depth = min(max_depth, max(_ALLOWED_DEPTH, _MAX_DEPTH_TIMES_CHARS // max(len(html), 1)))
    # The cheap look first: names only, blind to comments, scripts and quotes. It finds too many and never too few, so it may acquit.
    names = Counter(TAGS.findall(html)) if names is None else names
    tags = names.total()
    if tags <= min(_FEW_TAGS, max_depth):
        return ""
    levels = formatting = 0
    for name, count in names.items():
        lowered = name.lower()
        levels += 0 if lowered in _FREE else count * _WEIGHT.get(lowered, 1)
        formatting += count if lowered in _FORMATTING else 0
    if levels <= max_depth and (formatting * tags <= _MAX_REOPENED or len(_DRESSED.findall(html)) * tags <= _MAX_REOPENED):
        return ""
    return _nesting(html, max_depth=max_depth)


def _may_hold_a_long_tag(html: str) -> bool:
    """Return whether there is a long stretch without ``>`` behind the beginning of a tag, or many a ``>`` between quotes."""
    # A long stretch covers one of the windows of half its length that the page divides into: most windows end at their first tag.
    window = _LONG_CHARS // 2
    position = 0
    while position < len(html):
        if html.find(">", position, position + window) >= 0:
            position += window
            continue
        start = html.rfind(">", 0, position) + 1
        end = html.find(">", position)
        end = len(html) if end < 0 else end
        if end - start > _LONG_CHARS and _TAG_START.search(html, start, end - _LONG_CHARS):
            return True
        position = max(end, position + window) // window * window
    return len(_QUOTED_CLOSE.findall(html)) > _MANY_QUOTED


def _holds_a_long_tag(html: str) -> bool:
    for tag in _TAG.finditer(html):
        if tag["name"] and tag.end() - tag.start() > 2 * _MAX_ATTRIBUTES and len(_ATTRIBUTE.findall(tag[0])) > _MAX_ATTRIBUTES:
            return True
    return False


def _nesting(html: str, *, max_depth: int) -> str:
    opened: dict[tuple[str, bool], int] = {}
    depth = formatting = reopened = 0
    foreign = _FOREIGN.search(html) is not None
    for data, raw, inside, closing, name, attributes in _TAG.findall(html):
        if data or (raw and foreign):  # counted as if it were markup, and as if nothing in it closed anything: too much, never too little
            depth += sum(_WEIGHT.get(inner.lower(), 1) for inner in TAGS.findall(data or inside) if inner.lower() not in _FREE)
            if depth > max_depth:
                return "too deep"
        if raw or not name:
            continue
        name = name.lower()
        if closing:
            for dressed in (True, False):
                if count := opened.get((name, dressed), 0):
                    opened[name, dressed] = count - 1
                    depth -= _WEIGHT.get(name, 1)
                    formatting -= dressed
                    break
            continue
        reopened += formatting
        if name in _FREE:
            continue
        dressed = bool(attributes) and name in _FORMATTING
        opened[name, dressed] = opened.get((name, dressed), 0) + 1
        formatting += dressed
        depth += _WEIGHT.get(name, 1)
        if depth > max_depth:
            return "too deep"
    return "too much formatting left open" if reopened > _MAX_REOPENED else ""
