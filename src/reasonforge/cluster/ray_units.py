"""Units of a corpus as Ray tasks: one task a unit, on any machine of the cluster that sees the corpus folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reasonforge.core.errors import ReasonforgeError, UnavailableError
from reasonforge.corpus.pool import ProcessPool, packed_error, raise_packed
from reasonforge.corpus.units import Receipt, Store, Unit

_MAX_NODE_LOSSES = 3
_CONNECT_SECONDS = 10.0


class RayExecutor:
    """Does units on a Ray cluster. Nothing but a unit's description and its receipt's key travels; files stay on the shared file system.

    In its task a unit runs as it does on one machine, in a process that is watched: what kills a worker is found and left out alike. So the
    bytes are the same. A worker of Ray keeps that process from task to task.
    """

    def __init__(
        self, address: str | None = None, *, cpus_per_unit: float = 1.0, in_flight: int = 1000, item_cpu_seconds: float = 60.0
    ) -> None:
        """Say how to work.

        Args:
            address: of the cluster, as ``ray.init`` takes it; None = the one that ``RAY_ADDRESS`` names, else a new one on this machine.
            cpus_per_unit: processors that a task asks for; one whose unit says that it needs more asks for more.
            in_flight: tasks handed to Ray at a time.
            item_cpu_seconds: as for :class:`reasonforge.corpus.pool.ProcessPool`.

        Raises:
            UnavailableError: Ray is not installed.
        """
        try:
            import ray
        except ImportError as error:
            raise UnavailableError("Ray is not installed. Install it with: pip install 'reasonforge[ray]'") from error
        self._ray: Any = ray
        self._address = address
        self._cpus = cpus_per_unit
        self._in_flight = in_flight
        self._item_cpu_seconds = item_cpu_seconds

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        """Do the units, in any order. A task whose machine is lost is done again elsewhere.

        Raises:
            UnavailableError: no cluster answers, or machines are lost again and again.
        """
        waiting: list[Unit] = []
        for unit in {unit.key: unit for unit in units}.values():
            if (receipt := store.receipt(unit)) is not None:
                yield receipt
            else:
                waiting.append(unit)
        if not waiting:
            return
        ray = self._connect()
        # The folder's name must mean the same on every machine.
        root = str(store.root.absolute())
        task = ray.remote(max_retries=0)(_do)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        waiting.reverse()
        running: dict[Any, Unit] = {}
        losses: dict[str, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self._in_flight:
                    unit = waiting.pop()
                    asked = task.options(**_asked(unit, self._cpus, machines))
                    running[asked.remote(json.dumps(unit.to_dict()), root, self._item_cpu_seconds)] = unit
                done, _ = ray.wait(list(running), num_returns=1)
                for reference in done:
                    unit = running.pop(reference)
                    try:
                        answer = ray.get(reference)
                    except ray.exceptions.RayTaskError:
                        raise  # a bug in the unit, with its traceback
                    except ray.exceptions.RayError as error:  # a worker, a machine or memory that Ray lost
                        losses[unit.key] = losses.get(unit.key, 0) + 1
                        if losses[unit.key] > _MAX_NODE_LOSSES:
                            words = str(error).splitlines()[0]
                            raise UnavailableError(
                                f"{unit.stage} {unit.key}: lost with its worker {losses[unit.key]} times: {words}"
                            ) from error
                        waiting.append(unit)
                        continue
                    yield _receipt(answer, unit, store)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _connect(self) -> Any:
        ray = self._ray
        if ray.is_initialized():
            return ray
        address = self._address or os.environ.get("RAY_ADDRESS", "")
        _check_listens(address)
        try:
            # Errors alone: what Ray has to advise about itself (tokens, dashboards) is not for who makes a corpus.
            ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, ray.exceptions.RayError) as error:
            what = f"no cluster at {address}" if address else "none can be started on this machine"
            # Ray looks for its token by itself only where it was not told an address.
            hint = ". If it asks for a token: RAY_AUTH_MODE=token" if address and "RAY_AUTH_MODE" not in os.environ else ""
            raise UnavailableError(f"Ray: {what}: {(str(error) or type(error).__name__).splitlines()[0]}{hint}") from error
        return ray


def _check_listens(address: str) -> None:
    """Refuse a cluster's address where nobody listens: Ray itself goes on trying for many minutes.

    Raises:
        UnavailableError: the connection is refused, or not answered in ten seconds.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():  # "auto", "local", none, or a name that Ray has to look up
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"Ray: no cluster at {address}: {getattr(error, 'strerror', None) or error}") from error


def _asked(unit: Unit, cpus: float, machines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return what a task asks Ray for. What no machine has, it would wait for in silence and for ever: then as much as the largest has."""
    needs = {"CPU": float(unit.needs.cpus), "memory": float(unit.needs.memory_bytes)}
    largest = max(machines, key=lambda machine: tuple(min(machine.get(name, 0.0), number) for name, number in needs.items()), default={})
    return {
        "num_cpus": cpus if unit.needs.cpus == 1 else max(cpus, min(needs["CPU"], largest.get("CPU", 0.0))),
        "memory": int(min(needs["memory"], largest.get("memory", 0.0))),
    }


_hired: dict[tuple[str, float], ProcessPool] = {}
"""In a worker of Ray: the process that does its units, by folder and limit; one at most."""


def _do(order: str, root: str, item_cpu_seconds: float) -> dict[str, str]:
    """Do a unit in a watched process of this machine. Errors for the user come back as words: their classes need not survive the way."""
    unit = Unit.from_dict(json.loads(order))
    try:
        (receipt,) = _process(root, item_cpu_seconds).run([unit], Store(Path(root)))
    except ReasonforgeError as error:
        return packed_error(error)
    return {"key": receipt.key}


def _process(root: str, item_cpu_seconds: float) -> ProcessPool:
    """Return the process of this worker; its start costs as much as many a small unit."""
    if (root, item_cpu_seconds) not in _hired:
        while _hired:
            _hired.popitem()[1].__exit__(None, None, None)
        _hired[root, item_cpu_seconds] = ProcessPool(1, item_cpu_seconds=item_cpu_seconds).__enter__()
    return _hired[root, item_cpu_seconds]


def _receipt(answer: dict[str, str], unit: Unit, store: Store) -> Receipt:
    raise_packed(answer)
    receipt = store.receipt(unit)
    if receipt is None:
        raise UnavailableError(
            f"{store.root}: {unit.stage} {unit.key} was done on another machine and is not here: the folder must be shared"
        )
    return receipt
