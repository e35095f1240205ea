"""How a problem is asked: its question, one line that says in which form to answer, and worked examples before it."""

from __future__ import annotations

from typing import Literal

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, Role
from reasonforge.tasks.benchmarks.isabelle import is_proof
from reasonforge.tasks.shots import Shot, shot_sets

Style = Literal["question", "cot", "pot", "tir"]
"""``question``: as it stands; ``cot``: reason, then answer; ``pot``: write a program, whose output is the answer; ``tir``: both in turn."""

_QUESTION, _RESPONSE = "Question:", "Solution:"
JOINED_STOP = f"\n\n{_QUESTION}"
"""Where a model that reads joined examples begins a question of its own."""
_ROLES: tuple[Role, Role] = ("user", "assistant")

_COT = {
    "en": "Please reason step by step, and put your final answer within \\boxed{}.",
    "zh": "请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。",
}
_TIR = {
    "en": "Please integrate natural language reasoning with programs to solve the problem above, "
    "and put your final answer within \\boxed{}.",
    "zh": "请结合自然语言和Python程序语言来解答问题，并把最终答案放置于\\boxed{}中。",
}
"""The instructions that DeepSeekMath's models were trained on. Source: the evaluation page of its release (arXiv:2402.03300)."""
_POT = {
    "en": "Write a Python program that works out the answer and prints it. Put the program in one ```python block.",
    "zh": "请编写一个Python程序算出答案并打印出来，把程序放在一个```python代码块中。",
}
_CHOICE = {
    "en": "Please reason step by step, and put the letter of the right option within \\boxed{}.",
    "zh": "请通过逐步推理来解答问题，并把正确选项的字母放置于\\boxed{}中。",
}
_PROGRAM_CHOICE = {
    "en": "Write a Python program that works out the right option and prints its letter. Put the program in one ```python block.",
    "zh": "请编写一个Python程序找出正确选项并打印它的字母，把程序放在一个```python代码块中。",
}
_TAGS = "Please reason step by step, and put your final answer between <answer> and </answer>."
_FUNCTION = "Complete this Python function. Answer with the whole function, and what it needs, in one ```python block."
_PROGRAM = "Write this in Python, so that the asserts hold. Answer with the whole program in one ```python block, without the asserts."
_TESTED = "Write this in Python. Answer with the whole program in one ```python block."
_PROOF = "Prove the theorem in Isabelle/HOL. Answer with the proof alone, what follows the statement, in one ```isabelle block."


def render_benchmark_prompt(problem: Problem, style: Style, shots: int = 0, *, joined: bool = False) -> tuple[Message, ...]:
    """Return the conversation up to the point where the model must speak.

    Worked examples are earlier turns, each asked with the same instruction; the problem's own system turns stay in front.
    Joined, they are one text with the question, for base models: those have learned to forget what stands before an end-of-text token,
    and layouts put one after every turn. Such a model goes on with a question of its own: ``JOINED_STOP`` is where to end it.

    Args:
        problem: a benchmark's or any other.
        style: the form of the answer. A program or a proof that is the answer itself is asked for in one way only, ``cot``.
        shots: so many worked examples of the set that fits the problem, from its start.
        joined: give examples and question as one user turn.

    Raises:
        DataError: there are not so many examples, or the style asks for a program about a program.
    """
    if style == "question" and not shots:
        return problem.messages
    instruction = instruction_of(problem, style)
    system = tuple(message for message in problem.messages if message.role == "system")
    examples = [(_asked(shot.question, instruction), _response(shot, instruction)) for shot in _examples(problem, style, shots)]
    question = _question(problem, instruction)
    if joined:
        blocks = [f"{_QUESTION} {asked}\n{_RESPONSE} {response}" for asked, response in examples]
        return (*system, Message("user", "\n\n".join([*blocks, f"{_QUESTION} {question}\n{_RESPONSE}"])))
    turns = [Message(role, text) for pair in examples for role, text in zip(_ROLES, pair)]
    return (*system, *turns, Message("user", question))


def instruction_of(problem: Problem, style: Style) -> str:
    """Return the line that says in which form to answer; "" = none.

    Raises:
        DataError: the style asks for a program about a program.
    """
    language = "zh" if problem.language == "zh" else "en"
    own = _own_instruction(problem)
    if style == "question":
        return ""
    if own is not None:
        if style != "cot":
            raise DataError(f"problem {problem.id}: its answer is a program or a proof itself: style {style!r} does not fit, take 'cot'")
        return own
    if style == "tir":
        return _TIR[language]
    if style == "pot":
        return (_PROGRAM_CHOICE if problem.kind == "choice" else _POT)[language]
    if problem.meta.get("answer_in") == "tags":
        return _TAGS
    answers = problem.meta.get("answers")
    if isinstance(answers, list):
        return f"Please reason step by step, and put one of the words {', '.join(map(str, answers))} within \\boxed{{}}."
    return (_CHOICE if problem.kind == "choice" else _COT)[language]


def shot_set(problem: Problem, style: Style) -> str:
    """Return the name of the set of worked examples that fits a problem; "" = there is none."""
    chinese = problem.language == "zh"
    if style in ("pot", "tir"):
        return f"{style}_zh" if chinese else style
    stated = problem.meta.get("shots")
    if isinstance(stated, str):
        return stated
    match problem.kind:
        case "math":
            return "cmath" if chinese else "math"
        case "choice":
            return "mcq_zh" if chinese else "mcq"
        case "logic":
            return "bbh"
        case _:
            return ""


def _examples(problem: Problem, style: Style, count: int) -> tuple[Shot, ...]:
    if count == 0:
        return ()
    name = shot_set(problem, style)
    there = shot_sets().get(name, ())
    if not 0 < count <= len(there):
        what = f"set {name!r} has {len(there)}" if name else "there are none for it"
        raise DataError(f"problem {problem.id}: {count} worked examples are wanted, {what}. Lower shots, or write your own prompt file")
    return there[:count]


def _own_instruction(problem: Problem) -> str | None:
    """Return how a program or a proof is asked for; None = the answer is something to be worked out."""
    if is_proof(problem):
        return _PROOF
    if problem.kind != "code":
        return None
    tests = problem.meta.get("tests")
    suite = tests if isinstance(tests, dict) else {}
    if "prompt" in suite:
        return _FUNCTION
    return _PROGRAM if suite.get("type") == "calls" and "assert" in problem.question else _TESTED


def _response(shot: Shot, instruction: str) -> str:
    if instruction != _TAGS:
        return shot.response
    return shot.response.replace(f"\\boxed{{{shot.answer}}}", f"<answer>{shot.answer}</answer>")


def _question(problem: Problem, instruction: str) -> str:
    tests = problem.meta.get("tests")
    if instruction == _FUNCTION and isinstance(tests, dict):
        return f"{instruction}\n\n```python\n{problem.question.rstrip()}\n```"
    return _asked(problem.question, instruction)


def _asked(question: str, instruction: str) -> str:
    return f"{question}\n{instruction}" if instruction else question
