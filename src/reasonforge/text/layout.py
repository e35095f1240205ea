"""Where the words of a conversation stand in the text that the model reads, and who wrote which stretch of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message
from reasonforge.text.config import TemplateConfig
from reasonforge.text.template import ChatTemplate, compile_template
from reasonforge.text.tokenizer import Tokenizer

PROMPT_FIELD = "{prompt}"

R1_ZERO = (
    "The following is a dialogue between User and Assistant. For every question the Assistant first works the problem out inside "
    "<think> </think> and then states the result inside <answer> </answer>.\n"
)
"""Preamble for base models: the structure of the template in R1's table 1, in our words.

Source:
    DeepSeek-R1 (arXiv:2501.12948), Table 1.
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the rendered text."""

    text: str
    source: Literal["template", "message", "answer"]
    """``template``: ours, control tokens count. ``message``: somebody's words. ``answer``: the assistant's words."""


class Layout(Protocol):
    """A way to write conversations down."""

    def spans(self, messages: Sequence[Message], *, generation: bool) -> list[Span]:
        """Return the conversation as spans.

        Args:
            messages: with ``generation``, everything before the assistant's next turn; without, a conversation that ends with one.
            generation: end where the assistant starts to write.
        """
        ...


def build_layout(config: TemplateConfig, tokenizer: Tokenizer) -> Layout:
    """Return the layout that a recipe asks for.

    Raises:
        DataError: no such template file, a file without ``{prompt}``, a tokenizer without a chat template, a broken one.
    """
    additions = Additions(system=config.system, answer_instruction=config.answer_instruction)
    if config.name == "chat":
        if tokenizer.chat_template is None:
            raise DataError('template: "chat" needs a tokenizer with a chat template, and this one has none; use "plain" or "r1_zero"')
        names = {"bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token, "pad_token": tokenizer.pad_token}
        variables = {**{name: token for name, token in names.items() if token is not None}, **config.variables}
        return ChatLayout(compile_template(tokenizer.chat_template), tokenizer, additions=additions, variables=variables)
    if config.variables:
        raise DataError(f'template: "variables" has no effect with {config.name!r}; only "chat" templates read them')
    start = (tokenizer.bos_token or "") if tokenizer.adds_bos else ""
    end = tokenizer.eos_token or ""
    if config.name == "plain":
        return TextLayout(turn=PROMPT_FIELD, start=start, end=end, additions=additions)
    if config.name == "r1_zero":
        return TextLayout(preamble=R1_ZERO, turn=f"User: {PROMPT_FIELD}\nAssistant:", start=start, end=end, additions=additions)
    return TextLayout(turn=_read_template(Path(config.name)), start=start, end=end, additions=additions)


@dataclass(frozen=True, slots=True)
class Additions:
    """What the recipe adds to every conversation."""

    system: str | None = None
    answer_instruction: str | None = None

    def complete(self, messages: Sequence[Message]) -> list[Message]:
        """Add the system prompt where there is none, and the instruction to every question.

        Every question, not the last one alone: an earlier turn must read the same when the conversation goes on.
        """
        completed = [
            replace(message, content=f"{message.content}\n{self.answer_instruction}")
            if self.answer_instruction is not None and message.role == "user"
            else message
            for message in messages
        ]
        if self.system is not None and not any(message.role == "system" for message in messages):
            completed.insert(0, Message("system", self.system))
        return completed


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLayout:
    """Text with a place for the question, repeated for every turn; no roles besides system, user and assistant."""

    turn: str
    """Contains ``{prompt}`` once."""
    preamble: str = ""
    """Once, before the first turn."""
    start: str = ""
    """Control token that opens every sequence; empty = none."""
    end: str = ""
    """Control token that closes the assistant's turn; empty = the vocabulary has none."""
    additions: Additions = field(default_factory=Additions)

    def spans(self, messages: Sequence[Message], *, generation: bool) -> list[Span]:
        """See :class:`Layout`."""
        completed = self.additions.complete(messages)
        _check_turns(completed, generation=generation)
        before, after = self.turn.split(PROMPT_FIELD)
        spans = [Span(self.start, "template")]
        if completed[0].role == "system":
            system = completed.pop(0)
            spans += [Span(system.content, "message"), Span("\n\n", "template")]
        spans.append(Span(self.preamble, "template"))
        for index, message in enumerate(completed):
            if message.role == "user":
                opening = before if index == 0 else f"\n{before}"
                spans += [Span(opening, "template"), Span(message.content, "message"), Span(after, "template")]
            else:
                if not self.end:
                    raise DataError("template: the tokenizer has no end-of-text token to close the assistant's turn with")
                spans += [Span(_without_opened_think(after, message.content), "answer"), Span(self.end, "template")]
        return spans


