"""The generator: from a number of pages and a seed to WARC files with the truth beside them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import NamedTuple

from reasonforge.core.errors import RecipeError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.annotate.journal import ANNOTATIONS
from reasonforge.corpus.synthetic import documents, leaks, sources
from reasonforge.corpus.synthetic.carriers import CARRIERS, TEXT, Carrier
from reasonforge.corpus.synthetic.documents import Block, Document
from reasonforge.corpus.synthetic.grammar import name_of
from reasonforge.corpus.synthetic.hostile import HOSTILE, Response, hostile, hostile_url, odd_host
from reasonforge.corpus.synthetic.hosts import GROUPS, KINDS, Group, Names, path_of
from reasonforge.corpus.synthetic.layout import Site
from reasonforge.corpus.synthetic.texts import collection_of, grammars, is_chinese
from reasonforge.corpus.synthetic.truth import TRUTH, Truth, read_truth, write_annotations, write_truth
from reasonforge.corpus.synthetic.warc import WarcWriter

CRAWLS = ("SYN-2025-02", "SYN-2025-08")
"""Names of the two crawls; the second is newer."""
MIN_PAGES = 200
"""Fewer would not have every kind of host."""
SUMMARY, BENCHMARK, SEED = "summary.json", "benchmark.jsonl", "seed.jsonl"

_BUDGETS = (40, 89, 120)
"""How much the paper collects in the first, second and last round: billions of tokens."""
_FILE_PAGES = 1000
_SAME_URL, _OTHER_URL, _NEAR = 0.03, 0.02, 0.02
"""Shares of responses that repeat a page: in the other crawl, under another spelling of its address, with small changes elsewhere."""
_DILUTED, _ASIDES = 0.12, 0.06
"""Shares of mathematical pages that are mostly about something else, and of others that have a formula or two: hard to tell apart."""
_LEAKS_IN_MATHS = 0.75
"""Share of the planted problems that stand in mathematical pages; the others are where no classifier would look."""
_CARRIERS = {
    "textbook": ("mathml", "katex", "brackets", "script", "dollars"),
    "wiki": ("wiki",),
    "forum": ("spoken", "codecogs", "plain", "dollars", "spoken"),
    "chinese": ("spoken_zh", "katex", "plain", "codecogs", "spoken_zh"),
}
"""Of which a host has one. Forums and Chinese schools mostly write words or what a keyboard has: no backslash gives them away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One response, before it is written."""

    url: str
    crawl: int
    dialect: str
    """What is written, or the trick of a hostile page."""
    host: str
    """Without ``www.``; names the site."""
    number: int
    """Names the text: equal = the same document."""
    carrier: str = ""
    duplicate_of: str | None = None
    is_edited: bool = False
    leak: str | None = None
    item: int | None = None
    """Place of the benchmark's problem in it."""

    @property
    def kind(self) -> str:
        """Return the kind in the truth."""
        if self.dialect in HOSTILE:
            return "hostile"
        return KINDS.get(self.dialect) or ("near_maths" if collection_of(self.dialect) == "near" else "other")


class Class(NamedTuple):
    """How much of the web is of one kind."""

    kind: str
    urls: int
    copies: int
    """Of the URLs: copies of other pages."""
    hosts: int
    rough_tokens: int
    """Of the pages that are no copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a web came to."""

    pages: int
    seed: int
    math_tokens: int
    """Roughly, of mathematical pages that are no copies."""
    token_budgets: tuple[int, ...]
    """For the rounds of a recipe: as the paper's grow, and in the end all the mathematics that there is."""
    classes: tuple[Class, ...]
    problems: int
    """Of the benchmark."""
    exact_leaks: int
    paraphrased_leaks: int

    def to_json(self) -> str:
        """Return it as JSON for people and recipes."""
        return json.dumps({**asdict(self), "classes": [row._asdict() for row in self.classes]}, indent=1) + "\n"


class Written(NamedTuple):
    """Where a web lies."""

    folder: Path
    responses: int
    files: int
    summary: Summary


