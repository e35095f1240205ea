"""Budget forcing: thinking that is too short is made to go on, thinking that is too long is ended and an answer asked for.

Tokens stay tokens: what is written for the model is appended with mask False, and nothing that was drawn is decoded and encoded again.

Source:
    s1: Simple test-time scaling (arXiv:2501.19393), section 3.1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from reasonforge.core.rollouts import Completion, FinishReason, SampleRequest, SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.config import BudgetConfig
from reasonforge.sampling.protocol import Sampler
from reasonforge.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """What became of one completion under a budget."""

    thinking_tokens: int
    """Up to the end of thinking, which is not counted; the whole completion where thinking never ends."""
    extensions: int
    """Times it was made to go on."""
    was_cut: bool
    """Thinking was ended for the model."""

    def within(self, config: BudgetConfig) -> bool:
        """Say whether thinking was as long as asked for (s1 calls the share of such completions control)."""
        most = config.max_thinking_tokens
        return config.min_thinking_tokens <= self.thinking_tokens and (most is None or self.thinking_tokens <= most)


class BudgetSampler:
    """A sampler whose completions keep to a budget. A completion depends on prompt, seed and weights alone."""

    def __init__(self, sampler: Sampler, config: BudgetConfig, tokenizer: Tokenizer, *, max_context: int) -> None:
        """Args:
        sampler: draws; it must know stop strings.
        config: the budget.
        tokenizer: of the model.
        max_context: longest sequence of the model, prompt included.
        """
        self._sampler = sampler
        self._config = config
        self._tokenizer = tokenizer
        self._max_context = max_context
        self._wait = tuple(tokenizer.encode(config.continuation, special=False)) if config.continuation else ()
        self._end = tuple(tokenizer.encode(config.end_of_thinking, special=True))
        self._opening = tuple(tokenizer.encode(config.answer_opening, special=False)) if config.answer_opening else ()

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        """See :class:`Sampler`."""
        self._sampler.load(weights, version=version)

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        """Return, per request, one completion per seed. ``max_new_tokens`` counts what is written for the model too."""
        thoughts = [[_Thought(request.prompt_ids, seed) for seed in request.seeds] for request in requests]
        thinking = replace(params, stop_strings=(*params.stop_strings, self._config.end_of_thinking))
        budget = self._config.max_thinking_tokens or params.max_new_tokens
        # The first round goes by groups: a prompt is read once for all of its completions.
        first = self._sampler.sample(requests, replace(thinking, max_new_tokens=min(budget, params.max_new_tokens)))
        for group, completions in zip(thoughts, first):
            for thought, drawn in zip(group, completions):
                self._think(thought, drawn, params, budget)
        everybody = [thought for group in thoughts for thought in group]
        while waiting := [thought for thought in everybody if thought.finish is None]:
            for is_answer, limit, round_params in ((False, budget, thinking), (True, params.max_new_tokens, params)):
                chosen = [thought for thought in waiting if thought.answers == is_answer]
                if not chosen:
                    continue
                # One limit for all, so the drawing is one call; a completion with less room is cut to it, whoever its neighbours are.
                rest = max(min(limit, params.max_new_tokens) - len(thought) for thought in chosen)
                asked = [thought.request() for thought in chosen]
                for thought, (drawn,) in zip(chosen, self._sampler.sample(asked, replace(round_params, max_new_tokens=rest))):
                    if is_answer:
                        room = params.max_new_tokens - len(thought)
                        thought.append(drawn, room)
                        thought.finish = "length" if len(drawn) > room else drawn.finish_reason
                    else:
                        self._think(thought, drawn, params, budget)
        return [[thought.completion() for thought in group] for group in thoughts]

    def _think(self, thought: _Thought, drawn: Completion, params: SamplingParams, budget: int) -> None:
        """Take a stretch of thinking and decide how it goes on."""
        room = min(budget, params.max_new_tokens) - len(thought)
        was_long = len(drawn) > room
        thought.append(drawn, room)
        if drawn.finish_reason == "stop" and not was_long:
            short = len(thought) < self._config.min_thinking_tokens or thought.extensions < self._config.extensions
            ended = self._num_end_tokens(drawn)
            if short:
                # A control token that ended the completion goes as the end of thinking does.
                last = int(drawn.token_ids[-1]) if len(drawn) else None
                thought.drop(ended or int(last in params.stop_token_ids))
                thought.extensions += 1
                self._write(thought, self._wait, params)
                if len(thought) >= budget and thought.finish is None:
                    self._cut(thought, params)
            elif ended:
                thought.answers = True
                self._write(thought, (), params)
            else:
                thought.finish = "stop"
        elif len(thought) >= budget and budget < params.max_new_tokens:
            self._cut(thought, params)
        else:
            thought.finish = "length"

    def _cut(self, thought: _Thought, params: SamplingParams) -> None:
        thought.answers = True
        self._write(thought, self._end + self._opening, params)

    def _write(self, thought: _Thought, ids: tuple[int, ...], params: SamplingParams) -> None:
        """Write for the model, as far as there is room for it and for a token of its own."""
        room = max(0, min(params.max_new_tokens, self._max_context - len(thought.prompt_ids)) - len(thought))
        thought.write(ids[:room])
        if len(ids) >= room:
            thought.finish = "length"

    def _num_end_tokens(self, drawn: Completion) -> int:
        """Return how many tokens at the end spell the end of thinking; 0 = it does not end there."""
        ids = drawn.token_ids
        reach = len(ids) - 2 * len(self._config.end_of_thinking) - 8
        tail = ids[max(0, reach) :].tolist()
        start = self._tokenizer.decode(tail).rfind(self._config.end_of_thinking)
        return 0 if start < 0 else len(tail) - _num_tokens(tail, start, self._tokenizer)


def budget_use(completion: Completion, config: BudgetConfig, tokenizer: Tokenizer) -> BudgetUse:
    """Read off a completion how it kept to its budget."""
    ids = completion.token_ids.tolist()
    end = tokenizer.decode(ids).find(config.end_of_thinking)
    count = len(ids) if end < 0 else _num_tokens(ids, end, tokenizer)
    written = ~completion.mask
    starts = np.flatnonzero(written & ~np.concatenate([[False], written[:-1]]))
    return BudgetUse(
        thinking_tokens=count,
        extensions=sum(1 for start in starts if start < count),
        was_cut=end >= 0 and bool(written[count]),
    )


def _num_tokens(ids: list[int], num_characters: int, tokenizer: Tokenizer) -> int:
    """Return how many tokens from the start lie within so many characters."""
    return bisect_right(range(len(ids) + 1), num_characters, key=lambda count: len(tokenizer.decode(ids[:count]))) - 1


class _Thought:
    """One completion in the making."""

    def __init__(self, prompt_ids: tuple[int, ...], seed: int) -> None:
        self.prompt_ids = prompt_ids
        self.seed = seed
        self.round = 0
        self.extensions = 0
        self.answers = False
        self.finish: FinishReason | None = None
        self.weights_version = 0
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._mask: list[bool] = []

    def __len__(self) -> int:
        return len(self._ids)

    def append(self, drawn: Completion, room: int) -> None:
        """Take what the model wrote, as far as there is room."""
        self._ids += drawn.token_ids[:room].tolist()
        self._logprobs += drawn.logprobs[:room].tolist()
        self._mask += drawn.mask[:room].tolist()
        self.weights_version = drawn.weights_version
        self.round += 1

    def write(self, ids: Sequence[int]) -> None:
        """Take what is written for the model."""
        self._ids += ids
        self._logprobs += [0.0] * len(ids)
        self._mask += [False] * len(ids)

    def drop(self, count: int) -> None:
        """Take back the last tokens."""
        if count:
            del self._ids[-count:], self._logprobs[-count:], self._mask[-count:]

    def request(self) -> SampleRequest:
        return SampleRequest(prompt_ids=self.prompt_ids + tuple(self._ids), seeds=(derive_seed(self.seed, "budget round", self.round),))

    def completion(self) -> Completion:
        assert self.finish is not None
        return Completion(
            token_ids=np.array(self._ids, dtype=np.int32),
            logprobs=np.array(self._logprobs, dtype=np.float32),
            mask=np.array(self._mask, dtype=np.bool_),
            finish_reason=self.finish,
            weights_version=self.weights_version,
        )
