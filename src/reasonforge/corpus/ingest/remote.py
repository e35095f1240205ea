"""Files behind URLs, by way of fsspec: what goes wrong there is one line, and nobody waits in silence."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from reasonforge.core.errors import DataError, ReasonforgeError, UnavailableError
from reasonforge.runs.text import clean_text

SILENT_SECONDS: Final = 10.0
"""After so long without an answer the user is told who is waited for."""
CONNECT_SECONDS: Final = 30.0
"""For a web server to take a connection."""
READ_SECONDS: Final = 60.0
"""For it to send the next bytes; aiohttp waits five minutes for both."""

_PACKAGES = {
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "hf": "huggingface_hub",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}
"""What fsspec needs beside itself, by the kind of URL."""
_LOGGERS = ("fsspec", "s3fs", "gcsfs", "adlfs", "aiohttp", "botocore", "aiobotocore", "asyncio")
_MAX_CHARS = 200


def is_url(path: str) -> bool:
    """Say whether a path names a file elsewhere."""
    return "://" in path


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        UnavailableError: nothing installed reads such a URL.
    """
    try:
        import fsspec
    except ImportError:
        raise UnavailableError(f"{url}: reading URLs needs fsspec: pip install 'reasonforge[corpus]'") from None
    for name in _LOGGERS:  # they print the tracebacks of what they raise where nobody listens
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    kind = url.partition("://")[0].lower()
    try:
        return fsspec.url_to_fs(url, **_options(kind))
    except ImportError as error:
        package = _PACKAGES.get(kind)
        needs = f"needs the package {package}: pip install {package}" if package else f"needs another package: {_first_line(error)}"
        raise UnavailableError(f"{url}: reading {kind}:// {needs}") from error
    except ValueError as error:
        raise UnavailableError(f"{url}: {_first_line(error)}") from error


def _options(kind: str) -> dict[str, Any]:
    if kind not in ("http", "https"):
        return {}
    aiohttp = importlib.import_module("aiohttp")  # no dependency of ours
    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)}}


@contextmanager
def url_errors(url: str) -> Iterator[None]:
    """Turn whatever a file system raises in a block into an error of ours, and say so when it takes long.

    Raises:
        DataError: the file is not there, or may not be read.
        UnavailableError: nobody answers, or something else than the file.
    """
    waiting = threading.Timer(SILENT_SECONDS, _say_waiting, [url])
    waiting.daemon = True
    waiting.start()
    try:
        yield
    except ReasonforgeError:
        raise
    except FileNotFoundError as error:
        # fsspec says so of a web server that nobody can reach, too, and the truth in the cause.
        cause = error.__cause__
        if cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) in (404, 410):
            raise DataError(f"{url}: no such file") from error
        raise UnavailableError(f"{url}: cannot be reached: {_first_line(cause)}") from error
    except PermissionError as error:
        raise DataError(f"{url}: no permission to read it: {_first_line(error)}") from error
    except Exception as error:
        # Every file system raises errors of its own; none of them is our bug.
        raise UnavailableError(f"{url}: cannot be reached: {_first_line(error)}") from error
    finally:
        waiting.cancel()


def _say_waiting(url: str) -> None:
    print(clean_text(f"{url}: no answer for {SILENT_SECONDS:.0f} s, still trying"), file=sys.stderr, flush=True)


def _first_line(error: BaseException) -> str:
    return next((line.strip()[:_MAX_CHARS] for line in str(error).splitlines() if line.strip()), type(error).__name__)
