"""Curves of a run as one SVG picture, for a README: ``python -m reasonforge.report.svg RUN METRIC... -o FILE``."""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Sequence
from pathlib import Path

from reasonforge.core.errors import DataError, ReasonforgeError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.report.curves import Curve, curves_of, smoothed, thinned, ticks
from reasonforge.runs.metrics import metric_of
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import clean_text, format_number

_WIDTH, _HEIGHT = 300, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 34, 28
_COLOURS = 6

STYLE = """
text { font: 11px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600; font-size: 12px; fill: #1f2328 }
.grid { stroke: #d0d7de; stroke-width: 1 } .raw, .line { fill: none; stroke-linejoin: round } .raw { opacity: .3 } .line { stroke-width: 2 }
.c0 { stroke: #0072b2 } .c1 { stroke: #d55e00 } .c2 { stroke: #009e73 } .c3 { stroke: #cc79a7 }
.c4 { stroke: #8a6d00 } .c5 { stroke: #3a4fc4 }
.k0 { fill: #0072b2 } .k1 { fill: #d55e00 } .k2 { fill: #009e73 } .k3 { fill: #cc79a7 } .k4 { fill: #8a6d00 } .k5 { fill: #3a4fc4 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d }
.c0 { stroke: #56b4e9 } .c1 { stroke: #f0a35e } .k0 { fill: #56b4e9 } .k1 { fill: #f0a35e }
.c4 { stroke: #e0c341 } .c5 { stroke: #98a6ff } .k4 { fill: #e0c341 } .k5 { fill: #98a6ff } }
"""
"""A picture in a README is seen on both backgrounds: it carries colours for either."""


def curve_svg(run: Path, metrics: Sequence[str], *, stage: str | None = None, smoothing: float = 0.6, columns: int = 3) -> str:
    """Return a picture with one panel per metric; stages that log the same metric are lines of one panel.

    Args:
        run: the run directory.
        metrics: names as in metrics.jsonl.
        stage: draw only this stage; None = all.
        smoothing: weight of the moving average drawn over the raw curve; 0 = raw only.
        columns: panels per row.

    Raises:
        DataError: there is no run, or it has no values of a metric.
    """
    curves = curves_of(RunReader(run).metric_rows(stage))
    panels = []
    for i, name in enumerate(metrics):
        chosen = [thinned(curve, 400) for curve in curves if curve.name == name and any(v is not None for v in curve.values)]
        if not chosen:
            where = "" if stage is None else f" of stage {stage!r}"
            raise DataError(f"{run}: no values of {name!r}{where} in metrics.jsonl.")
        x, y = i % columns * _WIDTH, i // columns * _HEIGHT
        panels.append(f'<g transform="translate({x} {y})">{_panel(name, chosen, smoothing)}</g>')
    width, height = min(len(metrics), columns) * _WIDTH, -(-len(metrics) // columns) * _HEIGHT
    label = html.escape(clean_text("Curves of " + ", ".join(metrics)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">\n<style>{STYLE}</style>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(name: str, curves: Sequence[Curve], smoothing: float) -> str:
    steps = [step for curve in curves for step in curve.steps]
    values = [value for curve in curves for value in curve.values if value is not None]
    low, high = min(values), max(values)
    if metric_of(name).unit == "share":
        low, high = min(low, 0.0), max(high, 1.0)
    elif low == high:
        low, high = low - 0.5, high + 0.5
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def x(step: float) -> float:
        return _LEFT + (step - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text class="title" x="{_LEFT}" y="16">{html.escape(clean_text(name))}</text>']
    for tick in ticks(low, high):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{format_number(tick)}</text>')
    for tick in ticks(first, last, 3):
        parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{format_number(tick)}</text>')
    for i, curve in enumerate(curves):
        points = [(x(step), None if value is None else y(value)) for step, value in zip(curve.steps, curve.values, strict=True)]
        averages = smoothed([point[1] for point in points], smoothing)
        if smoothing:
            parts.append(f'<path class="raw c{i % _COLOURS}" d="{_path(points)}"/>')
        parts.append(f'<path class="line c{i % _COLOURS}" d="{_path([(p[0], a) for p, a in zip(points, averages, strict=True)])}"/>')
        if len(curves) > 1:
            stage = html.escape(clean_text(curve.stage))
            parts.append(f'<text class="k{i % _COLOURS}" x="{_WIDTH - _RIGHT}" y="{16 + 12 * i}" text-anchor="end">{stage}</text>')
    return "".join(parts)


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    """A line through the points that starts anew after each gap."""
    commands: list[str] = []
    pen = "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        commands.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    # A lone point draws nothing unless its line has an end.
    return "".join(commands) + ("h0.01" if len(commands) == 1 else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a picture as the command line asks; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reasonforge.report.svg", description="Draw curves of a run as an SVG picture.")
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("metrics", nargs="+", metavar="METRIC", help="names as in metrics.jsonl; one panel each")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where to; folders are made")
    parser.add_argument("--stage", metavar="NAME", help="draw only this stage")
    given = parser.parse_args(arguments)
    try:
        picture = curve_svg(given.run, given.metrics, stage=given.stage)
        with storage_errors(given.output):
            given.output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(given.output, picture.encode())
    except ReasonforgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
