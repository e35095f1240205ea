"""WARC files for tests, written byte by byte: in order, and broken in every way that a crawl has shown."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HTML = "text/html; charset=utf-8"


def http(body: bytes, *, status: str = "200 OK", content_type: str | None = HTML, headers: Mapping[str, str] | None = None) -> bytes:
    """Return an HTTP response as a server sent it."""
    lines = [f"HTTP/1.1 {status}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def record(
    block: bytes,
    *,
    url: str | None = "http://example.org/",
    kind: str = "response",
    date: str = "2024-05-06T07:08:09Z",
    content_type: str = "application/http; msgtype=response",
    length: int | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a record.

    Args:
        block: what it holds.
        url: ``WARC-Target-URI``.
        kind: ``WARC-Type``.
        date: ``WARC-Date``.
        content_type: of the block.
        length: another Content-Length than the true one.
        headers: more of them.
    """
    fields = {"WARC-Type": kind, "WARC-Record-ID": "<urn:uuid:00000000-0000-0000-0000-000000000000>", "WARC-Date": date}
    if url is not None:
        fields["WARC-Target-URI"] = url
    fields |= {"Content-Type": content_type, "Content-Length": str(len(block) if length is None else length), **(headers or {})}
    head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return head.encode() + block + b"\r\n\r\n"


def page(body: str | bytes, url: str = "http://example.org/", **given: object) -> bytes:
    """Return the record of a page; further arguments are those of :func:`http`."""
    content = body if isinstance(body, bytes) else body.encode()
    return record(http(content, **given), url=url)  # type: ignore[arg-type]


def warcinfo() -> bytes:
    """Return the record that a file begins with."""
    return record(b"software: tests\r\n", url=None, kind="warcinfo", content_type="application/warc-fields")


def text_page(text: str, url: str = "http://example.org/") -> bytes:
    """Return a record of a WET file."""
    return record(text.encode(), url=url, kind="conversion", content_type="text/plain")


def members(records: Iterable[bytes]) -> list[bytes]:
    """Return one gzip member per record, the same bytes every time."""
    return [gzip.compress(content, mtime=0) for content in records]


def write(path: Path, parts: Sequence[bytes]) -> Path:
    """Write parts one behind the other."""
    path.write_bytes(b"".join(parts))
    return path


def write_warc(path: Path, records: Sequence[bytes]) -> Path:
    """Write a WARC file in order: compressed by record where the name ends in ``.gz``."""
    return write(path, members(records) if path.name.endswith(".gz") else records)


def starts(parts: Sequence[bytes]) -> list[int]:
    """Return where each part begins, and where the last one ends."""
    found = [0]
    for part in parts:
        found.append(found[-1] + len(part))
    return found
