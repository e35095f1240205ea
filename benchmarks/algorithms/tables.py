"""The measured tables of the documentation, written from ``benchmarks/results``: no figure is typed by hand.

.venv/bin/python benchmarks/algorithms/tables.py          # writes them into the pages
.venv/bin/python benchmarks/algorithms/tables.py --check  # says which are out of date
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = ("docs/stages/pretrain.md", "docs/stages/rl.md", "docs/stages/reward_model.md", "docs/stages/preference.md", "docs/watching.md")
_PLACE = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def comparison(result: dict[str, Any]) -> Iterator[str]:
    """Yield a table of recipes over seeds, and what exceeds the noise."""
    names = (
        "recipe",
        f"{result['metric']} before",
        "after, mean [95 %]",
        "spread",
        "completions",
        "mean length",
        "seconds",
        "peak memory",
        "state",
    )
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for recipe in result["recipes"]:
        final = recipe["final"]
        after = f"{final['mean']:.3f}" + ("" if final["low"] is None else f" [{final['low']:.3f}, {final['high']:.3f}]")
        before = "-" if recipe["before"] is None else f"{recipe['before']:.3f}"
        memory = (f"{recipe['peak_memory_mb']:.0f} MB", "-" if recipe["state_mb"] is None else f"{recipe['state_mb']:.1f} MB")
        facts = (f"{recipe['rollouts']:.0f}", f"{recipe['length']:.1f}", f"{recipe['seconds']:.0f}", *memory)
        yield f"| `{recipe['label']}` | {before} | {after} | {final['deviation']:.3f} | {' | '.join(facts)} |"
    yield ""
    yield from (f"- {finding}" for finding in result["findings"])


def alarms(result: dict[str, Any]) -> Iterator[str]:
    """Yield what the monitor said of each run, beside what really happened."""
    yield "| run | best accuracy | at step | a tenth lost at step | alarm at step | accuracy then | of the best |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for run in result["alarms"]:
        best, then = run["best"], run["accuracy_at_alarm"]
        kept = ("-", "-") if then is None else (f"{then:.3f}", f"{then / best:.0%}".replace("%", " %"))
        steps = [f"{run[name]}" if run[name] is not None else "never" for name in ("peak_step", "tenth_lost_at_step", "alarm_at_step")]
        yield f"| {run['run']} | {best:.3f} | {' | '.join(steps)} | {' | '.join(kept)} |"


def reward_models(result: dict[str, Any]) -> Iterator[str]:
    """Yield the means over seeds of what each reward model is worth."""
    names = {
        "auc": "AUC of what it was trained on",
        "solution_auc": "AUC of answers",
        "calibration_error": "calibration error",
        "pair_accuracy_matched": "pair accuracy, equal length",
        "pass@1": "pass@1",
        "maj@16": "maj@16",
        "best@16": "best of 16",
        "weighted@16": "weighted vote of 16",
    }
    yield f"| model | {' | '.join(names.values())} |"
    yield "| --- |" + " --- |" * len(names)
    runs = result["runs"]
    for stage in (name for name in runs[0] if name != "seed"):
        cells = []
        for name in names:
            found = [run[stage][name] for run in runs if name in run[stage]]
            cells.append(f"{sum(found) / len(found):.3f} ({min(found):.3f} to {max(found):.3f})" if found else "-")
        yield f"| `{stage}` | {' | '.join(cells)} |"


def corpora(result: dict[str, Any]) -> Iterator[str]:
    """Yield what training on each corpus is worth, over the tokens trained on."""
    points = [f"{point['tokens'] / 1e6:.2f}M tokens" for point in next(iter(result["corpora"].values()))["curve"]]
    yield f"| corpus | epochs | {' | '.join(points)} [95 %] |"
    yield "| --- | --- |" + " --- |" * len(points)
    finals = {recipe["label"]: recipe["final"] for recipe in result["recipes"]}
    for name, corpus in result["corpora"].items():
        counts = corpus["epochs"]
        epochs = ", ".join(f"{count:.1f}{f' of {source}' if len(counts) > 1 else ''}" for source, count in counts.items())
        accuracy = " | ".join(f"{point['accuracy']:.3f}" for point in corpus["curve"][:-1])
        final = finals[name]
        interval = "" if final["low"] is None else f" [{final['low']:.3f}, {final['high']:.3f}]"
        yield f"| `{name}` | {epochs} | {accuracy} | {final['mean']:.3f}{interval} |"
    yield ""
    yield result["headline"]


def table(name: str) -> str:
    """Return an experiment's part of a page, with its command and machine."""
    result = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    rows = {"length_bias": alarms, "reward_models": reward_models, "corpus_comparison": corpora}.get(name, comparison)(result)
    machine, versions = result["machine"], result["versions"]
    seeds = len(result["runs"]) if "runs" in result else len(result["seeds"])
    said = f"`{result['command']}`: {seeds} seeds; {machine['cpu']}, {machine['cores']} cores, torch {versions['torch']}."
    return "\n".join(["", said, "", *rows, ""]) + "\n"


def update_pages(pages: Sequence[str], table: Callable[[str], str], description: str) -> int:
    """Write the tables into pages, or compare, as the command line says; return the exit code.

    Args:
        pages: their paths in the repository.
        table: what stands in the place of a name.
        description: of the command.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    chosen, stale = parser.parse_args(), []
    for name in pages:
        page = ROOT / name
        before = page.read_text(encoding="utf-8")
        after = _PLACE.sub(lambda found: found[1] + table(found[2]) + found[3], before)
        if after != before:
            stale.append(name)
            if not chosen.check:
                page.write_text(after, encoding="utf-8")
    print("\n".join(stale) or "all tables are those of benchmarks/results")
    return int(chosen.check and bool(stale))


if __name__ == "__main__":
    sys.exit(update_pages(PAGES, table, (__doc__ or "").splitlines()[0]))
