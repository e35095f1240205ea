"""The page and the picture of a comparison of recipes. Names of recipes are hostile text like any other."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reasonforge.report.curves import ticks
from reasonforge.report.page import write_page
from reasonforge.report.svg import STYLE
from reasonforge.runs.text import clean_text, format_number, shorten

_SCRIPTS = ("dom.js", "charts.js", "compare.js")
_WIDTH, _HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 34, 34
_ROW = 16
_COLOURS = 6
_NAME_COLUMNS = 30

_BAND_STYLE = """
.band { stroke: none; opacity: .15 } .bar { stroke-width: 2; opacity: .6 } .seed { opacity: .5 }
.mean { stroke-width: 3 } .ends { stroke-dasharray: 5 4 }
"""


def write_comparison_page(output: Path, data: Mapping[str, Any]) -> Path:
    """Write the page and return where it lies.

    Args:
        output: the file.
        data: the content of ``compare.json``.

    Raises:
        StorageError: the page cannot be written.
    """
    title = clean_text(", ".join(recipe["label"] for recipe in data["recipes"]))
    return write_page(output, title=title, data=data, scripts=_SCRIPTS)


def comparison_svg(data: Mapping[str, Any]) -> str:
    """Return a picture: the mean of each recipe over rollouts with its band, and beside it the final figures with their intervals.

    Where no run draws rollouts there is no axis for the first.
    """
    recipes = data["recipes"]
    height = _HEIGHT + _ROW * len(recipes)
    has_curves = data["effort"] == "rollouts" and any(recipe["curve"]["mean"] for recipe in recipes)
    panels = [_curves(data), _finals(data)] if has_curves else [_finals(data)]
    width = _WIDTH * len(panels)
    label = html.escape(clean_text(f"{data['metric']} of {', '.join(recipe['label'] for recipe in recipes)}"))
    placed = [f'<g transform="translate({i * _WIDTH} 0)">{panel}</g>' for i, panel in enumerate(panels)]
    legend = [
        f'<text class="k{i % _COLOURS}" x="{_LEFT}" y="{_HEIGHT + _ROW * i + 4}">■ {_name(recipe["label"])}</text>'
        for i, recipe in enumerate(recipes)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">\n<style>{STYLE}{_BAND_STYLE}</style>\n' + "\n".join([*placed, *legend]) + "\n</svg>\n"
    )


def _curves(data: Mapping[str, Any]) -> str:
    curves = [recipe["curve"] for recipe in data["recipes"]]
    x = _Scale([0.0, *(value for curve in curves for value in curve["rollouts"])], _LEFT, _WIDTH - _RIGHT)
    y = _Scale(
        [value for curve in curves for side in ("mean", "low", "high") for value in curve[side]],
        _HEIGHT - _BOTTOM,
        _TOP,
        within=_limits(data),
    )
    parts = [_title(f"{data['metric']} over rollouts"), *_rows(y)]
    for tick in ticks(x.low, x.high, 4):
        parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - 14}" text-anchor="middle">{format_number(tick)}</text>')
    for i, (recipe, curve) in enumerate(zip(data["recipes"], curves, strict=True)):
        if not curve["mean"]:
            continue
        colour = i % _COLOURS
        lows = [(x(r), y(v)) for r, v in zip(curve["rollouts"], curve["low"], strict=True)]
        highs = [(x(r), y(v)) for r, v in zip(curve["rollouts"], curve["high"], strict=True)]
        parts.append(f'<path class="band k{colour}" d="{_line([*lows, *reversed(highs)])}Z"/>')
        means = [(x(r), y(v)) for r, v in zip(curve["rollouts"], curve["mean"], strict=True)]
        kind = "line" if recipe["has_curve"] else "line ends"  # of its evaluations before and after alone
        parts.append(f'<path class="{kind} c{colour}" d="{_line(means)}{"h0.01" if len(means) == 1 else ""}"/>')
    return "".join(parts)


def _finals(data: Mapping[str, Any]) -> str:
    recipes = data["recipes"]
    found = [(i, recipe) for i, recipe in enumerate(recipes) if recipe["final"] is not None]
    values = [run["final"] for _, recipe in found for run in recipe["runs"]]
    ends = [end for _, recipe in found for end in (recipe["final"]["low"], recipe["final"]["high"]) if end is not None]
    room = 2 * (max(values, default=1.0) - min(values, default=0.0))
    # An interval of two seeds can be wider than all that is possible: it is cut at the edge.
    seen = [min(max(end, min(values) - room), max(values) + room) for end in ends] if values else []
    y = _Scale([*values, *seen], _HEIGHT - _BOTTOM, _TOP, within=_limits(data))
    parts = [_title(f"at the end: seeds, mean, {data['level']:.0%}".replace("%", " %")), *_rows(y)]
    for i, recipe in found:
        final, colour = recipe["final"], i % _COLOURS
        x = _LEFT + (i + 0.5) / len(recipes) * (_WIDTH - _LEFT - _RIGHT)
        if final["low"] is not None:
            parts.append(f'<path class="bar c{colour}" d="M{x:.1f} {y(final["low"]):.1f}V{y(final["high"]):.1f}"/>')
        parts.append(f'<path class="mean c{colour}" d="M{x - 9:.1f} {y(final["mean"]):.1f}h18"/>')
        parts += [f'<circle class="seed k{colour}" cx="{x:.1f}" cy="{y(run["final"]):.1f}" r="3"/>' for run in recipe["runs"]]
    return "".join(parts)


class _Scale:
    """Values to places on an axis; what lies outside stands at its edge."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, within: tuple[float, float] | None = None) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        room = (high - low) * 0.05 if within is not None else 0.0
        low, high = low - room, high + room
        if within is not None:
            low, high = max(low, within[0]), min(high, within[1])
        if not low < high:
            low, high = low - 0.5, high + 0.5
        self.low, self.high, self._start, self._end = low, high, start, end

    def __call__(self, value: float) -> float:
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)


def _limits(data: Mapping[str, Any]) -> tuple[float, float]:
    return (0.0, 1.0) if data["unit"] == "share" else (float("-inf"), float("inf"))


def _title(text: str) -> str:
    return f'<text class="title" x="{_LEFT}" y="16">{html.escape(clean_text(text))}</text>'


def _rows(y: _Scale) -> list[str]:
    return [
        f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{format_number(tick)}</text>'
        for tick in ticks(y.low, y.high)
    ]


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _name(label: str) -> str:
    return html.escape(shorten(clean_text(label), _NAME_COLUMNS))
