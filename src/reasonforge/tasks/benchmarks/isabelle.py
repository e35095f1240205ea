"""Does Isabelle accept a proof? A theory with the benchmark's own statement is built in a temporary folder, with a time limit.

The completion may only supply what stands between the statement and the theory's ``end``. Every word in it that could open a gap
(``sorry``, new axioms, oracles) or run a program (ML in all its forms) is refused before Isabelle starts, wherever the word stands: a
proof does not need it, and a guess about comments and quotes is a way round. Isabelle is no sandbox, so this list is the border.

Source:
    Draft, Sketch and Prove (arXiv:2210.12283): informal statement in, Isabelle proof out; miniF2F (arXiv:2109.00110).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from reasonforge.core.errors import UnavailableError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Problem, Verdict
from reasonforge.verify.extract import answer_section, strip_end_marker

MAX_PROOF_CHARS = 50_000
_REASON_CHARS = 200
_OUTPUT_BYTES = 1 << 20

_GAPS = (
    "sorry",
    "oops",
    "quick_and_dirty",
    "skip_proofs",
    "smt_oracle",
    "eval",
    "normalization",
    "sledgehammer",
    "nitpick",
    "try",
    "try0",
    "quickcheck",
    "refute",
)
_AXIOMS = ("axiomatization", "axioms", "axiom", "oracle", "judgment", "consts", "typedecl", "overloading", "specification")
_PROGRAMS = (
    "setup", "local_setup", "method_setup", "attribute_setup", "simproc_setup", "simproc", "tactic", "raw_tactic", "declaration",
    "syntax_declaration", "parse_translation", "print_translation", "typed_print_translation", "parse_ast_translation",
    "print_ast_translation", "code_printing", "code_reflect", "code_reserved", "export_code", "generate_file", "export_generated_files",
    "compile_generated_files", "external_file", "bibtex_file", "value", "values", "code_runtime", "SML_file", "SML_import", "SML_export",
)  # fmt: skip
_STRUCTURE = ("theory", "imports", "keywords", "begin", "end", "lemma", "theorem", "corollary", "text", "txt", "text_raw", "document")
REFUSED = frozenset((*_GAPS, *_AXIOMS, *_PROGRAMS, *_STRUCTURE))
"""Words that no proof may hold. ``ML`` with whatever follows it is refused besides, and so are antiquotations."""

_WORD = re.compile(r"[A-Za-z][\w']*")
_ANTIQUOTATION = re.compile(r"@\{|\\<proof>|\\<\^(?:ML|eval|cancel|verbatim|file|dir|url)|\\<\^[A-Za-z_]+>\s*(?:\\<open>|‹)")
_MATHEMATICAL = frozenset({"Lu", "Ll", "Lo", "Sm", "Ps", "Pe", "Pi", "Pf", "No", "Nd"})
_MARKS = "⇩⇧…·°"
"""Isabelle reads some other characters as commands of its own (U+2326 hides text), so only letters and mathematics pass."""
_ENVIRONMENT = frozenset({"HOME", "JAVA_HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "USER"})
"""What Isabelle gets to see of the environment: it reads text that a model wrote, and keys and tokens are not for that."""
_FENCE = re.compile(r"^```[ \t]*(?:isabelle|isar)?[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_THEORY = re.compile(r"^\s*theory\s+([A-Za-z]\w*)", re.MULTILINE)
_THEOREM = re.compile(r"^\s*theorem\b", re.MULTILINE)
_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_IMPORT = re.compile(r'"(HOL-[\w-]+)\.[\w.]+"')


def is_proof(problem: Problem) -> bool:
    """Tell whether a problem's answer is a proof that Isabelle judges."""
    return problem.meta.get("checker") == "isabelle"


def require_isabelle(problems: Iterable[Problem], *, isabelle: str = "isabelle") -> None:
    """Refuse proofs before they are written where nothing can judge them.

    Raises:
        UnavailableError: there is a problem with a proof for its answer, and Isabelle is not installed.
    """
    problem = next((problem for problem in problems if is_proof(problem)), None)
    if problem is not None and shutil.which(isabelle) is None:
        raise UnavailableError(
            f"{isabelle}: not found. Proofs of {problem.source} are checked by Isabelle: install it and put its bin folder in PATH"
        )


def theory_name(header: str) -> str | None:
    """Return the name of the theory that a header opens; None = it opens none.

    >>> theory_name('theory imo_1959_p1 imports Complex_Main begin')
    'imo_1959_p1'
    """
    match = _THEORY.search(_COMMENT.sub("", header))
    return match.group(1) if match else None


def proof_of(text: str, statement: str) -> str | None:
    """Return the proof that a completion gives: its last Isabelle block, or all of it; None = it gives none.

    A block may repeat the statement (with the definitions before it or without), or the whole theory around it: all of it is taken off, and
    what is put in its place is the benchmark's.
    """
    section = answer_section(text)
    if section is None:
        return None
    section = strip_end_marker(section)
    blocks = _FENCE.findall(section)
    proof = (blocks[-1] if blocks else section).strip()
    if (match := _THEORY.search(proof)) is not None:
        _, begin, after = proof[match.end() :].partition("begin")
        proof = re.sub(r"\bend\s*\Z", "", after).strip() if begin else proof
    theorem = list(_THEOREM.finditer(statement))
    for repeated in (statement, statement[theorem[-1].start() :] if theorem else ""):
        # Its words with any space between them, at the start only.
        match = re.match(r"\s+".join(map(re.escape, repeated.split())), proof)
        if match is not None:
            proof = proof[match.end() :].strip()
    return proof or None


