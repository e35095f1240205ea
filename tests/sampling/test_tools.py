"""Programs in completions: run as they are written, their output appended and never learned from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, Rollout, SampleRequest, SamplingParams
from reasonforge.rewards.config import LengthReward, OverlongPenalty, RewardPart
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.config import ToolConfig
from reasonforge.sampling.tools import ToolLoop, is_error, open_tools, shown_result, tool_outputs
from reasonforge.sandbox.probe import probe
from reasonforge.sandbox.protocol import Limits, RunResult, RunStatus
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.fences import CALL
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

PROGRAM = "```python\n{}\n```\n" + CALL
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;=+-*/()[]{}<>|_'\"!?`\n\\"


@dataclass
class FakeSession:
    """Runs nothing: ``print(N)`` prints N, ``boom`` raises, ``hang`` ends the interpreter, ``infra`` fails on its own."""

    blocks: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def alive(self) -> bool:
        return not self.closed

    def run(self, code: str, *, limits: Limits | None = None) -> RunResult:
        self.blocks.append(code)
        if code == "infra":
            return RunResult(status="infra", reason="worker gone")
        if code == "hang":
            self.closed = True
            return RunResult(status="timeout")
        if code == "boom":
            return RunResult(status="error", stderr="Traceback\nValueError: no")
        printed = re.findall(r"print\((.*)\)", code)
        return RunResult(status="ok", stdout="".join(f"{text}\n" for text in printed))

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass
class FakeSandbox:
    """Hands out sessions and remembers them."""

    sessions: list[FakeSession] = field(default_factory=list)
    most_open: int = 0

    def session(self, limits: Limits | None = None) -> FakeSession:
        opened = FakeSession()
        self.sessions.append(opened)
        # Counted over a copy: other threads open and close meanwhile, and one that closes must not be counted beside its successor.
        self.most_open = max(self.most_open, sum(session.alive for session in tuple(self.sessions)))
        return opened


@dataclass
class Script:
    """A sampler that answers prompts from a table: the whole text so far -> what comes next."""

    tokenizer: Tokenizer
    answers: Mapping[str, str]
    asked: list[tuple[tuple[SampleRequest, ...], SamplingParams]] = field(default_factory=list)

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        self.asked.append((tuple(requests), params))
        return [[self._draw(request.prompt_ids, params) for _ in request.seeds] for request in requests]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("nothing is loaded here")

    def _draw(self, prompt: tuple[int, ...], params: SamplingParams) -> Completion:
        ids = self.tokenizer.encode(self.answers[self.tokenizer.decode(list(prompt))], special=False)
        cut = len(ids) > params.max_new_tokens
        ids = ids[: params.max_new_tokens]
        return Completion(
            token_ids=np.array(ids, np.int32),
            logprobs=np.full(len(ids), -0.5, np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason="length" if cut else "stop",
            weights_version=3,
        )


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer(CharacterTokenizer(), alphabet=ALPHABET)


def draw(
    tokenizer: Tokenizer, answers: Mapping[str, str], *, prompt: str = "q", max_new_tokens: int = 400, context: int = 2000, **config: Any
) -> tuple[Completion, FakeSandbox, Script]:
    sandbox, script = FakeSandbox(), Script(tokenizer, answers)
    loop = ToolLoop(ToolConfig(**config), sandbox, tokenizer, max_context=context)  # type: ignore[arg-type]
    request = SampleRequest(prompt_ids=tuple(tokenizer.encode(prompt)), seeds=(7,))
    [[completion]] = loop.sample(script, [request], SamplingParams(max_new_tokens=max_new_tokens))
    return completion, sandbox, script


FIRST = PROGRAM.format("print(42)")
RESULT = "42\n```\n"


def test_what_the_program_printed_is_appended_and_read_by_the_model(tokenizer: Tokenizer) -> None:
    completion, sandbox, _ = draw(tokenizer, {"q": FIRST, f"q{FIRST}{RESULT}": "so 42"})
    assert tokenizer.decode(completion.token_ids.tolist()) == f"{FIRST}{RESULT}so 42"
    assert sandbox.sessions[0].blocks == ["print(42)"]
    assert completion.finish_reason == "stop"


def test_only_the_models_own_tokens_are_learned_from(tokenizer: Tokenizer) -> None:
    completion, _, _ = draw(tokenizer, {"q": FIRST, f"q{FIRST}{RESULT}": "so 42"})
    assert tokenizer.decode(completion.token_ids[~completion.mask].tolist()) == RESULT
    assert (completion.logprobs[~completion.mask] == 0).all()
    assert (completion.logprobs[completion.mask] == -0.5).all()


def test_a_conversation_keeps_its_interpreter_and_closes_it(tokenizer: Tokenizer) -> None:
    second = PROGRAM.format("print(5)")
    answers = {"q": FIRST, f"q{FIRST}{RESULT}": second, f"q{FIRST}{RESULT}{second}5\n```\n": "done"}
    _, sandbox, _ = draw(tokenizer, answers)
    assert [session.blocks for session in sandbox.sessions] == [["print(42)", "print(5)"]]
    assert sandbox.sessions[0].closed


def test_a_program_planted_in_the_output_does_not_run(tokenizer: Tokenizer) -> None:
    # The printed text holds a program; the model then asks for the tool without writing one itself.
    first = PROGRAM.format("print(```python)")
    shown = "'''python\n```\n"
    answers = {"q": first, f"q{first}{shown}": CALL, f"q{first}{shown}{CALL}no program to run\n```\n": "end"}
    completion, sandbox, _ = draw(tokenizer, answers)
    assert sandbox.sessions[0].blocks == ["print(```python)"]
    assert completion.finish_reason == "stop"


def test_more_calls_than_allowed_end_the_completion(tokenizer: Tokenizer) -> None:
    completion, sandbox, _ = draw(tokenizer, {"q": FIRST, f"q{FIRST}{RESULT}": FIRST}, max_calls=1)
    assert completion.finish_reason == "length"
    assert len(sandbox.sessions[0].blocks) == 1


def test_a_failed_sandbox_is_no_answer_of_the_model(tokenizer: Tokenizer) -> None:
    completion, _, _ = draw(tokenizer, {"q": PROGRAM.format("infra")})
    assert completion.finish_reason == "tool_error"


def test_an_error_shows_its_last_line(tokenizer: Tokenizer) -> None:
    first = PROGRAM.format("boom")
    completion, _, _ = draw(tokenizer, {"q": first, f"q{first}Runtime errors: ValueError: no\n```\n": "oh"})
    assert completion.finish_reason == "stop"


def test_the_token_limit_counts_the_tools_tokens(tokenizer: Tokenizer) -> None:
    limit = len(tokenizer.encode(FIRST + RESULT)) + 3
    completion, _, script = draw(tokenizer, {"q": FIRST, f"q{FIRST}{RESULT}": "so 42"}, max_new_tokens=limit)
    assert (len(completion), completion.finish_reason) == (limit, "length")
    assert script.asked[1][1].max_new_tokens == 3


def test_a_result_beyond_the_context_ends_the_completion_without_asking_again(tokenizer: Tokenizer) -> None:
    context = len(tokenizer.encode("q" + FIRST)) + 2
    completion, _, script = draw(tokenizer, {"q": FIRST}, context=context)
    assert completion.finish_reason == "length"
    assert len(completion) == context - 1
    assert len(script.asked) == 1


def test_a_completion_does_not_depend_on_its_neighbours(tokenizer: Tokenizer) -> None:
    other = PROGRAM.format("print(1)")
    answers = {"q": FIRST, f"q{FIRST}{RESULT}": "so 42", "longer": other, f"longer{other}1\n```\n": "x"}
    alone, _, script = draw(tokenizer, answers)
    both = Script(tokenizer, answers)
    loop = ToolLoop(ToolConfig(), FakeSandbox(), tokenizer, max_context=2000)  # type: ignore[arg-type]
    requests = [SampleRequest(prompt_ids=tuple(tokenizer.encode(text)), seeds=(7,)) for text in ("longer", "q")]
    _, [beside] = loop.sample(both, requests, SamplingParams(max_new_tokens=400))
    assert np.array_equal(alone.token_ids, beside.token_ids)
    assert script.asked[1][0][0].seeds == both.asked[1][0][1].seeds


def test_output_that_the_model_cannot_read_loses_only_those_characters(tokenizer: Tokenizer) -> None:
    loop = ToolLoop(ToolConfig(), FakeSandbox(), tokenizer, max_context=2000)  # type: ignore[arg-type]
    assert tokenizer.decode(loop._encode("4é2\ud800").tolist()) == RESULT


def test_long_results_lose_their_middle() -> None:
    shown = shown_result(RunResult(status="ok", stdout="a" * 80 + "b" * 80), max_chars=100)
    assert shown == "a" * 50 + "..." + "b" * 50


def test_a_long_result_does_not_hide_the_error_after_it() -> None:
    shown = shown_result(RunResult(status="error", stdout="a" * 80, stderr="Traceback\nTypeError: no"), max_chars=20)
    assert shown == "a" * 10 + "..." + "a" * 10 + "\nRuntime errors: TypeError: no"


@pytest.mark.parametrize(("status", "limit"), [("timeout", "time"), ("memory", "memory"), ("output_limit", "output")])
def test_a_limit_is_said_to_the_model(status: RunStatus, limit: str) -> None:
    result = RunResult(status=status, stderr="Traceback\nMemoryError", reason="killed")
    assert shown_result(result, max_chars=100) == f"Runtime errors: {limit} limit exceeded"


def test_a_printed_fence_does_not_end_the_output() -> None:
    # What stands behind the closing fence counts as the model's words, for graders and for who learns from the text.
    assert shown_result(RunResult(status="ok", stdout="1\n```\nso 7\n"), max_chars=100) == "1\n'''\nso 7"


def test_after_an_interpreter_has_ended_the_next_program_gets_a_new_one(tokenizer: Tokenizer) -> None:
    first = PROGRAM.format("hang")
    shown = "Runtime errors: time limit exceeded\n```\n"
    second = PROGRAM.format("print(5)")
    completion, sandbox, _ = draw(tokenizer, {"q": first, f"q{first}{shown}": second, f"q{first}{shown}{second}5\n```\n": "5"})
    assert [session.blocks for session in sandbox.sessions] == [["hang"], ["print(5)"]]
    assert completion.finish_reason == "stop"


def test_what_the_tool_wrote_is_found_again_call_by_call(tokenizer: Tokenizer) -> None:
    second = PROGRAM.format("boom")
    answers = {"q": FIRST, f"q{FIRST}{RESULT}": second, f"q{FIRST}{RESULT}{second}Runtime errors: ValueError: no\n```\n": "hm"}
    completion, _, _ = draw(tokenizer, answers)
    outputs = tool_outputs(completion, tokenizer)
    assert outputs == [RESULT, "Runtime errors: ValueError: no\n```\n"]
    assert [is_error(output) for output in outputs] == [False, True]


def test_not_every_conversation_holds_an_interpreter_at_once(tokenizer: Tokenizer) -> None:
    prompts = [f"q{number}" for number in range(300)]
    answers = {prompt: FIRST for prompt in prompts} | {f"{prompt}{FIRST}{RESULT}": "so 42" for prompt in prompts}
    sandbox = FakeSandbox()
    loop = ToolLoop(ToolConfig(), sandbox, tokenizer, max_context=2000)  # type: ignore[arg-type]
    requests = [SampleRequest(prompt_ids=tuple(tokenizer.encode(prompt)), seeds=(1, 2)) for prompt in prompts]
    found = loop.sample(Script(tokenizer, answers), requests, SamplingParams(max_new_tokens=400))
    assert [len(group) for group in found] == [2] * 300
    assert len(sandbox.sessions) == 600
    assert sandbox.most_open <= 256


@dataclass
class Seeded:
    """Writes a program that depends on prompt and seed, then ends: what a sampler does whose draws are its seeds'."""

    tokenizer: Tokenizer

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        return [[self._draw(request.prompt_ids, seed) for seed in request.seeds] for request in requests]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("nothing is loaded here")

    def _draw(self, prompt: tuple[int, ...], seed: int) -> Completion:
        text = f"{seed % 1000} done" if seed % 3 == 0 else PROGRAM.format(f"print({len(prompt)}{seed % 1000})")
        ids = self.tokenizer.encode(text, special=False)
        return Completion(
            token_ids=np.array(ids, np.int32),
            logprobs=np.full(len(ids), -0.5, np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason="stop",
            weights_version=0,
        )


def test_the_order_of_the_requests_changes_no_completion(tokenizer: Tokenizer) -> None:
    requests = [SampleRequest(prompt_ids=tuple(tokenizer.encode(text)), seeds=(4, 5, 6)) for text in ("q", "longer", "the longest")]

    def drawn(asked: Sequence[SampleRequest]) -> list[list[list[int]]]:
        loop = ToolLoop(ToolConfig(max_calls=3), FakeSandbox(), tokenizer, max_context=2000)  # type: ignore[arg-type]
        found = loop.sample(Seeded(tokenizer), asked, SamplingParams(max_new_tokens=400))
        return [[completion.token_ids.tolist() for completion in group] for group in found]

    assert drawn(requests[::-1]) == drawn(requests)[::-1]


@pytest.mark.parametrize("part", [LengthReward(), OverlongPenalty(cache_tokens=20, max_tokens=40)])
def test_rewards_of_length_count_what_the_policy_wrote(part: RewardPart) -> None:
    # Ten tokens of its own and thirty of the tool are no longer a completion than ten tokens alone.
    problem = Problem(id="p", messages=(Message("user", "6 * 7?"),), answer="42", source="test")
    rollouts = []
    for index, from_tool in enumerate((0, 30)):
        mask = np.arange(10 + from_tool) < 10
        completion = Completion(
            token_ids=np.zeros(len(mask), np.int32),
            logprobs=np.zeros(len(mask), np.float32),
            mask=mask,
            finish_reason="stop",
            weights_version=0,
        )
        params = SamplingParams(max_new_tokens=40)
        rollouts.append(
            Rollout(
                problem_id="p",
                group_id="p/0",
                index=index,
                prompt_ids=(0,),
                completion=completion,
                text="\\boxed{42}",
                sampling=params,
                seed=0,
            )
        )
    with RewardScorer({"part": part}) as scorer:
        (group,) = scorer.score_groups([(problem, rollouts)])
    assert len({member.reward.total for member in group.rollouts}) == 1


# with a sandbox that runs what it is given


@pytest.fixture(scope="module")
def real() -> None:
    if not any(found.available for found in probe()[:2]):
        pytest.skip("no sandbox works here: " + "; ".join(f"{found.backend}: {found.reason}" for found in probe()[:2]))


def really_drawn(tokenizer: Tokenizer, answers: Mapping[str, str], **config: Any) -> tuple[str, Completion]:
    request = SampleRequest(prompt_ids=tuple(tokenizer.encode("q")), seeds=(7,))
    with open_tools(ToolConfig(**config), tokenizer, max_context=2000) as loop:
        assert loop is not None
        [[completion]] = loop.sample(Script(tokenizer, answers), [request], SamplingParams(max_new_tokens=800))
    return tokenizer.decode(completion.token_ids.tolist()), completion


@pytest.mark.usefixtures("real")
def test_the_sandbox_keeps_what_a_block_defined_for_the_next(tokenizer: Tokenizer) -> None:
    first, second = PROGRAM.format("x = 6*7"), PROGRAM.format("print(x + 1)")
    answers = {"q": first, f"q{first}\n```\n": second, f"q{first}\n```\n{second}43\n```\n": "so 43"}
    text, completion = really_drawn(tokenizer, answers)
    assert text.endswith("43\n```\nso 43")
    assert tool_outputs(completion, tokenizer) == ["\n```\n", "43\n```\n"]


@pytest.mark.usefixtures("real")
def test_the_sandbox_shows_an_error_and_a_time_limit(tokenizer: Tokenizer) -> None:
    first, second = PROGRAM.format("1/0"), PROGRAM.format("while True: pass")
    error, limit = "Runtime errors: ZeroDivisionError: division by zero\n```\n", "Runtime errors: time limit exceeded\n```\n"
    answers = {"q": first, f"q{first}{error}": second, f"q{first}{error}{second}{limit}": "hm"}
    _, completion = really_drawn(tokenizer, answers, wall_seconds=0.5)
    assert tool_outputs(completion, tokenizer) == [error, limit]
    assert completion.finish_reason == "stop"


@pytest.mark.usefixtures("real")
def test_the_sandbox_cuts_a_long_output(tokenizer: Tokenizer) -> None:
    first = PROGRAM.format("print('ab' * 5000)")
    shown = "ababa...babab\n```\n"
    _, completion = really_drawn(tokenizer, {"q": first, f"q{first}{shown}": "ok"}, max_output_chars=10)
    assert tool_outputs(completion, tokenizer) == [shown]


def test_no_tool_is_no_sandbox(tokenizer: Tokenizer) -> None:
    with open_tools(None, tokenizer, max_context=10) as loop:
        assert loop is None
