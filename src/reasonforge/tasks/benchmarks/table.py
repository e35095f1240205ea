"""Every benchmark by name: what its files look like, how its rows are read, and which rules its published scores were counted by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from reasonforge.core.records import ProblemKind
from reasonforge.tasks.benchmarks import special
from reasonforge.tasks.benchmarks.items import Columns, Convert, read_answer, read_choice, read_gsm8k
from reasonforge.tasks.benchmarks.rows import Place
from reasonforge.verify.grade import Profile

MMLU_STEM_SUBJECTS = frozenset(
    {
        "abstract_algebra", "astronomy", "college_biology", "college_chemistry", "college_computer_science", "college_mathematics",
        "college_physics", "computer_security", "conceptual_physics", "electrical_engineering", "elementary_mathematics",
        "high_school_biology", "high_school_chemistry", "high_school_computer_science", "high_school_mathematics", "high_school_physics",
        "high_school_statistics", "machine_learning",
    }
)  # fmt: skip
"""The 18 subjects that MMLU's authors count as STEM. Source: Measuring Massive Multitask Language Understanding (arXiv:2009.03300)."""
MGSM_LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """How one benchmark is read."""

    name: str
    description: str
    rows: int | None
    """Problems in the split that scores are given for. None = it depends on the file."""
    origin: str
    """Who publishes it; after a semicolon, who else's copy is read."""
    files: str
    """What its published file looks like."""
    convert: Convert
    kind: ProblemKind = "math"
    language: str = "en"
    profile: Profile = "strict"
    """The grading profile nearest to how published scores were counted. Rewards stay strict: nothing applies it unasked."""
    shots: str = "math"
    """The set of worked examples that fits, see ``tasks.shots``. "" = there are none."""
    split: str | None = None
    """The files taken from a folder when none is named. None = all."""
    csv_columns: tuple[str, ...] | None = None
    """Names of the columns of CSV or TSV files without a header. None = they have one."""
    subject_in_name: bool = False
    """The file's name tells the subject where no column does."""
    read: Callable[[Path, str | None], Iterable[Place]] | None = None
    """Reads a path and split where files and splits are special. None = ``rows.read_places``."""
    keep: Callable[[Place], bool] | None = None
    """Which rows belong to it. None = all."""
    never_train: bool = False
    """Its files carry a canary, by which its authors ask that no model be trained on them."""


def _is_stem(place: Place) -> bool:
    values = place.row.values
    subject = values.get("topic") or values.get("subject") or place.stem
    return str(subject).lower().replace(" ", "_") in MMLU_STEM_SUBJECTS


def _of_language(language: str) -> Callable[[Place], bool]:
    # A folder of MGSM holds mgsm_de.tsv, mgsm_fr.tsv ..., or folders de, fr ...: only the language asked for counts.
    others = {name for other in MGSM_LANGUAGES if other != language for name in (other, f"mgsm_{other}")}
    return lambda place: place.stem not in others


def _tal_half(prefix: str) -> Callable[[Place], bool]:
    # TAL-SCQ5K's two halves may lie in one folder: ch_single_choice_... is the Chinese one. Some training rows have lost
    # their options: one stands there that says where to write the answer.
    other = {"ch", "en"} - {prefix}

    def keep(place: Place) -> bool:
        options = place.row.values.get("answer_option_list")
        return place.stem.partition("_")[0] not in other and not (isinstance(options, list) and len(options) == 1)

    return keep


def _without_picture(place: Place) -> bool:
    return place.row.values.get("Picture") in (None, "")


def _has_answer(place: Place) -> bool:
    return place.row.values.get("answer") != ""


