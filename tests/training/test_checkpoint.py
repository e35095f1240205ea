"""A checkpoint comes back as it was; what is damaged is found, named and passed over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.training import checkpoint as module
from reasonforge.training.checkpoint import list_steps, load_checkpoint, load_latest, rewind, save_checkpoint
from tests.training.checkpoints import FILES, assert_whole, contents, latest, save

# The round trip


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "run" / "checkpoints", 120)
    assert path.name == "step-000120"
    assert sorted(entry.name for entry in path.iterdir()) == ["manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"]
    found = latest(tmp_path / "run" / "checkpoints")
    assert_whole(found, 120)
    assert found.warnings == ()
    assert_whole(load_checkpoint(path), 120)


def test_a_fresh_run_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "absent") is None
    assert load_latest(tmp_path) is None
    (tmp_path / ".tmp-step-000001-1-ab").mkdir()  # killed during its first save
    assert load_latest(tmp_path) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(state=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), json_values, max_size=4))
def test_the_state_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    root = tmp_path_factory.mktemp("state")
    save_checkpoint(root, 1, files={}, state=state)
    loaded = latest(root).state
    assert loaded == state
    assert repr(sorted(loaded.items())) == repr(sorted(state.items()))  # -0.0 and 1 versus 1.0 too


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"state\.a\[1\]\.b is nan"),
        (float("-inf"), r"state\.a\[1\]\.b is -inf"),
        ((1, 2), r"state\.a\[1\]\.b is a tuple"),
        ({1: 2}, r"state\.a\[1\]\.b: the key 1 is not text"),
        (torch.tensor(1), r"state\.a\[1\]\.b is a Tensor"),
        (b"x", r"state\.a\[1\]\.b is a bytes"),
        ({1, 2}, r"state\.a\[1\]\.b is a set"),
    ],
)
def test_state_that_would_come_back_different_is_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        save_checkpoint(tmp_path, 1, files={}, state={"a": [0, {"b": value}]})
    assert list(tmp_path.iterdir()) == []


# Keeping and deleting


def test_the_newest_are_kept_and_the_protected(tmp_path: Path) -> None:
    for step in range(1, 7):
        save(tmp_path, step, keep=3, protect={2})
    assert list_steps(tmp_path) == [2, 4, 5, 6]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [f"step-{step:06d}" for step in (2, 4, 5, 6)]


def test_fewer_than_two_are_never_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep must be at least 2"):
        save(tmp_path, 1, keep=1)


def test_a_step_is_saved_once(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(ValueError, match="has a checkpoint already"):
        save(tmp_path, 1)
    assert_whole(latest(tmp_path), 1)


@pytest.mark.parametrize("key", ["", "../model", "Model", "a/b", "state", "manifest", "a.b", ".x"])
def test_a_file_name_that_could_go_astray_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="cannot name a checkpoint file"):
        save_checkpoint(tmp_path, 1, files={key: {}}, state={})


def test_rewinding_puts_later_steps_aside(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, keep=9)
    assert rewind(tmp_path, 1) == ["step 2: moved to quarantine/step-000002.0", "step 3: moved to quarantine/step-000003.0"]
    assert_whole(latest(tmp_path), 1)
    save(tmp_path, 2)
    assert_whole(latest(tmp_path), 2)


def test_steps_sort_as_numbers(tmp_path: Path) -> None:
    for step in (999_999, 1_000_000):
        save(tmp_path, step)
    assert latest(tmp_path).step == 1_000_000


# Damage


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("damage", [flip, cut, lengthen, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    damage(path / name)
    with pytest.raises(DataError, match=name) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    found = latest(tmp_path)
    assert_whole(found, 1)
    assert len(found.warnings) == 1
    assert name in found.warnings[0]
    assert found.warnings[0].endswith("moved to quarantine/step-000002.0; using step 1")
    assert (tmp_path / "quarantine" / "step-000002.0").is_dir()
    # The step can be reached again.
    save(tmp_path, 2)
    assert latest(tmp_path).warnings == ()


def test_every_flipped_byte_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    manifest = (path / "manifest.json").read_bytes()
    for position in range(len(manifest)):
        changed = bytearray(manifest)
        changed[position] ^= 0x01 if position % 2 else 0x20  # 0x20 turns a space into NUL and a small letter into a capital
        (path / "manifest.json").write_bytes(changed)
        with pytest.raises(DataError, match=r"manifest\.json"):
            load_checkpoint(path)
    (path / "manifest.json").write_bytes(manifest)
    assert_whole(load_checkpoint(path), 1)


def test_swapped_files_are_noticed(tmp_path: Path) -> None:
    same_size = {"first": {"x": torch.zeros(4)}, "other": {"x": torch.ones(4)}}
    path = save_checkpoint(tmp_path, 1, files=same_size, state={})
    first, other, aside = path / "first.safetensors", path / "other.safetensors", path / "aside"
    first.rename(aside)
    other.rename(first)
    aside.rename(other)
    with pytest.raises(DataError, match=r"first\.safetensors: damaged"):
        load_checkpoint(path)


def test_the_manifest_of_another_step_or_run_is_noticed(tmp_path: Path) -> None:
    one, two = save(tmp_path, 1), save(tmp_path, 2)
    other = save_checkpoint(tmp_path / "other", 2, files=contents(3), state={"step": 2, "seed": 2.1})
    mine = (two / "manifest.json").read_bytes()
    shutil.copy(one / "manifest.json", two / "manifest.json")
    with pytest.raises(DataError, match="belongs to step 1"):
        load_checkpoint(two)
    shutil.copy(other / "manifest.json", two / "manifest.json")
    with pytest.raises(DataError, match=r"model\.safetensors: damaged"):
        load_checkpoint(two)
    (two / "manifest.json").write_bytes(mine)
    assert_whole(load_checkpoint(two), 2)


def forge(path: Path, **changes: object) -> None:
    body = json.loads((path / "manifest.json").read_text()) | changes
    body.pop("sha256")
    (path / "manifest.json").write_bytes(module._signed(body))


def test_a_manifest_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    forge(path, files={"../../etc/passwd": {"size": 1, "sha256": "0"}})
    with pytest.raises(DataError, match="is not the name of a file of a checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_of_a_newer_version_is_not_passed_over(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    forge(path, format=2)
    with pytest.raises(DataError, match="format 2; this version of reasonforge reads format 1"):
        load_latest(tmp_path)
    assert path.exists()


def test_without_verification_sizes_are_still_checked(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    flip(path / "model.safetensors")
    assert load_checkpoint(path, verify=False).step == 1
    cut(path / "model.safetensors")
    with pytest.raises(DataError, match=r"model\.safetensors: \d+ bytes, the manifest says \d+"):
        load_checkpoint(path, verify=False)


def test_training_never_starts_over_by_itself(tmp_path: Path) -> None:
    for step in (1, 2):
        flip(save(tmp_path, step) / "model.safetensors")
    for _ in range(2):  # the second start must not find an empty folder
        with pytest.raises(DataError, match=r"no checkpoint is whole: .*step-000002/model.*; .*step-000001/model") as caught:
            load_latest(tmp_path)
        assert "\n" not in str(caught.value)
    assert list_steps(tmp_path) == [1, 2]


def test_a_run_with_nothing_but_quarantine_does_not_start_over(tmp_path: Path) -> None:
    save(tmp_path, 1)
    flip(save(tmp_path, 2) / "state.json")
    latest(tmp_path)
    shutil.rmtree(tmp_path / "step-000001")
    with pytest.raises(DataError, match=r"only checkpoints are in quarantine \(step-000002\.0\)"):
        load_latest(tmp_path)


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a checkpoint folder"):
        load_checkpoint(tmp_path)
    with pytest.raises(DataError, match="not a checkpoint folder"):
        load_checkpoint(tmp_path / "step-000001")
