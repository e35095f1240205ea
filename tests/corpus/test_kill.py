"""Kill a corpus at random, go on with another number of workers: the bytes are those of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.drive import Outcome, Until, driving, run_graph
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import RECEIPT, Receipt, Store, Unit, digest_of, file_digest
from tests.corpus.loop import web

_PATIENCE_SECONDS = 300.0


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return web.build(tmp_path_factory.mktemp("kill") / "web")


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
@pytest.mark.parametrize("seed", [1, 2])
def test_sigkill_at_random_and_another_number_of_workers_leave_the_same_bytes(crawl: Path, tmp_path: Path, seed: int) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_corpus(web.load(crawl), whole, InProcess) == 0
    expected = digests(whole)
    num_units = sum(units for _, _, units in CorpusReader(whole).progress())
    rng, kills, done = Random(seed), 0, 0
    while True:
        target = done + rng.randint(1, max(2, num_units // 3))
        workers = rng.randint(1, 3)
        print(f"seed {seed}: {workers} workers, killed at {target} of {num_units} units", file=sys.stderr)
        if not _run_until(crawl, killed, "--workers", str(workers), target=target):
            break
        kills += 1
        done = _receipts(killed)
    assert kills >= 2
    assert digests(killed) == expected
    assert _is_swept(killed)


@pytest.mark.slow
def test_ray_leaves_the_bytes_of_one_process(crawl: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from reasonforge.cluster.ray_units import RayExecutor

    here, there = tmp_path / "here", tmp_path / "there"
    options = RunOptions(stage="domains", round=1, quiet=True)
    assert run_corpus(web.load(crawl), here, InProcess, options) == 0
    try:
        assert run_corpus(web.load(crawl), there, RayExecutor, options) == 0
    finally:
        ray.shutdown()
    assert digests(there) == digests(here)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigkill_under_ray_and_a_local_pool_that_goes_on_leave_the_same_bytes(crawl: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_corpus(web.load(crawl), whole, InProcess) == 0
    num_units = sum(units for _, _, units in CorpusReader(whole).progress())
    rng, counts = Random(3), [0]
    # A cluster that outlives its drivers, as one of many machines does.
    cluster = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for _ in range(3):
            target = counts[-1] + rng.randint(1, num_units // 5)
            print(f"ray, killed at {target} of {num_units} units", file=sys.stderr)
            assert _run_until(crawl, killed, "--executor", "ray", target=target, address=cluster.address_info["address"])
            counts.append(_receipts(killed))
    finally:
        ray.shutdown()
    assert counts == sorted(set(counts))  # each driver did something and was killed before the end
    assert not _run_until(crawl, killed, "--workers", "3", target=num_units + 1)
    assert digests(killed) == digests(whole)
    assert _is_swept(killed)


@pytest.mark.slow
def test_ranks_in_any_order_leave_the_bytes_of_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "synthesise", "--out", str(tmp_path / "web"), "--pages", "600"]) == 0
    recipe = tmp_path / "toy.toml"
    recipe.write_text((Path(__file__).parents[2] / "recipes" / "toy" / "corpus.toml").read_text().replace("corpus/web", f"{tmp_path}/web"))
    loaded = load_recipe(CorpusRecipe, [recipe], ["--rounds.token_budgets=[16_000, 35_000, 48_000]"])
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


def _run_until(crawl: Path, root: Path, *how: str, target: int, address: str | None = None) -> bool:
    """Run, and kill when so many units are done; return False if the run ended before."""
    command = [sys.executable, "-m", "reasonforge", "corpus", "run", str(crawl / "recipe-file.toml"), "--out", str(root), "--quiet"]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", **({} if address is None else {"RAY_ADDRESS": address})}
    run = subprocess.Popen([*command, *how], env=environment)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while run.poll() is None and time.monotonic() < deadline:
            if _receipts(root) >= target:
                run.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
    finally:
        if time.monotonic() >= deadline:
            run.kill()
        code = run.wait()
    assert code in (0, -signal.SIGKILL), f"exit code {code}"
    return code != 0


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
