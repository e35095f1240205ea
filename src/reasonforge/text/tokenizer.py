"""Text to token ids and back, over the ``tokenizers`` library.

Two kinds of string stand for one token each:

- a *control token* (``<|im_end|>``, ``<eos>``) rules the conversation; it comes from templates and stages, never from what a user,
  a data set or a model wrote;
- a *tag* (``<think>``) is a word like any other that happens to be one token; it may come from any text.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from reasonforge.core.errors import DataError
from reasonforge.core.ids import content_id
from reasonforge.text.folder import TokenizerFolder, read_folder, write_folder


class Tokenizer:
    """A vocabulary with its control tokens. Ids run from 0 to ``vocab_size - 1``; safe to share between threads."""

    def __init__(
        self,
        backend: Backend,
        *,
        eos: str | None = None,
        bos: str | None = None,
        pad: str | None = None,
        adds_bos: bool = False,
        stop_ids: Sequence[int] = (),
        chat_template: str | None = None,
    ) -> None:
        """Wrap a trained backend.

        Args:
            eos: control token that ends a document; None = the vocabulary has none.
            bos: control token that starts a sequence; None = the vocabulary has none.
            pad: control token for padding; None = ``eos`` does (nothing here ever reads a pad token).
            adds_bos: sequences of this tokenizer start with ``bos`` even where no chat template writes it.
            stop_ids: ids that end a completion besides ``eos``.
            chat_template: Jinja source; None = the tokenizer has no conversation format of its own.
        """
        # A tokenizer.json can carry truncation or padding of its own, which would cut or stretch every text in silence.
        backend.no_truncation()
        backend.no_padding()
        for token in (eos, bos, pad):
            if token is not None:
                _mark_as_control(backend, token)
        self._with_control = backend
        # Whether control strings are recognised is a mutable flag of the backend: two copies are what threads can share.
        self._without_control = Backend.from_str(backend.to_str())
        self._without_control.encode_special_tokens = True
        self._control_ids = frozenset(id for id, token in backend.get_added_tokens_decoder().items() if token.special)
        vocab = backend.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocab.values(), default=-1) + 1
        """Number of ids; the model's embedding needs at least as many rows."""
        self._num_tokens = len(vocab)
        self.eos_token, self.bos_token, self.pad_token = eos, bos, pad if pad is not None else eos
        self.adds_bos = adds_bos and bos is not None
        self.chat_template = chat_template
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys([*([] if self.eos_id is None else [self.eos_id]), *stop_ids]))
        """Ids that end a completion, ``eos`` first. The end-of-turn token of a chat template: see ``render.stop_token_ids``."""

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read the tokenizer of a checkpoint folder.

        Raises:
            DataError: a file is missing or broken; the message is one line that names it.
        """
        folder = read_folder(Path(path))
        try:
            return cls(
                folder.backend,
                eos=folder.eos,
                bos=folder.bos,
                pad=folder.pad,
                adds_bos=folder.adds_bos,
                stop_ids=folder.stop_ids,
                chat_template=folder.chat_template,
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write a folder that :meth:`load` and transformers' ``AutoTokenizer`` read with the same ids."""
        write_folder(
            Path(path),
            TokenizerFolder(
                backend=self._with_control,
                eos=self.eos_token,
                bos=self.bos_token,
                pad=self.pad_token,
                adds_bos=self.adds_bos,
                stop_ids=self.stop_ids,
                chat_template=self.chat_template,
            ),
        )

    @property
    def eos_id(self) -> int | None:
        """Id of the token that ends a document; None = the vocabulary has none."""
        return self._id_of(self.eos_token)

    @property
    def bos_id(self) -> int | None:
        """Id of the token that starts a sequence; None = the vocabulary has none."""
        return self._id_of(self.bos_token)

    @property
    def pad_id(self) -> int | None:
        """Id for padding, ``eos_id`` where the vocabulary has no pad token; None = neither exists."""
        return self._id_of(self.pad_token)

    @property
    def control_ids(self) -> frozenset[int]:
        """Ids of all control tokens."""
        return self._control_ids

    @cached_property
    def fingerprint(self) -> str:
        """Hex id of the vocabulary, its rules and the chat template: equal fingerprints encode alike."""
        return content_id([self._with_control.to_str(), self.chat_template, self.eos_token, self.bos_token, self.adds_bos])

    @cached_property
    def encoding_sha256(self) -> str:
        """SHA-256 of what turns text into ids, and of the token that closes a document: packed shards say by which one they were made.

        Unlike :attr:`fingerprint` it does not depend on the chat template, which may be added long after the corpus was packed.
        """
        return hashlib.sha256(f"{self._with_control.to_str()}\n{self.eos_token}".encode()).hexdigest()

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of a text; nothing is added at either end. A tag is one id either way.

        Args:
            special: True = a control string in the text is that control token: for templates and other text of our own making.
                False = control strings are ordinary characters, so nobody can end a turn by writing ``<|im_end|>``.

        Raises:
            DataError: a character outside the vocabulary (character tokenizers), a lone surrogate.
        """
        backend = self._with_control if special else self._without_control
        try:
            ids = backend.encode(text, add_special_tokens=False).ids
        except Exception as error:
            # The backend raises bare Exception and TypeError; what was wrong with the text is found here, off the fast path.
            raise DataError(self._why_refused(text)) from error
        if not special:
            self._refuse_control(ids)
        return ids

    def encodable(self, text: str) -> str:
        """Return the text without the characters that the vocabulary lacks: for text that nobody chose, such as a program's output."""
        refused = {character for character in set(text) if "\ud800" <= character <= "\udfff" or self._refuses(character)}
        return "".join(character for character in text if character not in refused)

    def encode_batch(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """Return the ids of each text, as :meth:`encode` would, using all cores."""
        rows = self._encode_rows(texts, special=special)
        if not special:
            for ids in rows:
                self._refuse_control(ids)
        return rows

    def encode_closed(self, texts: Sequence[str], *, end: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of all texts one after the other, each closed by ``end``, and how many each has with it.

        For packing: the same ids as :meth:`encode_batch` and the same refusals, looked for in all texts at once.
        """
        rows = self._encode_rows(texts, special=False)
        joined = array("I")  # takes lists of ids much faster than NumPy does
        for row in rows:
            joined.fromlist(row)
            joined.append(end)
        ids = np.frombuffer(joined, np.uint32)
        if any(int((ids == control).sum()) != (len(rows) if control == end else 0) for control in self._control_ids):
            for row in rows:
                self._refuse_control(row)
        return ids, np.fromiter(map(len, rows), np.int64, count=len(rows)) + 1

    def _encode_rows(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        backend = self._with_control if special else self._without_control
        # Not ``encode_batch_fast``: without offsets, and slower all the same (``benchmarks/corpus/tokenise.py``).
        try:
            return [encoding.ids for encoding in backend.encode_batch(list(texts), add_special_tokens=False)]
        except Exception:
            return [self.encode(text, special=special) for text in texts]  # finds the culprit and names it

    def split_control(self, text: str) -> list[str | int]:
        """Cut a trusted text at its control tokens: plain stretches as text, control tokens as ids, in order."""
        encoding = self._with_control.encode(text, add_special_tokens=False)
        pieces: list[str | int] = []
        end = 0
        for token_id, (start, stop) in zip(encoding.ids, encoding.offsets):
            if token_id in self._control_ids:
                if start > end:
                    pieces.append(text[end:start])
                pieces.append(token_id)
                end = stop
        if end < len(text):
            pieces.append(text[end:])
        return pieces

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """Return the text of any ids; bytes that are not UTF-8 become U+FFFD.

        Args:
            skip_special: leave control tokens out; tags stay.

        Raises:
            DataError: an id that names no token.
        """
        ids = [int(token_id) for token_id in ids]
        self._check_ids(ids)
        return self._with_control.decode(ids, skip_special_tokens=skip_special)

    def token_text(self, token_id: int) -> str:
        """Return the text of one token as people read it (control tokens included)."""
        return self.decode([token_id])

    def check_fits(self, num_rows: int) -> None:
        """Refuse a model whose embedding has fewer rows than this vocabulary has ids."""
        if self.vocab_size > num_rows:
            raise DataError(
                f"tokenizer: its ids go up to {self.vocab_size - 1}, but the model's embedding has {num_rows} rows; "
                "the tokenizer belongs to another model"
            )

    def _id_of(self, token: str | None) -> int | None:
        return None if token is None else self._with_control.token_to_id(token)

    def _check_ids(self, ids: list[int]) -> None:
        # The backend drops unknown ids without a word, and a decoded text that lost tokens is worse than an error.
        if not ids:
            return
        wrong = next((i for i in (min(ids), max(ids)) if not 0 <= i < self.vocab_size), None)
        if wrong is None and self._num_tokens < self.vocab_size:
            wrong = next((i for i in ids if self._with_control.id_to_token(i) is None), None)
        if wrong is not None:
            raise DataError(f"tokenizer: id {wrong} names no token (ids go from 0 to {self.vocab_size - 1})")

    def _refuse_control(self, ids: list[int]) -> None:
        # Some vocabularies (SentencePiece exports) hold control strings as ordinary pieces too, out of reach of the backend's flag.
        if not self._control_ids.isdisjoint(ids):
            token = next(self._with_control.id_to_token(i) for i in ids if i in self._control_ids)
            raise DataError(f"tokenizer: the vocabulary makes the control token {token!r} out of ordinary text; remove it from the text")

    def _why_refused(self, text: Any) -> str:
        if not isinstance(text, str):
            return f"tokenizer: cannot encode {type(text).__name__}; text is needed"
        for position, character in enumerate(text):
            if "\ud800" <= character <= "\udfff":
                return f"tokenizer: character {position} is a lone surrogate (U+{ord(character):04X}); repair the text's encoding"
        refused = {character for character in set(text) if self._refuses(character)}
        for position, character in enumerate(text):
            # A tag's own characters need not be in the alphabet; outside a tag they are as wrong as any other.
            if character in refused and not self._inside_tag(text, position):
                return (
                    f"tokenizer: character {position} ({character!r}, U+{ord(character):04X}) is not in the vocabulary: "
                    "this model's tokenizer knows only its own alphabet. "
                    "Take data written in it, such as a procedural task (eval --task NAME), or clean the text"
                )
        return "tokenizer: the text cannot be encoded"

    def _refuses(self, character: str) -> bool:
        try:
            self._without_control.encode(character, add_special_tokens=False)
        except Exception:
            return True
        return False

    def _inside_tag(self, text: str, position: int) -> bool:
        tags = [token.content for token in self._with_control.get_added_tokens_decoder().values() if not token.special]
        return any(text.find(tag, max(0, position - len(tag) + 1), position + len(tag)) != -1 for tag in tags)


def _mark_as_control(backend: Backend, token: str) -> None:
    token_id = backend.token_to_id(token)
    if token_id is None:
        raise DataError(f"tokenizer: {token!r} is named as a control token but is not in the vocabulary")
    added = backend.get_added_tokens_decoder().get(token_id)
    if added is None or not added.special:
        backend.add_special_tokens([AddedToken(token, special=True, normalized=False)])
