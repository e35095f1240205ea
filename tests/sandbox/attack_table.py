"""What the attack suite came to, row by row: printed by ``make attacks``, and written as the page ``docs/attacks.md``.

A cell counts tests: most attacks run twice in each backend, as a program and as a block of a session.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.attacks import ATTACKS, ROWS, SECTIONS

BACKENDS = ("namespace", "landlock")
OUTSIDE = "grader"
"""Column of the rows that no sandbox is needed for."""
COLUMNS = (*BACKENDS, OUTSIDE)
ABSENT = "not available here"
"""Stands in the reason of every test that is skipped because the machine lacks a backend."""
PROGRAMS = ("dishonest", "dishonest accepted", "honest", "honest accepted")
RUNS = {"program": len(ATTACKS), "block": sum(attack.profile == "files" for attack in ATTACKS)}
"""Attacks that each backend must have been put to; the table counts those that were."""

_HEAD = """# Attacks

<!-- written by: make attacks ARGS="--attack-page docs/attacks.md" -->

`make attacks` runs every row below against every backend that the machine has, and prints this table; with
`ARGS="--attack-page docs/attacks.md"` it writes this page. What is promised and what is not stands in [SECURITY.md](../SECURITY.md).

Most rows are programs of `tests/sandbox/attacks.py`. Each runs as a program of its own and as a block of a session, and is judged from
outside: by canary files, listeners and a victim process of the test's own, by the processes that are left, by the end that the run came to.
The other rows are tests named after them (`test_row_..._` in `tests/sandbox`).

A test that cannot fail shows nothing. So each program also runs where the defence against it is missing, if that harms only what the test
made; there it must get through. The last column says how this was shown:

- *no sandbox*: it gets through in `unsafe-subprocess`, or in a plain process.
- *wider limits*: it gets through in the same sandbox when its limits allow what it tries.
- *one session*: a block sees what an earlier block of the same conversation left, which the next program must not.
- *its end*: it never ends well by itself, and the test demands the end that the sandbox puts to it.

