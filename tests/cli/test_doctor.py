"""The doctor finds what is missing and says what to do."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.cli import checks
from reasonforge.cli.checks import Check
from reasonforge.sandbox import probe as probing
from reasonforge.sandbox.probe import SAFE_BACKENDS, Probe

Call = Callable[..., tuple[int, str, str]]


def test_a_machine_that_can_run_this_test_is_healthy(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, errors = call("doctor")
    assert (code, errors) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} <= {"ok", "warn"}
    assert not list(tmp_path.iterdir())


def test_something_essential_missing_is_exit_code_69_with_a_hint(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check_memory", lambda: Check("memory", "fail", "none", "buy some"))
    code, out, _ = call("doctor")
    assert code == 69
    assert "fail  memory" in out
    assert "none  ->  buy some" in out


def test_a_missing_package_fails_and_a_missing_extra_is_only_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["numpy>=1", "no-such-package>=2", 'no-such-extra; extra == "pretty"', 'pytest; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: declared)
    assert [(check.name, check.status, check.hint) for check in checks.check_packages()] == [
        ("numpy", "ok", ""),
        ("no-such-package", "fail", "pip install no-such-package"),
        ("no-such-extra", "ok", ""),
    ]


def test_no_compiler_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert checks.check_compiler().status == "warn"


def test_little_memory_is_a_warning_and_the_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemAvailable:   16777216 kB\n",
        "/sys/fs/cgroup/memory.max": str(3 << 30),
        "/sys/fs/cgroup/memory.current": str(2 << 30),
    }
    monkeypatch.setattr(checks, "_read", lambda path: files.get(path, ""))
    assert checks.check_memory().found == "1.0 GiB free"
    assert checks.check_memory().status == "warn"
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert checks.check_memory() == Check("memory", "ok", "16.0 GiB free")


def test_an_old_processor_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(checks, "_read", lambda _: "flags\t\t: fpu sse2\n")
    assert checks.check_processor().status == "warn"
    monkeypatch.setattr(checks, "_read", lambda _: "flags\t\t: fpu sse2 avx2\n")
    assert checks.check_processor() == Check("processor", "ok", "x86_64 avx2")


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    check = checks.check_writable(tmp_path / "runs")
    assert (check.status, "Permission denied" in check.found) == ("fail", True)


def test_no_safe_sandbox_is_a_warning_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Probe(backend="namespace", available=False, reason="bwrap not found", facts={"bwrap": "not found"}, hint="apt install bubblewrap"),
        Probe(backend="landlock", available=False, reason="the kernel has none", facts={"landlock": "ABI 0"}, hint="a newer kernel"),
    ]
    monkeypatch.setattr(probing, "probe", lambda: found)
    assert list(checks.check_sandbox()) == [
        Check("sandbox namespace", "warn", "not available: bwrap not found", "apt install bubblewrap"),
        Check("sandbox landlock", "warn", "not available: the kernel has none", "a newer kernel"),
    ]


def test_one_safe_sandbox_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Probe(backend="namespace", available=False, reason="bwrap not found", facts={"bwrap": "not found"}, hint="apt install bubblewrap"),
        Probe(backend="landlock", available=True, reason="", facts={"landlock": "ABI 7"}),
    ]
    monkeypatch.setattr(probing, "probe", lambda: found)
    assert [(check.status, check.found) for check in checks.check_sandbox()] == [
        ("ok", "not available: bwrap not found"),
        ("ok", "landlock ABI 7; start-up test passed; auto takes it"),
    ]


def test_of_two_safe_sandboxes_the_one_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"namespace": {"bwrap": "bwrap 0.8.0"}, "landlock": {"landlock": "ABI 7"}}
    found = [Probe(backend=backend, available=True, reason="", facts=facts[backend]) for backend in SAFE_BACKENDS]
    monkeypatch.setattr(probing, "probe", lambda: found)
    assert ["auto takes it" in check.found for check in checks.check_sandbox()] == [True, False]


def test_the_unprotected_sandbox_is_never_a_recommendation(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Probe(backend="unsafe-subprocess", available=False, reason="refused", facts={"protection": "none"})]
    monkeypatch.setattr(probing, "probe", lambda: found)
    assert [(check.found, check.hint) for check in checks.check_sandbox()] == [
        ("protects nothing; taken only where a recipe names it and sets i_understand=true", "")
    ]
