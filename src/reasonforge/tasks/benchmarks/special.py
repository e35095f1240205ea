"""Benchmarks whose rows need more than columns: BBH's kinds of answers, programs with tests, formal statements, several answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.asserts import asserts_to_calls
from reasonforge.tasks.benchmarks.isabelle import theory_name
from reasonforge.tasks.benchmarks.items import LETTERS, Columns, Item, letters_of, optional_text, options_of, question_of, with_options
from reasonforge.tasks.benchmarks.rows import Place, read_json, read_places
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.fields import scalar_of, shown, text_of, value_of, whole_of
from reasonforge.tasks.files import Row

_LETTER = re.compile(r"\(([A-Z])\)")
_WHOLE = re.compile(r"-?\d+")
MBPP_SPLITS = {"few-shot": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}
"""Which task ids are which. Source: Program Synthesis with Large Language Models (arXiv:2108.07732), section 2.1."""


def bbh(place: Place) -> Item:
    """Read a BIG-Bench Hard row: an option's letter, a number, or a word or sequence, whichever the target is."""
    question, target = (text_of(place.row, (name,), name).strip() for name in ("input", "target"))
    letter = _LETTER.fullmatch(target)
    meta: dict[str, Any] = {"subject": place.stem}
    if place.stem == "dyck_languages":
        # Answers are brackets, braces among them: no box would hold them.
        meta["answer_in"] = "tags"
    if letter is not None:
        return Item(question=question, answer=letter.group(1), kind="choice", meta=meta)
    return Item(question=question, answer=target, kind="math" if _WHOLE.fullmatch(target) else "logic", meta=meta)


def mgsm(place: Place) -> Item:
    """Read an MGSM row: question and number as in the original, or a conversation as in the DeepSeekMath evaluator."""
    row = place.row
    identity = scalar_of(row, ("id",), "id") if row.values.get("id") is not None else None
    answer = scalar_of(row, ("answer_number", "answer"), "answer").replace(",", "")
    if "messages" not in row.values:
        return Item(question=text_of(row, ("question",), "question").strip(), answer=answer, identity=identity)
    turns = row.values["messages"]
    first = turns[0] if isinstance(turns, list) and turns else None
    if not isinstance(first, dict) or not isinstance(first.get("content"), str):
        raise DataError(f"{row.place}: column 'messages' is {shown(turns)}, no list of turns with a content")
    return Item(question=first["content"].strip(), answer=answer, identity=identity)


def olympiadbench(place: Place) -> Item:
    """Read an OlympiadBench row of the open-ended, text-only part."""
    row = place.row
    _, answers = value_of(row, ("final_answer",), "answer")
    if not isinstance(answers, list) or not answers or not all(isinstance(answer, str) and answer.strip() for answer in answers):
        raise DataError(f"{row.place}: column 'final_answer' is {shown(answers)}, no list of texts. Only open-ended rows have answers")
    values = row.values
    facts = {
        "subject": values.get("subfield"),
        "answer_type": values.get("answer_type"),
        "several_answers": values.get("is_multiple_answer"),
        "unit": values.get("unit"),
        "tolerance": values.get("error"),
    }
    return Item(
        question=question_of(row, Columns(before=("context",))),
        answer=", ".join(answer.strip() for answer in answers),
        identity=scalar_of(row, ("id",), "id") if values.get("id") is not None else None,
        meta={name: value for name, value in facts.items() if value not in (None, "", False)},
    )


def humaneval(place: Place) -> Item:
    """Read a HumanEval row; its asserts become calls whose values are compared outside the program."""
    row = place.row
    prompt, entry_point = text_of(row, ("prompt",), "prompt"), text_of(row, ("entry_point",), "entry point")
    cases, weak = _calls(row, "test", text_of(row, ("test",), "tests"))
    suite = {"type": "calls", "entry_point": entry_point, "prompt": prompt, "cases": cases}
    program = prompt + text_of(row, ("canonical_solution",), "solution")
    return Item(
        question=prompt,
        answer=program,
        identity=text_of(row, ("task_id",), "id"),
        kind="code",
        solution=_fenced(program),
        meta={"tests": {**suite, "weak": weak} if weak else suite},
    )


