"""Markdown pages taken apart: the commands, names and links that they promise."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the documentation."""

    path: Path

    @property
    def name(self) -> str:
        """Its path within the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """What a reader sees: comments are left out."""
        return _COMMENT.sub("", self.path.read_text(encoding="utf-8"))

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _INDENTED.sub("\n", _FENCED.sub("", self.text))

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures."""
        return _LINK.findall(self.prose)

    @property
    def spans(self) -> list[str]:
        """Inline code, each on one line."""
        return [" ".join(span.split()) for span in _SPAN.findall(self.prose)]

    def blocks(self, language: str) -> list[str]:
        """Fenced code of a language."""
        return [body for found, body in _FENCED.findall(self.text) if found == language]

    @property
    def command_lines(self) -> list[list[str]]:
        """Every command line shown, in a block or in a sentence, as words."""
        unfenced = _FENCED.sub("", self.text)
        blocks = "\n".join([*self.blocks("sh"), *self.blocks("bash"), *_INDENTED.findall(unfenced)])
        lines = [line.strip() for line in blocks.replace("\\\n", " ").splitlines()] + self.spans
        return [words for line in lines if line.startswith(("reasonforge ", "make ", "python ")) and (words := _words(line))]

    def rows(self, heading: str) -> list[list[str]]:
        """Cells of the first table below a heading, without its header."""
        section = self.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
        lines = table.group().splitlines()[2:] if table else []
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a sentence that begins like a command
        return []
