"""No program gets out, stays, or uses up the machine.

The programs are in ``attacks.py``; what concerns the sandbox as a whole is in ``test_attacks_rows.py``, the grader in
``test_attacks_grader.py``. Each attack runs as a program and as a block of a session, in every backend that this machine has,
and once more where the defence against it is missing: there it must get through, or the test shows nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend, Program, Sandbox
from tests.sandbox.attack_table import ABSENT, RUNS, Table, rows_of_functions
from tests.sandbox.attacks import ATTACKS, ROWS, SECTIONS, Attack
from tests.sandbox.attacks_judge import achieved, as_program, as_session, feats, gets_through, warm_up
from tests.sandbox.conftest import BACKENDS
from tests.sandbox.victims import Scene, adopted_orphans

COUNTS = {"resources": 35, "processes": 17, "files": 21, "network": 5, "kernel": 8}
"""Attacks of each section. Numbers of their own: an attack that silently falls out of the table is missed here."""
SESSIONS = 84
"""Attacks that run as a block of a session too: those that need no folder are only about programs that have none."""
PROVEN, PROVEN_WITHIN = 46, 10
"""Attacks that are shown to get through with no sandbox, and in a sandbox with wider limits or within one conversation."""
Record = Callable[[str, object], None]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "attacks.md"
HONEST = Program(code="import math\nprint(math.comb(10, 5), sorted({3, 1, 2}))")

every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=str)
in_sessions = pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.profile == "files"], ids=str)
proven = pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.proof in ("unprotected", "bare")], ids=str)
proven_within = pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.proof in ("looser", "session")], ids=str)


@pytest.fixture(scope="module", autouse=True)
def _orphans() -> Iterator[None]:
    with adopted_orphans():
        yield


@pytest.fixture(scope="module")
def warm(backend: Backend) -> Iterator[Sandbox]:
    """A sandbox whose number of processes stays."""
    with open_sandbox(backend, workers=1) as opened:
        warm_up(opened)
        yield opened


@pytest.fixture(scope="module")
def unprotected() -> Iterator[Sandbox]:
    """A sandbox that protects nothing."""
    with open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as opened:
        opened.run(HONEST)
        yield opened


@pytest.fixture(scope="module")
def shared_scene() -> Iterator[Scene]:
    """A scene for attacks that are to harm nothing; where one does, its test fails and so may those after it."""
    with Scene() as scene:
        yield scene


def judge(sandbox: Sandbox, attack: Attack, found: list[str], record_property: Record) -> None:
    documented = sandbox.backend in attack.unstopped_by
    record_property("got_through", bool(found))
    if documented:
        assert feats(found), f"the documentation says that this gets through, and it does not: {found}"
    else:
        assert not found, f"got through: {'; '.join(found)}"


@every_attack
def test_a_program_gets_no_further_than_is_documented(warm: Sandbox, shared_scene: Scene, attack: Attack, record_property: Record) -> None:
    judge(warm, attack, achieved(as_program(warm), attack, shared_scene), record_property)


@in_sessions
def test_a_block_of_a_session_gets_no_further_than_is_documented(
    warm: Sandbox, shared_scene: Scene, attack: Attack, record_property: Record
) -> None:
    judge(warm, attack, achieved(as_session(warm), attack, shared_scene), record_property)


@proven
def test_without_a_sandbox_the_attack_gets_through(unprotected: Sandbox, attack: Attack, record_property: Record) -> None:
    prove(unprotected, attack, record_property)


@proven_within
def test_without_the_limit_the_attack_gets_through(warm: Sandbox, attack: Attack, record_property: Record) -> None:
    prove(warm, attack, record_property)


def prove(sandbox: Sandbox, attack: Attack, record_property: Record) -> None:
    with Scene() as scene:
        found = gets_through(attack, sandbox, scene)
    if not found and attack.why:
        pytest.skip(f"this machine stops it by itself ({attack.why})")
    assert found, "a test of this attack cannot fail"
    record_property("proven", True)


def test_after_all_attacks_an_honest_program_runs(warm: Sandbox) -> None:
    assert warm.run(HONEST).stdout == "252 [1, 2, 3]\n"


def test_each_section_has_all_its_attacks() -> None:
    assert {section: len(attacks) for section, attacks in SECTIONS.items()} == COUNTS


def test_every_attack_is_collected_for_every_backend(request: pytest.FixtureRequest) -> None:
    if request.config.option.keyword or any("::" in argument for argument in request.config.args):
        pytest.skip("only some tests were asked for")
    expected = {
        test_a_program_gets_no_further_than_is_documented.__name__: len(ATTACKS),
        test_a_block_of_a_session_gets_no_further_than_is_documented.__name__: SESSIONS,
        test_without_the_limit_the_attack_gets_through.__name__: PROVEN_WITHIN,
    }
    collected = Counter(
        (item.function.__name__, item.callspec.params["backend"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function.__name__ in expected
    )
    assert {"program": len(ATTACKS), "block": SESSIONS} == RUNS
    assert collected == {(name, backend): count for name, count in expected.items() for backend in BACKENDS}
    assert len([attack for attack in ATTACKS if attack.proof in ("unprotected", "bare")]) == PROVEN


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len({str(attack) for attack in ATTACKS}) == len(ATTACKS) == sum(COUNTS.values())


def test_an_attack_without_proof_says_why() -> None:
    assert [str(attack) for attack in ATTACKS if attack.proof == "none" and not attack.why] == []


def test_an_attack_proven_by_its_end_cannot_end_well() -> None:
    ended_well = {str(attack) for attack in ATTACKS if attack.proof == "end" and "ok" in attack.ends and "held(" not in attack.code}
    # What is endless there begins when the program itself is over.
    assert ended_well == {"85 endless work at exit (files)", "85 objects that revive themselves at exit (files)"}


def test_only_two_rows_are_documented_to_get_through_and_only_where_files_can_be_made() -> None:
    assert {(attack.row, attack.unstopped_by, attack.profile) for attack in ATTACKS if attack.unstopped_by} == {
        (7, ("landlock",), "files"),
        (9, ("landlock",), "files"),
    }


def test_every_row_of_the_threat_list_is_tested() -> None:
    assert {attack.row for attack in ATTACKS} | rows_of_functions().keys() == ROWS.keys() == set(range(1, 91))


def test_the_page_of_attacks_lists_every_row_as_it_is() -> None:
    lines = [line.split("|")[1:3] for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [(int(number), what.strip()) for number, what in lines] == list(ROWS.items())


def outcome(backend: str, what: str, *, skipped: str = "") -> pytest.TestReport:
    properties = [("row", 1), ("backend", backend), ("what", what), ("attack", "1 fork bomb (files)")]
    location = ("test_attacks.py", 1, "test")
    if skipped:
        longrepr = ("test_attacks.py", 1, f"Skipped: {skipped}")
        return pytest.TestReport("test", location, {}, "skipped", longrepr, "setup", user_properties=properties)
    return pytest.TestReport("test", location, {}, "passed", None, "call", user_properties=properties)


def table(*outcomes: pytest.TestReport) -> Table:
    table = Table(None)
    for report in outcomes:
        table.pytest_runtest_logreport(report)
    return table


@pytest.mark.parametrize("name", BACKENDS)
def test_the_table_misses_an_attack_that_did_not_run(name: str) -> None:
    all_ran = [outcome(name, what) for what, count in RUNS.items() for _ in range(count)]
    assert table(*all_ran).missing(name) == ""
    assert table(*all_ran[1:]).missing(name) == f"{name}: not run: {{'program': 1}}"
    assert table(*all_ran[1:], outcome(name, "program", skipped="no time")).missing(name) != ""


def test_a_backend_that_the_machine_lacks_is_reported_and_not_missed() -> None:
    absent = table(outcome("namespace", "program", skipped=f"the namespace sandbox is {ABSENT}: bwrap not found"))
    assert absent.missing("namespace") == ""
    assert any("bwrap not found" in line for line in absent.totals())
