"""The probe tries each backend and tells what it found."""

from __future__ import annotations

import pytest

from reasonforge.sandbox import start
from reasonforge.sandbox.probe import probe


def test_every_backend_is_described_strongest_first() -> None:
    found = probe()
    assert [each.backend for each in found] == ["namespace", "landlock", "unsafe-subprocess"]
    for each in found:
        assert each.available == (not each.reason)
        assert each.facts


def test_what_is_missing_is_named_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "find_bwrap", lambda: None)
    monkeypatch.setattr(start, "_landlock_abi", lambda: 2)
    namespace, landlock, _ = probe()
    assert (namespace.available, namespace.reason, namespace.facts) == (False, "bwrap not found", {"bwrap": "not found"})
    assert "bubblewrap" in namespace.hint
    assert (landlock.available, landlock.facts) == (False, {"landlock": "ABI 2"})
    assert "needed is 3" in landlock.reason


@pytest.mark.parametrize("machine", ["riscv64", "i686"])
def test_a_processor_without_a_filter_has_no_safe_backend(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert [found.reason for found in probe()[:2]] == [f"no system-call filter for the processor {machine}"] * 2