_AGIEVAL_CHOICE = Columns(before=("passage",), options=("options",), answer=("label", "Answer", "answer"), identity=("id",))
_COMPETITION = Columns(
    question=("problem", "question", "Problem"),
    answer=("answer", "Answer"),
    solution=("solution", "Solution"),
    identity=("id", "ID", "unique_id", "idx"),
    subject=("subject", "type"),
    level=("level",),
)
_TAL = Columns(
    question=("problem",),
    options=("answer_option_list",),
    answer=("answer_value",),
    identity=("queId", "qid"),
    level=("difficulty",),
    meta=("knowledge_point_routes",),
)
_MMLU = Columns(
    options=("choices", "options", "A", "B", "C", "D"),
    answer=("answer",),
    subject=("subject", "topic", "category"),
    identity=("id", "question_id"),
)

_TABLE = (
    Benchmark(
        name="gsm8k",
        description="Grade-school word problems with whole-number answers",
        rows=1319,
        origin="OpenAI, grade-school-math",
        files="`test.jsonl` with question, answer (steps, then `#### N`)",
        convert=read_gsm8k(Columns()),
        profile="deepseek-math",
        shots="gsm8k",
        split="test",
    ),
    Benchmark(
        name="math",
        description="Competition mathematics, seven subjects, levels 1 to 5",
        rows=5000,
        origin="Hendrycks et al., MATH",
        files="JSON Lines or one JSON file for each problem, with problem, level, type, solution (answer in its last box)",
        convert=read_answer(_COMPETITION),
        profile="deepseek-math",
        split="test",
    ),
    Benchmark(
        name="math500",
        description="The 500 test problems of MATH that PRM800K kept for evaluation",
        rows=500,
        origin="OpenAI, PRM800K (its test split)",
        files="`test.jsonl` with problem (or question), answer; also solution, subject, level",
        convert=read_answer(_COMPETITION),
        profile="prm800k",
        split="test",
    ),
    Benchmark(
        name="sat",
        description="SAT mathematics questions, multiple choice (32 of May 2023, or AGIEval's 220)",
        rows=32,
        origin="DeepSeek-Math evaluator; AGIEval",
        files="`test.jsonl` with question, options, Answer; or AGIEval's `sat-math.jsonl` with label",
        convert=read_choice(_AGIEVAL_CHOICE),
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
    ),
    Benchmark(
        name="ocw",
        description="University science and mathematics from MIT's open courses: numbers, expressions, equations",
        rows=272,
        origin="DeepSeek-Math evaluator, after Minerva",
        files="`test.jsonl` with problem, answer, solution",
        convert=read_answer(_COMPETITION),
        profile="deepseek-math",
        split="test",
    ),
    Benchmark(
        name="minerva_math",
        description="The same 272 university problems as published with Minerva's evaluation",
        rows=272,
        origin="Qwen2.5-Math evaluation, after Minerva",
        files="`test.jsonl` with problem (or question), solution (answer in its last box) or answer",
        convert=read_answer(_COMPETITION),
        profile="qwen-math",
        split="test",
    ),
    Benchmark(
        name="mmlu_stem",
        description="The 18 STEM subjects of MMLU, four options",
        rows=3018,
        origin="Hendrycks et al., MMLU; DeepSeek-Math evaluator",
        files="as `mmlu` (other subjects are left out), or `test.jsonl` with question, options, answer, topic",
        convert=read_choice(_MMLU),
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
        csv_columns=("question", "A", "B", "C", "D", "answer"),
        keep=_is_stem,
        subject_in_name=True,
    ),
    Benchmark(
        name="mmlu",
        description="57 subjects from school to profession, four options",
        rows=14042,
        origin="Hendrycks et al., MMLU",
        files="folder of `<subject>_test.csv` without header (question, A to D, answer), or Parquet with question, choices, answer",
        convert=read_choice(_MMLU),
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
        csv_columns=("question", "A", "B", "C", "D", "answer"),
        subject_in_name=True,
    ),
    Benchmark(
        name="mmlu_pro",
        description="MMLU made harder: up to ten options, 14 fields",
        rows=12032,
        origin="TIGER-Lab, MMLU-Pro",
        files="Parquet or JSON Lines with question_id, question, options, answer, category",
        convert=read_choice(_MMLU),
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
    ),
    *(
        Benchmark(
            name=f"mgsm_{language}",
            description=f"250 problems of GSM8K translated by people, language {language}",
            rows=250,
            origin="Google Research, MGSM; DeepSeek-Math evaluator",
            files=f"`mgsm_{language}.tsv` without header (question, answer), or JSON Lines with question (or messages), answer",
            convert=special.mgsm,
            language=language,
            profile="deepseek-math",
            shots="cmath" if language == "zh" else "gsm8k",
            csv_columns=("question", "answer"),
            split="test",
            keep=_of_language(language),
        )
        for language in MGSM_LANGUAGES
    ),
    Benchmark(
        name="cmath",
        description="Chinese primary-school word problems, grades 1 to 6",
        rows=1098,
        origin="XiaoMi, CMATH; DeepSeek-Math evaluator",
        files="`test.jsonl` with question (or input), golden, grade",
        convert=read_answer(
            Columns(
                question=("question", "input"), answer=("golden",), level=("grade",), meta=("reasoning_step", "num_digits", "distractor")
            )
        ),
        language="zh",
        shots="cmath",
        profile="deepseek-math",
        split="test",
    ),
    Benchmark(
        name="gaokao_mathcloze",
        description="Fill-in questions of the Chinese university entrance examination; several blanks are separated by `;`",
        rows=118,
        origin="AGIEval",
        files="AGIEval's `gaokao-mathcloze.jsonl` with question, answer",
        convert=read_answer(Columns(before=("passage",))),
        language="zh",
        shots="cmath",
        profile="deepseek-math",
        split="test",
    ),
    Benchmark(
        name="gaokao_mathqa",
        description="Choice questions of the Chinese university entrance examination; a few have several right options",
        rows=351,
        origin="AGIEval",
        files="AGIEval's `gaokao-mathqa.jsonl` with question, options, label",
        convert=read_choice(_AGIEVAL_CHOICE),
        kind="choice",
        language="zh",
        profile="mcq",
        shots="mcq_zh",
        split="test",
    ),
    Benchmark(
        name="minif2f",
        description="Olympiad and textbook statements in Isabelle; the answer is a proof, checked by Isabelle",
        rows=244,
        origin="miniF2F (Isabelle); DeepSeek-Math evaluator",
        files="`test.jsonl` with problem_name, header, formal_statement, informal_statement",
        convert=special.minif2f,
        kind="open",
        shots="",
        split="test",
    ),
    Benchmark(
        name="bbh",
        description="BIG-Bench Hard: 23 tasks in 27 files; letters, words, sequences or numbers. Never train on it: it carries a canary",
        rows=6511,
        origin="BIG-Bench-Hard",
        files="folder of `<task>.json` with examples of input, target; or Parquet with these columns in a folder for each task",
        convert=special.bbh,
        kind="logic",
        profile="bbh",
        shots="bbh",
        never_train=True,
    ),
    Benchmark(
        name="humaneval",
        description="Python functions from signature and docstring",
        rows=164,
        origin="OpenAI, human-eval",
        files="`HumanEval.jsonl.gz` with task_id, prompt, entry_point, canonical_solution, test",
        convert=special.humaneval,
        kind="code",
        shots="",
    ),
    Benchmark(
        name="mbpp",
        description="Short Python programs from a sentence and three asserts (test: task ids 11 to 510)",
        rows=500,
        origin="Google Research, MBPP",
        files="`mbpp.jsonl` with task_id, text, code, test_list, test_setup_code; or the sanitized version with prompt, test_imports",
        convert=special.mbpp,
        kind="code",
        shots="",
        read=special.read_mbpp,
    ),
    *(
        Benchmark(
            name=f"aime{year}",
            description=f"American Invitational Mathematics Examination 20{year}, I and II: answers 0 to 999",
            rows=30,
            origin="Mathematical Association of America; Qwen2.5-Math evaluation and others",
            files="`test.jsonl` with problem (or question), answer; or solution with the answer in its box",
            convert=read_answer(_COMPETITION),
            profile="qwen-math",
        )
        for year in ("24", "25")
    ),
    Benchmark(
        name="amc",
        description="American Mathematics Competitions 12, 2022 and 2023, without options",
        rows=83,
        origin="AI-MO validation set",
        files="JSON Lines or Parquet with problem (or question), answer",
        convert=read_answer(_COMPETITION),
        profile="qwen-math",
    ),
    Benchmark(
        name="amc23",
        description="American Mathematics Competitions 12, 2023, without options",
        rows=40,
        origin="Qwen2.5-Math evaluation",
        files="`test.jsonl` with problem (or question), answer",
        convert=read_answer(_COMPETITION),
        profile="qwen-math",
        split="test",
    ),
    Benchmark(
        name="olympiadbench",
        description="OlympiadBench, the open-ended English mathematics without pictures; units and tolerances are kept",
        rows=675,
        origin="OpenBMB, OlympiadBench; Qwen2.5-Math evaluation",
        files="`test.jsonl` with question, context, final_answer (list), unit, error",
        convert=special.olympiadbench,
        profile="qwen-math",
        split="test",
    ),
    *(
        Benchmark(
            name=f"tal_scq5k_{language}",
            description=f"Single-choice questions of school competitions, {words}",
            rows=2000,
            origin="TAL Education, TAL-SCQ5K",
            files=f"`{prefix}_single_choice_test_2K.jsonl` with problem, answer_option_list, answer_value",
            convert=read_choice(_TAL),
            kind="choice",
            language=language,
            profile="mcq",
            shots="mcq_zh" if language == "zh" else "mcq",
            keep=_tal_half(prefix),
            split="test",
        )
        for language, prefix, words in (("en", "en", "English"), ("zh", "ch", "Chinese"))
    ),
    Benchmark(
        name="pubmedqa",
        description="Does an abstract answer its question: yes, no or maybe (split test: the 500 with public ground truth)",
        rows=1000,
        origin="PubMedQA (labelled part)",
        files="`ori_pqal.json` (and `test_ground_truth.json` beside it), or Parquet with pubid, question, context, final_decision",
        convert=special.pubmedqa,
        kind="logic",
        profile="bbh",
        shots="bbh",
        read=special.read_pubmedqa,
    ),
    Benchmark(
        name="medqa",
        description="Questions of the United States medical licensing examination",
        rows=1273,
        origin="MedQA (USMLE)",
        files="`test.jsonl` with question, options (letter: text), answer_idx; four or five options",
        convert=special.medqa,
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
    ),
    Benchmark(
        name="medmcqa",
        description="Questions of Indian medical entrance examinations; scores are given on validation",
        rows=4183,
        origin="MedMCQA",
        files="`dev.json` or Parquet with question, opa to opd, cop, subject_name",
        convert=special.medmcqa,
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="validation",
        read=special.read_medmcqa,
    ),
    Benchmark(
        name="gpqa",
        description="Graduate questions in biology, physics and chemistry that a search does not answer (diamond: 198)",
        rows=198,
        origin="GPQA",
        files="`gpqa_diamond.csv` with Question, Correct Answer, Incorrect Answer 1 to 3",
        convert=special.gpqa,
        kind="choice",
        profile="mcq",
        shots="mcq",
        never_train=True,
    ),
    Benchmark(
        name="ceval",
        description="Chinese examinations, 52 subjects, four options",
        rows=1346,
        origin="C-Eval",
        files="folder of `<subject>_val.csv` with question, A, B, C, D, answer",
        convert=read_choice(Columns(options=("A", "B", "C", "D"))),
        kind="choice",
        language="zh",
        profile="mcq",
        shots="mcq_zh",
        split="val",
        subject_in_name=True,
    ),
    Benchmark(
        name="cmmlu",
        description="Chinese general knowledge, 67 subjects, four options",
        rows=11582,
        origin="CMMLU",
        files="folder `test` of `<subject>.csv` with Question, A, B, C, D, Answer",
        convert=read_choice(Columns(question=("Question",), options=("A", "B", "C", "D"), answer=("Answer",))),
        kind="choice",
        language="zh",
        profile="mcq",
        shots="mcq_zh",
        split="test",
        subject_in_name=True,
    ),
    Benchmark(
        name="aqua",
        description="Algebra word problems with five options",
        rows=254,
        origin="DeepMind, AQuA; AGIEval",
        files="`test.jsonl` with question, options, correct; or AGIEval's `aqua-rat.jsonl` with label",
        convert=read_choice(Columns(before=("passage",), options=("options",), answer=("correct", "label"), solution=("rationale",))),
        kind="choice",
        profile="mcq",
        shots="mcq",
        split="test",
    ),
    Benchmark(
        name="svamp",
        description="One-step word problems with a story changed to mislead",
        rows=1000,
        origin="SVAMP",
        files="`test.jsonl` with Body, Question, Answer",
        convert=read_answer(Columns(before=("Body",), question=("Question",), answer=("Answer",), identity=("ID",), subject=("Type",))),
        profile="qwen-math",
        shots="gsm8k",
        split="test",
    ),
    Benchmark(
        name="mawps",
        description="Word problems of one or two equations",
        rows=2065,
        origin="MAWPS",
        files="`test.jsonl` with input, target",
        convert=read_answer(Columns(question=("input",), answer=("target",), identity=("idx",), subject=("type",))),
        profile="qwen-math",
        shots="gsm8k",
        split="test",
    ),
    Benchmark(
        name="gsm_hard",
        description="GSM8K with large numbers",
        rows=1319,
        origin="PAL",
        files="`test.jsonl` with input, target",
        convert=read_answer(Columns(question=("input",), answer=("target",), identity=("idx",))),
        profile="qwen-math",
        shots="gsm8k",
        split="test",
    ),
    Benchmark(
        name="carp_en",
        description="Middle-school algebra, translated",
        rows=976,
        origin="CARP",
        files="`test.jsonl` with content, answer",
        convert=read_answer(Columns(question=("content",))),
        profile="qwen-math",
        split="test",
    ),
    Benchmark(
        name="college_math",
        description="Exercises of open college textbooks",
        rows=2818,
        origin="MathScale",
        files="`test.jsonl` with question, answer, data_topic",
        convert=read_answer(Columns(identity=("question_number",), subject=("data_topic",))),
        profile="qwen-math",
        split="test",
    ),
    Benchmark(
        name="gaokao2023en",
        description="Chinese university entrance examination 2023 and others, in English; rows without an answer (2) are left out",
        rows=383,
        origin="MARIO",
        files="`test.jsonl` with question, answer",
        convert=read_answer(Columns()),
        profile="qwen-math",
        split="test",
        keep=_has_answer,
    ),
    Benchmark(
        name="cn_middle_school",
        description="Chinese middle-school questions, with and without options",
        rows=101,
        origin="Qwen2.5-Math evaluation",
        files="`test.jsonl` with question (options inside), answer, choice_answer",
        convert=special.cn_middle_school,
        language="zh",
        shots="cmath",
        profile="qwen-math",
        split="test",
    ),
    Benchmark(
        name="theoremqa",
        description="University questions that apply a theorem; rows about a picture are left out",
        rows=747,
        origin="TIGER-Lab, TheoremQA",
        files="`theoremqa_test.json` with Question, Answer, Answer_type, Picture",
        convert=special.theoremqa,
        profile="qwen-math",
        split="test",
        keep=_without_picture,
    ),
)

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _TABLE}
