"""The driver of a graph of steps: order, resumption, shares of ranks, where it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reasonforge.core.errors import InterruptedRun, RecipeError, UnavailableError
from reasonforge.corpus.loop.drive import Until, run_graph
from reasonforge.corpus.loop.driving import driving, sweep_dead
from reasonforge.corpus.loop.ledger import ABSENT, Ledger, differences
from reasonforge.corpus.loop.steps import Ended, Graph, Step, Waits
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.units import Receipt, Store, Unit, Work
from reasonforge.runs.signals import StopRequest

MODULE = "reasonforge.corpus.stand_in"
DONE: list[str] = []
OUTLINE = (("split", None), ("double", 1), ("double", 2), ("sum", None))
RECIPE = {"crawl": {}, "rounds": {}}
"""As little of one as a folder needs to be taken for a corpus."""


def split(work: Work) -> None:
    DONE.append(f"split {work.settings['number']}")
    work.output("n").write_text(str(work.settings["number"]))


def double(work: Work) -> None:
    DONE.append(f"double {work.unit.stage}")
    work.output("n").write_text(str(2 * int(Path(work.inputs[0]).read_text())))


def add(work: Work) -> None:
    DONE.append("sum")
    work.output("n").write_text(str(sum(int(Path(path).read_text()) for path in work.inputs)))


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType(MODULE)
    vars(module).update(split=split, double=double, add=add)
    monkeypatch.setitem(sys.modules, MODULE, module)
    DONE.clear()


def graph(store: Store, *, numbers: Sequence[int] = (1, 2, 3), rounds: int = 2, waits_in: int | None = None, factor: int = 1) -> Graph:
    """Split, double in each round, wait for a person in one of them, and sum."""
    units = [Unit(stage="split", function=f"{MODULE}:split", settings={"number": number}) for number in numbers]
    receipts = yield Step(stage="split", units=units)
    for number in range(1, rounds + 1):
        stage = f"round-{number}/double"
        inputs = [{"n": [store.input(receipt, "n")]} for receipt in receipts]
        units = [unit_of(stage, f"{MODULE}:double", given, settings={"factor": factor}) for given in inputs]
        receipts = yield Step(stage="double", round=number, units=units)
        if waits_in == number:
            yield Waits(round=number, message="look at it")
    everything = {"n": [store.input(receipt, "n") for receipt in receipts]}
    receipts = yield Step(stage="sum", units=[unit_of("sum", f"{MODULE}:add", everything)])
    return Ended(rounds=rounds, reason="max_rounds", overlap=None, packed={"sum": receipts})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "corpus")


def result(store: Store, receipts: Sequence[Receipt]) -> str:
    return store.output(receipts[-1], "n").read_text()


def test_the_steps_are_done_in_order_and_each_feeds_the_next(store: Store) -> None:
    outcome = run_graph(graph(store), store, InProcess())
    assert outcome.ended is not None
    assert result(store, outcome.ended.packed["sum"]) == "24"
    assert (outcome.done, outcome.found) == (10, 0)


def test_a_second_call_does_nothing_and_finds_the_same(store: Store) -> None:
    first = run_graph(graph(store), store, InProcess())
    DONE.clear()
    second = run_graph(graph(store), store, InProcess())
    assert (DONE, second.done, second.found) == ([], 0, 10)
    assert first.digest == second.digest


def test_another_input_redoes_only_what_depends_on_it(store: Store) -> None:
    run_graph(graph(store), store, InProcess())
    DONE.clear()
    run_graph(graph(store, numbers=(1, 2, 3, 4)), store, InProcess())
    assert sorted(DONE) == ["double round-1/double", "double round-2/double", "split 4", "sum"]


def test_a_changed_setting_redoes_what_has_it_and_what_follows(store: Store) -> None:
    run_graph(graph(store), store, InProcess())
    DONE.clear()
    run_graph(graph(store, factor=2), store, InProcess())
    assert sum(name.startswith("split") for name in DONE) == 0
    assert sum(name.startswith("double round-1") for name in DONE) == 3
    # Their outputs are the same bytes, and a setting of theirs alone: round 2 is done again, the sum is not.
    assert "sum" not in DONE


def test_two_numbers_that_are_one_unit_are_done_once_and_counted_twice(store: Store) -> None:
    outcome = run_graph(graph(store, numbers=(5, 5)), store, InProcess())
    assert outcome.ended is not None
    assert result(store, outcome.ended.packed["sum"]) == "40"
    assert DONE.count("split 5") == 1


def test_until_a_stage_of_a_round_stops_after_it(store: Store) -> None:
    outcome = run_graph(graph(store), store, InProcess(), until=Until(stage="double", round=1))
    assert outcome.stopped_after == "round 1: double"
    assert outcome.ended is None
    assert "double round-1/double" in DONE
    assert "double round-2/double" not in DONE


def test_only_a_stage_refuses_when_what_it_needs_is_missing(store: Store) -> None:
    run_graph(graph(store), store, InProcess(), until=Until(stage="split"))
    with pytest.raises(UnavailableError, match=r"round 1: double: 3 of 3 units are not done, and sum needs them"):
        run_graph(graph(store), store, InProcess(), until=Until(stage="sum", only=True))
    assert not any(name.startswith("double") for name in DONE)


def test_only_a_stage_does_that_stage(store: Store) -> None:
    run_graph(graph(store), store, InProcess(), until=Until(stage="split"))
    DONE.clear()
    run_graph(graph(store), store, InProcess(), until=Until(stage="double", round=1, only=True))
    assert set(DONE) == {"double round-1/double"}


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_a_stage_and_leave_the_bytes_of_one_process(tmp_path: Path, world_size: int) -> None:
    alone, shared = Store(tmp_path / "alone"), Store(tmp_path / "shared")
    numbers = tuple(range(10))
    expected = run_graph(graph(alone, numbers=numbers), alone, InProcess())
    for stage, number in OUTLINE:
        ranks = [Until(stage=stage, round=number, only=True, rank=rank, world_size=world_size) for rank in range(world_size)]
        outcomes = [run_graph(graph(shared, numbers=numbers), shared, InProcess(), until=until) for until in ranks]
        assert outcomes[-1].left == 0
    found = run_graph(graph(shared, numbers=numbers), shared, InProcess())
    assert found.done == 0
    assert found.digest == expected.digest


def test_a_rank_says_what_others_have_left_to_do(store: Store) -> None:
    numbers = tuple(range(20))
    until = Until(stage="split", only=True, rank=0, world_size=2)
    outcome = run_graph(graph(store, numbers=numbers), store, InProcess(), until=until)
    assert outcome.left > 0
    assert outcome.done + outcome.left == 20


def test_it_waits_for_a_person_and_goes_on_when_called_again(store: Store) -> None:
    outcome = run_graph(graph(store, waits_in=1), store, InProcess())
    assert outcome.waits == Waits(round=1, message="look at it")
    assert run_graph(graph(store), store, InProcess()).ended is not None


def test_a_stage_that_does_not_exist_is_named_with_those_that_do(store: Store) -> None:
    with pytest.raises(RecipeError, match=r"--stage nope: this recipe has no such stage. It has: split, double, sum"):
        run_graph(graph(store), store, InProcess(), until=Until(stage="nope"))


def test_a_round_that_never_comes_is_named_with_those_that_do(store: Store) -> None:
    with pytest.raises(RecipeError, match=r"--round 7: double came in rounds 1 to 2"):
        run_graph(graph(store), store, InProcess(), until=Until(stage="double", round=7))


class StopsAfter:
    """Sends a signal to this process after so many units."""

    def __init__(self, units: int) -> None:
        self._units = units

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        for receipt in InProcess().run(units, store):
            self._units -= 1
            if self._units == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield receipt


@pytest.mark.parametrize("units", [1, 3, 5])
def test_a_signal_stops_after_the_unit_and_the_next_call_finishes_the_rest(store: Store, units: int) -> None:
    with pytest.raises(InterruptedRun) as caught, StopRequest() as stop:
        run_graph(graph(store), store, StopsAfter(units), stop=stop)
    assert caught.value.exit_code == 143
    assert len(DONE) == units
    outcome = run_graph(graph(store), store, InProcess())
    assert (outcome.found, outcome.done) == (units, 10 - units)


def test_the_ledger_has_every_step_with_its_units(store: Store) -> None:
    with driving(store.root) as ledger:
        ledger.begin(text="", resolved=RECIPE)
        outcome = run_graph(graph(store), store, InProcess(), ledger=ledger)
        ledger.end(outcome.steps, state="complete")
    steps = Ledger(store.root).steps()
    assert [(step.stage, step.round) for step in steps] == list(OUTLINE)
    assert all(receipt is not None for step in steps for receipt in ledger.receipts(step))
    assert ledger.ended() == {"state": "complete"}


def test_a_shorter_plan_forgets_the_steps_of_the_longer_one(store: Store) -> None:
    with driving(store.root) as ledger:
        for rounds in (3, 1):
            ledger.begin(text="", resolved=RECIPE)
            ledger.end(run_graph(graph(store, rounds=rounds), store, InProcess(), ledger=ledger).steps)
    assert [step.stage for step in ledger.steps()] == ["split", "double", "sum"]


def test_the_ledger_tells_what_changed_in_the_recipe(store: Store) -> None:
    ledger = Ledger(store.root)
    assert ledger.begin(text="", resolved={**RECIPE, "a": {"b": 1, "c": 2}}) == {}
    assert ledger.begin(text="", resolved={**RECIPE, "a": {"b": 1, "c": 3}, "d": None}) == {"a.c": (2, 3)}


def test_differences_name_what_came_and_what_went() -> None:
    assert differences({"a": 1, "b": [1]}, {"b": [2], "c": {"d": 1}}) == {"a": (1, ABSENT), "b": ([1], [2]), "c": (ABSENT, {"d": 1})}


def test_a_second_driver_is_refused(store: Store) -> None:
    with driving(store.root), pytest.raises(UnavailableError, match="in use by"), driving(store.root):
        pass


def test_leftovers_of_dead_processes_are_swept_and_those_of_the_living_are_not(store: Store) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        pid: f".tmp-{'0' * 32}-{host}-{pid}-abcd1234"
        for pid, host in ((ended.pid, socket.gethostname()), (os.getpid(), socket.gethostname()))
    }
    foreign = f".tmp-{'0' * 32}-other-host-{ended.pid}-abcd1234"
    for name in (*names.values(), foreign):
        (store.root / "round-1" / "score" / name).mkdir(parents=True)
        (store.root / "pages" / name).mkdir(parents=True)
        (store.root / "decontaminate" / "sources" / "code" / name).mkdir(parents=True)
    assert sweep_dead(store.root) == 3
    left = {path.name for path in store.root.rglob(".tmp-*")}
    assert left == {names[os.getpid()], foreign}


def test_what_a_killed_driver_was_writing_is_cleared_away(store: Store) -> None:
    left = [store.root / name for name in (".tmp-recipe.toml-1", "plan/.tmp-0001.json-1", "shards/.tmp-mined-1/shard")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    other = store.root / ".tmp-report.html-1"
    other.touch()
    with driving(store.root):
        assert list(store.root.rglob(".tmp-*")) == [other]


def test_looking_ahead_finds_that_all_the_rest_is_done(store: Store) -> None:
    whole = run_graph(graph(store), store, InProcess())
    DONE.clear()
    until = Until(stage="double", round=1)
    outcome = run_graph(graph(store), store, InProcess(), until=until, look_ahead=True)
    assert (outcome.stopped_after, outcome.ended, outcome.digest, DONE) == ("round 1: double", whole.ended, whole.digest, [])
    assert run_graph(graph(store), store, InProcess(), until=until).ended is None
    waiting = run_graph(graph(store, waits_in=2), store, InProcess(), until=until, look_ahead=True)
    assert (waiting.ended, waiting.waits) == (None, Waits(round=2, message="look at it"))


def test_looking_ahead_does_nothing_that_is_missing(store: Store) -> None:
    outcome = run_graph(graph(store), store, InProcess(), until=Until(stage="double", round=1), look_ahead=True)
    assert (outcome.stopped_after, outcome.ended, outcome.done, outcome.steps) == ("round 1: double", None, 6, 2)


def test_a_round_that_the_graph_has_passed_stops_it_before_what_follows(store: Store) -> None:
    planned = (*OUTLINE[:3], ("double", 3), OUTLINE[3])
    outcome = run_graph(graph(store), store, InProcess(), until=Until(stage="double", round=3), outline=planned)
    assert (outcome.never, outcome.stopped_after) == ("round 3: double never comes: the rounds ended before", None)
    assert "sum" not in DONE
