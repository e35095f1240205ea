"""Where the answer stands: thinking is cut, the last declaration wins, nothing is guessed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.verify.extract import MAX_TEXT_CHARS, answer_section, extract_answer, last_boxed, strip_end_marker

EXTRACTED = {
    r"\boxed{5}": "5",
    r"so \boxed{\frac{1}{2}}.": r"\frac{1}{2}",
    r"\boxed{1} then \boxed{2}": "2",
    r"\boxed{2} then \boxed{3": "2",
    r"\fbox{5}": "5",
    r"\boxed {5}": "5",
    r"\boxed 5": "5",
    r"\boxed{\boxed{5}}": "5",
    r"\boxed{\text{The set } \{1\}}": r"\text{The set } \{1\}",
    r"f = { open \boxed{5}": "5",
    r"<think>\boxed{7}</think>\boxed{5}": "5",
    r"a</think>b</think>\boxed{5}": "5",
    r"7</think>The answer is 5.": "5",
    "<think>x</think><answer>5</answer>": "5",
    "<answer>4</answer> no, <answer> 5 </answer>": "5",
    r"<answer>\boxed{5}</answer>": "5",
    r"\boxed{4} <answer>5</answer>": "5",
    r"<answer>4</answer> \boxed{5}": "5",
    "9 * 2 = 18\n#### 18": "18",
    "#### 17\n#### 18\n": "18",
    "#### 1. Setting up\nThe answer is 5": "5",
    "#### Step 2\n#### 18": "18",
    "The answer is 18 dollars. Done.": "18 dollars",
    "the final answer is: $\\frac{3}{4}$.": "$\\frac{3}{4}$",
    "**Answer: 18**": "18",
    "The answer is 3.14": "3.14",
    "The answer is 5\nand that is that": "5",
    "答案：5": "5",
    "最终答案是5。": "5",
    "所以答案为 12元。完": "12元",
    "故选C。": "C",
    "【答案】B": "B",
    r"\boxed{5}<|im_end|>": "5",
    "The answer is 5</s>": "5",
}

NO_ANSWER = [
    "",
    " \n\t",
    "18",
    "so it is 18.",
    "<think>so \\boxed{5}",
    "<think>a</think><think>\\boxed{5}",
    "\\boxed{5}</think>",
    "<think>\\boxed{5}</think>",
    "<answer>5",
    "5</answer>",
    "\\boxed{}",
    "\\boxed{ }",
    "\\boxed{5",
    "boxed{5}",
    "\\boxed",
    "#### ",
    "#### none",
    "####5 apples or 6",
    "The answer is",
    "the answers vary",
]


@pytest.mark.parametrize(("text", "expected"), EXTRACTED.items())
def test_the_declared_answer_is_found(text: str, expected: str) -> None:
    assert extract_answer(text) == expected


@pytest.mark.parametrize("text", NO_ANSWER)
def test_where_nothing_is_declared_nothing_is_guessed(text: str) -> None:
    assert extract_answer(text) is None


def test_text_after_the_last_closing_tag_is_the_answer_section() -> None:
    assert answer_section("a</think>b</think>c") == "c"
    assert answer_section("plain") == "plain"
    assert answer_section("<think>never ends") is None
    assert answer_section("<think>a</think>b<think>again") is None


def test_end_markers_are_stripped_and_other_tags_are_not() -> None:
    assert strip_end_marker("x<|im_end|>\n<|endoftext|> ") == "x"
    assert strip_end_marker("x<eos><eos>") == "x"
    assert strip_end_marker("x</answer>") == "x</answer>"
    assert strip_end_marker("<eos>x") == "<eos>x"


@given(st.text(alphabet="\\boxed{}fbox 15$", max_size=80))
def test_a_box_is_balanced_and_really_there(text: str) -> None:
    content = last_boxed(text)
    if content is not None:
        assert content in text
        bare = content.replace("\\\\", "").replace("\\{", "").replace("\\}", "")
        assert bare.count("{") == bare.count("}")


@given(st.text(max_size=300), st.from_regex(r"[0-9]{1,5}", fullmatch=True))
def test_a_box_at_the_end_is_the_answer_whatever_stands_before(text: str, answer: str) -> None:
    assert last_boxed(f"{text} \\boxed{{{answer}}}") == answer or text.rstrip().endswith("\\")


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 20_000,
        "\\boxed{" * 20_000 + "}" * 20_000,
        "{" * 50_000 + "}" * 50_000,
        "$" * 200_000,
        "<think>" * 50_000,
        "</think>" * 50_000,
        "<answer>" * 50_000,
        "#### 5\n" * 60_000,
        "the answer is " * 30_000,
        "\\boxed 1 " * 50_000,
        " " * 400_000,
        "\\" * 400_000,
        "12345.678 + " * 40_000,
        "<|" * 200_000,
        "\ud800" * 1_000 + "\x00",
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    assert len(text) <= MAX_TEXT_CHARS
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 1.0
