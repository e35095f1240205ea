"""Single pages of Common Crawl without its files: the index says where in which file a page lies, and a range request fetches it."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.core.files import fsync_dir, storage_errors, write_durable
from reasonforge.corpus.ingest.fetch import Answer, get
from reasonforge.corpus.ingest.members import GZIP_MAGIC
from reasonforge.runs.text import clean_text

INDEX: Final = "https://index.commoncrawl.org"
DATA: Final = "https://data.commoncrawl.org"

_MAX_PAGE_BYTES = 256 << 20
_MAX_RECORD_BYTES = 64 << 20
_BUSY = frozenset({429, 500, 502, 503, 504})
_WAITS_BUSY_SECONDS = (1.0, 4.0, 16.0, 60.0)
"""Before each further try: the index is a public service, and says so when it is asked too often."""
_WAITS_NO_ANSWER_SECONDS = (1.0, 4.0)
"""Before each further try of a server that nobody can reach: a machine without a network need not wait long to hear of it."""
_ANSWER_SECONDS = 60.0
GIVE_UP_SECONDS: Final = 180.0
"""For one request with all its tries."""


class _Busy(UnavailableError):
    """The server answers, and says that it cannot."""


def _say(text: str) -> None:
    print(clean_text(text), file=sys.stderr, flush=True)


class Place(NamedTuple):
    """Where a capture lies."""

    url: str
    filename: str
    """Below the server of the data."""
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonCrawl:
    """A crawl: its index, and the server of its files."""

    crawl: str
    """Name, as in ``CC-MAIN-2024-10``."""
    index: str = INDEX
    data: str = DATA
    allow_private: bool = False
    """Also speak to servers that are not on the public internet: a mirror of one's own."""
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = _say
    """Told why a request is made again."""
    clock: Callable[[], float] = time.monotonic

    def places(self, prefix: str, *, limit: int | None = None) -> Iterator[Place]:
        """Yield the captures of HTML pages with status 200 whose URL begins so, in the order of the index.

        Args:
            prefix: of URLs, with or without a scheme: ``mathoverflow.net/questions/``.
            limit: at most so many; None = all.

        Raises:
            DataError: the index answers something else.
            UnavailableError: it does not answer.
        """
        query = [("url", f"{prefix.rstrip('*')}*"), ("output", "json")]
        first = self._ask([*query, ("showNumPages", "true")])
        if first is None:
            return
        pages = _number(first, "pages", self.index)
        query += [("filter", "=status:200"), ("filter", "=mime-detected:text/html"), ("fl", "url,filename,offset,length")]
        given = 0
        for page in range(pages):
            answer = self._ask([*query, ("page", str(page))]) or b""
            for line in answer.splitlines():
                if not line.strip():
                    continue
                yield _place(line, self.index)
                given += 1
                if limit is not None and given >= limit:
                    return

    def record(self, place: Place) -> bytes:
        """Return the gzip member that a capture lies in.

        Raises:
            DataError: what lies there is no member of a gzip file.
            UnavailableError: the server does not answer, or does not serve ranges.
        """
        last = place.offset + place.length - 1
        url = f"{self.data}/{quote(place.filename)}"
        answer = self._get(url, max_bytes=place.length, headers={"Range": f"bytes={place.offset}-{last}"})
        if answer.status != 206 or len(answer.content) != place.length:
            got = f"status {answer.status} and {len(answer.content)} bytes"
            raise UnavailableError(f"{url}: {got} where bytes {place.offset}-{last} were asked for")
        if not answer.content.startswith(GZIP_MAGIC):
            raise DataError(f"{url}: bytes {place.offset}-{last} are no record. Is the index that of this crawl?")
        return answer.content

    def _ask(self, query: list[tuple[str, str]]) -> bytes | None:
        """Ask the index; None = it has nothing under this prefix."""
        url = f"{self.index}/{quote(self.crawl)}-index?{urlencode(query)}"
        answer = self._get(url, max_bytes=_MAX_PAGE_BYTES, headers={})
        if answer.status == 404:
            if b"Captures" in answer.content:
                return None
            raise DataError(f"{self.index}: has no crawl {self.crawl}. Look at {self.index}/collinfo.json")
        if answer.status != 200:
            raise UnavailableError(f"{url}: status {answer.status}")
        return answer.content

    def _get(self, url: str, *, max_bytes: int, headers: dict[str, str]) -> Answer:
        """Make a request until it is answered.

        Raises:
            UnavailableError: it never was, or the server stayed busy, for ``GIVE_UP_SECONDS`` at most.
        """
        deadline = self.clock() + GIVE_UP_SECONDS
        for failures in count():
            left = deadline - self.clock()
            try:
                answer = get(
                    url, max_bytes=max_bytes, seconds=min(_ANSWER_SECONDS, left), headers=headers, allow_private=self.allow_private
                )
                if answer.status not in _BUSY:
                    return answer
                raise _Busy(f"{url}: status {answer.status}, the server is busy")
            except UnavailableError as error:
                waits = _WAITS_BUSY_SECONDS if isinstance(error, _Busy) else _WAITS_NO_ANSWER_SECONDS
                if failures >= len(waits) or self.clock() + waits[failures] >= deadline:
                    tries = f"{failures + 1} tries" if failures else "1 try"
                    raise UnavailableError(f"{error}. Given up after {tries}") from error
                self.say(f"{error}. Trying again in {waits[failures]:.0f} s")
            self.sleep(waits[failures])
        raise AssertionError  # the loop has no end


def fetch_pages(crawl: CommonCrawl, prefix: str, out: Path, *, limit: int | None = None) -> int:
    """Write the captures below a prefix as a WARC file, and return how many there are. It is there when all are, or not at all.

    Raises:
        DataError: there are none, or the index or a file is not what it should be.
        UnavailableError: a server does not answer.
        StorageError: the disk refused.
    """
    temporary = out.parent / f".tmp-{out.name[:40]}-{uuid.uuid4().hex[:16]}"
    fetched = 0

    def members() -> Iterator[bytes]:
        nonlocal fetched
        seen: set[tuple[str, int]] = set()
        for place in crawl.places(prefix, limit=limit):
            if (place.filename, place.offset) not in seen:
                seen.add((place.filename, place.offset))
                content = crawl.record(place)
                fetched += 1
                yield content

    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_durable(temporary, members())
            if not fetched:
                raise DataError(f"{prefix}: {crawl.crawl} has no HTML page whose URL begins so")
            os.replace(temporary, out)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        fsync_dir(out.parent)
    return fetched


def _number(answer: bytes, name: str, where: str) -> int:
    try:
        number = json.loads(answer)[name]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{where}: answers something else than an index: {answer[:80]!r}") from None
    if not isinstance(number, int) or not 0 <= number <= 1 << 20:
        raise DataError(f"{where}: {name} = {number!r}")
    return number


def _place(line: bytes, where: str) -> Place:
    try:
        entry = json.loads(line)
        place = Place(str(entry["url"]), str(entry["filename"]), int(entry["offset"]), int(entry["length"]))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{where}: a line of the index that is none: {line[:80]!r}") from None
    if not 0 < place.length <= _MAX_RECORD_BYTES or place.offset < 0 or "://" in place.filename or ".." in place.filename.split("/"):
        raise DataError(f"{where}: a line of the index that points nowhere: {line[:200]!r}")
    return place
