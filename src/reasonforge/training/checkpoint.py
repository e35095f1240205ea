"""Checkpoints that are complete or do not exist, and that are checked before they are believed.

A checkpoint is a folder ``step-000120`` of safetensors files, ``state.json`` and ``manifest.json`` (size and SHA-256 of each file).
It is written under another name, every file and the folder are fsynced, and one rename makes it visible: a kill, a full disk or a
power cut at any moment leaves the previous checkpoint the newest. One process writes (the run directory's lock sees to that); any
number may read.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import reasonforge
from reasonforge.core.errors import DataError, StorageError
from reasonforge.core.files import fsync_dir, sha256_file, storage_errors, write_durable
from reasonforge.training.tensorfile import num_bytes, read_tensors, write_tensors

FORMAT = 1

_STEP_NAME = re.compile(r"step-(\d{6,12})")
_FILE_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MANIFEST, _STATE, _QUARANTINE = "manifest.json", "state.json", "quarantine"
_TEMPORARY, _TRASH = ".tmp-", ".trash-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint on disk whose files were found whole."""

    step: int
    path: Path
    files: Mapping[str, Mapping[str, Tensor]]
    """What was saved, by file; a file is read when it is asked for, onto the CPU, anew each time."""
    state: dict[str, Any]
    warnings: tuple[str, ...] = ()
    """One line for each newer checkpoint that was passed over, with the reason: the caller must show them."""


def save_checkpoint(
    root: Path,
    step: int,
    *,
    files: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int = 2,
    protect: Collection[int] = (),
) -> Path:
    """Write the checkpoint of a step, then delete old ones; return its folder.

    Args:
        root: folder of all checkpoints of the run; made if absent.
        step: optimizer steps done; one checkpoint per step.
        files: tensors by file (``{"model": {...}, "optimizer": {...}}``); saved with their values of now.
        state: everything else that resuming needs, JSON-able; read back exactly equal. NaN and infinity are refused.
        keep: how many of the newest to keep, at least 2: one bad disk block must not take the run.
        protect: steps never deleted (the best one, say).

    Raises:
        StorageError: the disk refused twice; nothing is left of the attempt and the previous checkpoint is still the newest.
        ValueError: the step has a checkpoint already, or an argument cannot be saved.
    """
    if keep < 2:
        raise ValueError(f"keep must be at least 2, not {keep}: if the newest checkpoint is damaged, the one before it is the run")
    wrong = next((key for key in files if not _FILE_KEY.fullmatch(key) or key in ("state", "manifest")), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} cannot name a checkpoint file; use lower-case letters, digits and _")
    _check_json(state, "state")
    target = root / f"step-{step:06d}"
    if step < 0 or not _STEP_NAME.fullmatch(target.name):
        raise ValueError(f"{step} is not a step")
    if target.exists():
        raise ValueError(f"{target}: this step has a checkpoint already; call rewind() before you train from an earlier one")
    for attempt in (1, 2):
        try:
            with storage_errors(root):
                _write(root, target, step=step, files=files, state=state)
            break
        except StorageError:
            # Once more: what the sweep frees, or a passing error of a network disk, may be all it takes.
            if attempt == 2:
                raise
    _prune(root, keep=keep, protect=protect)
    return target


