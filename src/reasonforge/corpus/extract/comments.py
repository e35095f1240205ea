r"""Comments of TeX in formulas that stand in the text of a page: taken out while their line ends are still there.

In HTML a line end is a blank: what stood behind ``% ...`` would become part of the comment.
"""

from __future__ import annotations

import re

_OPENING = re.compile(r"\\\[|\\\(|\$\$|\\begin\{([a-z]{4,12}\*?)\}|\\\\")
_OPENERS = (re.compile(r"\\(?:[\[(]|begin\{)"), re.compile(r"\$\$"))
"""Apart, since each begins with a character of its own, which is found far faster than a choice of two."""
_CLOSERS = {"\\[": "\\]", "\\(": "\\)", "$$": "$$"}
_COMMENT = re.compile(r"(?<!\\)%[^\n<]*+\n")
_MAX_CHARS = 8_000
_MAX_BEFORE = 20_000


def without_comments(html: str) -> str:
    r"""Return HTML without the comments in delimited formulas.

    >>> without_comments("100% of \\[x = % the left side\n  y\\]")
    '100% of \\[x = \n  y\\]'
    """
    if "%" not in html or not any(opener.search(html) for opener in _OPENERS):
        return html
    parts: list[str] = []
    done = position = 0
    comment = html.find("%")
    ends: dict[str, int] = {}
    while found := _OPENING.search(html, position):
        position = found.end()
        closer = f"\\end{{{found[1]}}}" if found[1] else _CLOSERS.get(found[0], "")
        if not closer:
            continue
        end = ends.get(closer, 0)
        if 0 <= end < position:  # looked up once for all openers before it: the search stays linear
            end = ends[closer] = html.find(closer, position)
        if end < 0 or end - position > _MAX_CHARS:
            continue
        if 0 <= comment < position:
            comment = html.find("%", position)
        if comment < 0:
            break
        if comment < end and not _is_code(html, found.start()):
            parts += [html[done:position], _COMMENT.sub("\n", html[position:end])]
            done = end
        position = end + len(closer)
    return "".join([*parts, html[done:]]) if parts else html


def _is_code(html: str, position: int) -> bool:
    """Return whether a place lies in preformatted text, whose lines and comments stay."""
    start = max(position - _MAX_BEFORE, 0)
    return html.rfind("<pre", start, position) > html.rfind("</pre", start, position)
