"""Drive the graph of a corpus: do its steps in order, skip what is done, stop where somebody said to.

Re-entrant by construction: the graph is walked from the start at every call, a unit that has its receipt costs a look at it, and nothing is
remembered but the receipts. Killing the driver or a worker at any moment loses at most the units in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reasonforge.core.errors import ReasonforgeError, RecipeError, UnavailableError
from reasonforge.corpus.ingest.columns import IN_A_RECIPE, has_no_page, why_no_page
from reasonforge.corpus.loop.ledger import Ledger
from reasonforge.corpus.loop.steps import Ended, Graph, Step, Waits, title_of, with_benchmark_text
from reasonforge.corpus.pool import Executor, share
from reasonforge.corpus.units import Receipt, Store, Unit, digest_of, resolve, total
from reasonforge.corpus.versions import mixture
from reasonforge.runs.console import Console
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import counted, format_number

_MOST_FILES = 5
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Where to stop, and which part to do."""

    stage: str | None = None
    """Stop after this stage; None = go to the end."""
    round: int | None = None
    """Of which round; None = wherever the stage stands first, or not in a round at all."""
    only: bool = False
    """Do no other stage: those before must be done."""
    rank: int = 0
    world_size: int = 1
    """Do the share of one rank of the stage."""

    def reached(self, step: Step) -> bool:
        """Return whether a step belongs to the stage to stop after."""
        return self.is_stage(step.stage, step.round)

    def is_stage(self, stage: str, number: int | None) -> bool:
        """Return whether a stage of a round is the one to stop after."""
        return self.stage == stage and self.round in (None, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended."""

    ended: Ended | None = None
    """The corpus is whole."""
    waits: Waits | None = None
    """It waits for a person."""
    stopped_after: str | None = None
    """The stage that was asked for is done. With ``ended`` or ``waits``: so is all that comes after it."""
    never: str | None = None
    """Says that the stage that was asked for will not come: the rounds ended before. None = it came, or may come."""
    left: int = 0
    """Units of the stage that other ranks still have to do."""
    left_in: tuple[str, ...] = ()
    """Folders of the step that these units are of."""
    done: int = 0
    """Units that this call did."""
    found: int = 0
    """Units that were done before."""
    steps: int = 0
    """Steps walked past."""
    digest: str = ""
    """Of all that the units walked past have left: equal for equal corpora, whoever worked on them and in which order."""


@dataclass(slots=True)
class _Tally:
    done: int = 0
    found: int = 0
    digest: int = 0
    steps: int = 0


def run_graph(
    graph: Graph,
    store: Store,
    executor: Executor,
    *,
    until: Until | None = None,
    outline: Sequence[tuple[str, int | None]] = (),
    ledger: Ledger | None = None,
    console: Console | None = None,
    stop: StopRequest | None = None,
    look_ahead: bool = False,
) -> Outcome:
    """Do the steps of a corpus, in order, and return how it ended.

    Args:
        graph: yields the steps.
        store: the corpus folder.
        executor: does the units.
        until: where to stop; None = at the end.
        outline: the stages that may come, in order: for "3/12" on screen, and to know that a stage will not come.
        ledger: where the steps are noted; None = nowhere (a rank's worker).
        console: shows the steps; None = nothing is shown.
        stop: asked after every unit.
        look_ahead: after the stage to stop after, look whether all the rest is done, too.

    Raises:
        RecipeError: the stage to stop after never comes.
        UnavailableError: a stage before the one asked for is not done.
        InterruptedRun: a signal came; what was finished is kept.
    """
    until = until or Until()
    walk = _Walk(store, executor, until, list(outline), ledger, console, stop)
    answer: list[Receipt] | None = None
    reached: str | None = None
    never: str | None = None
    while True:
        try:
            step = next(graph) if answer is None else graph.send(answer)
        except StopIteration as end:
            if until.stage is not None and reached is None:
                never = walk.never_comes(None)
                if never is None:
                    raise RecipeError(_no_such_stage(until, walk.seen)) from None
            return walk.tallied(Outcome(ended=end.value, stopped_after=reached, never=never))
        if reached is None:
            never = walk.never_comes(step)
        if never is not None or (reached is not None and (isinstance(step, Waits) or not until.reached(step))):
            ended, waits = _rest(graph, step, walk) if look_ahead else (None, None)
            graph.close()
            return walk.tallied(Outcome(ended=ended, waits=waits, stopped_after=reached, never=never))
        if isinstance(step, Waits):
            graph.close()
            return walk.tallied(Outcome(waits=step))
        reached = step.title if until.reached(step) else reached
        receipts, left = walk.do(step, asked_for=reached is not None)
        if left:
            graph.close()
            left_in = tuple(sorted({unit.stage for unit in step.units}))
            return walk.tallied(Outcome(stopped_after=_titled(step), left=left, left_in=left_in))
        answer = receipts


def _rest(graph: Graph, step: Step | Waits, walk: _Walk) -> tuple[Ended | None, Waits | None]:
    """Walk on as long as all is done, and return how the corpus ends, or what it waits for; neither = something is left to do."""
    try:
        while not isinstance(step, Waits):
            receipts = walk.look(step)
            if receipts is None:
                return None, None
            step = graph.send(receipts)
    except StopIteration as end:
        return end.value, None
    except ReasonforgeError:  # of what was not asked for: the call that comes to it says so
        return None, None
    return None, step


class _Walk:
    def __init__(
        self,
        store: Store,
        executor: Executor,
        until: Until,
        outline: list[tuple[str, int | None]],
        ledger: Ledger | None,
        console: Console | None,
        stop: StopRequest | None,
    ) -> None:
        self._store, self._executor, self._until = store, executor, until
        self._outline, self._ledger, self._console, self._stop = outline, ledger, console, stop
        self._tally = _Tally()
        self._mixed: set[str] = set()
        self.seen: list[tuple[str, int | None]] = []

    def tallied(self, outcome: Outcome) -> Outcome:
        """Return an outcome with what was done on the way to it."""
        tally = self._tally
        return replace(outcome, done=tally.done, found=tally.found, steps=tally.steps, digest=f"{tally.digest:032x}")

    def never_comes(self, step: Step | Waits | None) -> str | None:
        """Return in words that the stage to stop after will not come any more; None = it may, or none was named.

        Args:
            step: that comes next; None = the graph is at its end.
        """
        until = self._until
        asked = next((place for place, entry in enumerate(self._outline) if until.is_stage(*entry)), None)
        if asked is None or isinstance(step, Waits):
            return None
        here = len(self._outline) if step is None else _place(self._outline, step)
        if here is None or here <= asked:
            return None
        return f"{title_of(*self._outline[asked])} never comes: the rounds ended before"

    def do(self, step: Step, *, asked_for: bool) -> tuple[list[Receipt], int]:
        """Do a step; return the receipts of its units, or how many of them only other ranks can do."""
        self._note(step)
        if self._console is not None:
            for line in step.warnings:
                self._console.warn(line)
        units = list({unit.key: unit for unit in step.units}.values())
        there = self._there(units)
        missing = [unit for unit in units if unit.key not in there]
        self._tally.found += len(there)
        if missing and self._until.only and not asked_for:
            are = "units are" if len(units) > 1 else "unit is"
            raise UnavailableError(
                f"{step.title}: {len(missing)} of {len(units)} {are} not done, and {self._until.stage} needs them. "
                f"Run that stage first, or leave out --stage to do all in order"
            )
        mine = missing if self._until.world_size == 1 else share(missing, self._until.rank, self._until.world_size)
        if mine:
            there |= self._run(step, mine, len(units), len(there))
        # Another rank may have finished its share meanwhile.
        there |= self._there([unit for unit in missing if unit.key not in there])
        if len(there) < len(units):
            return [], len(units) - len(there)
        return self._receipts(step, units, there), 0

    def look(self, step: Step) -> list[Receipt] | None:
        """Return the receipts of a step's units; None = not all are done."""
        units = list({unit.key: unit for unit in step.units}.values())
        there = self._there(units)
        if len(there) < len(units):
            return None
        self._note(step)
        self._tally.found += len(there)
        return self._receipts(step, units, there)

    def _note(self, step: Step) -> None:
        self.seen.append((step.stage, step.round))
        if self._ledger is not None:
            self._ledger.record(self._tally.steps, step)
        self._tally.steps += 1

    def _there(self, units: Sequence[Unit]) -> dict[str, Receipt]:
        return {unit.key: receipt for unit in units if (receipt := self._store.receipt(unit)) is not None}

    def _receipts(self, step: Step, units: Sequence[Unit], there: Mapping[str, Receipt]) -> list[Receipt]:
        for unit in units if step.is_content else ():
            # A sum, not a hash of a list: millions of receipts need not be held for it.
            self._tally.digest = (self._tally.digest + int(digest_of([there[unit.key]]), 16)) % (1 << 128)
        receipts = [there[unit.key] for unit in units]
        self._say_mixture(step, receipts)
        self._say_pageless(step, receipts)
        return [there[unit.key] for unit in step.units]

    def _say_mixture(self, step: Step, receipts: Sequence[Receipt]) -> None:
        """Say that libraries of different versions made a stage, once for each."""
        if self._console is None or not step.is_content or step.title in self._mixed:
            return
        for folder in dict.fromkeys(receipt.unit.stage for receipt in receipts):
            line = mixture((receipt for receipt in receipts if receipt.unit.stage == folder), self._store.root / folder)
            if line is not None:
                self._mixed.add(step.title)
                self._console.warn(f"{step.title}: {line}")
                return

    def _say_pageless(self, step: Step, receipts: Sequence[Receipt]) -> None:
        """Name the files no row of which became a page: their columns may have other names than those that were looked for.

        The check before a run looks into the first file of a pattern alone.
        """
        if self._console is None:
            return
        pageless = [receipt for receipt in receipts if has_no_page(receipt)]
        for receipt in pageless[:_MOST_FILES]:
            try:
                line = why_no_page(receipt, self._store.root, settings=IN_A_RECIPE)
            except ReasonforgeError:  # it was read, and is gone: that it gave nothing is known all the same
                line = f"{resolve(receipt.unit.inputs[0].path, self._store.root)}: no row of it is a page"
            self._console.warn(f"{step.title}: {line}")
        if (more := len(pageless) - _MOST_FILES) > 0:
            self._console.warn(f"{step.title}: {counted(more, 'more file')} without a row that is a page")

    def _run(self, step: Step, units: list[Unit], num_units: int, num_before: int) -> dict[str, Receipt]:
        console, found = self._console, dict[str, Receipt]()
        if console is not None:
            place = _place(self._outline, step)
            position = self._tally.steps if place is None else place + 1
            num_stages = max(position, len(self._outline))
            console.stage(_titled(step), position=position, num_stages=num_stages, total_steps=num_before + len(units), unit="unit")
            if num_before:
                console.resumed(num_before)
        self._check_stop(step)
        doing = self._executor.run(units, self._store)
        try:
            for receipt in doing:
                found[receipt.key] = receipt
                self._tally.done += 1
                if console is not None:
                    console.step(num_before + len(found), {"unit": 1.0})
                if len(found) < len(units):
                    self._check_stop(step)
        finally:
            close: Callable[[], None] = getattr(doing, "close", lambda: None)
            close()  # a pool's workers end now, not when somebody collects the generator
        if console is not None:
            console.stage_done(_counted(list(found.values())))
        return found

    def _check_stop(self, step: Step) -> None:
        if self._stop is not None and self._stop.requested:
            raise self._stop.error(f"stopped in {step.title}; what is finished stays. Go on with the same command")


def _place(outline: Sequence[tuple[str, int | None]], step: Step) -> int | None:
    return next((place for place, entry in enumerate(outline) if entry == (step.stage, step.round)), None)


def _titled(step: Step) -> str:
    """Return the title of a step; of a stage of several steps with the part that this one is, as its units' folder says."""
    folders = {unit.stage for unit in step.units}
    folder = folders.pop()
    _, _, part = folder.rpartition("/")
    # Units of several folders are of several sources: none of them gives the step its name.
    is_part = not folders and "/" in folder and part != step.stage
    return f"{step.title} ({part.replace('-', ' ')})" if is_part else step.title


def _counted(receipts: Sequence[Receipt]) -> str:
    counts = total(receipts)
    if not counts.taken:
        return "done"
    dropped = sum(counts.dropped.values())
    cut = with_benchmark_text(counts.dropped, counts.noted)
    remark = f"; {cut:,} with benchmark text" if cut else ""
    if not dropped:
        return f"{format_number(counts.kept)} kept{remark}"
    most = sorted(counts.dropped.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_REASONS]
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in most)
    if (rest := dropped - sum(number for _, number in most)) > 0:
        reasons += f", {rest:,} for other reasons"
    return f"{counts.kept:,} of {counts.taken:,} kept; dropped: {reasons}{remark}"


def _no_such_stage(until: Until, seen: list[tuple[str, int | None]]) -> str:
    rounds = sorted({number for stage, number in seen if stage == until.stage and number is not None})
    if rounds:
        return f"--round {until.round}: {until.stage} came in rounds {rounds[0]} to {rounds[-1]} of this corpus"
    return f"--stage {until.stage}: this recipe has no such stage. It has: {', '.join(dict.fromkeys(stage for stage, _ in seen))}"
