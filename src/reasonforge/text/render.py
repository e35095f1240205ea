"""Conversations to token ids and loss mask.

Template text may hold control tokens; what people, data sets or models wrote never does, whatever its characters say. The
assistant's words are encoded apart from the text around them, so a prompt's ids are a prefix of the ids of the finished
example, and the mask's borders are token borders. Nothing is ever decoded and encoded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonforge.core.records import Message
from reasonforge.text.fences import split_outputs
from reasonforge.text.layout import Layout, Span
from reasonforge.text.tokenizer import Tokenizer


class Rendered(NamedTuple):
    """A conversation as the model reads it; one mask entry per id."""

    token_ids: list[int]
    loss_mask: list[bool]
    """True on the assistant's words and on what ends its turn, up to and including the end-of-turn token. False on what a tool printed."""


def render_prompt(messages: Sequence[Message], tokenizer: Tokenizer, layout: Layout) -> list[int]:
    """Return the ids of a conversation up to where the assistant must speak."""
    return _encode(layout.spans(messages, generation=True), tokenizer).token_ids


def render_example(messages: Sequence[Message], tokenizer: Tokenizer, layout: Layout) -> Rendered:
    """Return a finished conversation with the tokens to learn; every assistant turn is learned from."""
    return _encode(layout.spans(messages, generation=False), tokenizer)


def render_response(messages: Sequence[Message], text: str, tokenizer: Tokenizer, layout: Layout) -> tuple[list[int], Rendered]:
    """Return a prompt's ids, and somebody's words as the policy would have written them behind it, up to the token that ends the turn."""
    prompt = render_prompt(messages, tokenizer, layout)
    token_ids, loss_mask = render_example([*messages, Message("assistant", text)], tokenizer, layout)
    end = max(index for index, learned in enumerate(loss_mask) if learned) + 1
    return prompt, Rendered(token_ids[len(prompt) : end], loss_mask[len(prompt) : end])


def stop_token_ids(tokenizer: Tokenizer, layout: Layout) -> tuple[int, ...]:
    """Return the ids that end a completion under a layout: its end-of-turn token, then the tokenizer's own."""
    *_, answer, after = layout.spans([Message("user", "?"), Message("assistant", "!")], generation=False)
    assert answer.source == "answer"
    end_of_turn = next(piece for piece in tokenizer.split_control(after.text) if isinstance(piece, int))
    return tuple(dict.fromkeys([end_of_turn, *tokenizer.stop_ids]))


def _encode(spans: Sequence[Span], tokenizer: Tokenizer) -> Rendered:
    rendered = Rendered([], [])
    waiting: list[str] = []

    def add(ids: Sequence[int], *, learn: bool) -> None:
        rendered.token_ids.extend(ids)
        rendered.loss_mask.extend([learn] * len(ids))

    def flush(*, learn: bool = False) -> None:
        # Plain template text and a question beside it are one stretch of text: "User: " and "What" apart would be tokens that the
        # model has never seen side by side. As plain text it is encoded, so a control string in it stays a string.
        add(tokenizer.encode("".join(waiting), special=False), learn=learn)
        waiting.clear()

    ending = False  # right after the assistant's words: its end-of-turn token is still to come
    for span in spans:
        if span.source == "message":
            waiting.append(span.text)
            continue
        if span.source == "answer":
            flush()
            for text, is_assistant in split_outputs(span.text):
                waiting.append(text)
                flush(learn=is_assistant)
            ending = True
            continue
        pieces = tokenizer.split_control(span.text)
        ending = ending and any(isinstance(piece, int) for piece in pieces)
        for piece in pieces:
            if isinstance(piece, str):
                waiting.append(piece)
                continue
            flush(learn=ending)
            add([piece], learn=ending)
            ending = False
    flush()
    return rendered