def synthesise(folder: Path, *, pages: int = 5_000, seed: int = 0) -> Written:
    """Write a web and return what it came to: the same bytes for the same arguments.

    Below the folder lie ``warc/CRAWL/*.warc.gz``; ``truth.parquet``, a row per URL; ``annotations.jsonl``, what a simulated person says
    about paths; ``benchmark.jsonl``, problems of which some are planted; ``seed.jsonl``, English textbook pages that the crawl does not
    have, as first positives; ``sources/*.jsonl`` for mixtures; and ``summary.json``, pages, hosts and tokens per class.

    Args:
        folder: must be empty or new.
        pages: responses in all WARC files together.
        seed: another seed is another web.

    Raises:
        RecipeError: too few pages, or the folder has files already.
        StorageError: the disk refused.
    """
    if pages < MIN_PAGES:
        raise RecipeError(f"--pages {pages}: a web of fewer than {MIN_PAGES} pages does not have every kind of host. Ask for more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder}: is not empty. Name a new folder, or remove this one")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    problems = leaks.items(derive_seed(seed, "benchmark"), max(20, min(200, pages // 50)))
    plans = plan(pages=pages, seed=seed, problems=problems)
    truths: dict[str, Truth] = {}
    files = 0
    for crawl, name in enumerate(CRAWLS):
        chosen = [entry for entry in plans if entry.crawl == crawl]
        for start in range(0, len(chosen), _FILE_PAGES):
            writer = WarcWriter(folder / "warc" / name / f"{name}-{start // _FILE_PAGES:05d}.warc.gz", crawl=name, week=6 * crawl)
            for entry, response, size in responses(chosen[start : start + _FILE_PAGES], seed=seed, problems=problems):
                writer.page(entry.url, response)
                known = truths.get(entry.url)
                truths[entry.url] = replace(known, captures=known.captures + 1) if known else truth_of(entry, problems, size)
            writer.close()
            files += 1
    write_truth(folder / TRUTH, truths.values())
    write_annotations(folder / ANNOTATIONS, read_truth(folder / TRUTH))
    lines = [{"id": item.id, "question": item.question, "solution": item.solution, "answer": item.answer} for item in problems]
    write_lines(folder / BENCHMARK, lines)
    write_lines(folder / SEED, sources.seed_documents(derive_seed(seed, "seed documents"), max(80, pages // 10)))
    for name, rows in sources.mixture(derive_seed(seed, "sources"), max(30, pages // 40)).items():
        write_lines(folder / "sources" / f"{name}.jsonl", rows)
    summary = summary_of(list(truths.values()), pages=pages, seed=seed, problems=len(problems))
    write_atomic(folder / SUMMARY, summary.to_json().encode())
    return Written(folder, len(plans), files, summary)


def plan(*, pages: int, seed: int, problems: Sequence[leaks.Item]) -> list[Plan]:
    """Return exactly ``pages`` responses in the order in which they are crawled."""
    rng = Random(derive_seed(seed, "plan"))
    tricks = max(len(HOSTILE), pages // 100)
    again = [int(pages * share) for share in (_SAME_URL, _OTHER_URL, _NEAR)]
    first = _first_captures(pages - tricks - sum(again), rng)
    chosen = rng.sample(range(len(first)), sum(again))
    same, spelled, near = chosen[: again[0]], chosen[again[0] : again[0] + again[1]], chosen[again[0] + again[1] :]
    repeats = [replace(first[i], crawl=1 - first[i].crawl, duplicate_of=first[i].url) for i in same]
    repeats += [replace(first[i], crawl=1, url=_respelled(first[i].url, rng), duplicate_of=first[i].url) for i in spelled]
    for i in near:
        host = f"mirror-{name_of(rng).lower()}.example"
        url = f"https://{host}/copy/{10_000 + i}.html"
        repeats.append(replace(first[i], crawl=rng.randrange(2), url=url, host=host, duplicate_of=first[i].url, is_edited=True))
    _plant(first, problems, rng, barred=frozenset(chosen))
    odd = []
    for i in range(tricks):
        trick, number = HOSTILE[i % len(HOSTILE)], i // len(HOSTILE)
        odd.append(Plan(url=hostile_url(trick, number), crawl=rng.randrange(2), dialect=trick, host=odd_host(number), number=i))
    everything = [*first, *repeats, *odd]
    rng.shuffle(everything)
    return everything


def _first_captures(count: int, rng: Random) -> list[Plan]:
    names = Names(rng)
    usual = min(120, max(12, count // 100))
    total = sum(group.share for group in GROUPS)
    ends = [0.0]
    for group in GROUPS:
        ends.append(ends[-1] + group.share / total)
    found: list[Plan] = []
    for group, low, high in zip(GROUPS, ends, ends[1:], strict=False):
        number = round(high * count) - round(low * count)
        hosts = max(1, round(number / (usual * group.size)))
        for i in range(hosts):
            share = (i + 1) * number // hosts - i * number // hosts
            found += _site(group, names.host(group.hosts[i % len(group.hosts)]), share, len(found), rng)
    return found


def _site(group: Group, host: str, count: int, start: int, rng: Random) -> Iterator[Plan]:
    own = tuple(name_of(rng).lower() for _ in range(3))
    templates = {section.dialect: rng.choice(section.paths) for section in group.sections}
    carriers = {dialect: rng.choice(choices) for dialect, choices in _CARRIERS.items()}
    scheme = "https" if rng.random() < 0.8 else "http"
    shares = [section.share for section in group.sections]
    # Each section gets its share as nearly as whole pages allow: a small host is like a large one.
    left = [share * count for share in shares]
    for number in range(count):
        section = group.sections[max(range(len(left)), key=left.__getitem__)]
        left[group.sections.index(section)] -= 1.0
        dialect = rng.choice(tuple(grammars("other"))) if section.dialect == "other" else section.dialect
        path = path_of(templates[section.dialect], rng, number, own)
        yield Plan(
            url=f"{scheme}://{host}{path}",
            crawl=rng.randrange(2),
            dialect=dialect,
            host=host.removeprefix("www."),
            number=start + number,
            carrier=carriers.get(dialect, ""),
        )


def _respelled(url: str, rng: Random) -> str:
    """Return the same page under another spelling of its address."""
    scheme, _, rest = url.partition("://")
    way = rng.randrange(4)
    if way == 0:
        return f"{'http' if scheme == 'https' else 'https'}://{rest}"
    if way == 1:
        return f"{scheme}://{rest.removeprefix('www.') if rest.startswith('www.') else 'www.' + rest}"
    if way == 2:
        return f"{url}?utm_source={name_of(rng).lower()}&utm_medium=mail"
    return f"{url}#part-{rng.randint(1, 9)}"


def _plant(first: list[Plan], problems: Sequence[leaks.Item], rng: Random, *, barred: frozenset[int]) -> None:
    """Put half of the problems into pages word for word and a quarter in other words; the last quarter stays out."""
    places: dict[tuple[str, bool], list[int]] = {(language, is_math): [] for language in ("en", "zh") for is_math in (True, False)}
    for i, entry in enumerate(first):
        if i not in barred and entry.dialect != "formal":
            places["zh" if is_chinese(entry.dialect) else "en", entry.dialect in KINDS].append(i)
    for pages in places.values():
        rng.shuffle(pages)
    for j, item in enumerate(problems):
        way = ("exact", "paraphrase", "exact", None)[j // 5 % 4]
        if way is not None:
            is_math = rng.random() < _LEAKS_IN_MATHS
            i = (places[item.language, is_math] or places[item.language, not is_math]).pop()
            first[i] = replace(first[i], leak=way, item=j)


def responses(plans: Sequence[Plan], *, seed: int, problems: Sequence[leaks.Item]) -> Iterator[tuple[Plan, Response, int]]:
    """Yield every plan with its response and the number of tokens of its text, roughly."""
    sites: dict[tuple[str, str], Site] = {}
    for entry in plans:
        if entry.kind == "hostile":
            yield entry, hostile(entry.dialect), 0
            continue
        language = "zh" if is_chinese(entry.dialect) else "en"
        site = sites.get((entry.host, language))
        if site is None:
            rng = Random(derive_seed(seed, "site", entry.host, language))
            site = sites[entry.host, language] = Site(entry.host, rng, language=language)
        rng = Random(derive_seed(seed, "bytes", entry.url, entry.crawl))
        document = document_of(entry, seed=seed, problems=problems)
        plain = document_of(entry, seed=seed, problems=problems, as_text=True)
        yield entry, _encoded(rng, site, document, CARRIERS.get(entry.carrier)), rough_tokens(plain)


def document_of(entry: Plan, *, seed: int, problems: Sequence[leaks.Item], as_text: bool = False) -> Document:
    """Return what a page says; not for hostile pages, which say nothing.

    Args:
        as_text: return what a faultless extraction would; False = with the page's own carrier of formulas.
    """
    carrier = CARRIERS.get(entry.carrier, TEXT)
    carrier = TEXT if as_text and not carrier.is_text else carrier
    rng = Random(derive_seed(seed, "page", entry.number))
    document = _drawn(entry.dialect, rng, carrier)
    if entry.dialect in KINDS:
        document = documents.diluted(rng, document) if entry.dialect != "formal" and rng.random() < _DILUTED else document
    elif rng.random() < _ASIDES:
        document = documents.with_aside(rng, document)
    if entry.item is not None:
        text = problems[entry.item].question if entry.leak == "exact" else problems[entry.item].paraphrase
        document.blocks.insert(rng.randint(1, len(document.blocks)), Block("p", text))
    if entry.is_edited:
        document = documents.edited(Random(derive_seed(seed, "edit", entry.url)), document)
    return document


def _drawn(dialect: str, rng: Random, carrier: Carrier) -> Document:
    collection = collection_of(dialect)
    if collection is not None:
        return documents.prose(rng, collection, dialect)
    if dialect == "formal":
        return documents.formal(rng)
    make = {"textbook": documents.textbook, "wiki": documents.wiki, "forum": documents.forum, "chinese": documents.chinese}[dialect]
    return make(rng, carrier)


def _encoded(rng: Random, site: Site, document: Document, carrier: Carrier | None) -> Response:
    """Return a page as bytes: mostly UTF-8 and plain, as crawls store them, sometimes in an older charset or still packed."""
    draw = rng.random()
    if document.language == "zh" and draw < 0.2:
        charset = "gb18030"
    else:
        charset = "windows-1252" if document.language == "en" and draw < 0.05 else "utf-8"
    body = site.html(document, carrier, charset=charset).encode(charset, "xmlcharrefreplace")
    content_type = f"text/html; charset={charset}" if rng.random() < 0.9 else "text/html"
    way = rng.random()
    if way < 0.04:
        return Response(gzip.compress(body, 5, mtime=0), content_type, (("Content-Encoding", "gzip"),))
    if way < 0.06:
        pieces = [body[i : i + 3_000] for i in range(0, len(body), 3_000)]
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        return Response(chunked, content_type, (("Transfer-Encoding", "chunked"),))
    return Response(body, content_type)


def rough_tokens(document: Document) -> int:
    """Return how many tokens a text has, roughly: three letters each, as a small vocabulary has them, one per Chinese character."""
    size = han = 0
    for block in document.blocks:
        size += len(block.html)
        han += sum("\u4e00" <= c <= "\u9fff" for c in block.html) if document.language == "zh" else 0
    return han + (size - han) // 3


def truth_of(entry: Plan, problems: Sequence[leaks.Item], size: int) -> Truth:
    """Return what is true of a response."""
    return Truth(
        url=entry.url,
        kind=entry.kind,
        is_math=entry.dialect in KINDS,
        domain=entry.host,
        leak=entry.leak,
        benchmark_item=None if entry.item is None else problems[entry.item].id,
        duplicate_of=entry.duplicate_of if entry.duplicate_of != entry.url else None,
        dialect=entry.dialect,
        captures=1,
        rough_tokens=size,
    )


def summary_of(truths: Sequence[Truth], *, pages: int, seed: int, problems: int) -> Summary:
    """Return pages, hosts and tokens per class."""
    first = [row for row in truths if row.duplicate_of is None]
    classes = []
    for kind in sorted({row.kind for row in truths}):
        mine = [row for row in truths if row.kind == kind]
        tokens = sum(row.rough_tokens for row in first if row.kind == kind)
        copies = sum(row.duplicate_of is not None for row in mine)
        classes.append(Class(kind, len(mine), copies, len({row.domain for row in mine}), tokens))
    math_tokens = sum(row.rough_tokens for row in first if row.is_math)
    return Summary(
        pages=pages,
        seed=seed,
        math_tokens=math_tokens,
        token_budgets=tuple(math_tokens * budget // _BUDGETS[-1] for budget in _BUDGETS),
        classes=tuple(classes),
        problems=problems,
        exact_leaks=sum(row.leak == "exact" for row in truths),
        paraphrased_leaks=sum(row.leak == "paraphrase" for row in truths),
    )


def write_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as JSON lines."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
