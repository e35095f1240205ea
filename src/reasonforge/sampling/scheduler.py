"""Continuous batching: prompts wait in a queue, completions live in slots, a finished row leaves at once and the next one takes its slot.

Which completions share a step is an accident of timing; the engine sees to it that it does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reasonforge.core.rollouts import Bools, Completion, Int32, SamplingParams
from reasonforge.sampling.engine import Drawn, Engine, Step, UInt64

PREFILL_ROWS = 256
"""Prompt tokens fed per step beside the live rows: enough to fill the matrix products, few enough not to stall the others."""


@dataclass(slots=True)
class Group:
    """One prompt and the completions wanted of it: the prompt is computed once, its cache copied to every member's slot."""

    prompt_ids: Int32
    seeds: UInt64
    limits: Int32
    """Most tokens each member may have, at least 1."""
    on_done: Callable[[int, Completion], None] | None = None
    """Called with (member, completion) as soon as one is finished; None = nobody waits for it."""
    results: list[Completion | None] = field(init=False)
    """One per member; None = not finished."""
    waiting: deque[int] = field(init=False)
    """Members that have not started."""
    reserved: list[int] = field(default_factory=list)
    """Slots taken for waiting members, which cannot start before the prompt is computed."""
    fed: int = 0
    """Prompt tokens computed so far."""
    source: int = -1
    """Slot that holds the prompt's cache, as long as members wait for slots."""
    first: Drawn | None = None
    """Every member's first token; None = the prompt is not computed yet."""

    def __post_init__(self) -> None:
        self.results = [None] * len(self.seeds)
        self.waiting = deque(range(len(self.seeds)))

    def finish(self, member: int, completion: Completion) -> None:
        """Take a member's completion."""
        self.results[member] = completion
        if self.on_done is not None:
            self.on_done(member, completion)

    @property
    def lacking(self) -> int:
        """Slots to take before every member has one."""
        return len(self.waiting) - len(self.reserved)


class Chunk(NamedTuple):
    """A stretch of a group's prompt, fed in one step."""

    group: Group
    start: int
    stop: int

    @property
    def is_last(self) -> bool:
        """True if the prompt ends here and first tokens are drawn."""
        return self.stop == len(self.group.prompt_ids)


@dataclass(slots=True)
class Rows:
    """The live completions, one entry each, in no particular order."""

    token_ids: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    """Last token drawn, not fed yet."""
    positions: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    """Where that token will be fed."""
    slots: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    counts: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    """Tokens drawn so far."""
    limits: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    seeds: UInt64 = field(default_factory=lambda: np.empty(0, np.uint64))
    owners: list[tuple[Group, int]] = field(default_factory=list)
    """Group and member of each row."""

    def __len__(self) -> int:
        return len(self.owners)

    def keep(self, mask: Bools) -> None:
        """Drop the rows where the mask is False."""
        self.token_ids, self.positions, self.slots = self.token_ids[mask], self.positions[mask], self.slots[mask]
        self.counts, self.limits, self.seeds = self.counts[mask], self.limits[mask], self.seeds[mask]
        self.owners = [owner for owner, kept in zip(self.owners, mask, strict=True) if kept]

    def add(self, group: Group, members: list[int], slots: list[int], first: Drawn) -> None:
        """Append members that have drawn their first token."""
        count = len(members)
        self.token_ids = np.concatenate((self.token_ids, first.token_ids[members]))
        self.positions = np.concatenate((self.positions, np.full(count, len(group.prompt_ids), np.int32)))
        self.slots = np.concatenate((self.slots, np.array(slots, np.int32)))
        self.counts = np.concatenate((self.counts, np.ones(count, np.int32)))
        self.limits = np.concatenate((self.limits, group.limits[members]))
        self.seeds = np.concatenate((self.seeds, group.seeds[members]))
        self.owners += [(group, member) for member in members]


