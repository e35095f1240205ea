"""A saved tokenizer is the same tokenizer in transformers: ids, text, control tokens and conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.records import Message
from reasonforge.text.config import TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.render import render_example, render_prompt
from reasonforge.text.tokenizer import Tokenizer
from tests.text.samples import TEMPLATES, bpe, letters

transformers = pytest.importorskip("transformers")

TEXTS = ["The sum of 12 and 30 is 42.", "<think>1+1</think><answer>2</answer>", "数学 ответ é\n\n  x\t", "", " lead", "2024-01-01"]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    def through_disk(name: str, tokenizer: Tokenizer) -> Any:
        folder: Path = tmp_path_factory.mktemp(name)
        tokenizer.save(folder)
        return transformers.AutoTokenizer.from_pretrained(folder)

    return {"letters": through_disk("letters", letters()), **{name: through_disk(name, bpe(name)) for name in TEMPLATES}}


@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_text_agree(theirs: dict[str, Any], text: str) -> None:
    ids = theirs["chatml"].encode(text, add_special_tokens=False)
    assert bpe().encode(text) == ids
    assert theirs["chatml"].decode(ids) == bpe().decode(ids) == text


def test_characters_agree(theirs: dict[str, Any]) -> None:
    text = "<think>12+30=42</think>\n<answer>42</answer>"
    ids = theirs["letters"].encode(text, add_special_tokens=False)
    assert letters().encode(text) == ids
    assert theirs["letters"].decode(ids) == text


def test_control_strings_agree_in_trusted_text(theirs: dict[str, Any]) -> None:
    text = "a<|im_end|>\n<|im_start|> <|endoftext|>"
    assert bpe().encode(text, special=True) == theirs["chatml"].encode(text, add_special_tokens=False)
    ids = bpe().encode(text, special=True)
    assert bpe().decode(ids, skip_special=True) == theirs["chatml"].decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", ["letters", *TEMPLATES])
def test_vocabulary_and_special_ids_agree(theirs: dict[str, Any], name: str) -> None:
    ours = letters() if name == "letters" else bpe(name)
    their = theirs[name]
    assert (len(their), their.eos_token_id, their.bos_token_id, their.pad_token_id) == (
        ours.vocab_size,
        ours.eos_id,
        ours.bos_id,
        ours.pad_id,
    )


CONVERSATIONS = [
    [("user", "What is 12 + 30?")],
    [("system", "Be brief."), ("user", "What is 12 + 30?")],
    [("user", " padded \n"), ("assistant", "First answer."), ("user", "数学?\n\nreally")],
]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=["one", "system", "dialogue"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_agree(theirs: dict[str, Any], name: str, conversation: list[tuple[str, str]]) -> None:
    ours = render_prompt([Message(*turn) for turn in conversation], bpe(name), build_layout(TemplateConfig(name="chat"), bpe(name)))  # type: ignore[arg-type]
    turns = [{"role": role, "content": content} for role, content in conversation]
    their = theirs[name].apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert bpe(name).decode(ours) == theirs[name].decode(their)
    assert ours == their


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=["one", "system", "dialogue"])
@pytest.mark.parametrize("name", ["chatml", "llama", "qwen25"])
def test_examples_agree(theirs: dict[str, Any], name: str, conversation: list[tuple[str, str]]) -> None:
    # Qwen3's and R1's templates write a thought of their own before the last answer; ours is what the prompt leads to.
    conversation = [*conversation, ("assistant", "The answer is 42.")]
    ours = render_example([Message(*turn) for turn in conversation], bpe(name), build_layout(TemplateConfig(name="chat"), bpe(name)))  # type: ignore[arg-type]
    turns = [{"role": role, "content": content} for role, content in conversation]
    assert ours.token_ids == theirs[name].apply_chat_template(turns, tokenize=True, return_dict=False)


def test_a_thinking_example_agrees_with_qwen3(theirs: dict[str, Any]) -> None:
    conversation = [("user", "12 + 30?"), ("assistant", "<think>\nadd\n</think>\n\n42")]
    layout = build_layout(TemplateConfig(name="chat"), bpe("qwen3"))
    ours = render_example([Message(*turn) for turn in conversation], bpe("qwen3"), layout)  # type: ignore[arg-type]
    turns = [{"role": role, "content": content} for role, content in conversation]
    assert ours.token_ids == theirs["qwen3"].apply_chat_template(turns, tokenize=True, return_dict=False)
