"""Units of a corpus as Ray tasks: one task a unit, on any machine of the cluster that sees the corpus folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
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
    bytes are the same.
    """

    def __init__(
        self, address: str | None = None, *, cpus_per_unit: float = 1.0, in_flight: int = 1000, item_cpu_seconds: float = 60.0
    ) -> None:
        """Say how to work.

        Args:
            address: of the cluster, as ``ray.init`` takes it; None = the one that ``RAY_ADDRESS`` names, else a new one on this machine.
            cpus_per_unit: processors that a task asks for.
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
        task = ray.remote(num_cpus=self._cpus, max_retries=0)(_do)
        waiting.reverse()
        running: dict[Any, Unit] = {}
        losses: dict[str, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self._in_flight:
                    unit = waiting.pop()
                    running[task.remote(json.dumps(unit.to_dict()), root, self._item_cpu_seconds)] = unit
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
        if not ray.is_initialized():
            _check_listens(self._address or os.environ.get("RAY_ADDRESS", ""))
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
            except (ConnectionError, ValueError) as error:
                raise UnavailableError(f"Ray: no cluster at {self._address or 'RAY_ADDRESS'}: {str(error).splitlines()[0]}") from error
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


def _do(order: str, root: str, item_cpu_seconds: float) -> dict[str, str]:
    """Do a unit in a watched process of this machine. Errors for the user come back as words: their classes need not survive the way."""
    unit = Unit.from_dict(json.loads(order))
    try:
        (receipt,) = ProcessPool(1, item_cpu_seconds=item_cpu_seconds).run([unit], Store(Path(root)))
    except ReasonforgeError as error:
        return packed_error(error)
    return {"key": receipt.key}


def _receipt(answer: dict[str, str], unit: Unit, store: Store) -> Receipt:
    raise_packed(answer)
    receipt = store.receipt(unit)
    if receipt is None:
        raise UnavailableError(
            f"{store.root}: {unit.stage} {unit.key} was done on another machine and is not here: the folder must be shared"
        )
    return receipt
