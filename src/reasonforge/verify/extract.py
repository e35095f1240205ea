"""Where the answer stands in a completion. Every function is linear in its input and finds the same answer on every call.

The order: the text after the last ``</think>``; in it the last box or answer block; else ``#### N``; else an answer phrase; else the
output of the last program. The last number in the text is only taken where a profile says so: a reward must not pay for a guess.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal

from reasonforge.verify.cleaning import plain_characters, strip_fences
from reasonforge.verify.numbers import parse_number

MAX_TEXT_CHARS = 4_000_000
"""Longer completions are not read."""
MAX_ANSWER_CHARS = 1_000
"""Longer answers are not answers."""
_WINDOW_CHARS = 200_000
"""The answer is looked for at the end of a completion, in this many characters."""
_MAX_NESTED_BOXES = 4
_MAX_HASH_LINES = 20
_MAX_DECLARATIONS = 16
_TAIL_CHARS = 1_000
_BEFORE_CHARS = 24

_END_MARKER = re.compile(r"(?:\s|<\|[A-Za-z_]{1,32}\|>|<｜[^<>｜]{1,32}｜>|</s>|<eos>|<eoa>|<end_of_turn>)*\Z")
_END_MARKER_REACH = 400
_BOX_OR_BRACE = re.compile(r"\\\\|\\[{}]|\\(?:boxed|fbox)\s{0,8}\{|[{}]")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox) {1,4}([^\s${}\\]{1,40}+)(?!\{)")
_BLOCK = re.compile(r"<answer>|</answer>")
# "I put it in \boxed{}" talks of a box and declares nothing.
_PLACEHOLDER = re.compile(r"[\s.…]*|\\[lc]?dots|(?:your |the |final )*answer(?: here)?", re.IGNORECASE)
# Also inside a line; "#### Step 2" is a heading and left out where numbers are read.
_HASHES = re.compile(r"(?<!#)####[ \t]*(?![0-9]{1,2}[.)][ \t])([^\s#][^\n#]{0,200})(?=####|$)", re.MULTILINE)
_LAST_HASHES = re.compile(r"(?<!#)####[ \t]*((?:\$|\\[(a-z])[^\n#]{1,200}|[-0-9(\[][-0-9.,/()\[\] ]{0,200}|\(?[A-J]\)?)\Z")
_ENGLISH = (
    r"(?<![^\W_])(?:answer(?:\s{1,3}to\s{1,3}(?:the|this|your)\s{1,3}(?:question|problem|exercise))?|final\s{1,3}result)"
    r"(?:[*_]{0,2}\s{0,3}[:：=—]|\s{0,3}is\b|\s{1,3}(?:would|should|must|will)\s{1,3}be\b|,\s{1,3}(?:then|therefore|thus),\s{1,3}is\b)"
    r"(?:\s{1,3}(?:therefore|thus|then|hence|simply|just|clearly|exactly|indeed|equal\s{1,3}to|given\s{1,3}by)\b,?)?"
    r"|^[^\w\n\\$]{0,10}(?:the[\t ])?(?:final[\t ])?answer[*\t ]{0,4}$"
    r"|\b(?:correct|right|best)\s{1,3}(?:option|choice)\s{0,3}(?:is\b|[:：])"
    r"|\bfinal\s{1,3}answer\s{1,3}of\b"
    r"|^[^\w\n\\$]{0,10}ans\s{0,3}[:=.]"
    r"|^A\s{0,3}:(?=\s{0,3}[-$\d])"
)
_CHINESE = r"答案\*{0,2}\s{0,3}(?:大概|应?该?)?(?:是|为|：|:|选择?)|【答案】|^[^\w\n\\$]{0,10}(?:最终)?答案[*\t ]{0,4}$"
_CHINESE += r"|(?:故|综上[，,]?\s?)选(?!项)择?(?:答案)?|正确的?选项\s{0,3}(?:应?该?是|为|：|:)"
_CHINESE += r"|(?:因此|所以|本题|应该?)[，,]?\s?选择?[:：\s]{0,3}(?=[（(*$]{0,4}[A-J](?!\w))"
# One of these is in every match of the pattern below.
_PHRASE_WORDS = ("answer", "final", "option", "choice", "ans", "\na", "答", "选")
_PHRASE = re.compile(rf"(?:{_ENGLISH}|{_CHINESE})[:：\s*]{{0,6}}", re.IGNORECASE | re.MULTILINE)
_CHINESE_PROSE = r"^\s{0,4}答[:：](?:一?共有?|总共有?|还?剩下?)?|(?:结果|值)[是为]"
_PHRASE_IN_CHINESE = re.compile(rf"(?:{_ENGLISH}|{_CHINESE}|{_CHINESE_PROSE})[:：\s*]{{0,6}}", re.IGNORECASE | re.MULTILINE)
# "If the answer is 5" and "a wrong answer is 5" declare nothing.
_NOT_DECLARED = re.compile(
    r"(?:\b(?:wrong|incorrect|mistaken|false|naive)"
    r"|(?:\b(?:if|suppose|supposing|assume|assuming|whether|unless|not true)|n't (?:think|believe|know))"
    r"(?:[ \t]+(?:that|the|this|my|your|our|final|correct|right|true)){0,4})[ \t]{1,3}\Z",
    re.IGNORECASE,
)
_MAX_PHRASE_CHARS = 300
# A sentence ends at a Chinese stop, at a full stop that is no decimal point, and at a mark of joy. "!" ends one only where another
# begins: 5! is 120.
_JOY = "✅✓✔☑★✨\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"
_SENTENCE_END = re.compile(rf"[\n。！？【{_JOY}]|\.(?=\s|$)|!(?=\s+[A-Z][a-z])|<eoa>")
# Under "Final answer:" stand an item of a list, a quotation, or a block of code.
_ITEM = re.compile(r"[ \t]{0,3}(?:>[ \t]?){0,2}(?:[-*+•][ \t]{1,3}|[0-9]{1,2}[.)][ \t]{1,3})(?P<item>\S[^\n]{0,200})")
_QUOTE = re.compile(r"[ \t]{0,3}>[ \t]?")
_CODE = re.compile(r"```\w{0,10}\n([^\n`]{1,200})\n```")
_MAX_ITEMS = 20
_FENCED = re.compile(
    r"\$\$\s{0,4}([^$]{1,200}?)\s{0,4}\$\$|\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)|\\\[\s{0,4}([^\n]{1,200}?)\s{0,4}\\\]|\*\*([^*\n]{1,200})\*\*"
)
_FENCE_NEXT = re.compile(
    r"\s{0,3}(?:[,，;]?\s?(?:and|or|to|through|versus|vs|alternatively)\b[:.]?|[,，]?(?:和|或者?|还是|到|至)|[,;、，/&+–-])\s{0,3}(?:\$|\\\(|\*\*)"
    r"|[ \t]{0,3}(?:\$|\\\()"
)
_SAME = r"(?:[^.\n]|\.(?=[0-9])){1,80}?"
_CONDITION_NEXT = re.compile(
    rf"\s{{0,3}},?\s{{0,3}}(?:(?:if|unless)\b|(?:when|for|where)\b{_SAME}(?:\botherwise\b|\belse\b|\band\s{{1,3}}(?:\$|\\\(){_SAME}\b(?:if|when|for)\b))"
)
# What stands alone in the line under the answer declares as much as the answer does.
_BELOW = re.compile(
    r"[ \t*]{0,4}\n\s{0,3}(?:\$\$\s{0,3}([^$]{1,200}?)\s{0,3}\$\$|\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)"
    r"|(-?[0-9][0-9.,/]{0,12}|[A-J]))"
    r"[.*\s]*?(?:\n|\Z)"
)
_END_OF_PROOF = re.compile(r"\\(?:square|blacksquare|Box|qed|checkmark|blacktriangle)")
_FENCE_MARKS = re.compile(r"\$|\\[()]|\*\*")
# "18, since 9 * 2 = 18" declares 18. Not at "if", "when" or "as long as": those are conditions.
_REASON = re.compile(
    r",?\s{1,3}(?:since|because|which (?:is|means|gives))\b"
    r"|,?\s{1,3}as (?:shown|required|desired|expected|requested|claimed|stated|found|computed|calculated)\b"
    r"|\s{1,3}\((?:rounded|since|because|as (?!long)|after|obtained|simplified|in (?:simplest|lowest|reduced)|to the nearest)"
    r"[^()\n]{0,80}\)\Z"
    r"|，(?:因为|(?:经过?)?(?:验证|检验|验算|代入))",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?:\A|[\s$=:(\[{])[-−]\Z")
_BOLD_END = re.compile(r"(?<=[0-9])\*\*(?=\s|[\u4e00-\u9fff]|\Z)")
# 小明有5个苹果, 还需要5天: what counts comes after the verb.
_CHINESE_SUBJECT = re.compile(
    r"\A(?![^0-9]{0,12}[不没非未])[\u4e00-\u9fff]{0,12}?(?:有|是|为|需要|需|要|得|用了?|花了?|剩下?|等于)(?=\s?-?[0-9])"
)
_OUTPUT = re.compile(r"^```output[ \t]*\n", re.MULTILINE)
_LAST_NUMBER = re.compile(r"-?(?<![\w.])\$?-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(?:\.[0-9]{1,30})?(?:/[0-9]{1,30})?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer a completion declares and what else it says about it."""

    answer: str
    place: Literal["box", "block", "hashes", "phrase", "output", "number"]
    others: tuple[str, ...] = ()
    """Other declarations of the same rank: boxes and blocks, or ``####`` lines."""
    before: str = ""
    """The characters in front of the declaration."""
    after: str = ""
    """What follows the declaration, at most 1,000 characters."""


