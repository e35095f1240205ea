"""The unit that makes pages: a file in, ``pages.parquet`` out, and beside it every capture that is not in it, with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from reasonforge.core.errors import DataError
from reasonforge.corpus import reasons
from reasonforge.corpus.extract.config import ExtractConfig
from reasonforge.corpus.ingest.captures import Capture, Content, Left, captures
from reasonforge.corpus.ingest.config import Files, IngestConfig, Limits
from reasonforge.corpus.ingest.dropped import DROPPED_CAPTURES, MAX_URL_CHARS, Dropped, url_hash
from reasonforge.corpus.ingest.inputs import opened
from reasonforge.corpus.ingest.survey import Survey
from reasonforge.corpus.ingest.writer import DroppedWriter, PageWriter
from reasonforge.corpus.pages import PAGES, Flag, Page, page_id
from reasonforge.corpus.units import KILLS_WORKER, Counts, Input, Store, Unit, Work

if TYPE_CHECKING:
    from reasonforge.corpus.extract.page import Extracted

STAGE = "pages"
VERSION = 3
"""Raised when the same files give other pages, or other drops."""

ALLOW_TRUNCATED = "allow_truncated = true in that table of inputs"
"""What an error says to do about a file that is cut. A verb without a recipe puts its own option there."""
FILES: TypeAdapter[Files] = TypeAdapter(Files)
_NOT_FOUND = re.compile(
    r"(?:error\s*)?404\b|not found\b|(?:page|file|document|url|site) (?:(?:was|is|could|can) ?)?(?:not be |not )?(?:found|missing)\b",
    re.IGNORECASE,
)
_SOFT_404_CHARS = 1_500
"""A longer page says more than that it is not there."""
_FLAG_NAMES = {value: name.lower() for name, value in vars(Flag).items() if name.isupper()}


def plan_pages(
    config: IngestConfig, store: Store, *, survey: Survey | None = None, warn: Callable[[str], None] = lambda line: None
) -> list[Unit]:
    """Return one unit per file that the configuration names.

    Args:
        config: which files, and what of them is too much.
        store: the corpus folder; files below it are named relative to it.
        survey: knows the files; None = every local one is read for its digest here and now.
        warn: told in a line of every file that is named more than once; it is read once.

    Raises:
        DataError: a file is missing or empty, a pattern matches none, or two files could not be told apart by their names.
    """
    survey = survey or Survey(store)
    units: dict[str, Unit] = {}
    known: dict[str, Input] = {}
    paths: dict[str, str] = {}
    for source in config.inputs:
        # Not the paths: a file is known by its bytes and its name, wherever it lies.
        about = source.model_dump(mode="json", exclude={"paths"})
        for pattern in source.paths:
            again: list[str] = []
            for found in survey.find(pattern):
                if found.path in paths:
                    again.append(found.path)
                    continue
                paths[found.path] = pattern
                given = survey.input(found)
                other = known.setdefault(found.name, given)
                if other.digest != given.digest:
                    raise DataError(
                        f"{found.path}: another file is named {found.name} too: {other.path}. Name both by a pattern in the folder above "
                        f"them, as in a/*/x.warc.gz: what is behind the first wildcard is the name"
                    )
                settings = {
                    "source": about,
                    "name": found.name,
                    "limits": config.limits.model_dump(mode="json"),
                    "extract": config.extract.model_dump(mode="json"),
                }
                function = f"{__name__}:extract_pages"
                unit = Unit(stage=STAGE, function=function, version=VERSION, settings=settings, inputs=(given,))
                if units.setdefault(unit.key, unit) is not unit:
                    warn(f"{found.path}: a copy of {other.path}, by its name and its bytes: read once")
            if again:
                first = paths[again[0]]
                by = "twice" if first == pattern else f"by {first} too"
                which = f"{again[0]} and {len(again) - 1} more are" if len(again) > 1 else f"{again[0]} is"
                warn(f"{pattern}: {which} named {by}: read once, as named first")
    return list(units.values())


def extract_pages(work: Work) -> None:
    """Write the pages of a file, and what did not become one.

    Raises:
        DataError: the file is of another kind, or cut and ``allow_truncated`` is not set.
        StorageError: the disk refused.
    """
    (path,) = work.inputs
    settings = work.settings
    source = FILES.validate_python({**settings["source"], "paths": [path]})
    with PageWriter(work.output(PAGES)) as writer, DroppedWriter(work.output(DROPPED_CAPTURES)) as dropped:
        for page in pages(
            path,
            source,
            name=settings["name"],
            limits=Limits.model_validate(settings["limits"]),
            extract=ExtractConfig.model_validate(settings["extract"]),
            counts=work.counts,
            begin=work.begin,
            drop=dropped.add,
        ):
            writer.add(page)


def pages(
    path: str,
    source: Files,
    *,
    name: str,
    limits: Limits,
    extract: ExtractConfig,
    counts: Counts,
    begin: Callable[[str], bool] = lambda item: True,
    drop: Callable[[Dropped], None] = lambda capture: None,
) -> Iterator[Page]:
    """Yield the pages of a file in order, and count what becomes of every capture.

    Args:
        path: local, or a URL.
        source: its kind, crawl and columns.
        name: of the file, as it stands in the pages.
        limits: what is too much.
        extract: how HTML becomes text.
        counts: counted into.
        begin: told the id of every capture before its content is touched; False = leave it out, and it is counted already.
        drop: handed every capture that gives no page, and every span of the file that could not be read.
    """
    truncated_at: str | None = None
    with opened(path) as file:
        for item in captures(file, path, source, limits):
            if isinstance(item, Left):
                if not item.reason:
                    counts.note(f"records_{item.kind}")
                    continue
                counts.taken += 1
                counts.drop(item.reason)
                counts.note("lost_bytes", item.num_bytes)
                drop(_dropped(item, item.reason, name, source.crawl))
                if item.reason == reasons.TRUNCATED:
                    truncated_at = f"after {counts.kept} pages"
                continue
            counts.taken += 1
            page = _page(item, name, source.crawl, extract, counts, begin)
            if isinstance(page, Page):
                counts.kept += 1
                counts.note("chars", page.num_chars)
                counts.note("formulas", page.num_formulas)
                for bit, flag in _FLAG_NAMES.items():
                    if page.flags & bit:
                        counts.note(f"flag_{flag}")
                yield page
                continue
            if page is not None:
                counts.drop(page)
            drop(_dropped(item, page or KILLS_WORKER, name, source.crawl))
    if truncated_at is not None and not source.allow_truncated:
        raise DataError(
            f"{path}: the file is cut: it ends in the middle of a record, {truncated_at}. Fetch it again, or take what is there: "
            f"{ALLOW_TRUNCATED}"
        )


def _dropped(item: Capture | Left, reason: str, name: str, crawl: str) -> Dropped:
    found_url = _encodable(item.url)
    return Dropped(
        id=page_id(found_url, item.fetched_at, name, item.offset),
        url_hash=url_hash(found_url),
        found_url=found_url[:MAX_URL_CHARS],
        crawl=crawl,
        warc=name,
        offset=item.offset,
        fetched_at=item.fetched_at,
        reason=reason,
    )


def _encodable(url: str) -> str:
    """Return a URL that a table can hold: a lone surrogate is none of it."""
    return url.encode("utf-8", "replace").decode()


def _page(item: Capture, name: str, crawl: str, extract: ExtractConfig, counts: Counts, begin: Callable[[str], bool]) -> Page | str | None:
    """Return a capture as a page; a text = the reason why it is none; None = it is counted already."""
    from reasonforge.corpus.urls.normal import Refused, normalise

    normal = normalise(item.url)
    if isinstance(normal, Refused):
        return normal.reason
    found_url = _encodable(item.url)
    identity = page_id(found_url, item.fetched_at, name, item.offset)
    if not begin(identity):
        return None
    content = item.read()
    if isinstance(content, str):
        return content
    found = _extracted(content, extract)
    if found.reason not in ("", "empty_html", "no_text"):
        counts.note(f"extraction_{found.reason}")
    title, text = found.title, found.text
    if not text:
        return reasons.EMPTY_BODY if found.reason == "empty_html" else reasons.NO_TEXT
    if len(text) <= _SOFT_404_CHARS and _NOT_FOUND.match(title.strip()):
        return reasons.SOFT_404
    return Page(
        id=identity,
        url=normal.url,
        host=normal.host,
        domain=normal.domain,
        path=normal.path,
        found_url=found_url,
        crawl=crawl,
        warc=name,
        offset=item.offset,
        length=item.length if item.length < 1 << 32 else 0,
        fetched_at=item.fetched_at,
        charset=content.charset,
        title=title,
        text=text,
        num_chars=len(text),
        num_formulas=found.num_formulas,
        flags=content.flags | found.flags,
    )


def _extracted(content: Content, extract: ExtractConfig) -> Extracted:
    """Return the text of a page; of one that came as text, what is within the limit."""
    from reasonforge.corpus.extract.delimiters import num_delimited
    from reasonforge.corpus.extract.page import Extracted, extract_html

    if content.html is not None:
        return extract_html(content.html, config=extract)
    text = content.text
    is_cut = len(text) > extract.max_text_chars
    if is_cut:
        text = text[: extract.max_text_chars].rstrip()
    return Extracted(title="", text=text, num_formulas=num_delimited(text), flags=Flag.TEXT_CUT * is_cut)
