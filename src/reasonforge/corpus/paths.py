"""Paths of URLs as people annotate them: prefixes of a host, with one ``*`` for each segment that only names an item.

``mathoverflow.net/questions/*`` stands for ten thousand questions. A pattern matches segment by segment from the start of the path, and
whatever lies below: ``/questions`` does not match ``/questions-old``, ``*`` matches one segment, any one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from reasonforge.core.errors import DataError
from reasonforge.corpus.urls.normal import REASONS, Refused, normalise

ANY = "*"
"""A segment of a pattern that matches any one segment."""

MAX_DEPTH = 4
"""Segments that a tree of paths goes down; pages below count for their ancestor."""

_SLUG_WORDS = 3
_LONG_SEGMENT = 32
_NUMBERS = re.compile(r"[\d\-_.,:+]*\d[\d\-_.,:+]*")
_HEX = re.compile(r"(?=[a-z\-]*\d)[0-9a-f][0-9a-f\-]{7,}", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\d{3}")
_EXTENSION = re.compile(r"\.(?:html?|php|aspx?|jsp|cgi|xhtml|md|txt|pdf)$", re.IGNORECASE)
_WORD_BREAK = re.compile(r"[-_+.]|%20")

PLAINLY_ITEM = r"[0-9]{3}|(?:[A-Za-z0-9]+[-_+.]+){3}[A-Za-z0-9]"
"""A regular expression (of Rust too) that finds something only in segments which :func:`collapsed` makes ``*``: most of them, fast."""


class Pattern(NamedTuple):
    """A host and the first segments of a path."""

    host: str
    segments: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as it stands in an annotation file: ``host/first/second``."""
        return "/".join((self.host, *self.segments)) if self.segments else f"{self.host}/"

    def matches(self, host: str, path: str) -> bool:
        """Return whether a page lies under it."""
        return host == self.host and self.matches_segments(segments_of(path))

    def matches_segments(self, segments: tuple[str, ...]) -> bool:
        """Return whether a path of the same host lies under it."""
        return len(segments) >= len(self.segments) and all(
            mine in (ANY, theirs) for mine, theirs in zip(self.segments, segments, strict=False)
        )

    @property
    def rank(self) -> tuple[int, ...]:
        """Return what decides between patterns that match one page: more segments win, then a literal one before ``*``, from the left."""
        return (len(self.segments), *(segment != ANY for segment in self.segments))


def read_pattern(text: str) -> Pattern:
    """Read ``host/first/second``, as a page's URL is read: what means nothing there, scheme, port, most a ``www.``, means nothing here.

    >>> read_pattern("https://www.MathOverflow.net/questions/*/")
    Pattern(host='mathoverflow.net', segments=('questions', '*'))
    >>> read_pattern("www.gov.uk/guidance")  # without its www. it would be a public suffix, another host
    Pattern(host='www.gov.uk', segments=('guidance',))

    Raises:
        DataError: it has no host, a query, a space, or a ``*`` that is only a part of a segment.
    """
    rest = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.\-]*://", "", text.strip())
    host, _, path = rest.partition("/")
    if not host or re.search(r"[*@]", host) or re.search(r"[\s?#]", rest):
        raise DataError(f"pattern {text!r}: expected a host and the beginning of a path, as in mathoverflow.net/questions/*")
    found = normalise(f"https://{host}/{path}")
    if isinstance(found, Refused):
        raise DataError(f"pattern {text!r}: as a URL it is refused: {REASONS[found.reason]}")
    segments = segments_of(found.path)
    if any(ANY in segment and segment != ANY for segment in segments):
        raise DataError(f"pattern {text!r}: * stands for one whole segment of a path")
    return Pattern(found.host, segments)


def segments_of(path: str) -> tuple[str, ...]:
    """Return the segments of a path; empty ones do not count.

    >>> segments_of("/questions//17/")
    ('questions', '17')
    """
    return tuple(segment for segment in path.split("/") if segment)


def collapsed(segment: str) -> str:
    """Return ``*`` for a segment that names an item (a number, a date, a hash, a title in words), else the segment itself.

    >>> [collapsed(name) for name in ("questions", "17", "2024-05-01", "what-is-a-group", "thread-1234.html", "c++", "algebra-2")]
    ['questions', '*', '*', '*', '*', 'c++', 'algebra-2']
    """
    if ANY in segment:  # a URL may hold one; as a pattern it could not be told from ours
        return ANY
    stem = _EXTENSION.sub("", segment)
    words = [word for word in _WORD_BREAK.split(stem) if word]
    names_item = (
        _NUMBERS.fullmatch(stem) is not None
        or _HEX.fullmatch(stem) is not None
        or _LONG_NUMBER.search(stem) is not None
        or len(words) >= _SLUG_WORDS
        or len(stem) > _LONG_SEGMENT
    )
    return ANY if names_item else segment


def prefixes(host: str, path: str, *, max_depth: int = MAX_DEPTH) -> Iterator[Pattern]:
    """Yield the nodes of the path tree that a page lies under, the host's root first.

    >>> [str(pattern) for pattern in prefixes("a.org", "/questions/17/what-is-a-group")]
    ['a.org/', 'a.org/questions', 'a.org/questions/*', 'a.org/questions/*/*']
    """
    below = tuple(collapsed(segment) for segment in segments_of(path)[:max_depth])
    for depth in range(len(below) + 1):
        yield Pattern(host, below[:depth])
