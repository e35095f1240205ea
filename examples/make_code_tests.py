"""Hidden tests for programming problems that come without: a model writes input generators, known submissions decide which inputs count.

    python examples/make_code_tests.py PROBLEMS.jsonl --model runs/NAME/final --out WITH_TESTS.jsonl
    python examples/make_code_tests.py PROBLEMS.jsonl --model http://localhost:8000/v1 --model-name NAME --out WITH_TESTS.jsonl

Each row has ``question``, ``correct`` (sources of accepted programs, at least two) and ``incorrect`` (sources of rejected ones). A row may
bring ``generators`` of its own, sources that print one input each; where all rows do, no model is needed. The rows written have ``tests``
and ``answer``, and train a model as they are:

    [data.train]
    type = "file"
    path = "WITH_TESTS.jsonl"
    kind = "code"
    fields = { meta = ["tests"] }

All programs run in the sandbox. docs/rewards.md says which inputs are kept and which tests are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.chat import ChatModel
from reasonforge.core.errors import DataError, ReasonforgeError, UnavailableError
from reasonforge.core.files import write_atomic
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.sampling.chat import LocalChat
from reasonforge.sampling.http import HttpModel
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, Sandbox
from reasonforge.tasks.fields import text_of, value_of
from reasonforge.tasks.files import Row, read_rows
from reasonforge.tasks.test_cases import Generate, GeneratedTests, make_tests, write_generators
from reasonforge.text.config import TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.tokenizer import Tokenizer


def from_chat(model: ChatModel, *, max_new_tokens: int, seed: int) -> Generate:
    """Return a model as what writes generators; a question that it fails on for good gives no generator."""
    params = SamplingParams(max_new_tokens=max_new_tokens)

    def generate(prompts: Sequence[str]) -> list[str]:
        found = [""] * len(prompts)
        asked = ((i, [Message("user", prompt)], derive_seed(seed, "generator", prompt, i)) for i, prompt in enumerate(prompts))
        for number, answer in model.ask_all(asked, params):
            if isinstance(answer, UnavailableError):
                print(f"generator {number + 1}: {answer}", file=sys.stderr)
            else:
                found[number] = answer.text
        return found

    return generate


def open_folder(folder: Path) -> ChatModel:
    """Load a Hugging Face folder or the model folder of a run."""
    from reasonforge.models.hf import load_folder
    from reasonforge.sampling.local import LocalSampler

    tokenizer, decoder = Tokenizer.load(folder), load_folder(folder)
    layout = build_layout(TemplateConfig(name="plain" if tokenizer.chat_template is None else "chat"), tokenizer)
    sampler = LocalSampler(decoder, decode=tokenizer.decode)
    return LocalChat(sampler, tokenizer, layout, max_context=decoder.config.max_positions)


def with_tests(
    rows: Sequence[Row],
    model: Generate | None,
    sandbox: Sandbox,
    *,
    seed: int = 0,
    generators: int = 8,
    inputs: int = 4,
    seconds: float = 2.0,
    min_agree: int = 2,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Return the rows that got tests; ``say`` takes one line for each row, and one for all.

    Raises:
        DataError: a row lacks a column, or brings no generators where there is no model.
        UnavailableError: the sandbox failed twice on one program.
    """
    limits = Limits(wall_seconds=2 * seconds, cpu_seconds=seconds, memory_mb=1024, output_kb=1024)
    made = []
    for row in rows:
        question = text_of(row, ("question",), "problem")
        correct, incorrect = (_sources(row, name) for name in ("correct", "incorrect"))
        identity = str(row.values.get("id") or content_id(question))
        problem = Problem(id=identity, messages=(Message("user", question),), answer="", source=row.place)
        if model is None or "generators" in row.values:
            written = _sources(row, "generators")
        else:
            written = write_generators(problem, model, count=generators)
        found = make_tests(
            problem,
            written,
            sandbox,
            correct=correct,
            incorrect=incorrect,
            seed=seed,
            per_generator=inputs,
            min_agree=min_agree,
            limits=limits,
        )
        say(f"{identity}: {_report(found)}")
        if not found.reason:
            tests = found.attached_to(problem, seconds=seconds).meta["tests"]
            made.append({**row.values, "id": identity, "answer": correct[0], "tests": tests})
    say(f"{len(made)} of {len(rows)} problems have tests")
    return made


def _sources(row: Row, name: str) -> list[str]:
    _, sources = value_of(row, (name,), "programs")
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise DataError(f"{row.place}: column {name!r} is no list of programs")
    return sources


def _report(found: GeneratedTests) -> str:
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in sorted(found.dropped.items()))
    killed = f"{found.killed} of {found.incorrect} wrong programs found out"
    return f"refused: {found.reason}" if found.reason else f"{len(found.cases)} tests of {found.inputs} inputs{dropped}; {killed}"


def main() -> int:
    """Read the rows, make tests, write the rows that got some."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("problems", type=Path, help="JSON Lines or Parquet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="a model folder, or the URL of a server")
    parser.add_argument("--model-name", default="", help="what the model is called on the server")
    parser.add_argument("--generators", type=int, default=8, help="generators asked for per problem")
    parser.add_argument("--inputs", type=int, default=4, help="inputs drawn from each generator")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds that a program has per test")
    parser.add_argument("--min-agree", type=int, default=2, help="correct programs there must be; all must agree")
    parser.add_argument("--max-new-tokens", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    how = {"max_new_tokens": given.max_new_tokens, "seed": given.seed}
    try:
        model = None
        if given.model is not None:
            is_remote = "://" in given.model
            chat = HttpModel(EndpointConfig(url=given.model, name=given.model_name)) if is_remote else open_folder(Path(given.model))
            model = from_chat(chat, **how)
        with open_sandbox() as sandbox:
            made = with_tests(
                list(read_rows(given.problems)),
                model,
                sandbox,
                seed=given.seed,
                generators=given.generators,
                inputs=given.inputs,
                seconds=given.seconds,
                min_agree=given.min_agree,
            )
        write_atomic(given.out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made).encode())
    except ReasonforgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
