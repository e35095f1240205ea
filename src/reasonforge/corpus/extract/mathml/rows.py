"""Elements side by side: fences that grow, matrices, tables, binomials."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reasonforge.corpus.extract.formulas import closes_at_end
from reasonforge.corpus.extract.mathml.nodes import SILENT, name_of, only_table, text_of
from reasonforge.corpus.extract.mathml.walk import Walk

FENCES = {
    "(": "(", ")": ")", "[": "[", "]": "]", "{": "\\{", "}": "\\}", "|": "|", "∣": "|", "‖": "\\|", "∥": "\\|", "||": "\\|",
    "⟨": "\\langle", "⟩": "\\rangle", "〈": "\\langle", "〉": "\\rangle", "<": "\\langle", ">": "\\rangle",
    "⌊": "\\lfloor", "⌋": "\\rfloor", "⌈": "\\lceil", "⌉": "\\rceil",
}  # fmt: skip
r"""As they are written behind ``\left`` and ``\right``."""
_OPENING, _CLOSING = frozenset("([{⟨〈⌊⌈"), frozenset(")]}⟩〉⌋⌉")
BARS = frozenset(("|", "‖", "∥", "||", "∣"))
"""Fences that open and close alike."""
MATRICES = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("{", "}"): "Bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
    ("∥", "∥"): "Vmatrix",
}
TALL = re.compile(r"\\(?:frac|dfrac|sum|prod|int|oint|begin|binom|sqrt|overbrace|underbrace|bigcup|bigcap|underset|overset)(?![A-Za-z])")
"""What makes fences around it grow."""
_BINOMIAL = re.compile(r"\{(.*) \\atop (.*)\}")


class _Fence(NamedTuple):
    text: str
    stretchy: bool


def in_row(walk: Walk, nodes: list[Any], depth: int) -> str:
    """Return elements side by side; matching fences around tall content grow with it, fences around a table make a matrix."""
    nodes = [node for node in nodes if name_of(node) not in SILENT]
    parts: list[str] = []
    while len(parts) < len(nodes):
        width, text = _matrix(walk, nodes, len(parts), depth)
        parts += [text, *[""] * (width - 1)] if width else [walk.latex(nodes[len(parts)], depth)]
    fences = [_fence(node) for node in nodes]
    _grow(parts, fences)
    _choose(parts, fences)
    return "".join(parts)


def _grow(parts: list[str], fences: list[_Fence | None]) -> None:
    """Let matching fences around tall content grow with it."""
    opened: list[tuple[int, _Fence]] = []
    for index, fence in enumerate(fences):
        if fence is None:
            continue
        is_bar = fence.text in BARS
        if fence.text in _CLOSING or (is_bar and opened and opened[-1][1].text == fence.text):
            if not opened:
                continue
            start, opening = opened.pop()
            if parts[start] and parts[index] and fence.stretchy and opening.stretchy and TALL.search("".join(parts[start + 1 : index])):
                parts[start] = f"\\left{FENCES[opening.text]} "
                parts[index] = f"\\right{FENCES[fence.text]} "
        elif fence.text in _OPENING or is_bar:
            opened.append((index, fence))


def _choose(parts: list[str], fences: list[_Fence | None]) -> None:
    """Write what stands above something else without a line, in parentheses, as a binomial."""
    for index, part in enumerate(parts):
        if "\\atop" not in part or not (choose := binomial(part)):
            continue
        before, behind = parts[index - 1] if index else "", parts[index + 1] if index + 1 < len(parts) else ""
        if (before, behind) == ("(", ")"):
            parts[index - 1 : index + 2] = ["", choose, ""]
        elif len(parts) > 1 and not any(0 <= beside < len(fences) and fences[beside] for beside in (index - 1, index + 1)):
            parts[index] = choose  # its parentheses were drawn in another way; in other fences it may be a Stirling number


def _matrix(walk: Walk, nodes: list[Any], index: int, depth: int) -> tuple[int, str]:
    """Return a table with the fences around it and how many elements that is; 0 where no fenced table starts here."""
    first = _operator(nodes[index])
    if first is None:
        if index or len(nodes) != 2 or (table := only_table(nodes[0])) is None or (last := _operator(nodes[1])) not in FENCES:
            return 0, ""
        return 2, f"\\left. {as_table(walk, table, depth, 'matrix')} \\right{FENCES[last]} "
    if index + 1 >= len(nodes) or (table := only_table(nodes[index + 1])) is None:
        return 0, ""
    last = _operator(nodes[index + 2]) if index + 2 < len(nodes) else None
    if last is not None and last in _OPENING:
        last = None
    width = 2 if last is None else 3
    if first == "{" and not last:
        return width, as_table(walk, table, depth, "cases")
    if name := MATRICES.get((first, last or "")):
        return width, as_table(walk, table, depth, name)
    left, right = FENCES.get(first, "."), FENCES.get(last or "", ".")
    return width, f"\\left{left} {as_table(walk, table, depth, 'matrix')} \\right{right} "


def as_table(walk: Walk, element: Any, depth: int, name: str = "") -> str:
    """Return an ``mtable``; without a name of its environment, the one that its alignment asks for."""
    rows = []
    align = (element.getattr("columnalign") or "").split()
    for row in walk.children(element):
        if name_of(row) in ("mtr", "mlabeledtr"):
            cells = walk.children(row)[1 if name_of(row) == "mlabeledtr" else 0 :]
            rows.append(" & ".join(walk.latex(cell, depth + 1).strip() for cell in cells))
        else:
            rows.append(walk.latex(row, depth + 1).strip())
    if not name:
        lines_up = ("right" in align and len(align) > 1) or (element.getattr("displaystyle") == "true" and any("&" in row for row in rows))
        name = "aligned" if lines_up else "matrix"
    body = " \\\\ ".join(rows)
    return f"\\begin{{{name}}} {body} \\end{{{name}}}"


def binomial(text: str) -> str:
    r"""Return ``{n \atop k}`` as ``\binom{n}{k}``; empty where that is not all there is."""
    found = _BINOMIAL.fullmatch(text) if text.count("\\atop") == 1 else None
    return f"\\binom{{{found[1]}}}{{{found[2]}}}" if found and closes_at_end(text) else ""


def _operator(node: Any) -> str | None:
    """Return the text of an operator that may be a fence; None for anything else."""
    if name_of(node) != "mo":
        return None
    text = text_of(node)
    return text if not text or text in FENCES else None


def _fence(node: Any) -> _Fence | None:
    if name_of(node) != "mo" or (text := text_of(node)) not in FENCES or text in "<>":
        return None
    return _Fence(text, node.getattr("stretchy") != "false")