def load_latest(root: Path, *, verify: bool = True) -> Checkpoint | None:
    """Return the newest checkpoint whose files are whole; None = the run never completed one.

    Newer ones that are not whole are moved to ``quarantine/`` and named in ``Checkpoint.warnings``. Only the run's own process
    may call this; to look at another's checkpoint, use :func:`load_checkpoint`.

    Args:
        verify: also compare every file's SHA-256 (about 2 s per GB); sizes and the manifest are checked always.

    Raises:
        DataError: there are checkpoints, but none is whole. Training never starts over by itself.
    """
    for _ in range(_LISTINGS):
        bad: list[tuple[Path, str]] = []
        vanished = False
        for step, path in reversed(_listed(root)):
            try:
                checkpoint = load_checkpoint(path, verify=verify)
            except _UnknownFormat:
                raise
            except DataError as error:
                if not path.exists():
                    vanished = True  # the writer deleted it between the listing and now: newer ones have come
                    continue
                bad.append((path, str(error)))
                continue
            warnings = tuple(f"{reason}; {_quarantine(root, bad_path)}; using step {step}" for bad_path, reason in bad)
            return Checkpoint(step=step, path=path, files=checkpoint.files, state=checkpoint.state, warnings=warnings)
        if not vanished:
            break
    else:
        raise DataError(f"{root}: checkpoints vanish while they are read; is another process training in this run directory?")
    if bad:
        raise DataError(f"{root}: no checkpoint is whole: {'; '.join(reason for _, reason in bad)}; delete the folder to start over")
    quarantined = _names(root / _QUARANTINE)
    if quarantined:
        raise DataError(f"{root}: the only checkpoints are in quarantine ({', '.join(quarantined)}); delete the folder to start over")
    return None


def load_checkpoint(path: Path, *, verify: bool = True) -> Checkpoint:
    """Read one checkpoint; raise a one-line ``DataError`` that names the file that is missing, cut or changed."""
    match = _STEP_NAME.fullmatch(path.name)
    if match is None or not path.is_dir():
        raise DataError(f"{path}: not a checkpoint folder (step-000120)")
    manifest = _read_manifest(path / _MANIFEST)
    if manifest["step"] != int(match[1]):
        raise DataError(f"{path / _MANIFEST}: belongs to step {manifest['step']}")
    for name, entry in manifest["files"].items():
        _check_file(path / name, size=entry["size"], sha256=entry["sha256"] if verify else None)
    names = {Path(name).stem: path / name for name in manifest["files"] if name.endswith(".safetensors")}
    return Checkpoint(step=manifest["step"], path=path, files=_LazyFiles(names), state=_parse(_read(path / _STATE), path / _STATE))


def list_steps(root: Path) -> list[int]:
    """Return the steps that have a checkpoint, in order; whether each is whole shows when it is loaded."""
    return [step for step, _ in _listed(root)]


def rewind(root: Path, step: int) -> list[str]:
    """Move the checkpoints after a step to ``quarantine/``, so that training can go on from it; return one line for each."""
    return [f"step {later}: {_quarantine(root, path)}" for later, path in _listed(root) if later > step]


_LISTINGS = 10
"""Tries to find a checkpoint that nobody deletes meanwhile."""


