from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from reasonforge.core.errors import InterruptedRun
from reasonforge.runs.signals import StopRequest

LOOP = """
import sys, time
from reasonforge.core.errors import InterruptedRun
from reasonforge.runs.signals import StopRequest
try:
    with StopRequest() as stop:
        print("ready", flush=True)
        while not stop.requested or {stubborn}:
            time.sleep(0.02)
        raise stop.error("saved")
except InterruptedRun as error:
    print("saved", flush=True)
    sys.exit(error.exit_code)
"""


def start(*, stubborn: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOOP.format(stubborn=stubborn))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_and_saves(number: signal.Signals, code: int) -> None:
    process = start(stubborn=False)
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert output == "saved\n"
    assert "press Ctrl-C again" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_at_once(number: signal.Signals, code: int) -> None:
    process = start(stubborn=True)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    while "press" not in process.stderr.readline():
        pass
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == code
    assert output == ""


def test_whoever_works_says_what_a_stop_waits_for(capfd: pytest.CaptureFixture[str]) -> None:
    with StopRequest() as stop:
        stop.waits_for = lambda: "waiting for 3 answers"
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "\nwaiting for 3 answers; press Ctrl-C again to exit now\n"


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGINT) != before
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        assert isinstance(stop.error("x"), InterruptedRun)
    assert signal.getsignal(signal.SIGINT) == before


def test_another_thread_can_use_it_and_is_never_asked() -> None:
    seen: list[bool] = []

    def work() -> None:
        with StopRequest() as stop:
            seen.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
