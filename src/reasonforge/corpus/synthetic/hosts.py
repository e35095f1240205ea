"""Which hosts there are and what lies under which path. Dialects of mathematics hang together through hosts that speak two of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random

from reasonforge.corpus.synthetic.grammar import name_of


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


def _part(share: float, dialect: str, *paths: str) -> Section:
    return Section(share=share, dialect=dialect, paths=paths)


_HOUSEKEEPING = _part(0.08, "law", "/about/{s}", "/legal/{s}", "/help/{s}")


def _sites(name: str, share: float, hosts: tuple[str, ...], *sections: Section, size: float = 1.0) -> Group:
    return Group(name=name, share=share, hosts=hosts, sections=sections, size=size)


def _about(subject: str, share: float, hosts: tuple[str, ...], *paths: str) -> Group:
    """Return sites with one subject and the pages that every site has."""
    return _sites(subject, share, hosts, _part(0.92, subject, *paths), _HOUSEKEEPING)


GROUPS = (
    # Round one can see these: their words are the seed's.
    _sites(
        "textbook",
        0.05,
        ("{n}-maths.example", "books.{n}.example", "lectures.{n}.example"),
        _part(0.85, "textbook", "/chapter-{k}/{s}.html", "/notes/{k}/{s}", "/book/section{i}.xhtml"),
        _part(0.07, "other", "/news/{s}"),
        _HOUSEKEEPING,
    ),
    _sites(
        "university",
        0.045,
        ("www.uni-{n}.example",),
        _part(0.30, "textbook", "/~{n}/teaching/{s}.html", "/~{n}/teaching/ws{k}/{s}.html"),
        _part(0.45, "news", "/press/{i}-{s}", "/events/{s}"),
        _part(0.17, "law", "/admissions/{s}"),
        _HOUSEKEEPING,
    ),
    # Two dialects under one roof: the second is found through the first, by its path.
    _sites(
        "forum_with_wiki",
        0.075,
        ("{n}overflow.example", "ask-{n}.example", "www.{n}-homework.example"),
        _part(0.26, "textbook", "/wiki/{s}"),
        _part(0.52, "forum", "/questions/{i}/{s}"),
        _part(0.14, "talk", "/lounge/{i}/{s}"),
        _HOUSEKEEPING,
    ),
    _sites(
        "bilingual",
        0.08,
        ("{n}-edu.example", "{n}xue.example"),
        _part(0.24, "textbook", "/en/lesson/{i}"),
        _part(0.42, "chinese", "/zh/shuxue/{i}.html"),
        _part(0.26, "zh_school", "/zh/wenzong/{i}.html"),
        _HOUSEKEEPING,
    ),
    _sites(
        "library_with_threads",
        0.045,
        ("{n}-prover.example", "formal.{n}.example"),
        _part(0.30, "forum", "/threads/{i}"),
        _part(0.52, "formal", "/library/{n}/{s}.html"),
        _part(0.10, "code", "/install/{s}"),
        _HOUSEKEEPING,
    ),
    # One dialect alone: found only by a classifier that has read it elsewhere.
    _sites(
        "forum",
        0.055,
        ("{n}forum.example", "forum.{n}.example", "{n}board.example"),
        _part(0.64, "forum", "/viewtopic/{i}", "/t/{s}/{i}"),
        _part(0.28, "talk", "/offtopic/{i}", "/chat/{s}/{i}"),
        _HOUSEKEEPING,
    ),
    _sites(
        "chinese",
        0.065,
        ("{n}zuoye.example", "www.{n}jiaoyu.example"),
        _part(0.55, "chinese", "/shiti/{i}.html", "/jiaoan/{i}"),
        _part(0.25, "zh_school", "/yuwen/{i}.html", "/lishi/{i}"),
        _part(0.2, "zh_news", "/xinwen/{i}"),
    ),
    _sites(
        "formal",
        0.035,
        ("{n}-theories.example", "afp.{n}.example"),
        _part(0.9, "formal", "/browser/{n}/{s}.html", "/thys/{s}"),
        _part(0.1, "law", "/licence/{s}"),
    ),
    # A few articles among very many: never a domain of mathematics.
    _sites(
        "encyclopaedia",
        0.08,
        ("{n}pedia.example",),
        _part(0.07, "wiki", "/wiki/{s}"),
        _part(0.4, "news", "/wiki/{s}"),
        _part(0.33, "travel", "/wiki/{s}"),
        _part(0.2, "health", "/wiki/{s}"),
        size=3.0,
    ),
    # Near mathematics.
    _about("accounting", 0.04, ("{n}-ledger.example", "{n}tax.example"), "/guides/{s}", "/reports/{y}/{s}"),
    _about("sports", 0.04, ("{n}sports.example", "stats.{n}.example"), "/match/{i}", "/players/{s}/stats"),
    _sites(
        "code",
        0.05,
        ("{n}-devs.example", "code.{n}.example"),
        _part(0.8, "code", "/questions/{i}/{s}", "/tutorial/{s}"),
        _part(0.12, "talk", "/lounge/{i}"),
        _HOUSEKEEPING,
    ),
    _sites(
        "spreadsheet",
        0.04,
        ("{n}sheets.example", "office.{n}.example"),
        _part(0.8, "spreadsheet", "/questions/{i}", "/tips/{s}"),
        _part(0.12, "talk", "/lounge/{i}"),
        _HOUSEKEEPING,
    ),
    _about("howto", 0.035, ("diy{n}.example",), "/how-to/{s}"),
    _about("polls", 0.025, ("{n}polls.example",), "/{y}/{s}"),
    _sites(
        "chinese_accounting",
        0.04,
        ("{n}kuaiji.example", "{n}caiwu.example"),
        _part(0.8, "zh_accounting", "/shiti/{i}.html", "/fenlu/{i}"),
        _part(0.2, "zh_news", "/xinwen/{i}"),
    ),
    # The rest.
    _about("news", 0.07, ("www.{n}-times.example", "{n}post.example"), "/{y}/{k}/{s}.html", "/story/{i}"),
    _about("shop", 0.07, ("shop.{n}.example", "{n}-outlet.example"), "/product/{i}-{s}", "/p/{i}"),
    _about("recipe", 0.045, ("{n}kitchen.example",), "/recipes/{s}"),
    _about("travel", 0.035, ("visit{n}.example",), "/guide/{s}"),
    _about("talk", 0.04, ("{n}chat.example",), "/t/{s}/{i}"),
    _about("health", 0.02, ("{n}clinic.example",), "/advice/{s}"),
    _sites(
        "chinese_other",
        0.05,
        ("{n}wang.example", "{n}bao.example"),
        _part(0.5, "zh_news", "/news/{i}.html"),
        _part(0.3, "zh_shop", "/item/{i}"),
        _part(0.2, "zh_school", "/xuexi/{i}"),
    ),
)
"""The web. Shares add up to one, nearly; they are normalised."""

KINDS = {"textbook": "textbook", "wiki": "textbook", "forum": "forum", "chinese": "chinese", "formal": "formal"}
"""Kind by dialect, for mathematics."""


_MOST_ATTEMPTS = 100
"""Names that may be taken before longer ones are tried."""


class Names:
    """Invents host names, none twice."""

    def __init__(self, rng: Random) -> None:
        """Use a generator."""
        self._rng = rng
        self._used: set[str] = set()

    def host(self, template: str) -> str:
        """Return a host name that was not there before."""
        for attempt in count():
            # Short names come to an end in a web of millions of pages.
            host = template.replace("{n}", name_of(self._rng, 2 + attempt // _MOST_ATTEMPTS).lower())
            bare = host.removeprefix("www.")
            if bare not in self._used:
                self._used.add(bare)
                return host
        raise AssertionError("names of any length are never used up")


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
