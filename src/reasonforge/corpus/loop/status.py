"""What a corpus folder has come to: stages and counts, and a line per round."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from reasonforge.corpus.loop.ledger import LOCK
from reasonforge.corpus.loop.measured import BytesPerToken, bytes_per_token
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.steps import with_benchmark_text
from reasonforge.corpus.reasons import sentence
from reasonforge.corpus.units import Counts, total
from reasonforge.runs.lock import is_locked
from reasonforge.runs.text import clean_text, counted, format_number, text_table

_MOST_REASONS = 3


def status_of(root: Path) -> dict[str, Any]:
    """Return the state of a corpus as JSON-able values.

    Raises:
        DataError: there is no corpus in the folder.
    """
    reader = CorpusReader(root)
    ended = reader.ledger.ended()
    stages: dict[tuple[str, int | None], dict[str, Any]] = {}
    for step, receipts, units in reader.progress():
        counts = total(receipts)
        entry = stages.setdefault((step.stage, step.round), {"stage": step.stage, "round": step.round, "units": 0, "done": 0})
        entry["units"] += units
        entry["done"] += len(receipts)
        if step.stage == "pack":  # a step per source
            counts = entry.get("counts", Counts()) + total(receipt for receipt in receipts if receipt.unit.stage.startswith("pack/"))
        # Of another stage of several steps the last one tells what became of the pages.
        entry["counts"] = counts
    for entry in stages.values():
        counts = entry.pop("counts")
        entry |= asdict(counts) | {"with_benchmark_text": with_benchmark_text(counts.dropped, counts.noted)}
    measured = bytes_per_token(reader.receipts("pack"), reader.recipe) if reader.is_done("pack") else None
    return {
        "name": reader.recipe.name,
        "folder": str(root),
        "state": ended.get("state") or ("running" if is_locked(root / LOCK) else "interrupted"),
        "message": ended.get("message", ""),
        "reason": ended.get("reason"),
        "waiting": _waiting(reader, ended),
        "stages": list(stages.values()),
        "rounds": [_round(reader, number) for number in reader.rounds],
        "bytes_per_token": None if measured is None else measured._asdict(),
    }


def _waiting(reader: CorpusReader, ended: dict[str, Any]) -> dict[str, int] | None:
    """Return the round that waits for a person, and the decisions made in it since; None = none waits."""
    if ended.get("state") != "waiting":
        return None
    number = int(ended.get("round", 0))
    return {"round": number, "decided": reader.decided(number)}


def _round(reader: CorpusReader, number: int) -> dict[str, Any]:
    selected = reader.selection(number)
    overlap, domains, measured = reader.overlap(number), reader.mathematical(number), reader.classifier(number)
    matrix = None if overlap is None else [overlap.share(number, other) for other in range(1, number + 1)]
    token_matrix = None if overlap is None else [overlap.token_share(number, other) for other in range(1, number + 1)]
    labels = reader.labels(number)
    return {
        "round": number,
        "pages": selected.pages,
        "tokens": selected.tokens,
        "pr_auc": None if measured is None else measured.pr_auc,
        "held_out": None if measured is None else {"positives": measured.positives, "pages": measured.pages, "few": measured.is_few},
        "overlap_pages": matrix,
        "overlap_tokens": token_matrix,
        "domains": None if domains is None else domains.height,
        "labels": None if labels is None else {name: list(labels.values()).count(name) for name in sorted(set(labels.values()))},
        "decided_by": reader.authors(number),
        "positives": reader.positives(number),
        "quality": reader.quality(number),
    }


def status_text(status: dict[str, Any]) -> str:
    """Return the state for people to read."""
    state = status["state"] + (f": {status['message']}" if status["message"] else "")
    if status["reason"] is not None:
        state += {"converged": " (nothing new came in)", "max_rounds": " (rounds.max_rounds is reached)"}.get(status["reason"], "")
    lines = [f"{clean_text(status['name'])}: {clean_text(state)}", ""]
    if (waiting := status["waiting"]) is not None and waiting["decided"]:
        said = f"{counted(waiting['decided'], 'decision')} in round {waiting['round']} since then"
        lines[1:] = [f"  {said}: the next run takes it for annotated, and what is left open adds no pages", ""]
    rows = [
        (
            "" if entry["round"] is None else str(entry["round"]),
            entry["stage"],
            f"{entry['done']}/{entry['units']}",
            f"{entry['taken']:,}",
            f"{entry['kept']:,}",
            _reasons(entry["dropped"]),
            f"{entry['with_benchmark_text']:,} with benchmark text" if entry["with_benchmark_text"] else "",
        )
        for entry in status["stages"]
    ]
    header = ("round", "stage", "units", "taken", "kept", "dropped", "noted")
    shown = len(header) if any(row[-1] for row in rows) else len(header) - 1
    lines += text_table(header[:shown], [row[:shown] for row in rows])
    if status["rounds"]:
        lines += ["", *text_table(_HEADER, [_row(entry) for entry in status["rounds"]])]
    if status["bytes_per_token"] is not None:
        lines += ["", BytesPerToken(**status["bytes_per_token"]).words()]
    matrix = [entry for entry in status["rounds"] if entry["overlap_pages"] is not None]
    if len(matrix) > 1:
        header = ("of the pages (tokens) of", *(f"in round {entry['round']}" for entry in matrix))
        lines += ["", *text_table(header, [_overlap_row(entry, len(matrix)) for entry in matrix])]
    if any(entry["quality"] for entry in status["rounds"]):
        lines += ["", "recall and precision are by the truth that the recipe names, among the pages that were scored"]
    if any((entry["decided_by"] or {}).get("auto") for entry in status["rounds"]):
        lines += ["", "labels by auto were given by a rule and by nobody's eyes: not the paper's procedure"]
    codes = sorted({code for entry in status["stages"] for code in entry["dropped"] if sentence(code) != code})
    if codes:
        lines += ["", *(f"{code}: {sentence(code)}" for code in codes)]
    return "\n".join(lines)


_HEADER = (
    "round",
    "pages",
    "tokens",
    "PR-AUC (positives of held-out pages)",
    "in the round before",
    "domains",
    "labels",
    "decided by",
    "positives added",
    "recall",
    "precision",
)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    overlap, quality = entry["overlap_pages"], entry["quality"] or {}
    return (
        str(entry["round"]),
        f"{entry['pages']:,}",
        format_number(entry["tokens"]),
        _measured(entry),
        "" if overlap is None or len(overlap) < 2 else f"{overlap[-2]:.1%}",
        "" if entry["domains"] is None else str(entry["domains"]),
        _counts(entry["labels"]),
        _counts(entry["decided_by"]),
        "" if entry["positives"] is None else f"{entry['positives']:,}",
        *("" if name not in quality else f"{quality[name]:.1%}" for name in ("recall", "precision")),
    )


def _counts(counts: dict[str, int] | None) -> str:
    return ", ".join(f"{count} {name}" for name, count in (counts or {}).items())


def _measured(entry: dict[str, Any]) -> str:
    held_out = entry["held_out"]
    if held_out is None:
        return ""
    figure = "too few" if held_out["few"] else f"{entry['pr_auc']:.3f}"
    return f"{figure} ({held_out['positives']:,} of {held_out['pages']:,})"


def _overlap_row(entry: dict[str, Any], columns: int) -> tuple[str, ...]:
    shares = [f"{pages:.1%} ({tokens:.1%})" for pages, tokens in zip(entry["overlap_pages"], entry["overlap_tokens"], strict=True)]
    return (f"round {entry['round']}", *shares, *[""] * (columns - len(shares)))


def _reasons(dropped: dict[str, int]) -> str:
    most = sorted(dropped.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = ", ".join(f"{number:,} {reason}" for reason, number in most[:_MOST_REASONS])
    rest = sum(number for _, number in most[_MOST_REASONS:])
    return shown + (f", {rest:,} for other reasons" if rest else "")
