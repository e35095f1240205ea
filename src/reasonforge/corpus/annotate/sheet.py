"""The worklist as a spreadsheet: out as CSV, the ``label`` column filled in, back again. Nothing is taken in unless every row can be."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.data import AnnotationData
from reasonforge.corpus.annotate.journal import LABELS, Decision, Journal, Label
from reasonforge.corpus.annotate.samples import draw_samples
from reasonforge.corpus.annotate.worklist import rows_to_label
from reasonforge.corpus.paths import Pattern, read_pattern
from reasonforge.runs.text import clean_text

COLUMNS = (
    "pattern", "label", "why", "standing", "proposal", "pages", "collected", "share", "mean_score", "gain", "example", "title",
)  # fmt: skip
"""``label`` and ``why`` are for the person; ``standing`` is what was said before, and says on import whether it still is."""

_WORDS: dict[str, Label] = {
    "math": "math", "y": "math", "yes": "math", "not_math": "not_math", "not math": "not_math", "n": "not_math", "no": "not_math",
    "skip": "skip", "s": "skip",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""A cell that begins so is a formula to a spreadsheet, or would be once the apostrophe before it is taken off."""
_MOST_BYTES = 64 << 20
_MOST_PROBLEMS = 20


def write_sheet(data: AnnotationData, journal: Journal, *, seed: int, share: float | None = None) -> str:
    """Return the worklist as CSV (RFC 4180), one row a path, the most to win first.

    Args:
        data: the mathematical domains of the round.
        journal: what was said so far.
        seed: of the example page of each path.
        share: only the first domains that cover this share of the expected gain; None = all.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows_to_label(data, share=share):
        standing, proposal = journal.standing(row.pattern), journal.proposal(row.pattern)
        pages = draw_samples(data, row.pattern, seed=seed, number=1)
        example = [clean_text(text) for text in (pages[0].url, pages[0].title)] if pages else ["", ""]
        said = [(line.decision.label or "") if line is not None else "" for line in (standing, proposal)]
        numbers = [str(row.pages), str(row.collected), f"{row.share:.3f}", f"{row.mean_score:.3f}", str(row.gain)]
        writer.writerow([guarded(cell) for cell in [str(row.pattern), said[0], "", *said, *numbers, *example]])
    return out.getvalue()


def read_sheet(content: bytes, place: str, journal: Journal, *, round_number: int, by: str, clock: Callable[[], str]) -> list[Decision]:
    """Return a decision for each row whose label was changed. An emptied label says nothing.

    Args:
        content: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16: what spreadsheets of any country make of it.
        place: name of the file, for messages.
        journal: what was said so far.
        round_number: of the loop.
        by: who filled it in.
        clock: tells the time.

    Raises:
        DataError: it names every row that is wrong.
    """
    problems: list[str] = []
    decisions: dict[Pattern, Decision] = {}
    lines: dict[Pattern, int] = {}
    for number, row in _rows(content, place):
        try:
            decision = _decision(row, journal, round_number=round_number, by=by, clock=clock)
        except DataError as error:
            problems.append(f"{place}:{number}: {error}")
            continue
        if decision is None:
            continue
        earlier = decisions.get(decision.pattern)
        if earlier is not None and earlier.label != decision.label:
            before = f"{earlier.label} in line {lines[decision.pattern]}"
            problems.append(f"{place}:{number}: {decision.pattern} is {decision.label} here and {before}")
        decisions[decision.pattern] = decision
        lines.setdefault(decision.pattern, number)
    if problems:
        more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
        raise DataError("\n".join([*problems[:_MOST_PROBLEMS], *more, f"{place}: nothing was taken in"]))
    return list(decisions.values())


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> guarded("=HYPERLINK(1)"), guarded("a=b")
    ("'=HYPERLINK(1)", 'a=b')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def unguarded(cell: str) -> str:
    """Return what :func:`guarded` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _decision(row: dict[str, str], journal: Journal, *, round_number: int, by: str, clock: Callable[[], str]) -> Decision | None:
    word = row["label"].strip().lower()
    before = row.get("standing", "").strip().lower()
    if not word or word == before:
        return None
    if word not in _WORDS:
        raise DataError(f"label {row['label']!r}: expected {', '.join(LABELS)} (or y, n, s), or nothing")
    if before and before not in LABELS:
        raise DataError(f"standing {row['standing']!r}: leave this column as it was exported")
    label = _WORDS[word]
    if label == before:
        return None
    pattern = read_pattern(unguarded(row["pattern"].strip()))
    standing = journal.standing(pattern)
    now = "" if standing is None else standing.decision.label
    if now == label:
        return None
    if standing is not None and now != before and standing.decision.by != by:
        raise DataError(f"{standing.decision.by} said {now} of {pattern} after the export. Export again, or agree")
    overrules = standing is not None and standing.decision.by != by
    why = unguarded(row.get("why", "").strip())
    return Decision(round=round_number, pattern=pattern, label=label, by=by, at=clock(), why=why, overrules=overrules)


def _rows(content: bytes, place: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line on which a row ends, and its cells by column.

    Raises:
        DataError: it is no CSV with the columns that are needed.
    """
    text = _decoded(content, place)
    delimiter, text, skipped = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: Sequence[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                missing = [name for name in ("pattern", "label") if name not in header]
                if missing:
                    raise DataError(f"{place}: no column {missing[0]!r}. Its first line must name the columns, as in the export")
                if len({*header} - {""}) < len([name for name in header if name]):
                    raise DataError(f"{place}: a column is there twice")
                continue
            yield reader.line_num + skipped, dict(zip(header, [*cells, *[""] * len(header)], strict=False))
    except csv.Error as error:
        raise DataError(f"{place}:{reader.line_num + skipped}: no CSV from here on ({error}). Save it as CSV UTF-8") from None
    if header is None:
        raise DataError(f"{place}: is empty")


def _decoded(content: bytes, place: str) -> str:
    if len(content) > _MOST_BYTES:
        raise DataError(f"{place}: {len(content) >> 20} MiB are no sheet of labels (at most {_MOST_BYTES >> 20} MiB)")
    if content[:2] == b"PK":
        raise DataError(f"{place}: is a workbook. Save it as CSV UTF-8")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not {encoding.removesuffix('-sig').upper()} at byte {error.start}. Save it as CSV UTF-8") from None


def _delimiter(text: str) -> tuple[str, str, int]:
    """Find what parts the cells: the sign that the header has most of, or the one that a line ``sep=;`` names; and the lines skipped."""
    first, _, rest = text.partition("\n")
    if first.strip().strip('"').lower().startswith("sep=") and len(first.strip().strip('"')) == 5:
        return first.strip().strip('"')[4], rest, 1
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max((",", ";", "\t"), key=header.count), text, 0
