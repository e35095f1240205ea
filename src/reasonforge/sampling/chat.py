"""A model on this machine that answers conversations, beside the servers of ``sampling/http.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from reasonforge.core.chat import Answer, Usage
from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import completion_text
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_prompt, stop_token_ids
from reasonforge.text.tokenizer import Tokenizer

_AT_ONCE = 64
"""Questions that are drawn together; between two such batches it is asked whether to stop."""


class LocalChat:
    """Answers by a sampler. What people and models wrote never becomes a control token (text/render.py)."""

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer, layout: Layout, *, max_context: int) -> None:
        """Args:
        sampler: draws; its weights are the model.
        tokenizer: of that model.
        layout: how conversations are laid out for it.
        max_context: longest sequence in tokens.
        """
        self._sampler = sampler
        self._tokenizer = tokenizer
        self._layout = layout
        self._max_context = max_context
        self._stop_ids = stop_token_ids(tokenizer, layout)
        self.usage = Usage()

    @property
    def cost(self) -> float:
        """Nothing: what the machine itself costs is in the run's ledger."""
        return 0.0

    def ask(self, messages: Sequence[Message], params: SamplingParams, *, seed: int) -> Answer:
        """Return one answer.

        Raises:
            UnavailableError: the question does not fit the context.
        """
        ((_, answer),) = self.ask_all([(None, messages, seed)], params)
        if isinstance(answer, UnavailableError):
            raise answer
        return answer

    def ask_all(
        self, questions: Iterable[tuple[Any, Sequence[Message], int]], params: SamplingParams, *, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Any, Answer | UnavailableError]]:
        """Ask many questions (name, messages, seed) batch by batch and yield (name, answer or what went wrong) in order."""
        waiting = iter(questions)
        params = replace(params, stop_token_ids=self._stop_ids)
        while not stop() and (batch := list(islice(waiting, _AT_ONCE))):
            prompts = [tuple(render_prompt(messages, self._tokenizer, self._layout)) for _, messages, _ in batch]
            fits = [len(prompt) < self._max_context for prompt in prompts]
            requests = [
                SampleRequest(prompt_ids=prompt, seeds=(seed,))
                for prompt, (_, _, seed), fit in zip(prompts, batch, fits, strict=True)
                if fit
            ]
            drawn = iter(self._sampler.sample(requests, params))
            for (name, _, _), prompt, fit in zip(batch, prompts, fits, strict=True):
                if fit:
                    yield name, self._answer(prompt, next(drawn)[0])
                else:
                    yield name, UnavailableError(f"the question has {len(prompt)} tokens, the model's context is {self._max_context}")

    def _answer(self, prompt: tuple[int, ...], completion: Completion) -> Answer:
        self.usage.add(requests=1, prompt_tokens=len(prompt), completion_tokens=len(completion))
        text = completion_text(completion, self._tokenizer)
        return Answer(text=text, truncated=completion.finish_reason == "length", num_tokens=len(completion))
