"""Proofs of miniF2F: what is taken for the proof, what is refused before Isabelle starts, and what its answers mean.

A small program stands for Isabelle, except where the machine has the real one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.tasks.benchmarks.isabelle import REFUSED, check_proof, proof_of, refused_word, require_isabelle, theory_name
from reasonforge.tasks.checks import gold_texts
from reasonforge.tasks.judge import Judge

HEADER = '(*\n  theory of nothing\n*)\n\ntheory two_by_two\n  imports Complex_Main "HOL-Number_Theory.Number_Theory"\nbegin\n\n'
STATEMENT = 'theorem two_by_two:\n  fixes x :: nat\n  assumes "x = 2"\n  shows "x * x = 4"'
PROBLEM = Problem(
    id="minif2f/two_by_two",
    messages=(Message("user", "Two by two."),),
    answer="a proof that Isabelle accepts",
    kind="open",
    source="minif2f",
    meta={"checker": "isabelle", "header": HEADER, "statement": STATEMENT},
)
PROOF = "using assms by simp"
StandIn = Callable[[str], str]
ACCEPTS = "import sys; sys.exit(0)"


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    """Return a function that makes a program of this name out of Python source, and gives its path."""

    def make(source: str) -> str:
        path, program = tmp_path / "isabelle", tmp_path / "isabelle.py"
        program.write_text(source, encoding="utf-8")
        # By way of a shell: an interpreter's path with a space in it cannot stand behind #!.
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I {shlex.quote(str(program))} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return make


def test_without_isabelle_the_user_is_told_what_is_missing() -> None:
    with pytest.raises(UnavailableError, match=r"no-such-isabelle: not found. Proofs of minif2f are checked by Isabelle"):
        check_proof(PROBLEM, PROOF, isabelle="no-such-isabelle")


def test_without_isabelle_proofs_are_refused_before_they_are_asked_for() -> None:
    with pytest.raises(UnavailableError, match="install it and put its bin folder in PATH"):
        require_isabelle([PROBLEM], isabelle="no-such-isabelle")
    require_isabelle([], isabelle="no-such-isabelle")


def test_a_proof_has_no_reference_to_check() -> None:
    assert gold_texts(PROBLEM) == ()


@pytest.mark.parametrize(("code", "status"), [(0, "correct"), (1, "wrong")])
def test_the_judge_asks_isabelle_about_a_proof(code: int, status: str, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    command = stand_in(f"import sys\nprint('*** no')\nsys.exit({code})")
    monkeypatch.setenv("PATH", str(Path(command).parent), prepend=os.pathsep)
    with Judge() as judge:
        assert judge.grade(PROBLEM, PROOF).status == status


def test_the_theory_holds_the_benchmarks_own_statement_and_the_proof(stand_in: StandIn, tmp_path: Path) -> None:
    copy = tmp_path / "seen"
    command = stand_in(f"import shutil, os\nshutil.copytree(os.getcwd(), {str(copy)!r})")
    assert check_proof(PROBLEM, f"So:\n```isabelle\n{PROOF}\n```", isabelle=command).status == "correct"
    assert (copy / "two_by_two.thy").read_text(encoding="utf-8") == f"{HEADER.rstrip()}\n\n{STATEMENT}\n{PROOF}\n\nend\n"
    root = (copy / "ROOT").read_text(encoding="utf-8")
    assert '= "HOL-Number_Theory" +' in root
    assert "quick_and_dirty = false" in root


def test_the_session_built_is_the_one_that_was_written(stand_in: StandIn, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = stand_in(f"import sys\nopen({str(log)!r}, 'w').write(' '.join(sys.argv[1:]) + '|' + open('ROOT').read())")
    check_proof(PROBLEM, PROOF, isabelle=command)
    arguments, _, root = log.read_text(encoding="utf-8").partition("|")
    verb, option, _, session = arguments.split()
    assert (verb, option) == ("build", "-d")
    assert root.startswith(f"session {session} =")


def test_what_isabelle_has_against_a_proof_is_the_reason(stand_in: StandIn) -> None:
    command = stand_in("import sys\nprint('Building ...')\nprint('*** Failed to finish proof (line 9)')\nsys.exit(1)")
    verdict = check_proof(PROBLEM, PROOF, isabelle=command)
    assert (verdict.status, verdict.reason) == ("wrong", "Failed to finish proof (line 9)")


def test_an_isabelle_that_never_came_to_the_proof_is_an_error(stand_in: StandIn) -> None:
    command = stand_in("import sys\nprint('No Java runtime')\nsys.exit(2)")
    verdict = check_proof(PROBLEM, PROOF, isabelle=command)
    assert (verdict.status, verdict.reason) == ("error", "Isabelle ended with code 2: No Java runtime")


def test_a_proof_that_takes_too_long_is_a_timeout_and_leaves_no_process(stand_in: StandIn, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = stand_in(
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\ntime.sleep(600)"
    )
    verdict = check_proof(PROBLEM, PROOF, isabelle=command, deadline_seconds=3.0)
    assert verdict.status == "timeout"
    child = int(pid_file.read_text(encoding="utf-8"))
    assert gone(child)


def gone(pid: int) -> bool:
    """Tell whether a process ends within some seconds; a zombie whose parent has not looked yet has ended."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_isabelle_sees_no_keys(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "secret")
    isabelle = stand_in("import os, sys; sys.exit('SERVICE_API_KEY' in os.environ or 'PATH' not in os.environ)")
    assert check_proof(PROBLEM, PROOF, isabelle=isabelle).status == "correct"


def test_isabelles_own_timeout_is_a_timeout(stand_in: StandIn) -> None:
    command = stand_in("import sys\nprint('*** Timeout')\nsys.exit(142)")
    assert check_proof(PROBLEM, PROOF, isabelle=command).status == "timeout"


