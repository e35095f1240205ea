"""Captures of pages in a file: one after the other, their content not yet looked at."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from zstandard import ZstdError, get_frame_parameters

from reasonforge.core.errors import DataError
from reasonforge.corpus import reasons
from reasonforge.corpus.extract.nfc import nfc
from reasonforge.corpus.ingest import charset, decode
from reasonforge.corpus.ingest.config import Files, JsonlFiles, Limits, ParquetFiles, WarcFiles, WetFiles
from reasonforge.corpus.ingest.members import GZIP_MAGIC, ZSTD_MAGIC, BadDictionary, read_dictionary
from reasonforge.corpus.ingest.rows import field, json_rows, parquet_rows
from reasonforge.corpus.ingest.sniff import is_html
from reasonforge.corpus.ingest.warc import Lost, Record, records
from reasonforge.corpus.pages import Flag

_MAX_URL_CHARS = 1 << 16
_HEADER_BYTES = 1 << 16
_ARC = b"filedesc://"
_HEAD_BYTES = 512
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_DOUBTFUL = re.compile("[\0\x01-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a capture holds, as characters."""

    html: str | None = None
    """To extract from; None = ``text`` is there already."""
    text: str = ""
    charset: str = ""
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A page as it was stored. Hostile bytes are first touched by ``read``."""

    url: str
    fetched_at: str
    """ISO 8601, UTC; empty = not known."""
    offset: int
    length: int
    read: Callable[[], Content | str]
    """Returns the content, or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Something in the place of a page."""

    reason: str
    """Code; empty = no page was meant to be here: a request, metadata."""
    kind: str = ""
    """What it was, where ``reason`` is empty."""
    url: str = ""
    """Empty = it has none, or nobody could read it."""
    fetched_at: str = ""
    offset: int = 0
    num_bytes: int = 0
    """Of the file, lost with it."""


def captures(file: BinaryIO, path: str, source: Files, limits: Limits) -> Iterator[Capture | Left]:
    """Yield what a file holds, in order.

    Raises:
        DataError: it is a file of another kind.
    """
    match source:
        case WarcFiles():
            yield from _from_warc(file, path, limits, is_text=False)
        case WetFiles():
            yield from _from_warc(file, path, limits, is_text=True)
        case JsonlFiles():
            yield from _from_rows(json_rows(file), source)
        case ParquetFiles():
            columns = [source.url, source.html, source.text, source.date, "url", "metadata", "html", "text", "date"]
            yield from _from_rows(parquet_rows(file, path, [name for name in columns if name]), source)


def _from_warc(file: BinaryIO, path: str, limits: Limits, *, is_text: bool) -> Iterator[Capture | Left]:
    _refuse_others(file, path)
    wanted = {"conversion"} if is_text else {"response", "resource"}
    found_any = False
    waiting: list[Lost] = []  # until a record shows that this is a WARC file
    # Chunks and compression may make the stored bytes more than what they stand for, but not by much.
    max_block_bytes = limits.max_html_bytes + limits.max_html_bytes // 8 + _HEADER_BYTES
    for item in records(file, max_block_bytes=max_block_bytes, max_inflated_bytes=max(limits.max_inflated_bytes, max_block_bytes)):
        if isinstance(item, Lost):
            if not found_any:
                waiting.append(item)
                continue
            yield _left(item)
            continue
        if not found_any:
            found_any = True
            for lost in waiting:
                yield _left(lost)
        if item.kind in wanted:
            url, date = _about(item)
            read = _text_of(item) if is_text else _html_of(item, limits)
            yield Capture(url=url, fetched_at=date, offset=item.offset, length=item.length, read=read)
        elif item.kind == "continuation" or (item.kind == "revisit" and not is_text):
            url, date = _about(item)
            reason = reasons.REVISIT if item.kind == "revisit" else reasons.CONTINUATION
            yield Left(reason=reason, url=url, fetched_at=date, offset=item.offset)
        else:
            yield Left(reason="", kind=item.kind if item.kind in _OTHER_KINDS else "unknown")
    if not found_any:
        if waiting and waiting[-1].reason == reasons.TRUNCATED:
            yield _left(waiting[-1])
            return
        raise DataError(f"{path}: no WARC record in it. Is it a WARC file?")


def _refuse_others(file: BinaryIO, path: str) -> None:
    """Name what a file is that looks like a WARC file from outside."""
    try:
        dictionary, first = read_dictionary(file)
    except BadDictionary as error:
        raise DataError(f"{path}: the dictionary that it begins with {error}. Fetch it again") from error
    file.seek(first)
    start = file.read(_HEAD_BYTES)
    file.seek(0)
    with suppress(ZstdError):  # cut or damaged: said where it is read
        if dictionary is None and start.startswith(ZSTD_MAGIC) and get_frame_parameters(start).dict_id:
            raise DataError(f"{path}: is compressed by a dictionary that it does not bring along. Unpack it first: zstd -d -D DICTIONARY")
    with suppress(zlib.error):
        if start.startswith(GZIP_MAGIC):
            start = zlib.decompressobj(31).decompress(start, _HEAD_BYTES)
    if start.startswith(_ARC):
        raise DataError(f"{path}: is an ARC file, the format before WARC, which is not read here. Convert it: warcio recompress IN OUT")


def _about(record: Record) -> tuple[str, str]:
    """Return the URL of a record and its time."""
    return record.headers.get("warc-target-uri", "")[:_MAX_URL_CHARS], _utc(record.headers.get("warc-date", ""))


def _left(lost: Lost) -> Left:
    return Left(reason=lost.reason, offset=lost.offset, num_bytes=lost.length)


_OTHER_KINDS = frozenset({"warcinfo", "request", "metadata", "response", "resource", "conversion"})


def _html_of(record: Record, limits: Limits) -> Callable[[], Content | str]:
    def read() -> Content | str:
        if record.kind == "resource":
            headers: Mapping[str, str] = {"content-type": record.headers.get("content-type", "")}
            raw = record.block
        else:
            response = decode.parse_response(record.block)
            if response is None:
                return reasons.NOT_HTTP if record.block else reasons.EMPTY_BODY
            if response.status != 200:
                return reasons.HTTP_STATUS
            headers, raw = response.headers, response.body
        body = decode.body(raw, headers, max_bytes=limits.max_html_bytes, max_inflated_bytes=limits.max_inflated_bytes)
        if body.is_bomb:
            return reasons.BOMB
        if not body.content.strip(b" \t\r\n\0"):
            return reasons.EMPTY_BODY
        if not is_html(body.content, headers):
            return reasons.NOT_HTML
        decoded = charset.text(body.content, headers)
        flags = Flag.NOT_ENCODED * body.claims_false | Flag.DECODING_LOSSES * bool(decoded.losses)
        if len(body.content) >= limits.max_html_bytes:
            flags |= Flag.HTML_CUT
        elif body.is_cut or record.is_cut:
            flags |= Flag.RECORD_CUT
        if "warc-truncated" in record.headers:
            flags |= Flag.RECORD_CUT
        return Content(html=decoded.text.replace("\0", ""), charset=decoded.charset, flags=flags)

    return read


def _text_of(record: Record) -> Callable[[], Content | str]:
    def read() -> Content | str:
        decoded = record.block.decode("utf-8", "replace")
        text, flags = plain_text(decoded)
        flags |= Flag.RECORD_CUT * record.is_cut | Flag.DECODING_LOSSES * ("\ufffd" in decoded)
        return Content(text=text, charset="utf-8", flags=flags)

    return read


def _from_rows(rows: Iterable[dict[str, Any] | str], source: JsonlFiles | ParquetFiles) -> Iterator[Capture | Left]:
    for number, row in enumerate(rows):
        if isinstance(row, str):
            yield Left(reason=row, offset=number)
            continue
        url = field(row, source.url) if source.url else field(row, "url") or field(row, "metadata.url")
        date = field(row, source.date) if source.date else field(row, "date") or field(row, "metadata.date")
        is_markup = source.html is not None or (source.text is None and "text" not in row)
        content = field(row, source.html or "html") if is_markup else field(row, source.text or "text")
        if not isinstance(url, str) or not isinstance(content, str):
            yield Left(
                reason=reasons.MISSING_FIELD, url=url[:_MAX_URL_CHARS] if isinstance(url, str) else "", fetched_at=_utc(date), offset=number
            )
            continue
        read = _row_content(content, is_markup=is_markup)
        yield Capture(url=url[:_MAX_URL_CHARS], fetched_at=_utc(date), offset=number, length=0, read=read)


def _row_content(content: str, *, is_markup: bool) -> Callable[[], Content | str]:
    def read() -> Content | str:
        if not content.strip():
            return reasons.EMPTY_BODY
        if is_markup:
            return Content(html=content.encode("utf-8", "replace").decode().replace("\0", ""))
        text, flags = plain_text(content)
        return Content(text=text, flags=flags)

    return read


def plain_text(text: str) -> tuple[str, int]:
    """Return a text that came as such in the form that extracted ones have, and its flags: NFC, line feeds, one blank line at most."""
    text = _LINE_ENDS.sub("\n", _DOUBTFUL.sub("", text))
    text, is_cut = nfc(_BLANK_LINES.sub("\n\n", text))
    return text.strip(), Flag.MARKS_CUT * is_cut


def _utc(value: Any) -> str:
    """Return a time as ISO 8601 in UTC; empty where it is none."""
    if isinstance(value, str):
        if _DATE.fullmatch(value):
            return value
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return ""
    if not isinstance(value, datetime):
        return ""
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return ""
    return moment.isoformat().replace("+00:00", "Z")
