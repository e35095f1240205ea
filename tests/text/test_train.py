"""Tokenizers made here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from reasonforge.core.errors import DataError
from reasonforge.text.config import BpeTokenizer, CharacterTokenizer, FolderTokenizer, TokenizerConfig
from reasonforge.text.train import SpecialTokens, build_tokenizer, characters, train_bpe
from tests.text.samples import CORPUS, TAGS, bpe, letters

SPECIAL = SpecialTokens(tags=TAGS, eos="<|endoftext|>")


def test_training_gives_the_same_vocabulary_in_every_process() -> None:
    program = "from tests.text.samples import bpe; print(bpe().fingerprint)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "77", "RAYON_NUM_THREADS": "3"}
    other = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == bpe().fingerprint


def test_the_order_of_the_texts_does_not_matter() -> None:
    forwards = train_bpe(CORPUS, vocab_size=350, special_tokens=SPECIAL)
    backwards = train_bpe(CORPUS[::-1], vocab_size=350, special_tokens=SPECIAL)
    assert forwards.fingerprint == backwards.fingerprint


def test_all_bytes_are_tokens_even_if_the_data_has_none_of_them() -> None:
    tokenizer = train_bpe([], vocab_size=300, special_tokens=SPECIAL)
    assert tokenizer.vocab_size == 256 + 5
    assert tokenizer.decode(tokenizer.encode("\0ÿ𝔘")) == "\0ÿ𝔘"


def test_every_id_is_a_token_that_some_text_yields() -> None:
    # No unused rows: what is never trained on is still sampled.
    tokenizer = letters()
    seen = {i for text in [*"0123456789+-*/=() \n?", *TAGS, "<eos>"] for i in tokenizer.encode(text, special=True)}
    assert seen == set(range(tokenizer.vocab_size))
    trained = train_bpe(["abab abab"] * 4, vocab_size=1000, special_tokens=SPECIAL)
    assert trained.vocab_size < 1000
    assert all(trained.token_text(token_id) for token_id in range(trained.vocab_size))


def test_no_merge_is_spent_on_the_inside_of_a_special_token() -> None:
    tokenizer = train_bpe(["<think>zq</think><answer>zq</answer>"] * 100, vocab_size=500, special_tokens=SPECIAL)
    learned = {tokenizer.token_text(token_id) for token_id in range(256, tokenizer.vocab_size)}
    assert learned == {*TAGS, "<|endoftext|>", "zq"}


@pytest.mark.parametrize("text", ["12345", "a 123 b", "x=77", "3.14"])
def test_split_digits_are_one_token_each(text: str) -> None:
    corpus = ["12345 a 123 b x=77 3.14"] * 50
    split = train_bpe(corpus, vocab_size=500, special_tokens=SPECIAL, split_digits=True)
    pieces = [split.token_text(token_id) for token_id in split.encode(text)]
    digits = [piece for piece in pieces if any(character.isdigit() for character in piece)]
    assert digits == [character for character in text if character.isdigit()]
    merged = train_bpe(corpus, vocab_size=500, special_tokens=SPECIAL, split_digits=False)
    assert len(merged.encode("12345")) == 1


def test_a_rare_pair_is_not_merged() -> None:
    texts = ["qz", "xy xy xy"]
    tokens = lambda n: train_bpe(texts, vocab_size=400, special_tokens=SPECIAL, min_frequency=n).vocab_size  # noqa: E731
    assert tokens(1) > tokens(2) > tokens(4) == 261


def test_a_frequent_word_is_one_token_with_its_space() -> None:
    assert [bpe().token_text(token_id) for token_id in bpe().encode("\n the answer the")] == ["\n", " the", " answer", " the"]


@pytest.mark.parametrize("ending", ["\n", "\n\n", ":\n", ".\n\n"])
def test_text_that_ends_in_line_breaks_has_the_ids_it_has_in_running_text(ending: str) -> None:
    # What makes a prompt and a completion, encoded apart, equal to the text encoded at once.
    before, after = f"the answer{ending}", "the result"
    assert bpe().encode(before) + bpe().encode(after) == bpe().encode(before + after)


def test_a_character_tokenizer_takes_its_alphabet_from_the_data() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(), texts=["1+2", "<think>3</think>"])
    assert tokenizer.vocab_size == len("123+") + len(TAGS) + 1
    assert build_tokenizer(CharacterTokenizer(), alphabet="3+12").fingerprint == tokenizer.fingerprint


def test_a_recipe_trains_a_tokenizer_that_knows_its_chat_format() -> None:
    tokenizer = build_tokenizer(BpeTokenizer(vocab_size=300), texts=CORPUS)
    assert tokenizer.chat_template is not None
    assert [tokenizer.token_text(token_id) for token_id in tokenizer.stop_ids] == ["<|endoftext|>", "<|im_end|>"]
    assert tokenizer.pad_id == tokenizer.eos_id


def test_a_recipe_takes_a_tokenizer_from_a_folder(tmp_path: object) -> None:
    bpe().save(str(tmp_path))
    assert build_tokenizer(FolderTokenizer(path=str(tmp_path))).fingerprint == bpe().fingerprint


def test_a_recipe_says_which_kind_of_tokenizer() -> None:
    adapter: TypeAdapter[object] = TypeAdapter(TokenizerConfig)
    assert adapter.validate_python({"type": "bpe", "vocab_size": 512}) == BpeTokenizer(vocab_size=512)
    assert adapter.validate_python({"type": "folder", "path": "x"}) == FolderTokenizer(path="x")
    for wrong in ({"type": "wordpiece"}, {"type": "bpe", "vocab_size": 100}, {"type": "characters", "path": "x"}):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_what_cannot_be_a_vocabulary_is_refused() -> None:
    with pytest.raises(DataError, match="less than 256 bytes"):
        train_bpe(CORPUS, vocab_size=258, special_tokens=SPECIAL)
    with pytest.raises(DataError, match=r"text 1: character 1 is a lone surrogate \(U\+DC00\)"):
        train_bpe(["fine", "x\udc00"], vocab_size=300, special_tokens=SPECIAL)
    with pytest.raises(DataError, match="is not a character"):
        characters(["a", "bc"], special_tokens=SPECIAL)
    with pytest.raises(DataError, match="'' is not a character"):
        characters(["a", ""], special_tokens=SPECIAL)
    with pytest.raises(DataError, match="'a' is in the vocabulary already"):
        characters("abc", special_tokens=SpecialTokens(tags=("a",), eos="<eos>"))
    with pytest.raises(DataError, match="cannot be a tag and a control token"):
        characters("abc", special_tokens=SpecialTokens(tags=("<x>",), eos="<x>"))
    with pytest.raises(DataError, match="cannot be empty"):
        characters("abc", special_tokens=SpecialTokens(eos=""))


def test_the_text_floor_loads_without_torch() -> None:
    program = (
        "import sys, reasonforge.text.render, reasonforge.text.train; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