def mbpp(place: Place) -> Item:
    """Read an MBPP row, of the full or of the sanitized version; the question shows the asserts, which name the function."""
    row = place.row
    _, tests = value_of(row, ("test_list",), "tests")
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        raise DataError(f"{row.place}: column 'test_list' is {shown(tests)}, no list of asserts")
    imports = row.values.get("test_imports") or []
    if not isinstance(imports, list) or not all(isinstance(line, str) for line in imports):
        raise DataError(f"{row.place}: column 'test_imports' is {shown(imports)}, no list of imports")
    setup = "\n".join([*imports, optional_text(row, ("test_setup_code",), "setup") or ""]).strip()
    cases, weak = _calls(row, "test_list", "\n".join([*imports, *tests]))
    suite: dict[str, Any] = {"type": "calls", "cases": cases}
    suite |= {name: source for name, source in (("setup", setup), ("weak", weak)) if source}
    # Some programs end their lines as Windows does.
    program = text_of(row, ("code",), "solution").replace("\r\n", "\n").strip()
    asserts = "\n".join(test.strip() for test in tests)
    return Item(
        question=f"{text_of(row, ('text', 'prompt'), 'question').strip()}\n\n{asserts}",
        answer=program,
        identity=scalar_of(row, ("task_id",), "id"),
        kind="code",
        solution=_fenced(program),
        meta={"tests": suite},
    )


def read_mbpp(path: Path, split: str | None) -> Iterator[Place]:
    """Yield MBPP's rows of a split; the task's number decides, whatever the file."""
    wanted = "test" if split is None else split
    if wanted != "all" and wanted not in MBPP_SPLITS:
        raise DataError(f"{path}: MBPP has no split {wanted!r}. There are: {', '.join(MBPP_SPLITS)}, all")
    seen: dict[int, str] = {}
    for place in read_places(path, split="all", default_split=None):
        number = whole_of(place.row, ("task_id",), "id")
        if number in seen:
            raise DataError(f"{place.row.place}: task {number} stands at {seen[number]} too. Name one file, the full or the sanitized one")
        seen[number] = place.row.place
        if wanted == "all" or number in MBPP_SPLITS[wanted]:
            yield place


def pubmedqa(place: Place) -> Item:
    """Read a PubMedQA row: abstract, question, and yes, no or maybe."""
    row = place.row
    context = row.values.get("context")
    nested = context if isinstance(context, dict) else {}
    contexts = nested.get("contexts", row.values.get("CONTEXTS", row.values.get("contexts")))
    if not isinstance(contexts, list) or not contexts or not all(isinstance(part, str) for part in contexts):
        raise DataError(f"{row.place}: no list of texts under 'CONTEXTS' or 'context.contexts' for the abstract")
    question = text_of(row, ("QUESTION", "question"), "question").strip()
    answer = text_of(row, ("final_decision",), "answer").strip().lower()
    if answer not in ("yes", "no", "maybe"):
        raise DataError(f"{row.place}: column 'final_decision' is {shown(answer)}, not yes, no or maybe")
    return Item(
        question="\n".join([*(part.strip() for part in contexts), "", question]),
        answer=answer,
        identity=scalar_of(row, ("key", "pubid"), "id"),
        kind="logic",
        meta={"answers": ["yes", "no", "maybe"]},
    )


def read_pubmedqa(path: Path, split: str | None) -> Iterator[Place]:
    """Yield PubMedQA's labelled rows; the test half is the one whose keys stand in ``test_ground_truth.json`` beside the file."""
    folder = path.expanduser()
    files = [folder]
    if folder.is_dir():
        copies = [path for path in sorted(folder.rglob("*.parquet")) if not re.search("unlabeled|artificial", path.as_posix())]
        files = sorted(folder.glob("ori_pqal.json*")) or copies
    if len(files) != 1:
        raise DataError(f"{folder}: {len(files)} files named ori_pqal.json, ori_pqal.json.gz or pqa_labeled/*.parquet; one is wanted")
    if split not in (None, "all", "test"):
        raise DataError(f"{folder}: PubMedQA has no split {split!r}. There are: test, all")
    keys: set[str] | None = None
    if split == "test":
        keys = set(read_json(files[0].parent / "test_ground_truth.json"))
    for place in read_places(files[0], split=None, default_split=None):
        if keys is None or str(place.row.values.get("key")) in keys:
            yield place


_MEDMCQA = Columns(question=("question",), options=("opa", "opb", "opc", "opd"), answer=("cop",))


def read_medmcqa(path: Path, split: str | None) -> Iterator[Place]:
    """Yield MedMCQA's rows with ``cop`` counted from 0: the original JSON counts from 1, the Parquet copies from 0."""
    places = list(read_places(path, split=split, default_split="validation"))
    stated = [_cop(place.row) for place in places]
    from_zero, from_one = 0 in stated, 4 in stated
    if from_zero and from_one:
        raise DataError(f"{path}: column 'cop' holds both 0 and 4: files that count from 0 and from 1 are mixed. Name one file")
    # In a few rows both may be missing: then the kind of file tells.
    base = 0 if from_zero or (not from_one and places and ".parquet:" in places[0].row.place) else 1
    for place, cop in zip(places, stated):
        yield Place(place.stem, Row(place.row.place, {**place.row.values, "cop": cop - base}))


