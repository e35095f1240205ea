"""A sandbox is opened where it holds, and refused, with what to do, where it does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reasonforge.sandbox import start
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.probe import probe
from reasonforge.sandbox.protocol import Backend, Program, RunResult, SandboxUnavailable


def test_auto_takes_the_strongest_that_works() -> None:
    available = [found.backend for found in probe() if found.available]
    if not available or available[0] == "unsafe-subprocess":
        pytest.skip("no safe sandbox works here")
    with open_sandbox(workers=1) as sandbox:
        assert sandbox.backend == available[0]


def test_auto_falls_back_to_landlock_and_never_below(monkeypatch: pytest.MonkeyPatch) -> None:
    if not {found.backend: found for found in probe()}["landlock"].available:
        pytest.skip("Landlock does not work here")
    monkeypatch.setattr(start, "find_bwrap", lambda: None)
    with open_sandbox(workers=1) as sandbox:
        assert sandbox.backend == "landlock"
    monkeypatch.setattr(start, "_landlock_abi", lambda: 0)
    with pytest.raises(SandboxUnavailable) as refused:
        open_sandbox(workers=1)
    lines = str(refused.value).splitlines()
    assert lines[0] == "no safe way to run model-written code was found."
    assert "namespace: bwrap not found" in lines[1]
    assert "landlock : the kernel" in lines[2]
    assert any("apt install bubblewrap" in line for line in lines)
    assert "unsafe-subprocess" in lines[-1]


def test_a_container_that_forbids_namespaces_is_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    refusing = f"{tmp_path}/bwrap"
    with open(refusing, "w") as script:
        script.write("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    os.chmod(refusing, 0o755)
    monkeypatch.setattr(start, "find_bwrap", lambda: refusing)
    with pytest.raises(SandboxUnavailable, match=r"No permissions to create new namespace \(looks like a container's seccomp profile\)"):
        open_sandbox("namespace", workers=1)


@pytest.mark.parametrize("broken", start._ATTACK_NAMES)
def test_an_attack_that_gets_through_at_start_is_a_refusal(backend: Backend, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = PoolSandbox.run

    def leaky(self: PoolSandbox, program: Program) -> RunResult:
        if "refused" in program.code:
            program = Program(code=f"{program.code.rpartition('print(')[0]}held.remove({broken!r})\nprint(json.dumps(held))")
        return run(self, program)

    monkeypatch.setattr(PoolSandbox, "run", leaky)
    with pytest.raises(SandboxUnavailable, match=f"the start-up test broke out: {broken}"):
        open_sandbox(backend, workers=1)


def test_an_interpreter_that_does_not_work_is_a_refusal(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.worker._python", lambda folder: ["/nonexistent/python"])
    with pytest.raises(SandboxUnavailable, match="an honest program does not run"):
        open_sandbox(backend, workers=1)


def test_without_a_filter_nothing_runs(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.worker.filters", lambda *_, **__: {})
    with pytest.raises(SandboxUnavailable, match="seccomp filter is missing"):
        open_sandbox(backend, workers=1)


def test_unprotected_running_is_refused_to_root_and_to_automatic_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SandboxUnavailable, match="as root"):
        open_sandbox("unsafe-subprocess", workers=1)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SandboxUnavailable, match="CI is set"):
        open_sandbox("unsafe-subprocess", workers=1)


def test_unprotected_running_says_so_in_red(capfd: pytest.CaptureFixture[str]) -> None:
    with open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as sandbox:
        assert sandbox.run(Program(code="import os\nprint(os.path.exists('/etc/passwd'))")).stdout == "True\n"
    said = capfd.readouterr().err
    assert "UNPROTECTED" in said
    assert said.startswith("\033[1;37;41m")


def test_opening_needs_no_torch() -> None:
    code = "import sys, reasonforge.sandbox.open, reasonforge.sandbox.probe; print({'torch', 'numpy', 'sympy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
