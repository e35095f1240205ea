"""What a page may hold, told from its HTML without a tree: so that nobody asks the tree for what cannot be there.

Every query of the tree walks all of it, and whatever may be there has to be asked for; one sketch costs less than those that it spares
(``benchmarks/corpus/formulas.py`` prints what each part takes). It finds too much (comments and scripts are read like markup) and never too
little of what pages really write: an entity within a class name would hide it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

TAGS = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*+)")
# Each begins with plain letters: those are searched for far faster than a choice. "width=" passes for "id=".
_VALUES = tuple((name, re.compile(rf"""{name}\s*+=\s*+(?=("[^"]*+|'[^']*+|[^\s>="']++))""")) for name in ("class", "id", "role"))
# A value is looked at and not passed over: a quote within a script may reach into elements behind it. Each ends at the next quote of its
# kind, the latest where the next value begins: what is read stays within twice the page.
_BETWEEN_WORDS = str.maketrans("\"'=<>", "     ")
_DATA = re.compile(r"data-(tex|latex|formula|equation|math|mathml|katex|value|src|original|actualsrc|lazy-src)(?![\w-])")
_LABELS = re.compile(r"""aria-label\s*+=\s*+(?:"[^"<>\\^_]*+[\\^_]|'[^'<>\\^_]*+[\\^_])""")
_ADDRESSES = re.compile(r"""src\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]*+)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What stands in the HTML of a page, in lower case."""

    counts: Counter[str]
    """How often each name follows a ``<``, letters and digits as they are written; of ``mml:math`` only ``mml``."""
    tags: frozenset[str]
    """The names in lower case."""
    names: str
    """Values of ``class``, ``id`` and ``role``, each once, with blanks around each."""
    tokens: frozenset[str]
    """Their words."""
    data: frozenset[str]
    """Those of the ``data-`` attributes that may hold a formula or the address of its image, without ``data-``."""
    addresses: str
    """Values of ``src`` and of attributes whose name ends so, quotes included."""
    labels: bool
    """Whether an ``aria-label`` of a drawing, or of what says that it is mathematics, may have a sign of TeX."""

    def has_tag(self, *names: str) -> bool:
        """Say whether elements of one of these names may be there."""
        return not self.tags.isdisjoint(names)

    def has_name(self, names: Collection[str]) -> bool:
        """Say whether one of these may be a class, id or role."""
        return not self.tokens.isdisjoint(names)


def sketch(html: str) -> Sketch:
    """Read a page once.

    >>> sketch('<P class="lead big">Hello<img src=a.png>').names
    '  lead big '
    """
    counts = Counter(TAGS.findall(html))
    # Of a page that is not all ASCII this takes long; only those of old have attributes in capitals.
    if html.isascii() or any(name.isupper() for name in counts):
        html = html.lower()
    values = dict.fromkeys(value for name, pattern in _VALUES if name in html for value in pattern.findall(html))
    names = f" {' '.join(values)} ".translate(_BETWEEN_WORDS).lower()
    tags = frozenset(map(str.lower, counts))
    return Sketch(
        counts=counts,
        tags=tags,
        names=names,
        tokens=frozenset(names.split()),
        data=frozenset(_DATA.findall(html) if "data-" in html else ()),
        addresses="\n".join(_ADDRESSES.findall(html)) if "img" in tags or "image" in tags else "",
        labels=("svg" in tags or " math " in names) and "aria-label" in html and _LABELS.search(html) is not None,
    )
