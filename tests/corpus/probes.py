"""Functions of units for tests of the frame: they run in worker processes too."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.corpus.units import Input, Unit, Work


def items(work: Work) -> None:
    """Write the names of all items of ``settings["count"]``; one may crash, hang, or eat memory."""
    kept = []
    for index in range(work.settings["count"]):
        name = work.settings.get("prefix", "") + f"item-{index}"
        work.counts.taken += 1
        if work.begin(name):
            harm(work, index)
            kept.append(name)
            work.counts.kept += 1
    work.output("items.txt").write_bytes("\n".join(kept).encode("utf-8", "surrogatepass"))


def harm(work: Work, index: int) -> None:
    deeds: dict[str, Callable[[], object]] = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "abort": os.abort,
        "spin": lambda: all(True for _ in iter(int, 1)),
        "memory": lambda: (_ for _ in ()).throw(MemoryError()),
    }
    if index in work.settings.get("at", ()):
        deeds[work.settings["deed"]]()


def once(work: Work) -> None:
    """Die at the first try, as one does whom the system shot for lack of memory."""
    marker = Path(work.settings["marker"])
    work.counts.taken += 1
    work.begin("innocent")
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    work.counts.kept += 1
    work.output("done.txt").write_text("done")


def pid(work: Work) -> None:
    """Write down which process did it."""
    work.counts.taken = work.counts.kept = 1
    work.output("pid.txt").write_text(str(os.getpid()))


def dies_before_items(work: Work) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fails(work: Work) -> None:
    work.output("half.txt").write_text("half")
    if work.settings.get("data"):
        raise DataError("page.warc: broken. Replace it.")
    raise RuntimeError("a bug")


def full_disk(work: Work) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unavailable(work: Work) -> None:
    raise UnavailableError("fasttext: not installed")


def loses_one(work: Work) -> None:
    work.counts.taken += 2
    work.counts.kept += 1


def shouts(work: Work) -> None:
    """Write each input in capitals, under its position."""
    for index, path in enumerate(work.inputs):
        work.counts.taken += 1
        work.output(f"{index}.txt").write_text(Path(path).read_text().upper())
        work.counts.kept += 1


def slow(work: Work) -> None:
    Path(work.settings["pid"]).write_text(str(os.getpid()))
    time.sleep(60)


def unit_of(function: str, *, stage: str = "probe", version: int = 1, inputs: tuple[Input, ...] = (), **settings: object) -> Unit:
    return Unit(stage=stage, function=f"tests.corpus.probes:{function}", version=version, settings=settings, inputs=inputs)
