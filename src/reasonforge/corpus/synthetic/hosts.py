"""Which hosts there are and what lies under which path. Dialects of mathematics hang together through hosts that speak two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from reasonforge.corpus.synthetic.grammar import name_of

Path = Callable[[Random, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Part of a site."""

    share: float
    """Of the site's pages."""
    dialect: str
    """What is written there: a function of ``documents``."""
    paths: tuple[str, ...]
    """Templates; ``{i}`` a number, ``{s}`` a slug, ``{n}`` a name of the site's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Sites of one kind."""

    name: str
    share: float
    """Of all first captures."""
    hosts: tuple[str, ...]
    """Templates of host names."""
    sections: tuple[Section, ...]
    size: float = 1.0
    """Pages per host, in units of the usual number."""


def _s(share: float, dialect: str, *paths: str) -> Section:
    return Section(share=share, dialect=dialect, paths=paths)


_HOUSEKEEPING = _s(0.08, "law", "/about/{s}", "/legal/{s}", "/help/{s}")

GROUPS = (
    # Round one can see these: their words are the seed's.
    Group(
        name="textbook",
        share=0.05,
        hosts=("{n}-maths.example", "books.{n}.example", "lectures.{n}.example"),
        sections=(
            _s(0.85, "textbook", "/chapter-{k}/{s}.html", "/notes/{k}/{s}", "/book/section{i}.xhtml"),
            _s(0.07, "other", "/news/{s}"),
            _HOUSEKEEPING,
        ),
    ),
    Group(
        name="university",
        share=0.045,
        hosts=("www.uni-{n}.example",),
        sections=(
            _s(0.30, "textbook", "/~{n}/teaching/{s}.html", "/~{n}/teaching/ws{k}/{s}.html"),
            _s(0.45, "news", "/press/{i}-{s}", "/events/{s}"),
            _s(0.17, "law", "/admissions/{s}"),
            _HOUSEKEEPING,
        ),
    ),
    # Two dialects under one roof: the second is found through the first, by its path.
    Group(
        name="forum_with_wiki",
        share=0.075,
        hosts=("{n}overflow.example", "ask-{n}.example", "www.{n}-homework.example"),
        sections=(
            _s(0.26, "textbook", "/wiki/{s}"),
            _s(0.52, "forum", "/questions/{i}/{s}"),
            _s(0.14, "talk", "/lounge/{i}/{s}"),
            _HOUSEKEEPING,
        ),
    ),
    Group(
        name="bilingual",
        share=0.08,
        hosts=("{n}-edu.example", "{n}xue.example"),
        sections=(
            _s(0.24, "textbook", "/en/lesson/{i}"),
            _s(0.42, "chinese", "/zh/shuxue/{i}.html"),
            _s(0.26, "zh_school", "/zh/wenzong/{i}.html"),
            _HOUSEKEEPING,
        ),
    ),
    Group(
        name="library_with_threads",
        share=0.045,
        hosts=("{n}-prover.example", "formal.{n}.example"),
        sections=(
            _s(0.30, "forum", "/threads/{i}"),
            _s(0.52, "formal", "/library/{n}/{s}.html"),
            _s(0.10, "code", "/install/{s}"),
            _HOUSEKEEPING,
        ),
    ),
    # One dialect alone: found only by a classifier that has read it elsewhere.
    Group(
        name="forum",
        share=0.055,
        hosts=("{n}forum.example", "forum.{n}.example", "{n}board.example"),
        sections=(_s(0.64, "forum", "/viewtopic/{i}", "/t/{s}/{i}"), _s(0.28, "talk", "/offtopic/{i}", "/chat/{s}/{i}"), _HOUSEKEEPING),
    ),
    Group(
        name="chinese",
        share=0.065,
        hosts=("{n}zuoye.example", "www.{n}jiaoyu.example"),
        sections=(
            _s(0.55, "chinese", "/shiti/{i}.html", "/jiaoan/{i}"),
            _s(0.25, "zh_school", "/yuwen/{i}.html", "/lishi/{i}"),
            _s(0.2, "zh_news", "/xinwen/{i}"),
        ),
    ),
    Group(
        name="formal",
        share=0.035,
        hosts=("{n}-theories.example", "afp.{n}.example"),
        sections=(_s(0.9, "formal", "/browser/{n}/{s}.html", "/thys/{s}"), _s(0.1, "law", "/licence/{s}")),
    ),
    # A few articles among very many: never a domain of mathematics.
    Group(
        name="encyclopaedia",
        share=0.08,
        hosts=("{n}pedia.example",),
        sections=(
            _s(0.07, "wiki", "/wiki/{s}"),
            _s(0.4, "news", "/wiki/{s}"),
            _s(0.33, "travel", "/wiki/{s}"),
            _s(0.2, "health", "/wiki/{s}"),
        ),
        size=3.0,
    ),
    # Near mathematics.
    Group(
        name="accounting",
        share=0.04,
        hosts=("{n}-ledger.example", "{n}tax.example"),
        sections=(_s(0.92, "accounting", "/guides/{s}", "/reports/{y}/{s}"), _HOUSEKEEPING),
    ),
    Group(
        name="sports",
        share=0.04,
        hosts=("{n}sports.example", "stats.{n}.example"),
        sections=(_s(0.92, "sports", "/match/{i}", "/players/{s}/stats"), _HOUSEKEEPING),
    ),
    Group(
        name="code",
        share=0.05,
        hosts=("{n}-devs.example", "code.{n}.example"),
        sections=(_s(0.8, "code", "/questions/{i}/{s}", "/tutorial/{s}"), _s(0.12, "talk", "/lounge/{i}"), _HOUSEKEEPING),
    ),
    Group(
        name="spreadsheet",
        share=0.04,
        hosts=("{n}sheets.example", "office.{n}.example"),
        sections=(_s(0.8, "spreadsheet", "/questions/{i}", "/tips/{s}"), _s(0.12, "talk", "/lounge/{i}"), _HOUSEKEEPING),
    ),
    Group(name="howto", share=0.035, hosts=("diy{n}.example",), sections=(_s(0.92, "howto", "/how-to/{s}"), _HOUSEKEEPING)),
    Group(name="polls", share=0.025, hosts=("{n}polls.example",), sections=(_s(0.92, "polls", "/{y}/{s}"), _HOUSEKEEPING)),
    Group(
        name="chinese_accounting",
        share=0.04,
        hosts=("{n}kuaiji.example", "{n}caiwu.example"),
        sections=(_s(0.8, "zh_accounting", "/shiti/{i}.html", "/fenlu/{i}"), _s(0.2, "zh_news", "/xinwen/{i}")),
    ),
    # The rest.
    Group(
        name="news",
        share=0.07,
        hosts=("www.{n}-times.example", "{n}post.example"),
        sections=(_s(0.92, "news", "/{y}/{k}/{s}.html", "/story/{i}"), _HOUSEKEEPING),
    ),
    Group(
        name="shop",
        share=0.07,
        hosts=("shop.{n}.example", "{n}-outlet.example"),
        sections=(_s(0.92, "shop", "/product/{i}-{s}", "/p/{i}"), _HOUSEKEEPING),
    ),
    Group(name="recipes", share=0.045, hosts=("{n}kitchen.example",), sections=(_s(0.92, "recipe", "/recipes/{s}"), _HOUSEKEEPING)),
    Group(name="travel", share=0.035, hosts=("visit{n}.example",), sections=(_s(0.92, "travel", "/guide/{s}"), _HOUSEKEEPING)),
    Group(name="talk", share=0.04, hosts=("{n}chat.example",), sections=(_s(0.92, "talk", "/t/{s}/{i}"), _HOUSEKEEPING)),
    Group(name="health", share=0.02, hosts=("{n}clinic.example",), sections=(_s(0.92, "health", "/advice/{s}"), _HOUSEKEEPING)),
    Group(
        name="chinese_other",
        share=0.05,
        hosts=("{n}wang.example", "{n}bao.example"),
        sections=(_s(0.5, "zh_news", "/news/{i}.html"), _s(0.3, "zh_shop", "/item/{i}"), _s(0.2, "zh_school", "/xuexi/{i}")),
    ),
)
"""The web. Shares add up to one, nearly; they are normalised."""

KINDS = {"textbook": "textbook", "wiki": "textbook", "forum": "forum", "chinese": "chinese", "formal": "formal"}
"""Kind by dialect, for mathematics."""


class Names:
    """Invents host names, none twice."""

    def __init__(self, rng: Random) -> None:
        """Use a generator."""
        self._rng = rng
        self._used: set[str] = set()

    def host(self, template: str) -> str:
        """Return a host name that was not there before."""
        while True:
            host = template.replace("{n}", name_of(self._rng).lower())
            bare = host.removeprefix("www.")
            if bare not in self._used:
                self._used.add(bare)
                return host


def path_of(template: str, rng: Random, number: int, names: tuple[str, ...]) -> str:
    """Fill a path's template; ``number`` makes it unlike all others of the host."""
    slug = f"{name_of(rng).lower()}-{name_of(rng).lower()}-{number}"
    return (
        template.replace("{i}", str(10_000 + 7 * number))
        .replace("{s}", slug)
        .replace("{n}", names[number % len(names)])
        .replace("{k}", str(1 + number % 9))
        .replace("{y}", str(2015 + number % 10))
    )
