"""Whose words are whose in tool-integrated text."""

from __future__ import annotations

from reasonforge.core.records import Message
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.fences import split_outputs
from reasonforge.text.layout import build_layout
from reasonforge.text.render import render_example
from reasonforge.text.train import build_tokenizer

TOLD = "```python\nprint(1)\n```\n```output\n1\n```\nso 1"


def test_a_demonstration_teaches_no_tool_output() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(), alphabet="abcdefghijklmnopqrstuvwxyz0123456789 ()`\n")
    layout = build_layout(TemplateConfig(), tokenizer)
    ids, mask = render_example([Message("user", "q"), Message("assistant", TOLD)], tokenizer, layout)
    learned = tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m], skip_special=True)
    assert learned == TOLD.replace("1\n```\nso", "so")
    assert TOLD in tokenizer.decode(ids)


def test_nothing_is_lost_by_cutting() -> None:
    for text in ("", TOLD, TOLD * 2, "```output\n", "```output\nnever closed", "```output\n1\n```", "plain"):
        assert "".join(part for part, _ in split_outputs(text)) == text


def test_an_output_that_is_never_closed_is_the_assistants_own() -> None:
    assert all(own for _, own in split_outputs("```output\n42"))
