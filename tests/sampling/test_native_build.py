"""Where the C step comes from, and what happens where it cannot come from anywhere."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.core.rollouts import SamplingParams
from reasonforge.sampling.engine import Step
from reasonforge.sampling.local import LocalSampler
from reasonforge.sampling.native import build
from reasonforge.sampling.native.engine import NativeEngine, NativeWeights
from tests.models.build import VOCAB, decoder
from tests.sampling.build import PARAMS, SHAPES, requests

QWEN3 = SHAPES["qwen3"]

needs_compiler = pytest.mark.skipif(build.library() is None, reason="no C compiler here")


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget the library of this process, before and after."""
    build.library.cache_clear()
    yield
    build.library.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_torch_samples_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING, logger="reasonforge.sampling"):
        samplers = [LocalSampler(decoder(QWEN3)) for _ in range(2)]
    assert [sampler.backend for sampler in samplers] == ["torch", "torch"]
    assert len(samplers[0].sample(requests(2), PARAMS)) == 2
    (record,) = caplog.records
    assert "no C compiler" in record.getMessage()
    with pytest.raises(UnavailableError, match="'native' needs"):
        LocalSampler(decoder(QWEN3), backend="native")


@pytest.mark.usefixtures("fresh")
def test_a_failing_compiler_is_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 1 && exit 0\necho "cc1: no such program" >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with caplog.at_level(logging.WARNING, logger="reasonforge.sampling"):
        assert LocalSampler(decoder(QWEN3)).backend == "torch"
    assert "cc1: no such program" in caplog.text
    assert list((tmp_path / "cache" / "reasonforge").iterdir()) == []


@pytest.mark.usefixtures("fresh")
def test_the_environment_switches_native_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONFORGE_NATIVE", "0")
    assert LocalSampler(decoder(QWEN3)).backend == "torch"


@needs_compiler
@pytest.mark.parametrize("damage", ["truncated", "without digest"])
def test_a_damaged_library_is_built_again(damage: str, tmp_path: Path) -> None:
    build.load_library(build.cache_directory())
    home = build.cache_directory() / f"native-{build._key(build._compiler())}"
    copy = tmp_path / home.name
    shutil.copytree(home, copy)
    if damage == "truncated":
        whole = (copy / "step.so").read_bytes()
        (copy / "step.so").write_bytes(whole[: len(whole) // 2])
    else:
        (copy / "digest").unlink()
    assert not build._is_intact(copy)
    assert build.load_library(tmp_path).step is not None
    assert build._is_intact(copy)
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_code_is_not_loaded_from_where_others_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_directory() == tmp_path / "reasonforge"
    assert (tmp_path / "reasonforge").stat().st_mode & 0o777 == 0o700
    (tmp_path / "reasonforge").chmod(0o777)
    elsewhere = build.cache_directory()
    assert elsewhere != tmp_path / "reasonforge"
    assert elsewhere.stat().st_mode & 0o077 == 0
    elsewhere.rmdir()


@needs_compiler
def test_a_cache_beyond_memory_is_refused_in_one_line() -> None:
    library = build.library()
    assert library is not None
    weights = NativeWeights(library, QWEN3, bf16=False)
    with pytest.raises(UnavailableError, match=r"cache of 1000000000 slots of 64 tokens\. Lower max_slots or max_context\."):
        NativeEngine(weights, num_slots=10**9, context=64, max_rows=8)


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        {"slots": np.array([4], np.int32)},
        {"slots": np.array([-1], np.int32)},
        {"positions": np.array([16], np.int32)},
        {"token_ids": np.array([VOCAB], np.int32)},
        {"token_ids": np.array([1], np.int64)},
        {"draw_rows": np.array([1], np.int32)},
        {"seeds": np.empty(0, np.uint64)},
        {"positions": np.empty(0, np.int32)},
    ],
    ids=str,
)
def test_a_step_outside_the_cache_never_reaches_c(change: dict[str, np.ndarray]) -> None:
    library = build.library()
    assert library is not None
    engine = NativeEngine(NativeWeights(library, QWEN3, bf16=False), num_slots=4, context=16, max_rows=8)
    zero = np.zeros(1, np.int32)
    good = Step(zero, zero, zero, zero, np.zeros(1, np.uint64))
    with pytest.raises(AssertionError):
        engine.step(good._replace(**change), SamplingParams(max_new_tokens=1))