def _write(root: Path, target: Path, *, step: int, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        fsync_dir(root.parent)
    _sweep(root)
    encoded_state = _to_json(dict(state))
    _check_space(root, sum(map(num_bytes, files.values())) + len(encoded_state))
    temporary = root / f"{_TEMPORARY}{target.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        temporary.mkdir()
        written = {f"{key}.safetensors": write_tensors(temporary / f"{key}.safetensors", files[key]) for key in files}
        written[_STATE] = write_durable(temporary / _STATE, [encoded_state])
        body = {
            "format": FORMAT,
            "step": step,
            "files": {name: {"size": file.size, "sha256": file.sha256} for name, file in written.items()},
            "written_by": {"reasonforge": reasonforge.__version__, "torch": str(torch.__version__), "python": platform.python_version()},
        }
        write_durable(temporary / _MANIFEST, [_signed(body)])
        fsync_dir(temporary)
        os.rename(temporary, target)
        try:
            fsync_dir(root)
        except BaseException:
            # Visible, but perhaps not after a power cut: a failed save must not look like a good one.
            _delete(target)
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _check_space(root: Path, needed: int) -> None:
    free = shutil.disk_usage(root).free
    if free < needed:
        raise StorageError(f"{root}: a checkpoint needs {needed / 1e6:.0f} MB and {free / 1e6:.0f} MB are free; free some space")


def _listed(root: Path) -> list[tuple[int, Path]]:
    matches = ((_STEP_NAME.fullmatch(name), name) for name in _names(root))
    return sorted((int(match[1]), root / name) for match, name in matches if match is not None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _prune(root: Path, *, keep: int, protect: Collection[int]) -> None:
    # The new checkpoint is safe by now; what cannot be deleted is left for the next sweep.
    for step, path in _listed(root)[:-keep]:
        if step not in protect:
            _delete(path)


def _delete(path: Path) -> None:
    """Delete a checkpoint as far as the disk lets us; the rename first, so that nobody ever sees half of one."""
    trash = path.parent / f"{_TRASH}{path.name}-{uuid.uuid4().hex[:8]}"
    with suppress(OSError):
        os.rename(path, trash)
        shutil.rmtree(trash, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Delete what an interrupted save or deletion left."""
    for name in _names(root):
        if name.startswith((_TEMPORARY, _TRASH)):
            shutil.rmtree(root / name, ignore_errors=True)


def _quarantine(root: Path, path: Path) -> str:
    """Move a checkpoint out of the way; return what was done, in words."""
    folder = root / _QUARANTINE
    try:
        folder.mkdir(exist_ok=True)
        moved = next(new for n in range(1000) if not (new := folder / f"{path.name}.{n}").exists())
        os.rename(path, moved)
        fsync_dir(root)
    except OSError as error:
        return f"could not be moved to {_QUARANTINE}/ ({error.strerror})"
    return f"moved to {_QUARANTINE}/{moved.name}"


class _LazyFiles(Mapping[str, Mapping[str, Tensor]]):
    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)

    def __getitem__(self, key: str) -> dict[str, Tensor]:
        return read_tensors(self._paths[key])

    def __contains__(self, key: object) -> bool:
        return key in self._paths  # the inherited one would read the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class _UnknownFormat(DataError):
    """Whole, but written by another version: neither damaged nor to be passed over."""


def _to_json(content: Any, *, indent: int | None = None) -> bytes:
    return (json.dumps(content, indent=indent, allow_nan=False) + "\n").encode()


def _signed(body: Mapping[str, Any]) -> bytes:
    """The manifest vouches for the files; this makes it vouch for itself."""
    return _to_json({**body, "sha256": hashlib.sha256(_to_json(body)).hexdigest()}, indent=1)


def _read_manifest(path: Path) -> dict[str, Any]:
    found = _read(path)
    body = _parse(found, path)
    body.pop("sha256", None)
    # Compared as bytes: whatever was flipped, even a space, shows.
    if _signed(body) != found:
        raise DataError(f"{path}: changed or damaged (it does not match its own SHA-256)")
    if body.get("format") != FORMAT:
        raise _UnknownFormat(f"{path}: format {body.get('format')!r}; this version of reasonforge reads format {FORMAT}")
    wrong = next((name for name in body["files"] if Path(name).name != name or name.startswith(".")), None)
    if wrong is not None:
        raise DataError(f"{path}: {wrong!r} is not the name of a file of a checkpoint")
    return body


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}") from error


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {' '.join(str(error).split())}") from error
    if not isinstance(parsed, dict):
        raise DataError(f"{path}: a JSON object is needed")
    return parsed


def _check_file(path: Path, *, size: int, sha256: str | None) -> None:
    try:
        found = path.stat().st_size
        if found != size:
            raise DataError(f"{path}: {found} bytes, the manifest says {size}")
        if sha256 is not None and sha256_file(path) != sha256:
            raise DataError(f"{path}: damaged (SHA-256 differs from the manifest)")
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}") from error


def _check_json(value: Any, where: str) -> None:
    """Refuse what JSON would change or reject, naming the place: a tuple comes back as a list, the key 1 as "1"."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; JSON has no such number")
    if value is None or type(value) in (bool, int, float, str):
        return
    if type(value) is list:
        for index, item in enumerate(value):
            _check_json(item, f"{where}[{index}]")
    elif type(value) is dict or (isinstance(value, Mapping) and where == "state"):
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"{where}: the key {key!r} is not text")
            _check_json(item, f"{where}.{key}")
    else:
        raise ValueError(f"{where} is a {type(value).__name__}; use None, bool, int, float, str, list or dict")
