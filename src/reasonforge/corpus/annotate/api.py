"""What the annotator's page asks for: names of requests, and how their fields are read. Knows nothing of sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from reasonforge.corpus.annotate.session import Session


class Refusal(Exception):
    """A request that gets no answer but a status and a line."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        """Args:
        status: of HTTP.
        why: for people.
        headers: that the answer has besides.
        """
        super().__init__(why)
        self.status = status
        self.headers = headers


class Api:
    """The requests about a session."""

    def __init__(self, session: Session) -> None:
        """Args:
        session: what they read and write.
        """
        self.session = session
        self.reads: dict[str, Callable[[dict[str, str]], Any]] = {
            "/api/state": lambda _: session.state(),
            "/api/changes": lambda query: session.changes(_number(query.get("since", "0"))),
            "/api/domain": lambda query: session.domain(query.get("name", "")),
            "/api/samples": lambda query: session.samples(query.get("pattern", "")),
            "/api/summary": lambda _: session.summary(),
        }
        """Path to what answers it, from the fields of the query."""
        self.writes: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/api/label": self._label,
            "/api/undo": lambda body: session.undo(since=_since(body)),
            "/api/stop": lambda _: {"stopped": True},
        }
        """Path to what does it, from the body."""

    def _label(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.session.label(
            _text(body, "pattern"),
            _text(body, "label"),
            known=_text(body, "known"),
            looked=body.get("looked") is True,
            why=_text(body, "why"),
            since=_since(body),
        )


def read_query(text: str) -> dict[str, str]:
    """Return the fields of a query, the last of each name.

    Raises:
        Refusal: there are more than any request has.
    """
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=8).items()}
    except ValueError:
        raise Refusal(400, "too many fields") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refusal(400, "expected a number")
    return int(text)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise Refusal(400, f"{name}: expected text")
    return value


def _since(body: dict[str, Any]) -> int:
    value = body.get("since", 0)
    if type(value) is not int or value < 0:
        raise Refusal(400, "since: expected a number")
    return value
