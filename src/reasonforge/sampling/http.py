"""A model behind a URL that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp, hosted ones). Torch-free; the standard library alone.

A server is not to be trusted to behave: answers are limited in size and time, what fails for a moment is asked again, what fails for
good stops the work with one line, and the key goes to the host named in the URL and nowhere else (redirects are not followed).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.chat import Answer, Refused, Usage
from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import SamplingParams

_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MOST_BYTES = 64 << 20
"""Of one answer."""
_PIECE_BYTES = 1 << 16
_MOST_WAIT_SECONDS = 60.0
_CONNECT_SECONDS = 30.0
_SHOWN_CHARS = 200
STOP_SECONDS = 5.0
"""How long answers on their way are waited for once the asking is to stop."""
_POLL_SECONDS = 0.1


class _TryAgain(Exception):
    """A failure that may pass."""

    def __init__(self, message: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class _Calls:
    """Requests on their way, which can all be ended at once: a process cannot exit while threads wait for a server."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        """Nothing more is asked, a failed request not again either; answers on their way are still welcome."""
        self._ended = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def add(self, connected: socket.socket) -> None:
        """Take note of a connection.

        Raises:
            _TryAgain: nobody wants the answer any more.
        """
        with self._lock:
            if self._ended:
                raise _TryAgain("the work was stopped")
            self._sockets.add(connected)

    def drop(self, connected: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._sockets.discard(connected)

    def end(self) -> None:
        """End them all; no further one begins."""
        self.stopping.set()
        with self._lock:
            self._ended = True
            for connected in self._sockets:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)


class HttpModel:
    """Asks a server. Safe to use from several threads."""

    def __init__(self, config: EndpointConfig, *, sleep: Callable[[float], object] | None = None) -> None:
        """Args:
        config: the server.
        sleep: waits between tries; None = as long as it says, or until nobody wants the answers any more.

        Raises:
            RecipeError: the URL is none.
        """
        parts = urlsplit(config.url)
        try:
            port = parts.port
        except ValueError:
            raise RecipeError(f"{config.url}: the port is no number") from None
        if parts.hostname is None or parts.username or parts.query or parts.fragment:
            raise RecipeError(f"{config.url}: not a base URL. Write it like http://localhost:8000/v1, the key in {config.api_key_env}")
        self._config = config
        self._host, self._port, self._is_secure = parts.hostname, port, parts.scheme == "https"
        self._path = parts.path.rstrip("/") + ("/chat/completions" if config.api == "chat" else "/completions")
        self._key = os.environ.get(config.api_key_env, "").strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise RecipeError(f"{config.api_key_env}: the key holds characters that no HTTP header can carry")
        self._sleep = sleep
        self.usage = Usage()
        self.num_on_their_way = 0
        """Questions of ``ask_all`` that wait for their answer."""

    @property
    def cost(self) -> float:
        """The price of what was used so far."""
        usage, config = self.usage, self._config
        return (usage.prompt_tokens * config.input_price + usage.completion_tokens * config.output_price) / 1e6

    def ask(self, messages: Sequence[Message], params: SamplingParams, *, seed: int) -> Answer:
        """Return one answer.

        Raises:
            UnavailableError: the server refused, or failed after all tries; the line says how.
        """
        return self._ask(messages, params, seed, _Calls())

    def _ask(self, messages: Sequence[Message], params: SamplingParams, seed: int, calls: _Calls) -> Answer:
        sleep = self._sleep or calls.stopping.wait
        body = json.dumps(self._request(messages, params, seed)).encode()
        jitter = random.Random(seed)
        for attempt in range(self._config.retries + 1):
            try:
                return self._answer(self._post(body, calls))
            except _TryAgain as failure:
                if attempt == self._config.retries or calls.stopping.is_set():
                    raise UnavailableError(f"{self._config.url}: {failure} ({attempt + 1} {'try' if attempt == 0 else 'tries'})") from None
                self.usage.add(retries=1)
                pause = self._config.backoff_seconds * 2**attempt * (0.5 + jitter.random())
                sleep(min(_MOST_WAIT_SECONDS, pause if failure.wait_seconds is None else max(failure.wait_seconds, 0.0)))
                if calls.stopping.is_set():
                    raise UnavailableError(f"{self._config.url}: {failure} (stopped)") from None
        raise AssertionError("the last try returns or raises")

    def ask_all(
        self,
        questions: Iterable[tuple[Any, Sequence[Message], int]],
        params: SamplingParams,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> Generator[tuple[Any, Answer | UnavailableError], None, None]:
        """Ask many questions side by side and yield (name, answer or what went wrong) as they come.

        Args:
            questions: (name, messages, seed); read as they are needed.
            params: how to draw.
            stop: once it says so, nothing more is asked. Answers on their way are waited for, they cost the same, but not for long.
        """
        waiting = iter(questions)
        calls = _Calls()
        threads = ThreadPoolExecutor(max_workers=self._config.concurrency, thread_name_prefix="reasonforge-http")
        on_their_way: dict[Future[Answer], Any] = {}
        deadline = math.inf
        try:
            while True:
                while not stop() and len(on_their_way) < self._config.concurrency and (question := next(waiting, None)) is not None:
                    name, messages, seed = question
                    on_their_way[threads.submit(self._ask, messages, params, seed, calls)] = name
                    self.num_on_their_way = len(on_their_way)
                if stop() and not calls.stopping.is_set():
                    calls.stopping.set()
                    deadline = time.monotonic() + STOP_SECONDS
                if not on_their_way or time.monotonic() >= deadline:
                    return
                # A signal does not end a wait, so whether to stop is asked every moment.
                done, _ = wait(on_their_way, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    name = on_their_way.pop(future)
                    self.num_on_their_way = len(on_their_way)
                    try:
                        yield name, future.result()
                    except UnavailableError as error:
                        yield name, error
        finally:
            self.num_on_their_way = 0
            calls.end()
            threads.shutdown(wait=False, cancel_futures=True)

    def _request(self, messages: Sequence[Message], params: SamplingParams, seed: int) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self._config.name, "max_tokens": params.max_new_tokens, "temperature": params.temperature}
        request |= {"seed": seed % (1 << 31), "stream": False}
        if params.top_p < 1:
            request["top_p"] = params.top_p
        if params.stop_strings:
            request["stop"] = list(params.stop_strings)
        if self._config.api == "chat":
            request["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        else:
            request["prompt"] = "\n\n".join(message.content for message in messages)
        return request

    def _post(self, body: bytes, calls: _Calls) -> bytes:
        deadline = time.monotonic() + self._config.timeout_seconds
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "reasonforge"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        timeout = min(_CONNECT_SECONDS, self._config.timeout_seconds)
        if self._is_secure:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        self.usage.add(requests=1)
        connected: socket.socket | None = None
        try:
            connection.connect()
            # Kept apart: the connection lets go of its socket while the answer is still being read.
            connected = connection.sock
            assert connected is not None
            connected.settimeout(self._config.timeout_seconds)
            calls.add(connected)
            connection.request("POST", self._path, body=body, headers=headers)
            response = connection.getresponse()
            content = self._read(connected, response, deadline)
        except TimeoutError:
            what, limit = ("no connection", timeout) if connected is None else ("no answer", self._config.timeout_seconds)
            raise _TryAgain(f"{what} within {limit:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"{self._config.url}: the server's certificate is not trusted: {error.verify_message}") from None
        except socket.gaierror as error:
            raise _TryAgain(f"no host {self._host!r}: {error.strerror}") from None
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgain(f"the connection failed: {_one_line(str(error) or type(error).__name__)}") from None
        finally:
            if connected is not None:
                calls.drop(connected)
            connection.close()
        if response.status == 200:
            return content
        failure = f"HTTP {response.status}: {self._said(content)}"
        if response.status in _TRY_AGAIN:
            raise _TryAgain(failure, wait_seconds=_retry_after(response))
        if response.status in (401, 403):
            raise Refused(f"{self._config.url}: {failure}. Is the key in {self._config.api_key_env} right?")
        if response.status in (404, 405) or 300 <= response.status < 400:
            raise Refused(f"{self._config.url}: {failure}. Are the URL (up to /v1) and the model's name right?")
        raise UnavailableError(f"{self._config.url}: {failure}")

    def _read(self, connected: socket.socket, response: http.client.HTTPResponse, deadline: float) -> bytes:
        """Read an answer piece by piece: a server that drips a byte now and then never lets a plain timeout pass."""
        pieces: list[bytes] = []
        size = 0
        while piece := response.read1(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > _MOST_BYTES:
                raise _TryAgain(f"an answer of more than {_MOST_BYTES >> 20} MiB")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connected.settimeout(left)
        if response.length:  # fewer bytes than the server had announced
            raise _TryAgain("the answer was cut off")
        return b"".join(pieces)

    def _answer(self, content: bytes) -> Answer:
        try:
            reply = json.loads(content)
            choice = reply["choices"][0]
            if self._config.api == "chat":
                message = choice["message"]
                text = message.get("content") or ""
                thinking = message.get("reasoning_content") or message.get("reasoning") or ""
                if not isinstance(text, str) or not isinstance(thinking, str):
                    raise TypeError
                # Thinking that never ended stays open: graders must see that there is no answer.
                text = f"<think>{thinking}</think>{text}" if thinking and text else f"<think>{thinking}" if thinking else text
            else:
                text = choice["text"]
            usage = reply.get("usage") or {}
            counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens") if isinstance(usage.get(name), int)}
            finish = choice.get("finish_reason")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise _TryAgain(f"not an answer of this protocol: {self._said(content)}") from None
        if not isinstance(text, str):
            raise _TryAgain("the answer holds no text")
        self.usage.add(**counts)
        return Answer(text=text, truncated=finish == "length", num_tokens=counts.get("completion_tokens"))

    def _said(self, content: bytes) -> str:
        """Return what the server says went wrong, safe to print and without the key."""
        text = content[:10_000].decode("utf-8", "replace")
        try:
            reply = json.loads(content)
            error = reply.get("error", reply)
            text = str(error.get("message", text) if isinstance(error, dict) else error)
        except (ValueError, AttributeError, RecursionError):
            pass
        if self._key:
            text = text.replace(self._key, "<redacted>")
        return _one_line(text) or "no reason given"


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    try:
        return float(response.headers.get("Retry-After", ""))
    except ValueError:  # a date, or nothing
        return None


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SHOWN_CHARS]
