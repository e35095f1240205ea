"""From text with marks to text with formulas: one delimiter style, dollars that are none of them escaped, whitespace in order, NFC."""

from __future__ import annotations

import re
from typing import NamedTuple

from reasonforge.corpus.extract.formulas import MARK, RESERVED, Formulas
from reasonforge.corpus.extract.nfc import nfc
from reasonforge.corpus.pages import Flag

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\u2061-\u2064\ufeff]")
_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_LINE_ENDS = re.compile("[\u2028\u2029\x85]")
_CELLS = re.compile(r"(?<=\S)\t+(?=\S)")
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n|$)")
"""Begins where the blanks do: else each of a million blanks would be tried as the first."""
_MANY_LINES = re.compile(r"\n{3,}")
_BARE_DOLLAR = re.compile(r"(?<!\\)\$")
_BEHIND = re.compile(r"[.,;:。，；：]| \(\w{1,6}(?:\.\w{1,4})*\)(?=\s|$)")
"""What stays on the line of a displayed formula: its full stop, its number."""
_LINE_LEADS = ("•", "*", "-", "|")


class Rendered(NamedTuple):
    """The text of a page, and how many formulas it holds."""

    text: str
    num_formulas: int
    flags: int
    """Bits of ``corpus.pages.Flag``: ``TEXT_CUT``, ``MARKS_CUT``."""


def render(text: str, formulas: Formulas, *, max_chars: int) -> Rendered:
    """Put formulas and code in the place of their marks.

    On a page with formulas every dollar that delimits none is written ``\\$`` (but in code blocks, which stand between fences); on a page
    without formulas dollars are left alone, for there is nothing that they could be taken for.
    """
    entries = formulas.entries
    text = _clean(text)
    if any(entry.kind in ("display", "block") for entry in entries):
        text = _on_lines_of_their_own(text, formulas)
    pieces = MARK.split(text)
    found = [int(number) for number in pieces[1::2]]
    has_formulas = any(number < len(entries) and entries[number].kind in ("inline", "display") for number in found)
    parts: list[str] = []
    size = count = 0
    cut = False
    for index, piece in enumerate(pieces):
        if not piece:
            continue
        if index % 2:
            if int(piece) >= len(entries):
                continue
            kind, source = entries[int(piece)]
            if kind in ("inline", "display"):
                delimiter = "$" if kind == "inline" else "$$"
                out = f"{delimiter}{source}{delimiter}"
                if parts and parts[-1].endswith("$") and not parts[-1].endswith("\\$"):
                    out = f" {out}"  # two dollars beside each other would be one delimiter
            elif kind == "block":
                fence = "````" if "```" in source else "```"
                out = f"{fence}\n{source}\n{fence}"
            else:
                ticks = "``" if "`" in source else "`"
                out = f"{ticks}{source}{ticks}"
            if size + len(out) > max_chars:
                cut = True
                break
            count += kind in ("inline", "display")
        else:
            out = _BARE_DOLLAR.sub(r"\\$", piece) if has_formulas and "$" in piece else piece
            if size + len(out) > max_chars:
                out = out[: max_chars - size]
                out = out[: max(out.rfind("\n"), out.rfind(" "), 0)] or (out if not parts else "")
                parts.append(out.removesuffix("\\"))
                cut = True
                break
        parts.append(out)
        size += len(out)
    whole = "".join(parts).strip("\n ")
    if not whole.isascii():
        whole = RESERVED.sub("", whole)  # a mark that the page forged
    whole, is_cut = nfc(whole)
    return Rendered(whole, count, Flag.TEXT_CUT * cut | Flag.MARKS_CUT * is_cut)


def plain(text: str) -> str:
    """Return a line of text, such as a title, cleaned."""
    return nfc(" ".join(_clean(text).split())).text


def _clean(text: str) -> str:
    if not text.isascii():
        text = _LINE_ENDS.sub("\n", _BLANKS.sub(" ", text))
    if "\r" in text:
        text = text.replace("\r", "")
    text = _CONTROL.sub("", text)
    if "\t" in text:
        text = _CELLS.sub(" | ", text)
    if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        text = _TRAILING.sub("", text)
    return _MANY_LINES.sub("\n\n", text) if "\n\n\n" in text else text


def _on_lines_of_their_own(text: str, formulas: Formulas) -> str:
    """Put displayed formulas and code blocks on lines of their own, but in tables and lists; a full stop behind stays with its formula."""
    entries = formulas.entries
    lines = []
    for line in text.split("\n"):
        marks = [mark for mark in MARK.finditer(line) if int(mark[1]) < len(entries) and entries[int(mark[1])].kind in ("display", "block")]
        blocks = any(entries[int(mark[1])].kind == "block" for mark in marks)
        if not marks or (not blocks and (" | " in line or line.lstrip().startswith(_LINE_LEADS))):
            lines.append(line)
            continue
        done = 0
        for mark in marks:
            before = line[done : mark.start()].rstrip()
            if before:
                lines += [before, ""]
            done = mark.end()
            if found := _BEHIND.match(line, done):
                done = found.end()
            lines += [line[mark.start() : done], ""]
            while line[done : done + 1] in (" ", "\t"):
                done += 1
        if line[done:].strip():
            lines.append(line[done:])
    return _MANY_LINES.sub("\n\n", "\n".join(lines))
