"""No program gets out, stays, or uses up the machine.

The table is in ``attacks.py``; what concerns the sandbox as a whole is in ``test_attacks_rows.py``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Program, Sandbox
from tests.sandbox.attacks import ATTACKS, SECTIONS
from tests.sandbox.attacks_judge import achieved, as_program, as_session, warm_up
from tests.sandbox.victims import Scene, adopted_orphans

COUNTS = {"resources": 35, "processes": 17, "files": 21, "network": 5, "kernel": 8}
"""Attacks of each section. A number of its own: an attack that silently falls out of the table is missed here."""
HONEST = Program(code="import math\nprint(math.comb(10, 5), sorted({3, 1, 2}))")


@pytest.mark.parametrize("road", [as_program, as_session], ids=["program", "session"])
@pytest.mark.parametrize("section", SECTIONS)
def test_only_what_is_documented_gets_through(sandbox: Sandbox, section: str, road) -> None:
    attacks = [attack for attack in SECTIONS[section] if road is as_program or attack.profile == "files"]
    warm_up(sandbox)
    ran: dict[str, list[str]] = {}
    scene = Scene()
    with adopted_orphans():
        try:
            for attack in attacks:
                ran[str(attack)] = achieved(road(sandbox), attack, scene)
                if ran[str(attack)]:
                    scene.close()
                    scene = Scene()
        finally:
            scene.close()
    assert len(ran) == COUNTS[section] - (section == "resources" and road is as_session) * 2
    documented = {str(attack) for attack in attacks if sandbox.backend in attack.unstopped_by}
    got_through = {name: what for name, what in ran.items() if what}
    report = "\n".join(f"{name}: {'; '.join(what)}" for name, what in got_through.items() if name not in documented)
    assert not report, f"got through:\n{report}"
    assert got_through.keys() == documented, "the documentation says less than the truth"
    assert sandbox.run(HONEST).stdout == "252 [1, 2, 3]\n"


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len({str(attack) for attack in ATTACKS}) == len(ATTACKS) == sum(COUNTS.values())


def test_every_row_of_the_threat_list_is_tested() -> None:
    in_the_table = {attack.row for attack in ATTACKS}
    by_name = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_row_"):
                by_name.add(int(node.name.split("_")[2]))
    assert in_the_table | by_name == set(range(1, 91))
    assert in_the_table & by_name == set(), "a row in two places"


def test_the_attacks_do_get_through_where_nothing_protects() -> None:
    attacks = [attack for attack in ATTACKS if attack.harmless]
    held = []
    with open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as unprotected:
        for attack in attacks:
            with Scene() as scene, adopted_orphans():
                if not achieved(as_program(unprotected), attack, scene):
                    held.append(str(attack))
    # Even without a sandbox the interpreter is started with a clean environment, and a machine's own settings may forbid some.
    assert len(attacks) >= 25
    assert len(held) <= len(attacks) // 3, held
