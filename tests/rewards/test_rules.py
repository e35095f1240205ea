"""Rules that look at text and length alone."""

from __future__ import annotations

import time

import pytest

from reasonforge.rewards.rules import keeps_format, language_share, length_rewards, overlong_penalty, repeated_share
from tests.oracle import cases


@pytest.mark.parametrize("example", cases("rewards", prefix="lang_"), ids=lambda example: example.id)
def test_the_language_share_matches_the_worked_examples(example) -> None:  # type: ignore[no-untyped-def]
    found = language_share(example.inputs["text"], example.inputs["target"])
    assert found == pytest.approx(example.expected["reward"], abs=example.tolerance)


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("我们 so $x \\text{is} y$ 好", "zh", 3 / 4),
        ("好 \\(a b\\) \\[c d\\] $$e f$$ ```python\nprint\n```", "zh", 1.0),
        ("\\frac{1}{2} 好", "zh", 1.0),
        ("好 `print(x)` 好", "zh", 1.0),
        ("好 ```python\nx = `a` + '$'\n``` 好 word", "zh", 2 / 3),
        ("好 \\begin{align*} a &= b c \\\\ d \\end{align*} 好 word", "zh", 2 / 3),
        ("好 \\begin{align*} a never ends", "zh", 1 / 4),
        ("<think>我们</think>the answer", "zh", 1.0),
        ("<think>so</think><answer>好</answer>", "en", 1.0),
        ("это слово word", "ru", 2 / 3),
        ("これは word", "ja", 3 / 4),
        ("그것은 word", "ko", 1 / 2),
        ("déjà vu", "fr", 1.0),
        ("costs $5", "en", 1.0),
    ],
)
def test_only_words_of_prose_count(text: str, language: str, share: float) -> None:
    assert language_share(text, language) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<think>a</think>so 4", True),
        ("<think>a</think>", False),
        ("<think>a</think>\n ", False),
        ("a</think>4", False),
        ("4", False),
        ("<think>a</think>4<think>b</think>", False),
        ("so <think>a</think>4", False),
    ],
)
def test_the_think_form_is_thinking_once_and_then_an_answer(text: str, kept: bool) -> None:
    assert keeps_format(text, "think") is kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<think>a</think>\\boxed{4}", True),
        ("<think>\\boxed{3}</think>\\boxed{4}", True),
        ("<think>\\boxed{3}</think>4", False),
        ("<think>a</think>\\boxed{4} or \\boxed{5}", False),
        ("<think>a</think>\\boxed{4", False),
        ("\\boxed{4}", False),
    ],
)
def test_the_think_boxed_form_has_one_box_in_the_answer(text: str, kept: bool) -> None:
    assert keeps_format(text, "think_boxed") is kept


def test_an_end_of_turn_behind_the_form_does_not_break_it() -> None:
    assert keeps_format("<think>a</think><answer>b</answer><|im_end|>", "think_answer")
    assert not keeps_format("<think>a</think><answer>b</answer> and more<|im_end|>", "think_answer")


def test_a_tag_that_stands_in_the_prompt_must_not_be_written_again() -> None:
    assert keeps_format("a</think>4", "think", think_in_prompt=True)
    assert not keeps_format("<think>a</think>4", "think", think_in_prompt=True)


@pytest.mark.parametrize(
    ("text", "ngram", "share"),
    [("a b c d", 2, 0.0), ("a a a a", 1, 0.75), ("a b a b a b", 2, 0.6), ("我们我们我", 2, 0.5), ("a", 4, 0.0), ("", 1, 0.0)],
)
def test_the_repeated_share_counts_what_occurred_before(text: str, ngram: int, share: float) -> None:
    assert repeated_share(text, ngram=ngram) == pytest.approx(share)


@pytest.mark.parametrize("example", cases("dapo", prefix="overlong"), ids=lambda example: example.id)
def test_the_overlong_penalty_matches_the_worked_examples(example) -> None:  # type: ignore[no-untyped-def]
    given = example.inputs
    found = [overlong_penalty(n, max_tokens=given["L_max"], cache_tokens=given["L_cache"]) for n in given["lengths"]]
    assert found == pytest.approx(next(iter(example.expected.values())), abs=example.tolerance)


def test_a_short_right_completion_earns_most_and_a_wrong_one_never_earns() -> None:
    assert length_rewards([10, 20, 30, 10, 30], [True, True, True, False, False]) == [0.5, 0.0, -0.5, 0.0, -0.5]
    assert length_rewards([7, 7], [True, False]) == [0.0, 0.0]
    assert length_rewards([], []) == []


HOSTILE = [
    "\\(" * 100_000,
    "$" * 200_001,
    "```" * 100_000,
    "`" * 200_001,
    "<think>" * 50_000,
    "\\[ a" * 50_000,
    "\\begin{" * 30_000,
    "\\begin{a}" * 30_000,
    "a" * 300_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:8])
def test_rules_are_quick_on_hostile_text(text: str) -> None:
    start = time.process_time()
    language_share(text, "zh")
    repeated_share(text, ngram=4)
    for style in ("think_answer", "think", "think_boxed", "boxed"):
        keeps_format(text, style)
    assert time.process_time() - start < 5  # quadratic rules take minutes
