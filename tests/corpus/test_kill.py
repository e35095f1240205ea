"""Kill a corpus at random, go on with another number of workers: the bytes are those of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.drive import Outcome, Until, run_graph
from reasonforge.corpus.loop.driving import driving
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.pool import QUARANTINE, InProcess
from reasonforge.corpus.units import RECEIPT, Receipt, Store, Unit, digest_of, file_digest
from tests.corpus.loop import web
from tests.corpus.victims import command_of, descendants, living_in, named, ray_cluster, start, wait_until

_PATIENCE_SECONDS = 240.0
_NUM_UNITS = 100
_NUM_CODE = 60_000
_SETTINGS = ("--classifier.epochs=1000",)
"""Training takes about a second of processor time, so that it can be met in the middle."""
_WORKER = "from reasonforge.corpus.pool import work"
_SEES_PROCESSES = pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="finds processes in /proc")


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = web.build(tmp_path_factory.mktemp("kill") / "web")
    # So much that its packing takes a while.
    rows = [json.dumps({"text": f"def f{number}(x): return x + {number}"}) for number in range(_NUM_CODE)]
    (folder / "code.jsonl").write_text("\n".join(rows) + "\n")
    web.load(folder)
    return folder


@pytest.fixture(scope="module")
def expected(crawl: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """Digests of a run that nobody disturbed."""
    whole = tmp_path_factory.mktemp("whole")
    assert run_corpus(web.load(crawl, *_SETTINGS), whole, InProcess, RunOptions(quiet=True)) == 0
    assert sum(units for _, _, units in CorpusReader(whole).progress()) >= _NUM_UNITS
    return digests(whole)


def digests(root: Path) -> tuple[str, dict[str, str]]:
    """Return one digest of all units of the plan, and the digest of every shard."""
    reader = CorpusReader(root)
    receipts = [receipt for _, done, _ in reader.progress() for receipt in done]
    shards = {path.relative_to(root).as_posix(): file_digest(path) for path in sorted((root / "shards").rglob("*")) if path.is_file()}
    return digest_of(receipts), shards


class _Killed(BaseException):
    """Ends a run as a kill does: nobody catches it."""


class _DiesAfter:
    def __init__(self, units: int) -> None:
        self._units = units

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        for receipt in InProcess().run(units, store):
            if self._units == 0:
                raise _Killed
            self._units -= 1
            yield receipt


def test_a_run_that_ends_anywhere_goes_on_to_the_same_bytes(crawl: Path, tmp_path: Path) -> None:
    recipe = web.load(crawl).recipe
    until = Until(stage="select", round=1)

    def walk(root: Path, executor: InProcess | _DiesAfter) -> Outcome:
        store = Store(root)
        return run_graph(corpus_graph(recipe, store), store, executor, until=until)

    expected = walk(tmp_path / "whole", InProcess())
    rng = Random(20)
    for _ in range(4):
        with pytest.raises(_Killed):
            walk(tmp_path / "killed", _DiesAfter(rng.randrange(8)))
    found = walk(tmp_path / "killed", InProcess())
    assert found.found > 0
    assert found.digest == expected.digest


@pytest.mark.slow
@_SEES_PROCESSES
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_killed_on_one_machine_another_number_of_workers_leaves_the_same_bytes(
    crawl: Path, expected: tuple[str, dict[str, str]], tmp_path: Path, seed: int
) -> None:
    rng = Random(seed)
    moments = [
        Moment("round-1/train", "worker"),
        Moment("round-1/train", "driver"),
        *[Moment(rng.randint(1, _NUM_UNITS // 6), rng.choice(["driver", "driver", "worker"])) for _ in range(4)],
        Moment("pack/code", "worker"),
        Moment("pack/code", "driver"),
    ]
    killed = tmp_path / "killed"
    numbers = [rng.randint(1, 3)]
    with Disturbed(crawl, killed, rng) as run:
        for moment in moments:
            if not run.is_on:
                numbers.append(rng.choice([number for number in (1, 2, 3) if number != numbers[-1]]))
                run.begin("--workers", str(numbers[-1]))
            run.meet(moment)
        if not run.is_on:
            run.begin("--workers", "2" if numbers[-1] == 3 else "3")
        assert run.end() == 0
    assert run.kills["driver"] >= 2
    assert run.kills["worker"] >= 2
    assert list(run.scratch.iterdir()) == []
    assert {(whom, stage) for whom in ("driver", "worker") for stage in ("round-1/train", "pack/code")} <= run.halves
    assert digests(killed) == expected
    assert not (killed / QUARANTINE).exists()
    assert _is_swept(killed)
    assert wait_until(lambda: not living_in(tmp_path), 30.0), list(map(command_of, living_in(tmp_path)))


@pytest.mark.slow
@_SEES_PROCESSES
@pytest.mark.timeout(600)
def test_whatever_is_killed_under_ray_a_cluster_of_another_size_leaves_the_same_bytes(
    crawl: Path, expected: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    rng, killed = Random(3), tmp_path / "killed"
    with Disturbed(crawl, killed, rng) as run:
        with ray_cluster(2, tmp_path) as (owner, address):
            run.begin("--executor", "ray", address=address, machines=owner)
            run.meet(Moment("round-1/train", "ray::_do"))
            run.meet(Moment(rng.randint(1, 10), "worker"))
            run.meet(Moment("round-3/train", "driver"))
            run.begin("--executor", "ray", address=address, machines=owner)
            run.meet(Moment("round-3/train", "raylet/raylet"))
            assert run.end() == 69
            assert "lost with its worker" in run.said or "no cluster" in run.said, run.said
        assert wait_until(lambda: not living_in(tmp_path), 60.0), list(map(command_of, living_in(tmp_path)))
        with ray_cluster(3, tmp_path) as (owner, address):
            run.begin("--executor", "ray", address=address, machines=owner)
            run.meet(Moment("pack/code", "driver"))
            run.begin("--executor", "ray", address=address, machines=owner)
            assert run.end() == 0
    assert run.kills == {"driver": 2, "ray::_do": 1, "worker": 1, "raylet/raylet": 1}
    assert ("ray::_do", "round-1/train") in run.halves
    assert digests(killed) == expected
    assert not (killed / QUARANTINE).exists()
    assert _is_swept(killed)
    assert wait_until(lambda: not living_in(tmp_path), 60.0), list(map(command_of, living_in(tmp_path)))


@pytest.mark.slow
def test_ranks_in_any_order_leave_the_bytes_of_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "synthesise", "--out", str(tmp_path / "web"), "--pages", "600"]) == 0
    recipe = tmp_path / "toy.toml"
    recipe.write_text((Path(__file__).parents[2] / "recipes" / "toy" / "corpus.toml").read_text().replace("corpus/web", f"{tmp_path}/web"))
    loaded = load_recipe(CorpusRecipe, [recipe], ["--rounds.token_budgets=[21_000, 47_000, 64_000]"])
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert run_corpus(loaded, alone, InProcess) == 0
    rng, calls = Random(4), 0
    for stage, number in dict.fromkeys((step.stage, step.round) for step in CorpusReader(alone).steps):
        done = set[int]()
        while len(done) < 3:  # a stage of several steps takes a call of all ranks for each
            for rank in rng.sample(range(3), 3):
                capsys.readouterr()
                options = RunOptions(stage=stage, round=number, only=True, rank=rank, world_size=3)
                assert run_corpus(loaded, shared, InProcess, options) == 0
                calls += 1
                if "the stage is done" in capsys.readouterr().out:
                    done.add(rank)
            assert calls < 1000
    assert run_corpus(loaded, shared, InProcess) == 0
    assert " 0 done, " in capsys.readouterr().out  # the driver found all of it
    assert digests(shared) == digests(alone)


@dataclass(frozen=True, slots=True)
class Moment:
    """When somebody is killed, and who."""

    when: int | str
    """So many units more are done, or a unit of this stage is being done."""
    whom: str
    """``"driver"``, ``"worker"`` (a process that does units), or a part of the name of one of Ray's processes."""


