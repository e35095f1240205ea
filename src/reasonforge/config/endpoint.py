"""Where a model answers over HTTP: a section that evaluations, judges and rewards share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reasonforge.config.base import Section


class EndpointConfig(Section):
    """Where a model answers, and how patiently it is asked."""

    url: str = Field(default=..., pattern=r"^https?://[^\s]+$")
    """Up to and including ``/v1``, as clients call it the base URL."""
    name: str = Field(default=..., min_length=1)
    """Name of the model on that server."""
    api: Literal["chat", "completions"] = "chat"
    """``chat``: the server lays the conversation out. ``completions``: the question's text is what the model goes on from (base models)."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; where it is not set, no key is sent."""
    concurrency: int = Field(default=16, gt=0, le=1024)
    """Requests on their way at once."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """For one whole answer."""
    retries: int = Field(default=5, ge=0)
    """Further tries after a failure that may pass: refused connections, timeouts, 429, 5xx, answers that are no JSON."""
    backoff_seconds: float = Field(default=1.0, ge=0)
    """Wait before the first further try; doubled each time, unless the server says how long."""
    input_price: float = Field(default=0.0, ge=0)
    """Per million prompt tokens, in any currency."""
    output_price: float = Field(default=0.0, ge=0)
    """Per million completion tokens."""
