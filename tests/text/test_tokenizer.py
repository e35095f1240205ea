"""Encoding, decoding, and what a tokenizer folder may get wrong."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, processors
from tokenizers import Tokenizer as Backend

from reasonforge.core.errors import DataError
from reasonforge.text.tokenizer import Tokenizer
from tests.text.samples import LLAMA, TAGS, bpe, letters

CONTROL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>"]

# Any text that is text: no lone surrogates.
any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
# Text that tries to be control tokens.
hostile_text = st.lists(st.sampled_from([*CONTROL, *TAGS, "<|", "|>", "im_end", "<", " ", "a", "7"])).map("".join)


@given(any_text)
def test_any_text_round_trips_exactly(text: str) -> None:
    assert bpe().decode(bpe().encode(text)) == text


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "👩‍👩‍👧", "שלום 123 مرحبا", "e\u0301 é", "\ufeffx", "\r\n\t  \n", "𝔘𝔫", "\u2028", " " * 500, "数学"]
)
def test_awkward_text_round_trips_exactly(text: str) -> None:
    assert bpe().decode(bpe().encode(text)) == text


@given(hostile_text)
def test_untrusted_text_never_yields_a_control_token(text: str) -> None:
    ids = bpe().encode(text, special=False)
    assert bpe().control_ids.isdisjoint(ids)
    assert bpe().decode(ids) == text


@given(hostile_text)
def test_trusted_text_round_trips_and_counts_its_control_tokens(text: str) -> None:
    ids = bpe().encode(text, special=True)
    assert sum(token_id in bpe().control_ids for token_id in ids) == sum(text.count(token) for token in CONTROL)
    assert bpe().decode(ids) == text


@given(hostile_text)
def test_splitting_at_control_tokens_loses_nothing(text: str) -> None:
    pieces = bpe().split_control(text)
    assert "".join(piece if isinstance(piece, str) else bpe().token_text(piece) for piece in pieces) == text
    assert [p for p in pieces if isinstance(p, int)] == [i for i in bpe().encode(text, special=True) if i in bpe().control_ids]


@pytest.mark.parametrize("special", [True, False])
def test_a_tag_is_one_token_and_is_read_as_text(special: bool) -> None:
    for tokenizer in (bpe(), letters()):
        ids = tokenizer.encode("<think>1+2</think>", special=special)
        assert len(ids) == 5
        assert tokenizer.decode(ids, skip_special=True) == "<think>1+2</think>"


def test_skipping_special_tokens_leaves_out_control_tokens_only() -> None:
    ids = bpe().encode("<think>x<|im_end|>", special=True)
    assert bpe().decode(ids, skip_special=True) == "<think>x"


@given(st.lists(st.integers(0, bpe().vocab_size - 1)))
def test_any_ids_decode(ids: list[int]) -> None:
    assert isinstance(bpe().decode(ids), str)


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    first, *_ = bpe().encode("𝔘")
    assert bpe().decode([first]) == "\ufffd"


@given(any_text)
def test_a_growing_prefix_decodes_to_a_growing_text(text: str) -> None:
    ids = bpe().encode(text)
    for end in range(len(ids)):
        assert text.startswith(bpe().decode(ids[:end]).rstrip("\ufffd"))


@pytest.mark.parametrize("wrong", [-1, 400, 2**31, 2**70])
def test_an_id_outside_the_vocabulary_is_refused(wrong: int) -> None:
    with pytest.raises(DataError, match=f"id {wrong} names no token"):
        bpe().decode([0, wrong, 1])


def test_an_id_in_a_hole_of_the_vocabulary_is_refused(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"]["far"] = 1000
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.vocab_size == 1001
    assert tokenizer.decode([1000]) == "far"
    with pytest.raises(DataError, match="id 999 names no token"):
        tokenizer.decode([999])


def test_a_lone_surrogate_is_named() -> None:
    with pytest.raises(DataError, match=r"character 2 is a lone surrogate \(U\+D83D\)"):
        bpe().encode("ab\ud83dc")


def test_a_character_outside_the_alphabet_is_named() -> None:
    with pytest.raises(
        DataError, match=r"character 8 \('t', U\+0074\) is not in the vocabulary: this model's tokenizer knows only its own alphabet"
    ):
        letters().encode("<think>1t</think>")


def test_a_control_string_in_text_is_outside_a_characters_alphabet() -> None:
    with pytest.raises(DataError, match=r"character 1 \('<'"):
        letters().encode("1<eos>", special=False)
    assert letters().encode("1<eos>", special=True)[-1] == letters().eos_id


def test_a_batch_encodes_like_its_texts() -> None:
    texts = ["one 1", "", "<|im_end|> two", "<think>"]
    for special in (True, False):
        assert bpe().encode_batch(texts, special=special) == [bpe().encode(text, special=special) for text in texts]
    with pytest.raises(DataError, match="lone surrogate"):
        bpe().encode_batch(["fine", "\udc00"])


def test_threads_with_different_trust_do_not_disturb_each_other() -> None:
    text = "a<|im_end|>b" * 20
    expected = {special: bpe().encode(text, special=special) for special in (True, False)}
    flags = [True, False] * 200
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda special: bpe().encode(text, special=special), flags)) == [expected[flag] for flag in flags]


def test_a_model_with_too_few_rows_is_refused() -> None:
    bpe().check_fits(bpe().vocab_size)
    bpe().check_fits(bpe().vocab_size + 64)
    with pytest.raises(DataError, match="embedding has 10 rows"):
        bpe().check_fits(10)


def test_a_saved_tokenizer_loads_equal(tmp_path: Path) -> None:
    for tokenizer in (bpe(), bpe("llama"), letters()):
        tokenizer.save(tmp_path)
        loaded = Tokenizer.load(tmp_path)
        assert loaded.fingerprint == tokenizer.fingerprint
        facts = ("vocab_size", "eos_id", "bos_id", "pad_id", "stop_ids", "control_ids", "chat_template", "adds_bos")
        assert [getattr(loaded, name) for name in facts] == [getattr(tokenizer, name) for name in facts]


def test_another_chat_template_is_another_fingerprint() -> None:
    assert bpe("chatml").fingerprint != bpe("qwen25").fingerprint


def edit(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **changes}))


def test_special_tokens_are_read_from_wherever_they_are_stated(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    edit(tmp_path, "tokenizer_config.json", eos_token={"content": "<|im_end|>", "special": True}, pad_token=None)
    edit(tmp_path, "special_tokens_map.json", pad_token="<|endoftext|>")
    edit(tmp_path, "generation_config.json", eos_token_id=[bpe().encode("<|eot_id|>", special=True)[0]])
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert [loaded.token_text(token_id) for token_id in loaded.stop_ids] == ["<|im_end|>", "<|eot_id|>"]


def test_a_named_token_is_control_even_if_the_file_does_not_flag_it(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    edit(tmp_path, "tokenizer_config.json", eos_token="<think>")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.eos_id not in loaded.encode("<think>", special=False)


def test_tokens_listed_only_in_the_configuration_are_added_under_their_id(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    edit(tmp_path, "tokenizer_config.json", added_tokens_decoder={"400": {"content": "<|late|>", "special": True}})
    loaded = Tokenizer.load(tmp_path)
    assert loaded.encode("<|late|>", special=True) == [400]
    assert 400 not in loaded.encode("<|late|>", special=False)
    edit(tmp_path, "tokenizer_config.json", added_tokens_decoder={"777": {"content": "<|late|>", "special": True}})
    with pytest.raises(DataError, match="should be id 777 but is 400"):
        Tokenizer.load(tmp_path)


def test_a_separate_template_file_wins(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(LLAMA)
    assert Tokenizer.load(tmp_path).chat_template == LLAMA
    bpe().save(tmp_path)
    assert Tokenizer.load(tmp_path).chat_template == bpe().chat_template


def test_the_default_of_several_named_templates_is_taken(tmp_path: Path) -> None:
    bpe().save(tmp_path)
    edit(tmp_path, "tokenizer_config.json", chat_template=[{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}])
    assert Tokenizer.load(tmp_path).chat_template == "d"


def test_truncation_and_padding_in_the_file_cut_nothing(tmp_path: Path) -> None:
    backend = Backend.from_str(letters_json(tmp_path))
    backend.enable_truncation(3)
    backend.enable_padding(length=9)
    backend.save(str(tmp_path / "tokenizer.json"))
    assert len(Tokenizer.load(tmp_path).encode("1+2+3+4")) == 7


def letters_json(folder: Path) -> str:
    letters().save(folder)
    return (folder / "tokenizer.json").read_text()


def test_whether_a_start_token_is_added_is_read_from_the_post_processor(tmp_path: Path) -> None:
    bpe("llama").save(tmp_path)
    edit(tmp_path, "tokenizer_config.json", add_bos_token=None)
    assert not Tokenizer.load(tmp_path).adds_bos
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    bos_id = backend.token_to_id("<|begin|>")
    backend.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", bos_id)])
    backend.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.adds_bos
    assert bos_id not in loaded.encode("text")
    edit(tmp_path, "tokenizer_config.json", add_bos_token=False)
    assert not Tokenizer.load(tmp_path).adds_bos


def test_a_vocabulary_that_spells_control_tokens_itself_is_found_out() -> None:
    # As in some SentencePiece exports: the control string is an ordinary piece that text reaches.
    from tokenizers import models

    backend = Backend(models.WordLevel(vocab={"</s>": 0, "a": 1}))
    backend.add_special_tokens([AddedToken("</s>", special=True, normalized=False)])
    tokenizer = Tokenizer(backend, eos="</s>")
    with pytest.raises(DataError, match="makes the control token '</s>' out of ordinary text"):
        tokenizer.encode("</s>", special=False)
    # The token that closes documents is the very one that the text spells.
    with pytest.raises(DataError, match="makes the control token '</s>' out of ordinary text"):
        tokenizer.encode_closed(["a", "</s>"], end=0)
    assert tokenizer.encode_closed(["a", "a"], end=0)[0].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "no such file"),
        ("tokenizer.json", "", "not a tokenizer"),
        ("tokenizer.json", "{", "not a tokenizer"),
        ("tokenizer.json", "[1, 2]", "not a tokenizer"),
        ("tokenizer.json", '{"version": "1.0"}', "not a tokenizer"),
        ("tokenizer.json", b"\xff\xfe{", "not UTF-8"),
        ("tokenizer_config.json", "{", "not JSON"),
        ("tokenizer_config.json", "[]", "a JSON object is needed"),
        ("tokenizer_config.json", "[" * 100_000, "not JSON"),
        ("tokenizer_config.json", '{"eos_token": "<nowhere>"}', "'<nowhere>' is named as a control token but is not in the vocabulary"),
        ("tokenizer_config.json", '{"chat_template": 3}', "chat_template: text is needed"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "y"}}}', "'x' is not a token"),
        ("special_tokens_map.json", "nonsense", "not JSON"),
        ("generation_config.json", '{"eos_token_id": "2"}', "not a token id"),
    ],
)
def test_a_broken_folder_is_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes | None, message: str) -> None:
    bpe().save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        Tokenizer.load(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        Tokenizer.load(tmp_path / "absent")


def test_closed_rows_are_those_of_a_batch_with_their_end() -> None:
    tokenizer, end = bpe(), bpe().eos_id
    assert end is not None
    texts = ["one 1", "", "<|im_end|> two"]
    ids, lengths = tokenizer.encode_closed(texts, end=end)
    rows = [[*row, end] for row in tokenizer.encode_batch(texts)]
    assert ids.tolist() == [id for row in rows for id in row]
    assert lengths.tolist() == [len(row) for row in rows]