def refused_word(proof: str) -> str | None:
    """Return the first thing in a proof that none may hold; None = there is none."""
    for match in _WORD.finditer(proof):
        word = match.group()
        if word in REFUSED or word.startswith(("ML", "SML")):
            return word
    match = _ANTIQUOTATION.search(proof)
    if match is not None:
        return match.group()
    strange = (char for char in proof if not char.isascii() and unicodedata.category(char) not in _MATHEMATICAL and char not in _MARKS)
    return next(strange, None)


def check_proof(problem: Problem, text: str, *, isabelle: str = "isabelle", deadline_seconds: float = 300.0) -> Verdict:
    """Judge a completion by Isabelle.

    Args:
        problem: one of miniF2F; its ``meta`` holds the theory's header and the statement.
        text: the completion.
        isabelle: name or path of Isabelle's command.
        deadline_seconds: wall time. The first build of the imported sessions counts too, so build them before:
            ``isabelle build -b HOL-Number_Theory``.

    Raises:
        UnavailableError: Isabelle is not installed.
    """
    require_isabelle((problem,), isabelle=isabelle)
    header, statement = problem.meta.get("header"), problem.meta.get("statement")
    name = theory_name(header) if isinstance(header, str) else None
    if not isinstance(header, str) or not isinstance(statement, str) or name is None:
        return Verdict(status="error", reason=f"problem {problem.id} has no theory header and statement in its meta")
    proof = proof_of(text, statement)
    if proof is None:
        unfinished = answer_section(text) is None
        return Verdict(status="no_answer", reason="thinking does not end" if unfinished else "no proof")
    prediction = content_id(" ".join(proof.split()))
    if len(proof) > MAX_PROOF_CHARS:
        return Verdict(status="no_answer", reason=f"a proof of {len(proof)} characters; at most {MAX_PROOF_CHARS} are read")
    word = refused_word(proof)
    if word is not None:
        return Verdict(status="wrong", prediction=prediction, reason=f"{word!r} is not allowed in a proof")
    with tempfile.TemporaryDirectory(prefix="reasonforge-isabelle-") as folder:
        session = _write_session(Path(folder), header=header, statement=statement, proof=proof, name=name, seconds=deadline_seconds)
        return _build(shutil.which(isabelle) or isabelle, Path(folder), session, prediction, deadline_seconds)


def _write_session(folder: Path, *, header: str, statement: str, proof: str, name: str, seconds: float) -> str:
    """Write the theory and the ROOT file that names it; return the session's name, a new one each time: sessions share a database."""
    session = f"Reasonforge_{secrets.token_hex(6)}"
    imported = sorted(set(_IMPORT.findall(header)))
    # Number_Theory's image holds Computational_Algebra's: one image loads in a second, sources take a minute.
    parent = "HOL-Number_Theory" if "HOL-Number_Theory" in imported else "HOL"
    others = [f'"{other}"' for other in imported if other != parent]
    sessions = f"  sessions {' '.join(others)}\n" if others else ""
    (folder / f"{name}.thy").write_text(f"{header.rstrip()}\n\n{statement}\n{proof}\n\nend\n", encoding="utf-8")
    (folder / "ROOT").write_text(
        f'session {session} = "{parent}" +\n'
        f"  options [document = false, quick_and_dirty = false, skip_proofs = false, timeout = {max(1, int(seconds))}]\n"
        f'{sessions}  theories\n    "{name}"\n',
        encoding="utf-8",
    )
    return session


def _build(command: str, folder: Path, session: str, prediction: str, deadline_seconds: float) -> Verdict:
    log = folder / "output.log"
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [command, "build", "-d", str(folder), session],
                cwd=folder,
                env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith("ISABELLE_")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Isabelle starts a Java process and Poly/ML: all of them must go when time is up.
                start_new_session=True,
            )
        except OSError as error:
            return Verdict(status="error", prediction=prediction, reason=f"{command}: cannot be started: {error.strerror or error}")
        try:
            code = process.wait(timeout=deadline_seconds)
        except subprocess.TimeoutExpired:
            return Verdict(status="timeout", prediction=prediction, reason=f"no verdict of Isabelle in {deadline_seconds:g} s")
        finally:
            _end(process)
    if code == 0:
        return Verdict(status="correct", prediction=prediction)
    with log.open("rb") as written:
        said = written.read(_OUTPUT_BYTES).decode("utf-8", "replace")
    lines = [line.removeprefix("***").strip() for line in said.splitlines() if line.startswith("***")]
    if not lines:
        # Isabelle marks what it has against a theory with stars; without any it never came to the proof.
        return Verdict(
            status="error", prediction=prediction, reason=f"Isabelle ended with code {code}: {' '.join(said.split())[:_REASON_CHARS]}"
        )
    if any("Timeout" in line for line in lines):
        return Verdict(status="timeout", prediction=prediction, reason=lines[0][:_REASON_CHARS])
    return Verdict(status="wrong", prediction=prediction, reason=next((line for line in lines if line), "")[:_REASON_CHARS])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole session of a process, whether or not its leader still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
