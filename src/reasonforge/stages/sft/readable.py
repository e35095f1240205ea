"""Whether a sampled completion reads as a person would want it to. Pure, linear in the text, torch-free."""

from __future__ import annotations

import re
import zlib
from collections import Counter

from reasonforge.core.rollouts import RolloutGroup, ScoredRollout
from reasonforge.rewards.rules import language_share
from reasonforge.stages.sft.config import Readability
from reasonforge.tasks.rollouts import Keep

_NGRAM, _MOST_TIMES = 20, 2
_MOST_COMPRESSION = 6.0
_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3400-\u4dbf\u4e00-\u9fff]+|[^\w\s]")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


def readability_filters(config: Readability) -> dict[str, Keep]:
    """Return the filters that are on, by name.

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 2.3.3: mixed languages, long paragraphs and code blocks are filtered out. The thresholds
        are ours.
    """
    filters: dict[str, Keep] = {}
    if config.repetition:
        filters["repetition"] = lambda _, member: not is_repetitive(member.rollout.text)
    if config.max_foreign_share is not None:
        lowest = 1 - config.max_foreign_share
        filters["language"] = lambda group, member: language_share(member.rollout.text, group.problem.language) >= lowest
    if config.max_paragraph_chars is not None:
        most = config.max_paragraph_chars
        filters["paragraphs"] = lambda _, member: longest_paragraph(member.rollout.text) <= most
    if not config.code_blocks:
        filters["code_blocks"] = _has_no_code
    return filters


def is_repetitive(text: str) -> bool:
    """Tell whether twenty tokens in a row come three times, or the text is so regular that it compresses to less than a sixth."""
    tokens = _TOKEN.findall(text)
    seen: Counter[int] = Counter(hash(tuple(tokens[i : i + _NGRAM])) for i in range(len(tokens) - _NGRAM + 1))
    if any(count > _MOST_TIMES for count in seen.values()):
        return True
    raw = text.encode("utf-8", "replace")
    return len(raw) > _MOST_COMPRESSION * len(zlib.compress(raw))


def longest_paragraph(text: str) -> int:
    """Return the length of the longest paragraph, in characters."""
    return max(len(paragraph.strip()) for paragraph in _PARAGRAPH.split(text))


def _has_no_code(_: RolloutGroup, member: ScoredRollout) -> bool:
    return "```" not in member.rollout.text