def strip_end_marker(text: str) -> str:
    """Return the text without the white space and end-of-turn tokens at its end (rollouts keep special tokens).

    >>> strip_end_marker("<answer>3</answer><|im_end|>")
    '<answer>3</answer>'
    """
    text = text.rstrip()
    if not text.endswith(">"):  # every marker does, and few texts
        return text
    reach = max(0, len(text) - _END_MARKER_REACH)
    tail = text[reach:]
    match = _END_MARKER.search(tail)
    assert match is not None  # the empty end always matches
    return (text[:reach] + tail[: match.start()]).rstrip()


def answer_section(text: str, *, prompt: str = "") -> str | None:
    """Return what follows the last ``</think>``; the whole text where nobody thinks; None where thinking never ends.

    Args:
        text: the completion.
        prompt: what it follows, if known: one that ends with ``<think>`` has begun the thinking, which the completion then only ends.

    >>> answer_section("7 + 1 = 8", prompt="What is 7 + 1? <think>") is None
    True
    """
    if prompt.rstrip().endswith("<think>"):
        text = f"<think>{text}"
    _, closing, after = text.rpartition("</think>")
    if "<think>" in after:
        return None
    return after if closing else text


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last balanced ``\boxed{}`` or ``\fbox{}`` (or of a later ``\boxed 5``); None = there is none.

    >>> last_boxed(r"so \boxed{\frac{1}{2}} and \boxed{3")
    '\\frac{1}{2}'
    """
    spans = _box_spans(text)
    return text[spans[-1][0] : spans[-1][1]] if spans else None


def extract_answer(text: str) -> str | None:
    """Return the answer a completion declares, as it is written; None = it declares none.

    >>> extract_answer("<think>maybe 7</think>The answer is 18 dollars. Done.")
    '18 dollars'
    """
    section = answer_section(text)
    found = None if section is None else find_answer(section)
    return None if found is None else found.answer


def find_answer(section: str, *, language: str | None = None, last_number: bool = False) -> Found | None:
    """Return the answer that an answer section declares; None = it declares none.

    Args:
        section: the text after thinking.
        language: ``zh`` also reads phrases that only mean an answer in Chinese prose.
        last_number: take the last number where nothing is declared.
    """
    section = strip_end_marker(section[-_WINDOW_CHARS:])
    found = _declared(section) or _after_hashes(section) or _after_phrase(section, language) or _last_line(section) or _last_output(section)
    return found or (_last_number(section) if last_number else None)


def last_statement(text: str) -> str | None:
    """Return what follows the last ``####`` or answer phrase of a text, up to the end of its sentence; None where there is neither."""
    found = _after_hashes(text)
    if found is None:
        lowered = text.lower()
        found = _after_phrase(text, None) if any(word in lowered for word in _PHRASE_WORDS) else None
    return None if found is None else found.answer