class Disturbed:
    """A run that is killed again and again: only what it started, at moments with a random delay."""

    def __init__(self, crawl: Path, root: Path, rng: Random) -> None:
        self._crawl, self._root, self._rng = crawl, root, rng
        self._driver: subprocess.Popen[str] | None = None
        self._machines: subprocess.Popen[str] | None = None
        self.scratch = root.with_name("scratch")
        self.scratch.mkdir()
        self.kills = Counter[str]()
        self.halves: set[tuple[str, str]] = set()
        """Who was killed in the middle of a unit, and of which stage."""
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._driver is not None:
            self._driver.kill()
            self._driver.communicate()

    @property
    def is_on(self) -> bool:
        return self._driver is not None

    def begin(self, *how: str, address: str = "", machines: subprocess.Popen[str] | None = None) -> None:
        """Start the run, or go on with it."""
        assert self._driver is None
        print(" ".join(how), file=sys.stderr)
        recipe = str(self._crawl / "recipe-file.toml")
        command = ["-m", "reasonforge", "corpus", "run", recipe, "--out", str(self._root), "--quiet", *_SETTINGS, *how]
        self._driver = start(command, self._root.parent, **({"RAY_ADDRESS": address} if address else {"TMPDIR": str(self.scratch)}))
        self._machines = machines

    def end(self) -> int:
        """Let the run come to its end and return its exit code."""
        assert self._driver is not None
        self.said = self._driver.communicate(timeout=_PATIENCE_SECONDS)[1]
        code, self._driver = self._driver.returncode, None
        print(self.said, file=sys.stderr)
        return code

    def meet(self, moment: Moment) -> None:
        """Wait for a moment and a little longer, and kill."""
        driver, root = self._driver, self._root
        assert driver is not None
        before, packs = _receipts(root), (root / "pack").exists

        def has_come() -> bool:
            if isinstance(moment.when, int):
                return _receipts(root) >= before + moment.when or packs()
            return any(map(_is_in_hand, (root / moment.when).glob(".tmp-*")))

        assert wait_until(lambda: has_come() or driver.poll() is not None, _PATIENCE_SECONDS)
        assert driver.poll() is None, f"the run ended before {moment}: {driver.communicate()[1]}"
        if isinstance(moment.when, int):
            wait_until(packs, self._rng.uniform(0.0, 1.0))  # packing has moments of its own, and must not be done before
        else:
            time.sleep(self._rng.uniform(0.0, 0.3))
        victim = self._victim(moment)
        if victim is None:
            return
        held = {path for path in _halves(root) if _is_in_hand(path)}
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:  # it ended meanwhile
            return
        self.kills[moment.whom] += 1
        if moment.whom == "driver":
            assert driver.wait() == -signal.SIGKILL
            driver.communicate()
            self._driver = None
        assert wait_until(lambda: not command_of(victim), 30.0)
        print(f"{moment}: killed {victim}, {_receipts(root)} units are done", file=sys.stderr)
        self.halves |= {(moment.whom, path.parent.relative_to(root).as_posix()) for path in held if path.exists()}

    def _victim(self, moment: Moment) -> int | None:
        """Return a process of this run: of workers, the one that does a unit of the stage."""
        assert self._driver is not None
        if moment.whom == "driver":
            return self._driver.pid
        found = named(descendants((self._machines or self._driver).pid), _WORKER if moment.whom == "worker" else moment.whom)
        if isinstance(moment.when, str) and moment.whom == "worker":
            makers = {_maker(half) for half in (self._root / moment.when).glob(".tmp-*")}
            found = [pid for pid in found if pid in makers]
        return self._rng.choice(sorted(found)) if found else None


def _is_swept(root: Path) -> bool:
    """Return whether a driver clears away all that killed ones left; a worker may live a moment longer than its driver."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        with driving(root):
            pass
        if not list(root.rglob(".tmp-*")):
            return True
        time.sleep(0.2)
    return False


def _receipts(root: Path) -> int:
    # Not rglob: it stumbles over folders that are renamed under it.
    return sum(RECEIPT in names for _, _, names in os.walk(root))


def _halves(root: Path) -> list[Path]:
    """Return the folders that are no units yet, or never will be."""
    return [*root.glob("*/.tmp-*"), *root.glob("*/*/.tmp-*")]


def _is_in_hand(half: Path) -> bool:
    """Return whether the maker of a half-done folder lives: a killed one's lies there until the next driver."""
    return _WORKER in command_of(_maker(half))


def _maker(half: Path) -> int:
    return int(half.name.split("-")[-2])
