"""New tokenizers: byte-level BPE learned from text, or one token per character. Same input, same vocabulary, on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from reasonforge.core.errors import DataError
from reasonforge.text.config import BpeTokenizer, CharacterTokenizer, TokenizerConfig
from reasonforge.text.tokenizer import Tokenizer

TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML: the conversation format of newly trained BPE tokenizers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """Strings that are one token each. Ids follow the order: tags, then control tokens, after everything learned."""

    tags: tuple[str, ...] = ()
    """Words that any text may contain."""
    control: tuple[str, ...] = ()
    """Tokens that only templates and stages write; those named below are added to them."""
    eos: str | None = None
    bos: str | None = None
    pad: str | None = None
    stops: tuple[str, ...] = ()
    """Control tokens that end a completion besides ``eos``."""

    @property
    def all_control(self) -> tuple[str, ...]:
        """Every control token once."""
        return tuple(dict.fromkeys(token for token in (*self.control, self.eos, self.bos, self.pad, *self.stops) if token is not None))


def build_tokenizer(config: TokenizerConfig, *, texts: Iterable[str] = (), alphabet: Iterable[str] | None = None) -> Tokenizer:
    """Return the tokenizer that a recipe asks for.

    Args:
        texts: what to learn from; read only if the recipe trains a tokenizer.
        alphabet: characters of a character tokenizer; None = the characters that occur in ``texts``.
    """
    if isinstance(config, CharacterTokenizer):
        special = SpecialTokens(tags=config.tags, eos=config.eos)
        if alphabet is None:
            alphabet = {character for text in _without(texts, special.tags) for character in text}
        return characters(alphabet, special_tokens=special)
    if isinstance(config, BpeTokenizer):
        return train_bpe(
            texts,
            vocab_size=config.vocab_size,
            special_tokens=SpecialTokens(tags=config.tags, control=(TURN_START, TURN_END), eos=config.eos, stops=(TURN_END,)),
            min_frequency=config.min_frequency,
            split_digits=config.split_digits,
            chat_template=CHAT_TEMPLATE,
        )
    return Tokenizer.load(config.path)


def characters(alphabet: Iterable[str], *, special_tokens: SpecialTokens, chat_template: str | None = None) -> Tokenizer:
    """Return a tokenizer with one token per character and per special token, and no id that is neither.

    Text with any other character is refused (``DataError``), not replaced: in a closed world it is a mistake in the data.

    >>> tokenizer = characters("0123456789+= ", special_tokens=SpecialTokens(tags=("<think>",), eos="<eos>"))
    >>> tokenizer.decode(tokenizer.encode("<think>1+2")), tokenizer.vocab_size
    ('<think>1+2', 15)
    """
    letters = sorted(set(alphabet))
    wrong = next((letter for letter in letters if len(letter) != 1 or "\ud800" <= letter <= "\udfff"), None)
    if wrong is not None:
        raise DataError(f"alphabet: {wrong!r} is not a character")
    backend = Backend(models.WordLevel(vocab={letter: index for index, letter in enumerate(letters)}))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return _finish(backend, special_tokens, chat_template=chat_template)


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: int,
    special_tokens: SpecialTokens,
    min_frequency: int = 2,
    split_digits: bool = True,
    chat_template: str | None = None,
) -> Tokenizer:
    """Learn byte-level BPE. All 256 bytes are tokens, so any text round-trips exactly.

    Args:
        texts: read once, as a stream.
        vocab_size: ids in all, special tokens included. Small data may run out of pairs earlier: ``Tokenizer.vocab_size`` is what
            the model needs.
        min_frequency: a pair seen fewer times is not merged.
        split_digits: every digit is a token of its own, so place value is position; chunks such as ``123|45`` hide it.

    Raises:
        DataError: ``vocab_size`` has no room for the bytes and the special tokens; a text with a lone surrogate.
    """
    num_special = len(special_tokens.tags) + len(special_tokens.all_control)
    if vocab_size < 256 + num_special:
        raise DataError(f"vocab_size: {vocab_size} is less than 256 bytes + {num_special} special tokens")
    backend = Backend(models.BPE())
    # Words with the space before them, numbers, runs of signs, line breaks, and white space that leaves one space to the next word.
    # Line breaks end a piece whatever follows: a prompt that ends in them has the ids it would have in running text.
    numbers = r"\p{N}" if split_digits else r" ?\p{N}+"
    pattern = Regex(rf" ?[\p{{L}}\p{{M}}]+|{numbers}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+|\s*[\r\n]+|\s+(?!\S)|\s+")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - num_special,
        min_frequency=min_frequency,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # The trainer does not know the special tokens yet: merges spent on their insides would never be used.
    backend.train_from_iterator(_without(texts, (*special_tokens.tags, *special_tokens.all_control)), trainer=trainer)
    return _finish(backend, special_tokens, chat_template=chat_template)


def _finish(backend: Backend, special: SpecialTokens, *, chat_template: str | None) -> Tokenizer:
    if both := set(special.tags) & set(special.all_control):
        raise DataError(f"tokenizer: {min(both)!r} cannot be a tag and a control token")
    if "" in (*special.tags, *special.all_control):
        raise DataError("tokenizer: a special token cannot be empty")
    vocab = backend.get_vocab()
    if taken := next((token for token in (*special.tags, *special.all_control) if token in vocab), None):
        raise DataError(f"tokenizer: {taken!r} is in the vocabulary already; choose another string for the special token")
    backend.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in special.tags])
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special.all_control])
    stop_ids = [token_id for token in special.stops if (token_id := backend.token_to_id(token)) is not None]
    return Tokenizer(backend, eos=special.eos, bos=special.bos, pad=special.pad, stop_ids=stop_ids, chat_template=chat_template)


def _without(texts: Iterable[str], tokens: Iterable[str]) -> Iterator[str]:
    """Yield the stretches of the texts between special tokens."""
    longest_first = sorted(tokens, key=len, reverse=True)
    border = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
    for index, text in enumerate(texts):
        if (wrong := _SURROGATE.search(text)) is not None:
            raise DataError(f"text {index}: character {wrong.start()} is a lone surrogate (U+{ord(wrong[0]):04X}); repair its encoding")
        yield from (stretch for stretch in (border.split(text) if border else [text]) if stretch)


_SURROGATE = re.compile("[\ud800-\udfff]")
