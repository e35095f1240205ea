"""WARC files as a crawler writes them: one gzip member per record; a request, a response and a metadata record per page."""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.corpus.synthetic.hostile import Response

_EPOCH = datetime(2025, 1, 6, tzinfo=UTC)
_LEVEL = 5


class WarcWriter:
    """Collects records in memory, for these files are small; written whole."""

    def __init__(self, path: Path, *, crawl: str, week: int) -> None:
        """Begin a file with its ``warcinfo`` record.

        Args:
            path: ends in ``.warc.gz``.
            crawl: name of the crawl.
            week: weeks since an arbitrary Monday when the crawl began: its pages are so much newer.
        """
        self._path = path
        self._members: list[bytes] = []
        self._clock = _EPOCH + timedelta(weeks=week)
        self._serial = hashlib.sha256(path.name.encode()).hexdigest()
        self.num_responses = 0
        info = f"software: reasonforge synthetic web\r\nformat: WARC File Format 1.0\r\nisPartOf: {crawl}\r\nrobots: none\r\n"
        self._add("warcinfo", "application/warc-fields", info.encode(), {"WARC-Filename": path.name})

    def page(self, url: str, response: Response) -> None:
        """Add what a crawler writes about one page."""
        self._clock += timedelta(seconds=1)
        parts = urlsplit(url) if "[" not in url else urlsplit("https://odd.merdale.example/feed.xml")
        target = _one_line(url)
        request = (
            f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {_one_line(parts.netloc)}\r\nAccept: text/html\r\nAccept-Encoding: br,gzip\r\n\r\n"
        )
        self._add("request", "application/http; msgtype=request", request.encode("utf-8", "replace"), {"WARC-Target-URI": target})
        given = dict(response.headers)
        lines = [f"HTTP/1.1 {response.status}", f"Content-Type: {response.content_type}"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        if "Content-Length" not in given:
            lines.append(f"Content-Length: {len(response.body)}")
        lines.append("Server: nginx")
        block = ("\r\n".join(lines) + "\r\n\r\n").encode() + response.body
        extra = {
            "WARC-Target-URI": target,
            "WARC-IP-Address": "192.0.2.7",
            "WARC-Payload-Digest": f"sha1:{hashlib.sha1(response.body).hexdigest()}",
        }
        if response.truncated:
            extra["WARC-Truncated"] = response.truncated
        self._add("response", "application/http; msgtype=response", block, extra)
        self.num_responses += 1
        self._add("metadata", "application/warc-fields", b"fetchTimeMs: 120\r\nlanguages-cld2: {}\r\n", {"WARC-Target-URI": target})

    def close(self) -> None:
        """Write the file.

        Raises:
            StorageError: the disk refused.
        """
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, b"".join(self._members))

    def _add(self, kind: str, content_type: str, block: bytes, extra: dict[str, str]) -> None:
        name = hashlib.sha256(f"{self._serial} {len(self._members)}".encode()).hexdigest()
        identity = f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:32]}"
        headers = {
            "WARC-Type": kind,
            "WARC-Date": self._clock.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "WARC-Record-ID": f"<urn:uuid:{identity}>",
            "Content-Length": str(len(block)),
            "Content-Type": content_type,
            **extra,
        }
        head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        packer = zlib.compressobj(_LEVEL, wbits=31)
        self._members.append(packer.compress(head.encode("utf-8", "replace")) + packer.compress(block + b"\r\n\r\n") + packer.flush())


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")