def _box_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of the contents of the last boxes, in the order in which they close: one pass with a stack."""
    if "boxed" not in text and "fbox" not in text:
        return []
    spans: deque[tuple[int, int]] = deque(maxlen=_MAX_DECLARATIONS)
    stack: list[int] = []  # start of a box's content, or -1 for a plain brace
    for match in _BOX_OR_BRACE.finditer(text):
        token = match.group()
        if token == "{":
            stack.append(-1)
        elif token == "}":
            start = stack.pop() if stack else -1
            if start >= 0:
                spans.append((start, match.start()))
        elif token[-1] == "{" and len(token) > 2:
            stack.append(match.end())
    for match in _BARE_BOX.finditer(text, spans[-1][1] if spans else 0):
        spans.append(match.span(1))
    return list(spans)


def _declared(section: str) -> Found | None:
    """Return what the box or answer block that ends last says; a box inside it is opened."""
    spans = _box_spans(section)
    blocks = _block_spans(section)
    if not spans and not blocks:
        return None
    box_end, block_end = (spans[-1][1] if spans else -1), (blocks[-1][1] if blocks else -1)
    start, end = blocks[-1] if block_end > box_end else spans[-1]
    # Where boxes stand in a block, only a box that agrees with its surroundings declares the same.
    outer = [span for span in (*spans, *blocks) if not _holds_one_box(section, span) and not start <= span[0] <= span[1] <= end]
    content, mixed = section[start:end], ""
    for _ in range(_MAX_NESTED_BOXES):
        inner = _box_spans(content)
        if not inner:
            break
        if not _holds_one_box(content, (0, len(content))):
            if block_end <= box_end:
                mixed = content
            else:
                outer_texts = [content[low:high] for low, high in inner[:-1]]
                mixed = next((text for text in outer_texts if text.strip() != content[inner[-1][0] : inner[-1][1]].strip()), "")
        content = content[inner[-1][0] : inner[-1][1]]
    else:
        return None
    answer = content.strip().removeprefix("#### ")
    if not answer:
        return None
    others = tuple(
        text for low, high in outer if not _PLACEHOLDER.fullmatch(text := section[low : min(high, low + MAX_ANSWER_CHARS)].strip())
    )
    tail = end + len("</answer>" if block_end > box_end else "}")
    before = re.split(r"\\(?:boxed|fbox)|<answer>", section[max(0, start - _BEFORE_CHARS - 8) : start], maxsplit=1)[0]
    if block_end <= box_end and _SIGN.search(before):
        answer, before = f"-{answer}", before[:-1]  # a sign that touches the box, and no subtraction
    return Found(
        answer=answer,
        place="block" if block_end > box_end else "box",
        others=(*others, mixed) if mixed else others,
        before=before,
        after=section[tail : tail + _TAIL_CHARS],
    )


def _block_spans(section: str) -> list[tuple[int, int]]:
    spans: deque[tuple[int, int]] = deque(maxlen=_MAX_DECLARATIONS)
    starts: deque[int] = deque(maxlen=_MAX_DECLARATIONS)
    for match in _BLOCK.finditer(section):
        if match.group() == "<answer>":
            starts.append(match.end())
        elif starts:
            spans.append((starts.pop(), match.start()))
    return list(spans)


def _holds_one_box(text: str, span: tuple[int, int]) -> bool:
    """Tell whether a declaration is only the shell of a box inside it."""
    content = text[span[0] : min(span[1], span[0] + 4 * MAX_ANSWER_CHARS)].strip(" \n\t$.")
    return bool(re.match(r"\\(?:boxed|fbox)\s{0,8}\{", content)) and len(_box_spans(content)) == 1 and content.endswith("}")


def _after_hashes(section: str) -> Found | None:
    """Return the number of the last ``#### N``, at the end of a line. Without a number it is a Markdown heading."""
    if "####" not in section:
        return None
    lines = deque(_HASHES.finditer(section), maxlen=_MAX_HASH_LINES)
    numbers = [match for match in lines if parse_number(match.group(1)) is not None]
    if not numbers:
        return None
    others = tuple(match.group(1).strip() for match in numbers[:-1])
    end = numbers[-1].end()
    return Found(answer=numbers[-1].group(1).strip(), place="hashes", others=others, after=section[end : end + _TAIL_CHARS])


