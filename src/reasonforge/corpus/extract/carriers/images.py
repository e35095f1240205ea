"""Formulas as images: the source stands in the address of the renderer or in ``alt``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus

from reasonforge.corpus.extract.carriers.page import MarkupPage

_RENDERERS = (
    "codecogs.com", "latex.php", "mimetex", "mathtex", "cht=tx", "zhihu.com/equation", "render/math", "upmath.me", "math.now.sh",
    "latex.wikidot",
    "artofproblemsolving.com", "texify", "tex.cgi", "wikimedia.org/api/rest_v1/media/math", "/math/render/", "equation?tex=",
    "/equation_images/",
)  # fmt: skip
_CLASSES = frozenset(
    [
        "tex",
        "latex",
        "latexcenter",
        "math",
        "mwe-tex",
        "mimetex",
        "mathtex",
        "ee_img",
        "equation-image",
        "eqn",
        "mwe-math-fallback-image-inline",
        "mwe-math-fallback-image-display",
        "texrender",
        "ql-img-inline-formula",
        "ql-img-displayed-equation",
        "latex_image",
        "math-image",
        "equation_image",
    ]
)
_SOURCES = ("src", "data-src", "data-original", "data-actualsrc", "data-lazy-src")
_PARAMETER = re.compile(r"[?&](?:latex|tex|math|chl|from|formula|eq)=")
_END = re.compile(r"&(?:amp;)?(?:bg|fg|s|c|size|zoom|format|dpi|cht|chf|chco|chs|color|inline|mode)=|#(?![0-9a-fA-F]{3,6}\})[A-Za-z]*$")
_TEX_SIGN = re.compile(r"\\[A-Za-z,;!\[(]|[\^_]|\$")
_WORD = re.compile(r"[A-Za-z]{4,}")
_LABEL = "LaTeX:"
"""What courseware puts before the formula in ``alt``."""
_PATH_SOURCE = re.compile(r"(?:codecogs\.com/(?:gif|png|svg|pdf)\.latex/|upmath\.me/(?:svg|png)/)(.+)")


def convert(page: MarkupPage) -> None:
    """Replace images of formulas."""
    seen = page.seen
    if not seen.has_tag("img", "image"):  # the parser makes the one of the other
        return
    is_sure = "&#" not in seen.addresses and "original" not in seen.data  # that the sketch shows every address as it is
    renderers = [name for name in _RENDERERS if name in seen.addresses] if is_sure else _RENDERERS
    if not renderers and not seen.has_name(_CLASSES):
        return
    attributes = [name for name in _SOURCES if name == "src" or name.removeprefix("data-") in seen.data]
    wanted = [f'img[{attribute}*="{name}"]' for attribute in attributes for name in renderers] if is_sure else ["img"]
    for element in page.select(", ".join(["img[class]", *wanted])):
        source = next((value for name in attributes if (value := element.getattr(name)) and _is_of(renderers, value)), "")
        names: set[str] = set((element.getattr("class") or "").split())
        if source or not names.isdisjoint(_CLASSES):
            alt = (element.getattr("alt") or element.getattr("title") or "").removeprefix(_LABEL).strip()
            latex = _choose(source, alt)
            if latex:
                page.replace(element, latex, display=_is_display(alt, names, element))


def _is_of(renderers: Sequence[str], address: str) -> bool:
    for name in renderers:  # noqa: SIM110  once per image: a generator costs more than all it would ask
        if name in address:
            return True
    return False


def _choose(source: str, alt: str) -> str:
    readable = alt if _is_tex(alt) else ""
    if not source or "/equation_images/" in source or ("latex.php" in source and readable):
        return readable
    return latex_in_address(source) or readable


def _is_tex(alt: str) -> bool:
    """Return whether an alternative text is TeX: it has a sign of it, or is too short to be words."""
    return bool(alt) and (bool(_TEX_SIGN.search(alt)) or (len(alt) <= 60 and alt.isascii() and not _WORD.search(alt)))


def _is_display(alt: str, names: set[str], element: Any) -> bool:
    return alt.startswith(("\\[", "$$", "\\begin{")) or any(word in name for name in names for word in ("display", "center", "block"))


def latex_in_address(address: str) -> str:
    r"""Return the formula in the address of a renderer; empty where it holds none.

    A plus stays a plus, since most pages write it unencoded; where ``%2B`` stands too, the address is form-encoded and a plus is a space,
    as it always is for WordPress.

    >>> latex_in_address("https://latex.codecogs.com/gif.latex?a+%5Cfrac{b}{c}")
    'a+\\frac{b}{c}'
    """
    if found := _PATH_SOURCE.search(address):
        query = found[1]
    elif found := _PARAMETER.search(address):
        query = address[found.end() :]
    else:
        _, mark, query = address.partition("?")
        if not mark or ("latex" not in address and "tex" not in address):
            return ""
    if found := _END.search(query):
        query = query[: found.start()]
    is_form = "%2B" in query or "%2b" in query or "latex.php" in address
    return (
        (unquote_plus if is_form else unquote)(query)
        .replace("&space;", " ")
        .replace("&plus;", "+")
        .replace("&amp;", "&")
        .replace("&hash;", "#")
    )
