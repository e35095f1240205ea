"""Conversations to ids and mask: who wrote what, and what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message
from reasonforge.text.config import TemplateConfig
from reasonforge.text.layout import R1_ZERO, ChatLayout, Layout, build_layout
from reasonforge.text.render import render_example, render_prompt, stop_token_ids
from reasonforge.text.template import ChatTemplate
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import SpecialTokens, characters
from tests.text.samples import TEMPLATES, bpe, letters


def turns(*contents: str, system: str | None = None) -> list[Message]:
    dialogue = [Message("assistant" if index % 2 else "user", content) for index, content in enumerate(contents)]
    return dialogue if system is None else [Message("system", system), *dialogue]


def chat(template: str = "chatml") -> tuple[Tokenizer, Layout]:
    return bpe(template), build_layout(TemplateConfig(name="chat"), bpe(template))


def chat_from(source: str) -> Layout:
    return ChatLayout(ChatTemplate(source), bpe())


def text_layout(name: str) -> tuple[Tokenizer, Layout]:
    return bpe(), build_layout(TemplateConfig(name=name), bpe())


EVERY_LAYOUT = {**{name: chat(name) for name in TEMPLATES}, "plain": text_layout("plain"), "r1_zero": text_layout("r1_zero")}

hostile = st.lists(
    st.sampled_from(
        ["<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|im_start|>", "<answer>", "</answer>", "7", " x", "x", "é", "\n", "User:"]
    )
).map("".join)
# Templates may strip messages, and cut thoughts out of earlier turns; that has its own tests below.
stripped = hostile.map(str.strip)


def learned_text(tokenizer: Tokenizer, messages: Sequence[Message], layout: Layout) -> list[str]:
    """The learned stretches of an example, as text."""
    example = render_example(messages, tokenizer, layout)
    stretches: list[list[int]] = []
    for index, (token_id, learned) in enumerate(zip(*example)):
        if learned:
            if index == 0 or not example.loss_mask[index - 1]:
                stretches.append([])
            stretches[-1].append(token_id)
    return [tokenizer.decode(stretch) for stretch in stretches]


def test_a_chat_is_written_as_the_template_says() -> None:
    tokenizer, layout = chat()
    example = render_example(turns("Hi", "Yes", "So?", "No", system="S"), tokenizer, layout)
    assert tokenizer.decode(example.token_ids) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n"
        "<|im_start|>user\nSo?<|im_end|>\n<|im_start|>assistant\nNo<|im_end|>\n"
    )
    assert learned_text(tokenizer, turns("Hi", "Yes", "So?", "No"), layout) == ["Yes<|im_end|>", "No<|im_end|>"]


def test_r1_zero_is_a_dialogue_with_tags() -> None:
    tokenizer, layout = text_layout("r1_zero")
    assert tokenizer.decode(render_prompt(turns("What is 1+1?"), tokenizer, layout)) == f"{R1_ZERO}User: What is 1+1?\nAssistant:"
    assert learned_text(tokenizer, turns("1+1?", "<think>2</think><answer>2</answer>"), layout) == [
        "<think>2</think><answer>2</answer><|endoftext|>"
    ]
    shots = tokenizer.decode(render_prompt(turns("a", "b", "c"), tokenizer, layout))
    assert shots == f"{R1_ZERO}User: a\nAssistant:b<|endoftext|>\nUser: c\nAssistant:"


def test_plain_is_the_question_alone() -> None:
    layout = build_layout(TemplateConfig(), letters())
    assert render_prompt(turns("1+2="), letters(), layout) == letters().encode("1+2=")
    example = render_example(turns("1+2=", "3"), letters(), layout)
    assert letters().decode(example.token_ids) == "1+2=3<eos>"
    assert example.loss_mask == [False] * 4 + [True] * 2


def test_system_and_instruction_come_from_the_recipe() -> None:
    config = TemplateConfig(name="chat", system="Be brief.", answer_instruction="Box it.")
    layout = build_layout(config, bpe())
    text = bpe().decode(render_prompt(turns("a", "b", "c"), bpe(), layout))
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na\nBox it.<|im_end|>")
    assert "c\nBox it.<|im_end|>" in text
    assert "b\nBox" not in text
    own = bpe().decode(render_prompt(turns("a", system="Mine."), bpe(), layout))
    assert "Mine." in own
    assert "brief" not in own
    plain = build_layout(TemplateConfig(system="Be brief."), bpe())
    assert bpe().decode(render_prompt(turns("a"), bpe(), plain)) == "Be brief.\n\na"


@pytest.mark.parametrize("name", EVERY_LAYOUT)
@settings(max_examples=40)
@given(question=stripped, answer=hostile, more=st.lists(st.tuples(stripped, stripped), max_size=2))
def test_a_prompt_is_a_prefix_of_its_example(name: str, question: str, answer: str, more: list[tuple[str, str]]) -> None:
    tokenizer, layout = EVERY_LAYOUT[name]
    earlier = [content for pair in more for content in pair]
    prompt = render_prompt(turns(*earlier, question), tokenizer, layout)
    example = render_example(turns(*earlier, question, answer), tokenizer, layout)
    assert example.token_ids[: len(prompt)] == prompt
    after = tokenizer.encode(answer)
    # The answer's own ids follow, then what ends the turn: what a sampler would have produced, in place.
    assert example.token_ids[len(prompt) : len(prompt) + len(after)] == after
    assert all(example.loss_mask[len(prompt) : len(prompt) + len(after) + 1])
    assert example.token_ids[len(prompt) + len(after)] == stop_token_ids(tokenizer, layout)[0]
    assert not any(example.loss_mask[len(prompt) + len(after) + 1 :])


@pytest.mark.parametrize("name", EVERY_LAYOUT)
@settings(max_examples=40)
@given(contents=st.lists(stripped, min_size=2, max_size=6).filter(lambda contents: len(contents) % 2 == 0))
def test_messages_cannot_write_control_tokens(name: str, contents: list[str]) -> None:
    tokenizer, layout = EVERY_LAYOUT[name]

    def control(messages: list[Message]) -> list[int]:
        return [token_id for token_id in render_example(messages, tokenizer, layout).token_ids if token_id in tokenizer.control_ids]

    assert control(turns(*contents)) == control(turns(*["x"] * len(contents)))


@pytest.mark.parametrize("name", EVERY_LAYOUT)
@settings(max_examples=40)
@given(contents=st.lists(stripped, min_size=2, max_size=6).filter(lambda contents: len(contents) % 2 == 0))
def test_the_mask_covers_the_answers_and_their_ends(name: str, contents: list[str]) -> None:
    tokenizer, layout = EVERY_LAYOUT[name]
    end = tokenizer.token_text(stop_token_ids(tokenizer, layout)[0])
    assert learned_text(tokenizer, turns(*contents), layout) == [answer + end for answer in contents[1::2]]


def test_a_question_joins_the_template_text_around_it() -> None:
    # "User:" + " What" is what a base model has read a million times; "User: " + "What" it has not.
    tokenizer, layout = text_layout("r1_zero")
    ids = render_prompt(turns("the question"), tokenizer, layout)
    assert ids == tokenizer.encode(f"{R1_ZERO}User: the question\nAssistant:")


def test_template_halves_and_question_cannot_join_to_a_control_token(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("<|im_{prompt}|>")
    layout = build_layout(TemplateConfig(name=str(path)), bpe())
    assert bpe().control_ids.isdisjoint(render_prompt(turns("end"), bpe(), layout))


def test_a_template_that_strips_messages_is_followed() -> None:
    tokenizer, layout = chat("llama")
    text = tokenizer.decode(render_prompt(turns("  a \n", " b ", "\tc"), tokenizer, layout))
    assert text == (
        "<|begin|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    strips = {"lstrip()": "a \n", "rstrip()": "  a", "strip('\\n')": "  a ", "strip()": "a"}
    for strip, expected in strips.items():
        layout = chat_from("{% for m in messages %}{{ '[' + m.content." + strip + " + ']' }}{% endfor %}")
        assert bpe().decode(render_prompt(turns("  a \n"), bpe(), layout)) == f"[{expected}]"


def test_what_the_sampler_wrote_is_not_stripped() -> None:
    tokenizer, layout = chat("llama")
    assert learned_text(tokenizer, turns("a", " b \n"), layout) == [" b \n<|eot_id|>"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "rewrites what the messages say"),
        ("{% for m in messages %}{{ m.content.replace('a', 'b') }}{% endfor %}", "rewrites what the messages say"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "shows the user message 2 times in its place"),
        ("{{ messages[-1].content }}", "shows the user message 0 times"),
        ("{% for m in messages[::-1] %}{{ m.content }}{% endfor %}", "shows the assistant message 0 times"),
        ("{% for m in messages %}{{ m.content | list }}{% endfor %}", "shows the user message 0 times"),
        ("{% for m in messages %}{{ m.content | length }}{% endfor %}", "shows the user message 0 times"),
    ],
)
def test_a_template_that_rewrites_messages_is_refused(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        render_prompt(turns("a question", "b", "a"), bpe(), chat_from(source))


def test_thinking_that_a_template_would_cut_from_earlier_turns_is_refused_there_and_kept_at_the_end() -> None:
    tokenizer, layout = chat("qwen3")
    thought = "<think>\nwell\n</think>\n\nyes"
    assert learned_text(tokenizer, turns("a", thought), layout) == [f"{thought}<|im_end|>"]
    assert learned_text(tokenizer, turns("a", "yes", "b", thought), layout) == ["yes<|im_end|>", f"{thought}<|im_end|>"]
    with pytest.raises(DataError, match="dropping the thinking of earlier turns"):
        render_prompt(turns("a", thought, "b"), tokenizer, layout)


def test_a_prompt_that_opens_the_thinking_does_not_open_it_twice() -> None:
    tokenizer, layout = chat("r1")
    assert learned_text(tokenizer, turns("a", "<think>\nwell</think>yes"), layout) == ["well</think>yes<|endoftext|>"]
    assert learned_text(tokenizer, turns("a", "well</think>yes"), layout) == ["well</think>yes<|endoftext|>"]
    whole = tokenizer.decode(render_example(turns("a", "<think>\nwell</think>yes"), tokenizer, layout).token_ids)
    assert whole == "<|begin|><|User|>a<|Assistant|><think>\nwell</think>yes<|endoftext|>"


def test_template_variables_reach_the_template() -> None:
    layout = build_layout(TemplateConfig(name="chat", variables={"enable_thinking": False}), bpe("qwen3"))
    prompt = bpe("qwen3").decode(render_prompt(turns("a"), bpe("qwen3"), layout))
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def role_and_content(end: str) -> Layout:
    opening = "{% if add_generation_prompt %}assistant: {% endif %}"
    return chat_from("{% for m in messages %}{{ m.role + ': ' + m.content + '" + end + "' }}{% endfor %}" + opening)


def test_a_template_without_an_end_of_turn_gets_the_end_of_text() -> None:
    layout = role_and_content(end="\\n")
    assert learned_text(bpe(), turns("a", "b"), layout) == ["b\n<|endoftext|>"]
    assert stop_token_ids(bpe(), layout)[0] == bpe().eos_id


def test_what_stands_between_the_answer_and_its_end_token_is_learned() -> None:
    # A sampler has to write it too before it can stop.
    assert learned_text(bpe(), turns("a", "b"), role_and_content(end="\\n<|im_end|>\\n")) == ["b\n<|im_end|>"]


def test_a_start_token_is_written_where_the_tokenizer_adds_one() -> None:
    bos = characters("12+=", special_tokens=SpecialTokens(eos="<eos>", bos="<bos>"))
    assert render_prompt(turns("1+1="), bos, build_layout(TemplateConfig(), bos))[0] != bos.bos_id
    adding = Tokenizer(bos._with_control, eos="<eos>", bos="<bos>", adds_bos=True)
    assert render_prompt(turns("1+1="), adding, build_layout(TemplateConfig(), adding))[0] == adding.bos_id


def test_stop_tokens_are_the_end_of_turn_and_the_tokenizers_own() -> None:
    names = {name: [tok.token_text(i) for i in stop_token_ids(tok, layout)] for name, (tok, layout) in EVERY_LAYOUT.items()}
    assert names["chatml"] == ["<|im_end|>", "<|endoftext|>"]
    assert names["llama"] == ["<|eot_id|>", "<|endoftext|>", "<|im_end|>"]
    assert names["plain"] == ["<|endoftext|>", "<|im_end|>"]


def test_a_text_template_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Q: {prompt}\nA: <think>\n")
    layout = build_layout(TemplateConfig(name=str(path)), bpe())
    assert bpe().decode(render_prompt(turns("why?"), bpe(), layout)) == "Q: why?\nA: <think>"
    assert learned_text(bpe(), turns("why?", "<think>so</think>"), layout) == ["so</think><|endoftext|>"]


def test_templates_that_cannot_work_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("no place")
    (tmp_path / "two.txt").write_text("{prompt} {prompt}")
    (tmp_path / "binary.txt").write_bytes(b"\xff{prompt}")
    for name, message in [
        ("none.txt", "contains {prompt} 0 times"),
        ("two.txt", "contains {prompt} 2 times"),
        ("binary.txt", "not UTF-8"),
        ("absent.txt", "No such file"),
        ("", "cannot read"),
    ]:
        with pytest.raises(DataError, match=message):
            build_layout(TemplateConfig(name=str(tmp_path / name)), bpe())
    with pytest.raises(DataError, match="needs a tokenizer with a chat template"):
        build_layout(TemplateConfig(name="chat"), letters())
    with pytest.raises(DataError, match='"variables" has no effect'):
        build_layout(TemplateConfig(name="plain", variables={"x": 1}), bpe())


def test_conversations_that_cannot_be_rendered_are_refused() -> None:
    tokenizer, layout = text_layout("plain")
    for render, messages, message in [
        (render_prompt, [], "no question"),
        (render_prompt, [Message("system", "s")], "no question"),
        (render_prompt, turns("a", "b"), "its last message is the assistant's"),
        (render_example, turns("a"), "ends with the assistant's turn"),
        (render_prompt, [Message("user", "a"), Message("user", "b")], "user and assistant in turn"),
        (render_prompt, [Message("tool", "a")], "user and assistant in turn"),
        (render_prompt, [*turns("a", "b"), Message("system", "s"), Message("user", "c")], "user and assistant in turn"),
    ]:
        with pytest.raises(DataError, match=message):
            render(messages, tokenizer, layout)
    endless = characters("ab", special_tokens=SpecialTokens())
    with pytest.raises(DataError, match="no end-of-text token"):
        render_example(turns("a", "b"), endless, build_layout(TemplateConfig(), endless))


def test_tool_messages_go_through_a_chat_template() -> None:
    tokenizer, layout = chat()
    messages = [Message("user", "2+2?"), Message("assistant", "call"), Message("tool", "4<|im_end|>")]
    ids = render_prompt(messages, tokenizer, layout)
    assert "<|im_start|>tool\n4<|im_end|><|im_end|>\n" in tokenizer.decode(ids)
    assert sum(tokenizer.token_text(token_id) == "<|im_end|>" for token_id in ids) == 3