class Scheduler:
    """Runs groups from a queue to their end on one engine. Several schedulers may share a queue, each with its own thread and engine."""

    def __init__(
        self,
        engine: Engine,
        params: SamplingParams,
        *,
        longest: int,
        is_stop: Bools,
        ends_text: Callable[[Int32], bool] | None,
        version: int,
    ) -> None:
        """Prepare a run.

        Args:
            longest: the largest limit of any member of any group.
            is_stop: one entry per vocabulary entry.
            ends_text: tells whether the last of these tokens completes a stop string; None = there are no stop strings.
            version: of the engine's weights, written on every completion.
        """
        self._engine, self._params, self._version = engine, params, version
        self._is_stop, self._ends_text = is_stop, ends_text
        self._tokens = np.empty((engine.num_slots, longest), np.int32)
        self._logprobs = np.empty((engine.num_slots, longest), np.float32)
        self._row_numbers = np.arange(engine.max_rows, dtype=np.int32)
        self._rows = Rows()
        self._free = list(range(engine.num_slots))
        self._prefilling: list[Group] = []
        self._filling: Group | None = None
        """The only group that may have slots and lack more: later groups wait behind it, so its ``source`` is never given away."""

    def run(self, queue: deque[Group]) -> None:
        """Take groups from the queue until it is empty, and finish every one taken: their ``results`` are then complete."""
        self._assign_slots(queue)
        while len(self._rows) or self._prefilling:
            self._step()
            self._assign_slots(queue)

    def _assign_slots(self, queue: deque[Group]) -> None:
        """Hand free slots to waiting members in order of arrival, opening new groups while slots are left."""
        while self._free:
            if self._filling is None or self._filling.lacking == 0:
                try:
                    self._filling = queue.popleft()
                except IndexError:
                    return
                self._prefilling.append(self._filling)
            group = self._filling
            count = min(len(self._free), group.lacking)
            group.reserved += self._free[-count:]
            del self._free[-count:]
            if group.first is not None:
                self._start_members(group, group.first)

    def _step(self) -> None:
        """Feed the live rows and some prompt tokens, then deal with what was drawn."""
        chunks = self._next_chunks()
        num_live = len(self._rows)
        drawn = self._engine.step(self._plan(chunks), self._params)
        if num_live:
            self._advance(drawn.token_ids[:num_live], drawn.logprobs[:num_live])
        begin = num_live
        for chunk in chunks:
            chunk.group.fed = chunk.stop
            if chunk.is_last:
                end = begin + len(chunk.group.seeds)
                self._open(chunk.group, Drawn(drawn.token_ids[begin:end], drawn.logprobs[begin:end]))
                begin = end

    def _next_chunks(self) -> list[Chunk]:
        """Choose the prompt tokens to feed, oldest group first."""
        chunks, budget = [], PREFILL_ROWS
        for group in self._prefilling:
            if budget == 0:
                break
            count = min(budget, len(group.prompt_ids) - group.fed)
            chunks.append(Chunk(group, group.fed, group.fed + count))
            budget -= count
        return chunks

    def _plan(self, chunks: list[Chunk]) -> Step:
        """Lay out the step: live rows first, then the chunks."""
        rows, num_live = self._rows, len(self._rows)
        if not chunks:
            return Step(rows.token_ids, rows.positions, rows.slots, self._row_numbers[:num_live], rows.seeds)
        token_ids, positions, slots, draw_rows = [rows.token_ids], [rows.positions], [rows.slots], [self._row_numbers[:num_live]]
        seeds = [rows.seeds]
        num_rows = num_live
        for group, start, stop in chunks:
            token_ids.append(group.prompt_ids[start:stop])
            positions.append(np.arange(start, stop, dtype=np.int32))
            slots.append(np.full(stop - start, group.reserved[0], np.int32))
            num_rows += stop - start
            if stop == len(group.prompt_ids):
                draw_rows.append(np.full(len(group.seeds), num_rows - 1, np.int32))
                seeds.append(group.seeds)
        joined = [np.concatenate(parts) for parts in (token_ids, positions, slots, draw_rows)]
        return Step(joined[0], joined[1], joined[2], joined[3], np.concatenate(seeds))

    def _advance(self, token_ids: Int32, logprobs: np.ndarray) -> None:
        """Write down what the live rows drew; finished rows leave and free their slots."""
        rows = self._rows
        self._tokens[rows.slots, rows.counts] = token_ids
        self._logprobs[rows.slots, rows.counts] = logprobs
        rows.token_ids = token_ids
        rows.counts += 1
        rows.positions += 1
        stopped = self._is_stop[token_ids]
        if self._ends_text is not None:
            stopped |= self._ends_stop_string(rows)
        finished = stopped | (rows.counts >= rows.limits)
        if finished.any():
            for row in np.flatnonzero(finished):
                group, member = rows.owners[row]
                slot, count = int(rows.slots[row]), rows.counts[row]
                group.finish(member, self._completion(self._tokens[slot, :count], self._logprobs[slot, :count], bool(stopped[row])))
                self._free.append(slot)
            rows.keep(~finished)

    def _ends_stop_string(self, rows: Rows) -> Bools:
        assert self._ends_text is not None
        texts = (self._tokens[slot, :count] for slot, count in zip(rows.slots, rows.counts, strict=True))
        return np.fromiter((self._ends_text(ids) for ids in texts), np.bool_, len(rows))

    def _open(self, group: Group, first: Drawn) -> None:
        """The prompt is computed and every member has its first token: finish those it ends, start those that have a slot."""
        self._prefilling.remove(group)
        group.first, group.source = first, group.reserved[0]
        stopped = self._is_stop[first.token_ids]
        if self._ends_text is not None:
            stopped |= np.array([self._ends_text(first.token_ids[i : i + 1]) for i in range(len(group.seeds))])
        finished = stopped | (group.limits <= 1)
        for member in np.flatnonzero(finished):
            one = slice(member, member + 1)
            group.finish(int(member), self._completion(first.token_ids[one], first.logprobs[one], bool(stopped[member])))
        group.waiting = deque(int(member) for member in np.flatnonzero(~finished))
        self._start_members(group, first)

    def _start_members(self, group: Group, first: Drawn) -> None:
        """Start waiting members in the reserved slots; slots that nobody needs any more are free again."""
        count = min(len(group.waiting), len(group.reserved))
        members, slots = [group.waiting.popleft() for _ in range(count)], group.reserved[:count]
        self._free += group.reserved[count:]
        group.reserved = []
        targets = [slot for slot in slots if slot != group.source]
        if targets:
            self._engine.copy_prefix(group.source, targets, len(group.prompt_ids))
        self._tokens[slots, 0], self._logprobs[slots, 0] = first.token_ids[members], first.logprobs[members]
        self._rows.add(group, members, slots, first)

    def _completion(self, token_ids: Int32, logprobs: np.ndarray, stopped: bool) -> Completion:
        return Completion(
            token_ids=token_ids.copy(),
            logprobs=logprobs.copy(),
            mask=np.ones(len(token_ids), np.bool_),
            finish_reason="stop" if stopped else "length",
            weights_version=self._version,
        )