@pytest.mark.parametrize(
    ("text", "proof"),
    [
        (PROOF, PROOF),
        (f"<think>sorry?</think>\n{PROOF}<|im_end|>", PROOF),
        (f"First\n```isabelle\nby auto\n```\nbetter\n```isabelle\n{PROOF}\n```", PROOF),
        (f"```isabelle\n{STATEMENT}\n  {PROOF}\n```", PROOF),
        (f"```\n{' '.join(STATEMENT.split())} {PROOF}\n```", PROOF),
        (f"```isabelle\n{HEADER}{STATEMENT}\n  {PROOF}\n\nend\n```", PROOF),
        ("<think>never ends", None),
        ("", None),
        (f"```isabelle\n{STATEMENT}\n```", None),
    ],
)
def test_the_proof_is_the_last_block_without_what_it_repeats(text: str, proof: str | None) -> None:
    assert proof_of(text, STATEMENT) == proof


def test_definitions_before_a_statement_are_taken_off_with_it_or_left_out() -> None:
    statement = f'definition two where\n  "two = 2"\n\n{STATEMENT}'
    for said in (statement, STATEMENT, ""):
        assert proof_of(f"```isabelle\n{said}\n{PROOF}\n```", statement) == PROOF


def test_another_statement_is_not_taken_off(stand_in: StandIn) -> None:
    easier = STATEMENT.replace("x * x = 4", "x = x")
    verdict = check_proof(PROBLEM, f"```isabelle\n{easier}\n{PROOF}\n```", isabelle=stand_in(ACCEPTS))
    assert (verdict.status, verdict.reason) == ("wrong", "'theorem' is not allowed in a proof")


@pytest.mark.parametrize("word", sorted({*REFUSED, "ML", "ML_file", "ML_val", "ML_prf", "SML_import"}))
def test_words_that_open_a_gap_or_run_a_program_are_refused(word: str, stand_in: StandIn) -> None:
    verdict = check_proof(PROBLEM, f"proof -\n  show ?thesis {word}\nqed", isabelle=stand_in(ACCEPTS))
    assert verdict.status == "wrong"
    assert repr(word) in verdict.reason


@pytest.mark.parametrize(
    "proof",
    [
        "by (tactic \\<open>all_tac\\<close>)",
        "by simp end theory x imports Main begin",
        "using [[quick_and_dirty]] by simp",
        "using [[smt_oracle = true]] by (smt assms)",
        "by (* sorry *) simp",
        'have "a" by simp (* @{ML 1} *)',
        "by simp \\<^ML>\\<open>1\\<close>",
        "by simp \\<^cancel>\\<open>x\\<close>",
        "by simp \\<^term>\u2039x\u203a",
        "\\<proof>",
        "by simp \u2326",
        "oops lemma two_by_two: True by simp",
        "by eval",
        "by sledgehammer",
    ],
)
def test_ways_round_the_proof_are_refused(proof: str) -> None:
    assert refused_word(proof) is not None


@pytest.mark.parametrize(
    "proof",
    [
        PROOF,
        'proof -\n  have h0: "x\\<^sub>1 + 1 = 2" using assms by auto\n  thus ?thesis by (simp add: algebra_simps)\nqed',
        "by (metis assms mult_2 numeral_Bit0 power2_eq_square)",
        "using assms by (smt (verit) mult.commute)",
        'proof (cases "x > 0")\n  case True\n  then show ?thesis using assms by (auto simp: field_simps dest!: sym)\nnext\n  case False\n'
        "  then show ?thesis by linarith\nqed",
        "apply (induct n) apply auto done",
        "proof -\n  have \u2039\u2200n \u2265 1. \u03b1 n \u2264 n\u00b2 \u27f9 x\u21e91 \u2208 A\u203a by auto\n"
        "  then show ?thesis by blast\nqed",
        'by (sos "((R<1 + (([~1] * A=0) + (R<1 * (R<1 * [a + b]^2)))))")',
        "unfolding prime_nat_iff by fastforce",
    ],
)
def test_ordinary_proofs_are_not_refused(proof: str) -> None:
    assert refused_word(proof) is None


def test_a_proof_longer_than_is_read_is_no_answer(stand_in: StandIn) -> None:
    assert check_proof(PROBLEM, "by simp " * 10_000, isabelle=stand_in(ACCEPTS)).status == "no_answer"


def test_unfinished_thinking_is_no_answer(stand_in: StandIn) -> None:
    verdict = check_proof(PROBLEM, f"<think>{PROOF}", isabelle=stand_in(ACCEPTS))
    assert (verdict.status, verdict.reason) == ("no_answer", "thinking does not end")


def test_a_problem_without_a_statement_is_an_error(stand_in: StandIn) -> None:
    problem = Problem(id="x", messages=PROBLEM.messages, answer="", source="minif2f", meta={"header": HEADER})
    assert check_proof(problem, PROOF, isabelle=stand_in(ACCEPTS)).status == "error"


def test_a_theory_named_in_a_comment_is_not_the_theory() -> None:
    assert theory_name(HEADER) == "two_by_two"
    assert theory_name("import Mathlib\n") is None


def test_nothing_is_left_in_the_temporary_folder(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    check_proof(PROBLEM, PROOF, isabelle=stand_in(ACCEPTS))
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(shutil.which("isabelle") is None, reason="Isabelle is not installed")
def test_isabelle_itself_accepts_a_proof_and_refuses_a_false_one() -> None:
    assert check_proof(PROBLEM, PROOF, deadline_seconds=1800).status == "correct"
    assert check_proof(PROBLEM, "by simp", deadline_seconds=1800).status == "wrong"