@dataclass(frozen=True, slots=True)
class ChatLayout:
    """The tokenizer's own chat template.

    The template runs on marks in place of the messages; what stands between the marks is template text, whatever the messages
    say. A run on the messages themselves must give the same text: a template that rewrites its messages (cuts the
    thinking out of earlier turns, say) is found out and refused, because its text is no longer what was sampled.

    The last assistant turn is appended to the prompt as written, the way a sampler appends tokens, and not sent through the
    template: what is trained on is what is sampled, to the character.
    """

    template: ChatTemplate
    tokenizer: Tokenizer
    additions: Additions = field(default_factory=Additions)
    variables: Mapping[str, bool | int | str] = field(default_factory=dict)
    _frames: dict[tuple[tuple[str, ...], bool], list[_Place]] = field(default_factory=dict, repr=False, compare=False)

    def spans(self, messages: Sequence[Message], *, generation: bool) -> list[Span]:
        """See :class:`Layout`."""
        completed = self.additions.complete(messages)
        _check_turns(completed, generation=generation, any_role=True)
        if generation:
            return self._prompt(completed)
        prompt = self._prompt(completed[:-1])
        answer = _without_opened_think(prompt[-1].text, completed[-1].content)
        return [*prompt, Span(answer, "answer"), Span(self._after_answer(completed), "template")]

    def _prompt(self, messages: Sequence[Message]) -> list[Span]:
        frame = self._frame(messages, generation=True)
        spans = [Span(frame[0].text, "template")]
        for message, place in zip(messages, frame[1:]):
            content = message.content.lstrip(place.strip_left).rstrip(place.strip_right)
            spans += [Span(content, "answer" if message.role == "assistant" else "message"), Span(place.text, "template")]
        if "".join(span.text for span in spans) != self._render([message.content for message in messages], messages, generation=True):
            raise DataError(_REWRITES)
        return spans

    def _after_answer(self, messages: Sequence[Message]) -> str:
        """Return what the template writes after the last message: at least the end of the turn."""
        after = self._frame(messages, generation=False)[-1].text
        if any(isinstance(piece, int) for piece in self.tokenizer.split_control(after)):
            return after
        if self.tokenizer.eos_token is None:
            raise DataError("chat template: neither it nor the tokenizer has a token that ends the assistant's turn")
        return after + self.tokenizer.eos_token

    def _frame(self, messages: Sequence[Message], *, generation: bool) -> list[_Place]:
        """Return the template text before the first message, then for each what follows it; it depends on the roles alone."""
        key = (tuple(message.role for message in messages), generation)
        if key not in self._frames:
            bare = self._between_marks("", "", messages, generation=generation)
            # Again with white space around every mark: what is missing now is what the template strips from a message.
            spaced = self._between_marks("\n\t", "\t\n", messages, generation=generation)
            residues = [_residues(text, with_space) for text, with_space in zip(bare, spaced)]
            lefts = [left for _, left in residues[:-1]]
            rights = [right for right, _ in residues[1:]]
            places = [_Place(text, _STRIPPED[left], _STRIPPED[right]) for text, left, right in zip(bare[1:], lefts, rights)]
            self._frames[key] = [_Place(bare[0], "", ""), *places]
        return self._frames[key]

    def _between_marks(self, before: str, after: str, messages: Sequence[Message], *, generation: bool) -> list[str]:
        marks = [f"\U000f5e01{index}\U000f5e02" for index in range(len(messages))]  # private-use characters: in no template
        rest = self._render([before + mark + after for mark in marks], messages, generation=generation)
        texts: list[str] = []
        for mark, message in zip(marks, messages):
            if rest.count(mark) != 1:
                raise DataError(f"chat template: it shows the {message.role} message {rest.count(mark)} times in its place; once is needed")
            text, rest = rest.split(mark)
            texts.append(text)
        return [*texts, rest]

    def _render(self, contents: Sequence[str], messages: Sequence[Message], *, generation: bool) -> str:
        turns = [{"role": message.role, "content": content} for message, content in zip(messages, contents)]
        return self.template.render(turns, generation=generation, variables=self.variables)


@dataclass(frozen=True, slots=True)
class _Place:
    """What a template does to a message and writes after it."""

    text: str
    strip_left: str | None
    """Characters that it strips, as ``str.lstrip`` takes them: empty = none, None = all white space."""
    strip_right: str | None


# What is left of the probe "\n\t" (and of "\t\n", read from the mark outwards) tells what was stripped.
_STRIPPED: Mapping[int, str | None] = {2: "", 1: "\n", 0: None}

_REWRITES = (
    "chat template: it rewrites what the messages say (such as dropping the thinking of earlier turns), so the text would not be what "
    "was sampled; hand the messages over as the template wants them, or use another template"
)


def _residues(text: str, spaced: str) -> tuple[int, int]:
    """Return how many probe characters survive right of the mark before this text, and left of the mark after it."""
    for right in (2, 1, 0):
        for left in (2, 1, 0):
            if spaced == "\t\n"[:right] + text + "\n\t"[2 - left :]:
                return right, left
    raise DataError(_REWRITES)


def _without_opened_think(prompt: str, answer: str) -> str:
    """Drop the answer's own ``<think>`` if the prompt ends by opening it, so that it does not stand there twice."""
    if prompt.rstrip().endswith("<think>") and answer.lstrip().startswith("<think>"):
        return answer.lstrip()[len("<think>") :].lstrip("\n")
    return answer


def _check_turns(messages: Sequence[Message], *, generation: bool, any_role: bool = False) -> None:
    turns = [message.role for message in messages if message.role != "system"]
    if not turns:
        raise DataError("conversation: it has no question")
    if generation and turns[-1] == "assistant":
        raise DataError("conversation: a prompt ends where the assistant must speak, but its last message is the assistant's")
    if not generation and turns[-1] != "assistant":
        raise DataError("conversation: an example ends with the assistant's turn")
    if any_role:
        return
    if any(role != ("user", "assistant")[index % 2] for index, role in enumerate(turns)) or "system" in [m.role for m in messages[1:]]:
        raise DataError('conversation: this template takes an optional system message, then user and assistant in turn; use "chat"')


def _read_template(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        known = f'"plain", "r1_zero", "chat" or the path of a text file with {PROMPT_FIELD}'
        raise DataError(f"template: {str(path)!r}: cannot read: {reason}; give {known}") from error
    # An editor's final newline is not part of the template: the model goes on right after the last visible character.
    text = text.removesuffix("\n")
    if text.count(PROMPT_FIELD) != 1:
        raise DataError(f"template: {path}: contains {PROMPT_FIELD} {text.count(PROMPT_FIELD)} times; exactly once is needed")
    return text
