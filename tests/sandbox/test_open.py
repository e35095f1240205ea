"""A sandbox is opened where it holds, and refused, with what to do, where it does not."""

from __future__ import annotations

import dataclasses
import doctest
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reasonforge.sandbox import start
from reasonforge.sandbox.config import SandboxConfig
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.probe import probe
from reasonforge.sandbox.protocol import Backend, Limits, Program, RunResult, SandboxUnavailable


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
    assert str(refused.value) == (
        "sandbox: no safe place for model-written code here "
        "(namespace: bwrap not found; landlock: the kernel has no Landlock switched on). "
        "Install bubblewrap (apt install bubblewrap) or use a kernel with Landlock (Linux 6.2 or newer, better 6.12, with landlock in its "
        "lsm= list); `reasonforge doctor` says more"
    )


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


def test_a_wrong_backend_is_a_wrong_request() -> None:
    with pytest.raises(ValueError, match="backend 'nope' is not one of auto, namespace, landlock, unsafe-subprocess"):
        open_sandbox("nope")  # pyright: ignore[reportArgumentType]


def test_an_interpreter_that_does_not_work_is_a_refusal(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.worker._python", lambda folder: ["/nonexistent/python"])
    with pytest.raises(SandboxUnavailable, match="an honest program of profile pure does not run"):
        open_sandbox(backend, workers=1)


@pytest.mark.parametrize("profile", ["pure", "files"])
def test_the_start_up_test_looks_at_each_profile(backend: Backend, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = PoolSandbox.run

    def broken(self: PoolSandbox, program: Program) -> RunResult:
        return RunResult(status="infra", reason="no such mount") if program.profile == profile else run(self, program)

    monkeypatch.setattr(PoolSandbox, "run", broken)
    with pytest.raises(SandboxUnavailable, match=f"an honest program of profile {profile} does not run: infra no such mount"):
        open_sandbox(backend, workers=1)


def test_without_a_filter_nothing_runs(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.worker.filters", lambda *_, **__: {})
    with pytest.raises(SandboxUnavailable, match="seccomp filter is missing"):
        open_sandbox(backend, workers=1)


def test_unprotected_running_is_refused_to_who_does_not_say_that_he_understands() -> None:
    with pytest.raises(SandboxUnavailable, match="refused unless i_understand=true"):
        open_sandbox("unsafe-subprocess", workers=1)


def test_a_recipe_takes_the_unprotected_backend_only_with_both_settings() -> None:
    assert SandboxConfig(backend="unsafe-subprocess", i_understand=True).workers is None
    with pytest.raises(ValueError, match="needs i_understand = true"):
        SandboxConfig(backend="unsafe-subprocess")
    with pytest.raises(ValueError, match="has no effect with backend auto"):
        SandboxConfig(i_understand=True)


def test_unprotected_running_says_so_once_in_red(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.sandbox.open._warned", False)
    for _ in range(2):
        with open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as sandbox:
            assert sandbox.run(Program(code="import os\nprint(os.path.exists('/etc/passwd'))")).stdout == "True\n"
    said = capfd.readouterr().err
    assert said.count("UNPROTECTED") == 1
    assert said.startswith("\033[1;37;41m")


def test_opening_needs_no_torch() -> None:
    code = "import sys, reasonforge.sandbox.open, reasonforge.sandbox.probe; print({'torch', 'numpy', 'sympy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_the_examples_of_the_page_do_what_it_says() -> None:
    if start.what_is_missing("namespace"):
        pytest.skip(f"the page shows the namespace sandbox: {start.what_is_missing('namespace')}")
    example = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 15
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert said == []


def test_the_limits_of_the_page_are_the_limits() -> None:
    table = re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert table == [(field.name, str(field.default)) for field in dataclasses.fields(Limits)]


REFUSING = """
import errno, struct
from reasonforge.sandbox.inside import kernel
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Program, SandboxUnavailable

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
UNSHARE, CLONE, CLONE3 = {"x86_64": (272, 56, 435), "aarch64": (97, 220, 435)}[MACHINE]
refuse, missing = (RETURN, 0, 0, 0x50000 | errno.EPERM), (RETURN, 0, 0, 0x50000 | errno.ENOSYS)
code = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, UNSHARE), refuse, (EQUAL, 0, 1, CLONE3), missing]
code += [line for number in (range(444, 447) if WITHOUT_LANDLOCK else ()) for line in ((EQUAL, 0, 1, number), missing)]
code += [(EQUAL, 0, 3, CLONE), (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, 0x10000000), refuse, (RETURN, 0, 0, 0x7FFF0000)]
kernel.load_filter(b"".join(struct.pack("=HBBI", *line) for line in code))
try:
    with open_sandbox(workers=1) as sandbox:
        print(sandbox.backend, sandbox.run(Program(code="print(6 * 7)")).stdout)
except SandboxUnavailable as error:
    print(error.exit_code, error)
"""
"""A process under such a filter as a container's default has: no new user namespaces; and, where asked for, a kernel without Landlock."""


def under_a_containers_filter(*, without_landlock: bool) -> str:
    values = f"MACHINE, WITHOUT_LANDLOCK = {platform.machine()!r}, {without_landlock}\n"
    done = subprocess.run([sys.executable, "-c", values + REFUSING], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


def test_in_a_container_without_user_namespaces_landlock_is_taken() -> None:
    if start.what_is_missing("landlock"):
        pytest.skip(f"no Landlock here: {start.what_is_missing('landlock')}")
    assert under_a_containers_filter(without_landlock=False).split() == ["landlock", "42"]


def test_where_neither_is_there_nothing_runs_and_one_line_says_why() -> None:
    (line,) = under_a_containers_filter(without_landlock=True).splitlines()
    assert line.startswith("69 sandbox: no safe place for model-written code here (namespace: bwrap ")
    assert "landlock: the kernel has no Landlock switched on" in line


AS_NOBODY = """
import os
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Program

FORKS = '''
import os, time
children = 0
try:
    while children < 1000:
        if os.fork() == 0:
            time.sleep(60)
        children += 1
except OSError:
    print(children < 256)
'''
with open_sandbox(BACKEND, workers=1) as sandbox:
    print(os.getuid(), sandbox.run(Program(code="print(6 * 7)")).stdout.strip())
    print(sandbox.run(Program(code="open('a', 'w').write('x'); print(open('a').read())", profile="files")).stdout.strip())
    with sandbox.session() as session:
        session.run("x = 1")
        print(session.run("x + 1").stdout.strip())
    if BACKEND == "namespace":
        print(sandbox.run(Program(code="import subprocess; print(subprocess.run(['true']).returncode)", profile="shell")).stdout.strip())
        print(sandbox.run(Program(code=FORKS, profile="shell")).stdout.strip())
"""


def test_an_ordinary_user_needs_no_more_than_root_and_may_use_the_shell(backend: Backend) -> None:
    source = Path(start.__file__).parents[2]
    nobody = {} if os.geteuid() else {"user": 65534, "group": 65534, "extra_groups": []}
    for interpreter in (sys.executable, "/usr/bin/python3"):
        command = [interpreter, "-c", f"import sys; sys.path.insert(0, {str(source)!r}); BACKEND = {backend!r}\n{AS_NOBODY}"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/", env=environment, **nobody)
        except PermissionError:
            continue
        if "SyntaxError" in done.stderr or "ImportError" in done.stderr:  # an interpreter too old for this package
            continue
        expected = ["42", "x", "2", *(["0", "True"] if backend == "namespace" else [])]
        assert (done.stdout.split()[1:], done.stderr) == (expected, "")
        assert done.stdout.split()[0] != "0"
        return
    pytest.skip("no interpreter here that an ordinary user may run: this one lies in a folder of root's")
