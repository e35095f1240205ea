"""Tool-integrated completions: the model writes a program, the sandbox runs it, the model reads what it printed and goes on.

Tokens stay tokens: what the sandbox printed is appended with mask False, and nothing that was drawn is ever decoded and encoded again.
A conversation has one interpreter, so a block sees what earlier blocks defined.

Source:
    DeepSeekMath (arXiv:2402.03300), section 3.1: tool-integrated reasoning; ToRA (arXiv:2309.17452).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.rollouts import Completion, FinishReason, SampleRequest, SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.sampling.config import ToolConfig
from reasonforge.sampling.protocol import Sampler
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, RunResult, Sandbox, Session
from reasonforge.tasks.code import last_program
from reasonforge.text.fences import CALL, RETURN
from reasonforge.text.tokenizer import Tokenizer

_ERROR = "Runtime errors: "
_LIMITS = {"timeout": "time limit exceeded", "memory": "memory limit exceeded", "output_limit": "output limit exceeded"}
_RUNS_AT_ONCE = 8
_TALKS_AT_ONCE = 256
"""Every open conversation holds an interpreter of about 3 MB."""
_OVERSHOOT = 8
"""The token that completes the call may carry a few characters more."""


@contextmanager
def open_tools(config: ToolConfig | None, tokenizer: Tokenizer, *, max_context: int) -> Iterator[ToolLoop | None]:
    """Open the sandbox that runs the programs of completions, and close it afterwards; None where there is no tool.

    Args:
        config: limits of a conversation, and which sandbox. None = no tool.
        tokenizer: of the model.
        max_context: longest sequence of the model, prompt included.

    Raises:
        SandboxUnavailable: this machine has no safe place for them.
    """
    if config is None:
        yield None
        return
    where = config.sandbox
    with open_sandbox(where.backend, workers=where.workers, i_understand=where.i_understand) as sandbox:
        yield ToolLoop(config, sandbox, tokenizer, max_context=max_context)


def shown_result(result: RunResult, *, max_chars: int) -> str:
    """Return what the model reads of a run: what was printed, then the last line of an error, each without its middle beyond ``max_chars``.

    Source:
        DeepSeek-Math's published evaluator: errors after ``Runtime errors:``, and of a long result the first and the last 50 characters.
    """
    parts = [_cut(result.stdout.strip("\n"), max_chars)]
    if result.status != "ok":
        lines = result.stderr.strip().splitlines()
        error = _LIMITS.get(result.status) or (lines[-1] if lines else result.reason or result.status)
        parts.append(_ERROR + _cut(error, max_chars))
    # A fence in the output would end its block, and what follows would pass for the model's own words.
    return "\n".join(part for part in parts if part).replace("```", "'''")


def _cut(text: str, max_chars: int) -> str:
    half = max_chars // 2
    return text if len(text) <= max_chars else f"{text[:half]}...{text[-half:]}"


def tool_outputs(completion: Completion, tokenizer: Tokenizer) -> list[str]:
    """Return what the tool wrote into a completion, call by call."""
    borders = np.flatnonzero(np.diff(completion.mask.astype(np.int8))) + 1
    stretches = zip(np.split(completion.token_ids, borders), np.split(completion.mask, borders))
    return [tokenizer.decode(ids.tolist()) for ids, mask in stretches if len(mask) and not mask[0]]


def is_error(output: str) -> bool:
    """Tell whether an output of the tool reports a failed program."""
    return any(line.startswith(_ERROR) for line in output.splitlines())


class ToolLoop:
    """Draws completions whose programs are run as they are written. A completion depends on prompt, seed and weights alone."""

    def __init__(self, config: ToolConfig, sandbox: Sandbox, tokenizer: Tokenizer, *, max_context: int) -> None:
        """Args:
        config: limits of a conversation.
        sandbox: where programs run; the caller closes it.
        tokenizer: of the model.
        max_context: longest sequence of the model, prompt included.
        """
        self._config = config
        self._sandbox = sandbox
        self._tokenizer = tokenizer
        self._max_context = max_context

    def sample(self, sampler: Sampler, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        """Return, per request, one completion per seed. ``max_new_tokens`` counts the tool's tokens too.

        A completion ends as ``length`` when it wants the tool more often than allowed, and as ``tool_error`` when the sandbox
        itself failed: such a completion says nothing about the model.
        """
        params = replace(params, stop_strings=(*params.stop_strings, CALL))
        completions: list[list[Completion]] = []
        start = 0
        while start < len(requests):
            end, count = start + 1, len(requests[start].seeds)
            while end < len(requests) and count + len(requests[end].seeds) <= _TALKS_AT_ONCE:
                count += len(requests[end].seeds)
                end += 1
            completions += self._sample(sampler, requests[start:end], params)
            start = end
        return completions

    def _sample(self, sampler: Sampler, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        talks = [[_Talk(request.prompt_ids, seed) for seed in request.seeds] for request in requests]
        waiting = [talk for group in talks for talk in group]
        try:
            # The first round goes by groups: a prompt is read once for all of its completions.
            for group, drawn in zip(talks, sampler.sample(requests, params)):
                for talk, completion in zip(group, drawn):
                    self._take(talk, completion, params)
            while waiting := [talk for talk in waiting if talk.finish is None]:
                self._run_programs(waiting, params)
                waiting = [talk for talk in waiting if talk.finish is None]
                if waiting:
                    self._go_on(sampler, waiting, params)
        finally:
            for group in talks:
                for talk in group:
                    talk.close()
        return [[talk.completion() for talk in group] for group in talks]

    def _take(self, talk: _Talk, drawn: Completion, params: SamplingParams) -> None:
        room = params.max_new_tokens - len(talk)
        talk.append(drawn.token_ids[:room], drawn.logprobs[:room], is_model=True)
        talk.weights_version = drawn.weights_version
        talk.round += 1
        if len(drawn) > room or drawn.finish_reason != "stop":
            talk.finish = "length"
        elif CALL not in self._tail(drawn):
            talk.finish = "stop"

    def _tail(self, drawn: Completion) -> str:
        # A token holds at least one character, apart from control tokens and parts of characters: twice as many tokens are enough.
        count = 2 * (len(CALL) + _OVERSHOOT)
        return self._tokenizer.decode(drawn.token_ids[-count:].tolist())[-len(CALL) - _OVERSHOOT :]

    def _run_programs(self, talks: Sequence[_Talk], params: SamplingParams) -> None:
        """Run the program of every conversation side by side and append what each printed."""
        with ThreadPoolExecutor(max_workers=min(_RUNS_AT_ONCE, len(talks))) as threads:
            results = list(threads.map(self._run_program, talks))
        for talk, result in zip(talks, results):
            if talk.calls > self._config.max_calls:
                talk.finish = "length"
                continue
            if result is not None and result.status == "infra":
                talk.finish = "tool_error"
                continue
            shown = "no program to run" if result is None else shown_result(result, max_chars=self._config.max_output_chars)
            ids = self._encode(shown)
            room = max(0, min(params.max_new_tokens, self._max_context - len(talk.prompt_ids)) - len(talk))
            talk.append(ids[:room], np.zeros(len(ids[:room]), dtype=np.float32), is_model=False)
            if len(ids) >= room:
                talk.finish = "length"

    def _encode(self, shown: str) -> np.ndarray:
        # Hostile text: a control string in it stays a string, and a character that the model does not know is left out.
        try:
            ids = self._tokenizer.encode(shown + RETURN)
        except DataError:
            ids = self._tokenizer.encode(self._tokenizer.encodable(shown) + RETURN)
        return np.asarray(ids, dtype=np.int32)

    def _run_program(self, talk: _Talk) -> RunResult | None:
        talk.calls += 1
        if talk.calls > self._config.max_calls:
            return None
        program = last_program(self._tokenizer.decode(talk.model_tokens()))
        if program is None:
            return None
        if talk.session is None:
            limits = Limits(wall_seconds=self._config.wall_seconds, cpu_seconds=self._config.wall_seconds, memory_mb=self._config.memory_mb)
            talk.session = self._sandbox.session(limits)
        result = talk.session.run(program)
        if not talk.session.alive:
            # A program that met a limit or left took its interpreter with it: the next one begins with nothing defined. A session that
            # the sandbox loses between two programs is asked again, and says so: its conversation is no answer of the model.
            talk.close()
        return result

    def _go_on(self, sampler: Sampler, talks: Sequence[_Talk], params: SamplingParams) -> None:
        # One limit for all, so the drawing is one call; a conversation with less room is cut to it, whoever its neighbours are.
        rest = max(params.max_new_tokens - len(talk) for talk in talks)
        requests = [
            SampleRequest(prompt_ids=talk.prompt_ids + tuple(talk.all_tokens()), seeds=(derive_seed(talk.seed, "tool round", talk.round),))
            for talk in talks
        ]
        for talk, (drawn,) in zip(talks, sampler.sample(requests, replace(params, max_new_tokens=rest))):
            self._take(talk, drawn, params)


class _Talk:
    """One completion in the making: stretches by the model and by the tool, in turn."""

    def __init__(self, prompt_ids: tuple[int, ...], seed: int) -> None:
        self.prompt_ids = prompt_ids
        self.seed = seed
        self.round = 0
        self.calls = 0
        self.finish: FinishReason | None = None
        self.session: Session | None = None
        self.weights_version = 0
        self._stretches: list[tuple[np.ndarray, np.ndarray, bool]] = []

    def __len__(self) -> int:
        return sum(len(ids) for ids, _, _ in self._stretches)

    def append(self, ids: np.ndarray, logprobs: np.ndarray, *, is_model: bool) -> None:
        self._stretches.append((ids, logprobs, is_model))

    def all_tokens(self) -> list[int]:
        return [int(i) for ids, _, _ in self._stretches for i in ids]

    def model_tokens(self) -> list[int]:
        """What the model wrote since the tool last spoke: a program cannot be planted by what an earlier one printed."""
        return self._stretches[-1][0].tolist()

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None

    def completion(self) -> Completion:
        assert self.finish is not None
        return Completion(
            token_ids=np.concatenate([ids for ids, _, _ in self._stretches]).astype(np.int32),
            logprobs=np.concatenate([logprobs for _, logprobs, _ in self._stretches]).astype(np.float32),
            mask=np.concatenate([np.full(len(ids), is_model) for ids, _, is_model in self._stretches]),
            finish_reason=self.finish,
            weights_version=self.weights_version,
        )
