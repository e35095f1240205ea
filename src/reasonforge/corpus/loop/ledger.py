"""What a corpus folder says about itself: the recipe, the steps that were planned, and how the last call ended.

Receipts say what is done; the ledger says what was meant to be, so that ``status`` and ``explain`` need neither the inputs nor a new plan.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.corpus.loop.steps import Step, title_of
from reasonforge.corpus.units import Receipt, Store
from reasonforge.runs.files import read_json, write_json

RECIPE = "recipe.toml"
RESOLVED = "recipe.resolved.json"
LOCK = "corpus.lock"
_PLAN = "plan"
_END = "end.json"
_TYPED = "command_line.json"

ABSENT: Final = object()
"""In place of a setting that a table of another type does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step as it was planned."""

    stage: str
    round: int | None
    units: tuple[tuple[str, str], ...]
    """Folder of the stage's units and key, one per unit."""

    @property
    def title(self) -> str:
        """Return how the step is called on screen."""
        return title_of(self.stage, self.round)


class Ledger:
    """The ``plan`` folder of a corpus and its recipe."""

    def __init__(self, root: Path) -> None:
        """Use a corpus folder; nothing is made before something is written."""
        self.root = root
        self._folder = root / _PLAN

    def begin(self, *, text: str, resolved: dict[str, Any], typed: Sequence[str] = ()) -> dict[str, tuple[Any, Any]]:
        """Store the recipe and return what differs from the one that was there: dotted key -> (before, now).

        How the call before ended is forgotten: this one is under way.

        Args:
            text: as it was given.
            resolved: with every default.
            typed: dotted keys of the settings in it that came from a command line, of this call or an earlier one.
        """
        before = stored_recipe(self.root)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.root / RECIPE, text.encode())
        write_json(self.root / RESOLVED, resolved)
        write_json(self._folder / _TYPED, sorted(typed))
        (self._folder / _END).unlink(missing_ok=True)
        return {} if before is None else differences(before, resolved)

    def typed(self) -> tuple[str, ...]:
        """Return the dotted keys of the stored settings that came from a command line."""
        path = self._folder / _TYPED
        return tuple(read_json(path)) if path.exists() else ()

    def record(self, index: int, step: Step) -> None:
        """Note a step before its units are done; the same step again costs nothing. Another one in its place outdates all that follow."""
        content = {"stage": step.stage, "round": step.round, "units": [[unit.stage, unit.key] for unit in step.units]}
        path = self._folder / f"{index:04d}.json"
        text = (json.dumps(content, separators=(",", ":")) + "\n").encode()
        if path.exists() and path.read_bytes() == text:
            return
        self._forget(index + 1)
        write_atomic(path, text)

    def end(self, num_steps: int | None, **facts: Any) -> None:
        """Note how a call ended.

        Args:
            num_steps: of the whole plan: what an older one had behind them is forgotten. None = the plan was not walked to its end.
            facts: JSON-able.
        """
        if num_steps is not None:
            self._forget(num_steps)
        write_json(self._folder / _END, facts)

    def _forget(self, index: int) -> None:
        for path in self._folder.glob("*.json"):
            if path.stem.isdigit() and int(path.stem) >= index:
                path.unlink()

    def ended(self) -> dict[str, Any]:
        """Return what :meth:`end` was told last; empty = the last call is under way, or was killed."""
        path = self._folder / _END
        return read_json(path) if path.exists() else {}

    def steps(self) -> list[Planned]:
        """Return the planned steps in order.

        Raises:
            DataError: the folder is no corpus.
        """
        if stored_recipe(self.root) is None:
            raise DataError(f"{self.root}: no corpus here (no {RESOLVED}). Make one with: reasonforge corpus run RECIPE --out {self.root}")
        return [_planned(path) for path in sorted(self._folder.glob("*.json")) if path.stem.isdigit()]

    def receipts(self, planned: Planned) -> list[Receipt | None]:
        """Return the receipt of each unit of a step, None where it is not done."""
        store = Store(self.root)
        return [_receipt(store, stage, key) for stage, key in planned.units]


def stored_recipe(root: Path) -> dict[str, Any] | None:
    """Return the recipe that a folder was made by, with all defaults; None = the folder is no corpus yet.

    Raises:
        DataError: it is broken, or the recipe of something else: a training run, say.
        RecipeError: there is a file in place of the folder.
    """
    path = root / RESOLVED
    if root.is_file():
        raise RecipeError(f"{root}: is a file. A corpus is a folder: name one")
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except DataError as error:
        raise DataError(f"{error} Remove it, and name the recipe: reasonforge corpus run RECIPE --out {root}") from error
    if not isinstance(found, dict) or "crawl" not in found or "rounds" not in found:
        raise DataError(f"{root}: {RESOLVED} in it is not the recipe of a corpus. Choose another folder")
    return found


def differences(before: Any, now: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Return where two trees of settings differ: dotted key -> (before, now). :data:`ABSENT` stands where one has no such setting, and is
    no other value than none.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*before, *now}):
            found |= differences(before.get(key, ABSENT), now.get(key, ABSENT), f"{prefix}.{key}" if prefix else key)
        return found
    is_same = before == now or {id(before), id(now)} == {id(ABSENT), id(None)}
    return {} if is_same else {prefix: (before, now)}


def done(receipts: Sequence[Receipt | None]) -> list[Receipt]:
    """Return those that are there."""
    return [receipt for receipt in receipts if receipt is not None]


def _receipt(store: Store, stage: str, key: str) -> Receipt | None:
    path = store.root / stage / key / "receipt.json"
    try:
        return Receipt.from_json(path.read_bytes(), path)
    except FileNotFoundError:
        return None


def _planned(path: Path) -> Planned:
    try:
        content = json.loads(path.read_bytes())
        units = tuple((stage, key) for stage, key in content["units"])
        return Planned(stage=content["stage"], round=content["round"], units=units)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a step of a plan ({error}). Run the corpus again: it writes a new one") from error