"""


@dataclass
class Table:
    """Outcomes of the tests that belong to rows, as a pytest plugin."""

    page: Path | None
    cells: dict[tuple[int, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    open: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Column and reason of what is known not to hold and is no way out."""
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    unproven: list[str] = field(default_factory=list)
    proven: set[int] = field(default_factory=set)
    programs: Counter[str] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down one outcome."""
        facts: dict[str, Any] = dict(report.user_properties)
        if report.when == "call" and report.passed:
            self.programs.update({name: int(facts[name]) for name in PROGRAMS if name in facts})
        row, column, what = facts.get("row"), facts.get("backend", OUTSIDE), facts.get("what")
        if row is None or (report.when != "call" and report.passed):
            return
        if what == "proof":
            if report.skipped:
                self.unproven.append(f"{facts['attack']}: {_reason(report)}")
            elif report.passed:
                self.proven.add(row)
            else:
                self.cells[row, column]["FAILED"] += 1
            return
        if hasattr(report, "wasxfail"):
            self.cells[row, column]["not held"] += 1
            self.open[column, f"row {row}: {report.wasxfail}"] += 1
            return
        if report.skipped:
            self.cells[row, column]["skipped"] += 1
            self.skipped[column][_reason(report)] += 1
            return
        self.runs[column, what or "other"] += 1
        self.cells[row, column]["BREACHED" if report.failed else "gets through" if facts.get("got_through") else "held"] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A backend that is there but was not put to every attack fails the suite."""
        if any(self.missing(backend) for backend in BACKENDS) and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def missing(self, backend: str) -> str:
        """Say which attacks a backend was not put to; empty = all, or the machine does not have it."""
        short = {what: count - self.runs[backend, what] for what, count in RUNS.items() if self.runs[backend, what] != count}
        absent = any(ABSENT in reason for reason in self.skipped[backend])
        return "" if not short or (absent and short == RUNS) else f"{backend}: not run: {short}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        write = terminalreporter.write_line
        terminalreporter.section("attacks")
        write(f"{'row':>3}  {'what it tries':58} {'namespace':22} {'landlock':22} {'grader':12} shown by")
        for row, what in ROWS.items():
            cells = [self.cell(row, column) for column in COLUMNS]
            write(f"{row:3}  {what[:58]:58} {cells[0]:22} {cells[1]:22} {cells[2]:12} {self.shown(row)}")
        for line in (*self.totals(), *self.notes()):
            write(line)
        for backend in BACKENDS:
            if self.missing(backend):
                write(f"FAILED {self.missing(backend)}", red=True)
        if self.page is not None:
            self.page.write_text(self.markdown(), encoding="utf-8")
            write(f"written: {self.page}")

    def cell(self, row: int, column: str) -> str:
        """What became of a row in a column."""
        return ", ".join(f"{outcome} {count}" for outcome, count in sorted(self.cells.get((row, column), {}).items()))

    def shown(self, row: int) -> str:
        """How it was shown that the row's tests can fail."""
        words = {"unprotected": "no sandbox", "bare": "no sandbox", "looser": "wider limits", "session": "one session", "end": "its end"}
        proofs = {words[attack.proof] for attack in ATTACKS if attack.row == row and attack.proof in words}
        return ", ".join(proof for proof in sorted(proofs) if proof == "its end" or row in self.proven)

    def totals(self) -> list[str]:
        """Counts of each column, and of the programs that wanted a verdict."""
        lines = []
        for column in COLUMNS:
            total: Counter[str] = Counter()
            for (_, of), counts in self.cells.items():
                total.update(counts if of == column else {})
            rows = sum(of == column for _, of in self.cells)
            run = sum(total.values()) - total["skipped"]
            lines.append(
                f"{column}: {run} tests of {rows} rows: {total['held']} held, {total['gets through']} get through as documented, "
                f"{total['not held']} known not to hold, "
                f"{total['BREACHED'] + total['FAILED']} breaches, {total['skipped']} skipped"
            )
            lines += [f"{column}: {reason}" for of, reason in self.open if of == column]
            lines += [f"{column}: skipped {count}: {reason}" for reason, count in self.skipped[column].items()]
        if self.programs:
            lines.append(
                f"verdicts: dishonest programs judged correct: {self.programs['dishonest accepted']} of {self.programs['dishonest']}; "
                f"honest ones: {self.programs['honest accepted']} of {self.programs['honest']} (all backends together)"
            )
        return lines

    def notes(self) -> list[str]:
        """Attacks that were not shown to get through, and why."""
        return [f"not shown to get through: {attack}: {attack.why}" for attack in ATTACKS if attack.proof == "none"] + [
            f"not shown to get through: {what}" for what in self.unproven
        ]

    def markdown(self) -> str:
        """The page."""
        lines = ["| # | what it tries | where | namespace | landlock | grader | shown by |", "|---|---|---|---|---|---|---|"]
        for row, what in ROWS.items():
            cells = [self.cell(row, column) for column in COLUMNS]
            lines.append(f"| {row} | {what} | {where(row)} | {' | '.join(cells)} | {self.shown(row)} |")
        lines += ["", *(f"- {line}" for line in self.totals()), "", "## Not shown to get through", ""]
        lines += [f"- {line.removeprefix('not shown to get through: ')}" for line in self.notes()]
        return _HEAD + "\n".join(lines) + "\n"


def where(row: int) -> str:
    """In which files of ``tests/sandbox`` a row is tested."""
    section = {attack.row: f"attacks ({name})" for name, attacks in SECTIONS.items() for attack in attacks}
    named = rows_of_functions().get(row, [])
    return ", ".join(([section[row]] if row in section else []) + named)


def rows_of_functions() -> dict[int, list[str]]:
    """Row -> files of ``tests/sandbox`` with a test named after it."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for row in sorted({int(number) for number in re.findall(r"^def test_row_(\d+)_", path.read_text(), re.MULTILINE)}):
            found[row].append(path.stem)
    return dict(found)


def _reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")