def _cop(row: Row) -> int:
    cop = row.values.get("cop")
    if cop in (None, -1):
        raise DataError(f"{row.place}: column 'cop' (answer) is empty: MedMCQA's test answers are not public. Take the validation file")
    return whole_of(row, ("cop",), "answer")


def medmcqa(place: Place) -> Item:
    """Read a MedMCQA row whose ``cop`` counts from 0."""
    row = place.row
    options = options_of(row, _MEDMCQA.options)
    facts = {"subject": row.values.get("subject_name"), "topic": row.values.get("topic_name"), "explanation": row.values.get("exp")}
    return Item(
        question=with_options(question_of(row, _MEDMCQA), options),
        answer=letters_of(row, _MEDMCQA.answer, options),
        identity=scalar_of(row, ("id",), "id") if row.values.get("id") is not None else None,
        meta={**{name: value for name, value in facts.items() if value}, "options": list(options)},
    )


def medqa(place: Place) -> Item:
    """Read a MedQA-USMLE row: its options are a mapping, and the letter stands in ``answer_idx`` (``answer`` repeats the text)."""
    row = place.row
    options = options_of(row, ("options",))
    return Item(
        question=with_options(question_of(row, Columns()), options),
        answer=letters_of(row, ("answer_idx", "answer"), options),
        meta={"options": list(options), **({"subject": row.values["meta_info"]} if row.values.get("meta_info") else {})},
    )


def minif2f(place: Place) -> Item:
    """Read a miniF2F row of the Isabelle part: the statement goes in, a proof comes out."""
    row = place.row
    header = text_of(row, ("header",), "theory header")
    statement = text_of(row, ("formal_statement",), "formal statement").strip()
    informal = text_of(row, ("informal_statement",), "informal statement").strip()
    imports, begin, definitions = header.partition("\nbegin")
    if theory_name(imports) is None or not begin:
        raise DataError(f"{row.place}: column 'header' opens no Isabelle theory. The Lean files of miniF2F are another benchmark")
    # Some headers go on to define what the statement speaks of: that belongs to what is shown.
    statement = f"{definitions.strip()}\n\n{statement}".strip()
    return Item(
        question=f"{informal}\n\n```isabelle\n{statement}\n```",
        answer="a proof that Isabelle accepts",
        identity=text_of(row, ("problem_name", "id"), "id"),
        kind="open",
        meta={"checker": "isabelle", "header": imports + begin, "statement": statement},
    )


def cn_middle_school(place: Place) -> Item:
    """Read a row of the Chinese middle-school set: a choice where it states a letter, otherwise an answer."""
    row = place.row
    letter = row.values.get("choice_answer")
    return Item(
        question=text_of(row, ("question",), "question").strip(),
        answer=scalar_of(row, ("choice_answer",) if letter else ("answer",), "answer"),
        identity=scalar_of(row, ("idx",), "id"),
        kind="choice" if letter else "math",
    )


def theoremqa(place: Place) -> Item:
    """Read a TheoremQA row: numbers, truth values, lists of numbers, or an option's letter. Rows about a picture are left out before."""
    row = place.row
    _, value = value_of(row, ("Answer",), "answer")
    if isinstance(value, list):
        answer = "[" + ", ".join(str(item) for item in value) + "]"
    elif isinstance(value, bool):
        answer = str(value)
    else:
        answer = scalar_of(row, ("Answer",), "answer")
    letter = _LETTER.fullmatch(answer.lower().replace("option", "").strip().upper())
    kind = "choice" if letter else "logic" if answer in ("True", "False") else "math"
    return Item(
        question=text_of(row, ("Question",), "question").strip(),
        answer=letter.group(1) if letter else answer,
        identity=scalar_of(row, ("id",), "id"),
        kind=kind,
        meta={name: row.values[name] for name in ("field", "subfield", "theorem") if isinstance(row.values.get(name), str)},
    )


def gpqa(place: Place) -> Item:
    """Read a GPQA row. The right option is published first: the question's own hash decides where it stands."""
    row = place.row
    question = text_of(row, ("Question",), "question").strip()
    names = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    texts = [scalar_of(row, (name,), "options") for name in names]
    order = Draws(derive_seed(0, "gpqa", question)).shuffled(range(len(texts)))
    options = [texts[index] for index in order]
    subject = row.values.get("High-level domain")
    return Item(
        question=with_options(question, options),
        answer=LETTERS[order.index(0)],
        identity=scalar_of(row, ("Record ID",), "id") if row.values.get("Record ID") else None,
        meta={"options": options, **({"subject": subject} if subject else {})},
    )


def _calls(row: Row, name: str, source: str) -> tuple[list[dict[str, Any]], str]:
    try:
        return asserts_to_calls(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise DataError(f"{row.place}: column {name!r} (tests) is no Python: {str(error)[:100]}") from None


def _fenced(program: str) -> str:
    return f"```python\n{program.strip()}\n```"
