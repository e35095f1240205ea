"""Budget forcing over a sampler that writes what is written down beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.evaluation.budget import BudgetSampler, budget_use
from reasonforge.evaluation.config import BudgetConfig
from reasonforge.sampling.rollouts import completion_text
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

END = "</think>"


@dataclass
class Writer:
    """Goes on with whatever text it is given as its book says, token by token, and keeps to limits and stop strings."""

    tokenizer: Tokenizer
    book: Mapping[str, str]
    """Text so far -> what comes next; ``$`` = the end of the turn. Text that is not in the book ends at once."""
    asked: list[tuple[list[str], SamplingParams]] = field(default_factory=list)

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        texts = [self.tokenizer.decode(list(request.prompt_ids)) for request in requests]
        self.asked.append((texts, params))
        return [[self._write(text, params) for _ in request.seeds] for text, request in zip(texts, requests)]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("not asked for")

    def _write(self, text: str, params: SamplingParams) -> Completion:
        following = self.book.get(text, "$")
        wanted = self.tokenizer.encode(following.removesuffix("$"), special=False)
        wanted += [params.stop_token_ids[0]] if following.endswith("$") else []
        ids: list[int] = []
        finish = "length"
        for token in wanted[: params.max_new_tokens]:
            ids.append(token)
            if token in params.stop_token_ids or any(stop in self.tokenizer.decode(ids) for stop in params.stop_strings):
                finish = "stop"
                break
        return Completion(
            token_ids=np.array(ids, np.int32),
            logprobs=np.full(len(ids), -1.0, np.float32),
            mask=np.ones(len(ids), np.bool_),
            finish_reason=finish,  # type: ignore[arg-type]
            weights_version=3,
        )


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer(CharacterTokenizer(), alphabet="Qabcdefghijklmnopqrstuvwxyz W0123456789:")


def forced(tokenizer: Tokenizer, book: Mapping[str, str], *, limit: int = 40, context: int = 100, seeds: int = 1, **budget: object):
    config = BudgetConfig.model_validate(budget)
    writer = Writer(tokenizer, book)
    params = SamplingParams(max_new_tokens=limit, stop_token_ids=tokenizer.stop_ids)
    request = SampleRequest(prompt_ids=tuple(tokenizer.encode("Q")), seeds=tuple(range(seeds)))
    sampler = BudgetSampler(writer, config, tokenizer, max_context=context)
    ((first, *_),) = sampler.sample([request], params)
    return first, config, writer


def written_by(tokenizer: Tokenizer, completion: Completion, *, model: bool) -> str:
    return tokenizer.decode(completion.token_ids[completion.mask == model].tolist())


def test_thinking_within_the_budget_is_left_alone(tokenizer: Tokenizer) -> None:
    book = {"Q": f"abc{END}7$", f"Qabc{END}": "7$"}
    found, config, _ = forced(tokenizer, book, max_thinking_tokens=10)
    assert completion_text(found, tokenizer) == f"abc{END}7"
    assert found.mask.all()
    assert (found.finish_reason, found.weights_version) == ("stop", 3)
    use = budget_use(found, config, tokenizer)
    assert (use.thinking_tokens, use.extensions, use.was_cut, use.within(config)) == (3, 0, False, True)


def test_thinking_beyond_the_budget_is_ended_and_an_answer_asked_for(tokenizer: Tokenizer) -> None:
    book = {"Q": "abcdefghij", f"Qabcd{END}so ": "7$"}
    found, config, _ = forced(tokenizer, book, max_thinking_tokens=4, answer_opening="so ")
    assert completion_text(found, tokenizer) == f"abcd{END}so 7"
    assert written_by(tokenizer, found, model=False) == f"{END}so "
    assert (found.logprobs[~found.mask] == 0).all()
    use = budget_use(found, config, tokenizer)
    assert (use.thinking_tokens, use.was_cut, use.within(config)) == (4, True, True)


def test_an_early_end_is_suppressed_as_often_as_asked(tokenizer: Tokenizer) -> None:
    book = {"Q": f"ab{END}", "QabWait": f"c{END}", "QabWaitcWait": f"d{END}", f"QabWaitcWaitd{END}": "7$"}
    found, config, _ = forced(tokenizer, book, extensions=2)
    assert completion_text(found, tokenizer) == f"abWaitcWaitd{END}7"
    assert written_by(tokenizer, found, model=False) == "WaitWait"
    use = budget_use(found, config, tokenizer)
    assert (use.extensions, use.thinking_tokens, use.was_cut) == (2, 12, False)


def test_an_end_of_turn_without_an_end_of_thinking_is_suppressed_too(tokenizer: Tokenizer) -> None:
    found, _, _ = forced(tokenizer, {"Q": "ab$", "QabWait": f"c{END}", f"QabWaitc{END}": "7$"}, extensions=1)
    assert completion_text(found, tokenizer) == f"abWaitc{END}7"


def test_thinking_goes_on_until_the_least_length(tokenizer: Tokenizer) -> None:
    book = {"Q": f"a{END}", "QaWait": f"b{END}", "QaWaitbWait": f"c{END}", f"QaWaitbWaitc{END}": "7$"}
    found, config, _ = forced(tokenizer, book, min_thinking_tokens=11)
    use = budget_use(found, config, tokenizer)
    assert (use.thinking_tokens, use.extensions, use.within(config)) == (11, 2, True)


def test_continuations_count_against_the_budget(tokenizer: Tokenizer) -> None:
    book = {"Q": f"ab{END}", "QabWait": "cdefgh", f"QabWaitcd{END}": "7$"}
    found, config, _ = forced(tokenizer, book, extensions=5, max_thinking_tokens=8)
    assert completion_text(found, tokenizer) == f"abWaitcd{END}7"
    assert budget_use(found, config, tokenizer).thinking_tokens == 8


def test_a_delimiter_of_several_tokens_is_taken_back_whole(tokenizer: Tokenizer) -> None:
    book = {"Q": "ab done", "QabWait": "c done", "QabWaitc done": "7$"}
    found, config, _ = forced(tokenizer, book, extensions=1, end_of_thinking=" done")
    assert completion_text(found, tokenizer) == "abWaitc done7"
    assert budget_use(found, config, tokenizer).thinking_tokens == 7


def test_the_limit_of_all_tokens_holds(tokenizer: Tokenizer) -> None:
    found, _, _ = forced(tokenizer, {"Q": "abcdefgh", f"Qabcd{END}": "7777777777777"}, limit=8, max_thinking_tokens=4)
    assert (len(found), found.finish_reason) == (8, "length")
    found, _, _ = forced(tokenizer, {"Q": f"ab{END}", "QabWait": f"c{END}"}, limit=6, extensions=9)
    assert (len(found), found.finish_reason) == (6, "length")


def test_the_context_holds(tokenizer: Tokenizer) -> None:
    found, _, _ = forced(tokenizer, {"Q": "abcdefgh"}, context=6, max_thinking_tokens=4, answer_opening="12345678")
    assert (len(found), found.finish_reason) == (5, "length")


def test_a_completion_does_not_depend_on_its_neighbours(tokenizer: Tokenizer) -> None:
    book = {"Q": "abcdefghij", f"Qabcd{END}": "7$", "Qa": "bcdefghijk", f"Qabcde{END}": "8$"}
    config = BudgetConfig(max_thinking_tokens=4)
    params = SamplingParams(max_new_tokens=20, stop_token_ids=tokenizer.stop_ids)
    requests = [SampleRequest(prompt_ids=tuple(tokenizer.encode(text)), seeds=(1, 2)) for text in ("Q", "Qa")]
    both = BudgetSampler(Writer(tokenizer, book), config, tokenizer, max_context=50).sample(requests, params)
    for request, group in zip(requests, both):
        ((alone, _),) = BudgetSampler(Writer(tokenizer, book), config, tokenizer, max_context=50).sample([request], params)
        assert alone.token_ids.tolist() == group[0].token_ids.tolist()
    assert [completion_text(group[0], tokenizer) for group in both] == [f"abcd{END}7", f"bcde{END}8"]


def test_thinking_that_never_ends_is_all_thinking(tokenizer: Tokenizer) -> None:
    found, config, _ = forced(tokenizer, {"Q": "ab$"}, max_thinking_tokens=10)
    use = budget_use(found, config, tokenizer)
    assert (use.thinking_tokens, use.was_cut) == (len(found), False)


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({}, "budget has no effect"),
        ({"extensions": 1, "continuation": ""}, "continuation is empty"),
        ({"max_thinking_tokens": 3, "min_thinking_tokens": 4}, "exceeds max_thinking_tokens"),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused(budget: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BudgetConfig.model_validate(budget)