def _last_line(section: str) -> Found | None:
    """Return the formula, the list of numbers or the letter of a choice behind the #### of the last line."""
    match = _LAST_HASHES.search(section, max(0, len(section) - _MAX_PHRASE_CHARS))
    return None if match is None else Found(answer=match.group(1), place="hashes")


def _after_phrase(section: str, language: str | None) -> Found | None:
    """Return what follows the last answer phrase, up to the end of its sentence."""
    last = None
    for match in (_PHRASE_IN_CHINESE if language == "zh" else _PHRASE).finditer(section):
        if not _NOT_DECLARED.search(section, max(0, match.start() - 2 * _BEFORE_CHARS), match.start()):
            last = match
    if last is None:
        return None
    before = section[max(0, last.start() - _BEFORE_CHARS) : last.start()]
    start = last.end()
    if line := section.rfind("\n", last.start(), start) + 1:
        if (listed := _listed(section, line)) is not None:
            answer, end = listed
            return Found(answer=answer, place="phrase", before=before, after=section[end : end + _TAIL_CHARS])
        if quote := _QUOTE.match(section, start):
            start = quote.end()
    if (code := _CODE.match(section, start)) is not None:
        return Found(answer=code.group(1).strip(), place="phrase", before=before, after=section[code.end() : code.end() + _TAIL_CHARS])
    rest = section[start : start + _MAX_PHRASE_CHARS]
    sentence = _SENTENCE_END.split(rest, maxsplit=1)[0]
    answer, end = _BOLD_END.sub("", sentence.strip(" *")), start + len(sentence)
    if "答" in section[last.start() : start]:
        answer = _CHINESE_SUBJECT.sub("", answer)
    fenced = _FENCED.match(rest)
    if fenced is None and (not answer or answer in ("$$", "\\[")):
        # "The answer is:" and the formula on the next line.
        lead = len(rest) - len(rest.lstrip(" \n*"))
        fenced = _FENCED.match(rest, lead)
    if fenced is not None and parse_number(answer) is None:
        if _FENCE_NEXT.match(rest, fenced.end()) or _CONDITION_NEXT.match(rest, fenced.end()):
            # $x = 1$ and $x = 2$: the whole sentence.
            answer = _FENCE_MARKS.sub("", answer).strip()
        else:
            answer = (fenced.group(fenced.lastindex or 0)).strip()
            end = start + fenced.end()
    elif (reason := _REASON.search(answer)) and reason.start():
        answer = answer[: reason.start()]
    if not answer:
        return None
    below = _BELOW.match(rest, len(sentence) if fenced is None else fenced.end())
    under = "" if below is None else below.group(below.lastindex or 0).strip()
    # A check under the answer ($$2 + 3 = 5$$) and the mark at the end of a proof declare nothing.
    others = (under,) if under and ("=" not in under or "=" in answer) and not _END_OF_PROOF.fullmatch(under) else ()
    return Found(answer=answer, place="phrase", others=others, before=before, after=section[end : end + _TAIL_CHARS])


def _listed(section: str, start: int) -> tuple[str, int] | None:
    """Return the items of the list that begins at a place, separated by commas, and where it ends."""
    items: list[str] = []
    while len(items) < _MAX_ITEMS and (match := _ITEM.match(section, start)):
        items.append(strip_fences(_SENTENCE_END.split(match.group("item"), maxsplit=1)[0]))
        start = match.end()
        if section[start : start + 1] != "\n":
            break
        start += 1
    return (", ".join(items), start) if items else None


def _last_output(section: str) -> Found | None:
    """Return the last line of what the last program printed."""
    start = None
    for match in _OUTPUT.finditer(section):
        start = match.end()
    if start is None:
        return None
    end = section.find("```", start)
    lines = section[start : end if end >= 0 else len(section)][-2 * MAX_ANSWER_CHARS :].strip().splitlines()
    after = section[end + 3 : end + 3 + _TAIL_CHARS] if end >= 0 else ""
    return Found(answer=lines[-1].strip(), place="output", after=after) if lines and lines[-1].strip() else None


def _last_number(section: str) -> Found | None:
    last = None
    for match in _LAST_NUMBER.finditer(plain_characters(section[-20_000:])):
        last = match
    return None if last is None else Found(answer=last.group(), place="number")
