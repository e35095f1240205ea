"""Rules that look at a completion's text and length alone. Pure, linear in the text, whatever the text is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reasonforge.rewards.config import FormatStyle
from reasonforge.verify.extract import last_boxed, strip_end_marker

_TAG = re.compile(r"</?(?:think|answer)>")
_LATEX_COMMAND = re.compile(r"\\[A-Za-z]+")
_LATEX_ENVIRONMENT = re.compile(r"\\(begin|end)[ \t]*\{[^{}\n]{0,40}\}")
_SPANS = (("```", "```"), ("`", "`"), ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("\\begin", "\\end"))
"""Code and mathematics, in this order: a dollar inside code opens nothing."""
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA = "\u3040-\u30ff\u31f0-\u31ff"
_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_CYRILLIC, _GREEK, _HANGUL, _ARABIC = "\u0400-\u052f", "\u0370-\u03ff\u1f00-\u1fff", "\uac00-\ud7af\u1100-\u11ff", "\u0600-\u06ff"
_SCRIPTS = {"latin": _LATIN, "cyrillic": _CYRILLIC, "greek": _GREEK, "hangul": _HANGUL, "arabic": _ARABIC}
_WORD = re.compile("|".join([f"(?P<han>[{_HAN}])", f"(?P<kana>[{_KANA}])", *(f"(?P<{n}>[{s}]+)" for n, s in _SCRIPTS.items())]))
_SCRIPTS_OF = {
    "zh": ("han",),
    "ja": ("han", "kana"),
    "ko": ("hangul",),
    "ru": ("cyrillic",),
    "uk": ("cyrillic",),
    "bg": ("cyrillic",),
    "el": ("greek",),
    "ar": ("arabic",),
    "fa": ("arabic",),
}
_TOKEN = re.compile(rf"[{_HAN}{_KANA}]|[^\W{_HAN}{_KANA}]+|[^\w\s]")


def keeps_format(text: str, style: FormatStyle, *, think_in_prompt: bool = False) -> bool:
    """Tell whether a completion keeps a form.

    ``think_answer``: one think section, one answer section that is not empty, nothing else. ``think``: one think section at the start, then
    an answer that is not empty. ``think_boxed``: the same, with exactly one box in the answer. ``boxed``: a balanced box anywhere.

    Args:
        think_in_prompt: the prompt ends with ``<think>``: the completion must not write it again.

    >>> keeps_format("<think>7+1=8</think><answer>8</answer>", "think_answer")
    True
    >>> keeps_format("<answer>8</answer>", "think_answer")
    False

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 2.2: format reward.
    """
    if style == "boxed":
        return last_boxed(text) is not None
    text = strip_end_marker(f"<think>{text}" if think_in_prompt else text.lstrip())  # others' rollouts keep their end-of-turn tokens
    tags = list(_TAG.finditer(text))
    expected = ["<think>", "</think>"] + (["<answer>", "</answer>"] if style == "think_answer" else [])
    if [tag.group() for tag in tags] != expected or tags[0].start() != 0:
        return False
    after = text[tags[1].end() :]
    if style == "think_answer":
        inside = text[tags[2].end() : tags[3].start()]
        return bool(inside.strip()) and not text[tags[1].end() : tags[2].start()].strip() and not text[tags[3].end() :].strip()
    if style == "think_boxed":
        return last_boxed(after) is not None and after.count("\\boxed") == 1
    return bool(after.strip())


def language_share(text: str, language: str) -> float:
    """Return the share of the words of the thinking (of the whole text where nobody thinks) that are in a language; 1 without any word.

    A word is one Chinese or Japanese character or a run of letters of one script. Digits and marks are no words, nor is anything in code
    (fences, backticks) or mathematics (``$``, ``$$``, ``\\(``, ``\\[``, ``\\begin``); bare letters such as ``x = 3`` are words.
    Languages are told apart by script alone; one that is not known here counts as written in Latin letters.

    >>> language_share("we compute 2+2 等于 4 done", "en")
    0.6

    Source:
        DeepSeek-R1 (arXiv:2501.12948), Eq. 7. What a word is, and 1 where there is none, is our choice.
    """
    thinking = _LATEX_ENVIRONMENT.sub(r"\\\1 ", _thinking(text))
    for opening, closing in _SPANS:
        thinking = _without(thinking, opening, closing)
    wanted = _SCRIPTS_OF.get(language.partition("-")[0].lower(), ("latin",))
    scripts = [match.lastgroup for match in _WORD.finditer(_LATEX_COMMAND.sub(" ", thinking))]
    return sum(script in wanted for script in scripts) / len(scripts) if scripts else 1.0


def repeated_share(text: str, *, ngram: int) -> float:
    """Return the share of a text's n-grams of words that have occurred before in it; 0 where it has none.

    >>> repeated_share("a b a b a b", ngram=2)
    0.6
    """
    words = _TOKEN.findall(text)
    count = len(words) - ngram + 1
    if count < 1:
        return 0.0
    return 1.0 - len({tuple(words[i : i + ngram]) for i in range(count)}) / count


def overlong_penalty(num_tokens: int, *, max_tokens: int, cache_tokens: int) -> float:
    """Return 0 up to ``max_tokens - cache_tokens``, -1 from ``max_tokens`` on, linear between.

    Source:
        DAPO (arXiv:2503.14476), Eq. 13.

    >>> [overlong_penalty(length, max_tokens=100, cache_tokens=20) for length in (80, 90, 200)]
    [0.0, -0.5, -1.0]
    """
    return -min(max((num_tokens - (max_tokens - cache_tokens)) / cache_tokens, 0.0), 1.0) + 0.0


def length_rewards(lengths: Sequence[int], right: Sequence[bool]) -> list[float]:
    """Return what a group's completions earn for being short among their like: 0.5 the shortest, -0.5 the longest, at most 0 if wrong.

    Completions of equal lengths earn nothing.

    Source:
        Kimi k1.5 (arXiv:2501.12599), section 2.3.3.

    >>> length_rewards([10, 20, 30], [True, False, True])
    [0.5, 0.0, -0.5]
    """
    if not lengths or min(lengths) == max(lengths):
        return [0.0] * len(lengths)
    shortest, span = min(lengths), max(lengths) - min(lengths)
    values = [0.5 - (length - shortest) / span for length in lengths]
    return [value if is_right else min(0.0, value) for value, is_right in zip(values, right, strict=True)]


def _thinking(text: str) -> str:
    head, closing, _ = text.rpartition("</think>")
    thinking = head if closing else text
    return thinking.replace("<think>", " ").replace("</think>", " ").replace("<answer>", " ").replace("</answer>", " ")


def _without(text: str, opening: str, closing: str) -> str:
    """Cut spans out. One pass: where nothing closes any more, the rest stays."""
    kept, position = [], 0
    while (start := text.find(opening, position)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + len(closing)
    return " ".join([*kept, text[position:]])
