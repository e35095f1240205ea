"""The loss of each source of a mixture, beside the loss that is minimised."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from reasonforge.core.rollouts import SourcedSample
from reasonforge.objectives.aggregate import token_mean
from reasonforge.stages.likelihood import loss_by_source, negative_log_likelihood, of_source, whole_sequence
from reasonforge.tensors.batch import LossOutput, TokenBatch, TokenScores
from reasonforge.tensors.collate import collate, pack

NAMES = ("web", "code", "books")


def samples(seed: int = 0) -> list[SourcedSample]:
    """Return nine sequences of the first two of three sources."""
    draw = np.random.default_rng(seed)
    return [of_source(whole_sequence(draw.integers(0, 99, int(draw.integers(2, 12)), np.int32)), number % 3 // 2) for number in range(9)]


def scores(batch: TokenBatch) -> TokenScores:
    """Return scores under which predicting token ``n`` costs ``n`` nats."""
    return TokenScores(logprobs=-batch.targets.float() * batch.loss_mask, entropy=torch.zeros(batch.inputs.shape))


def outputs(parts: list[list[int]], *, packed: bool) -> list[LossOutput]:
    drawn = samples()
    weights = token_mean(torch.tensor([int(sample.loss_mask.sum()) for sample in drawn])).float().numpy()
    objective = loss_by_source(drawn, NAMES)
    found = []
    for part in parts:
        chosen = [drawn[number] for number in part]
        batch = pack(chosen, weights[part], row_tokens=24) if packed else collate(chosen, weights[part])
        found.append(objective(scores(batch), batch))
        assert found[-1].loss == negative_log_likelihood(scores(batch), batch).loss
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("parts", [[list(range(9))], [[8, 1, 2], [0], [3, 7, 5, 4, 6]]], ids=["one", "three"])
def test_a_sources_loss_is_the_mean_over_its_tokens_however_the_step_is_cut(parts: list[list[int]], packed: bool) -> None:
    found = Counter[str]()
    for output in outputs(parts, packed=packed):
        found.update({name: float(value) for name, value in output.metrics.items() if name.startswith("sources/")})
    expected = {}
    for number, name in enumerate(NAMES[:2]):
        mine = np.concatenate([sample.token_ids[1:] for sample in samples() if sample.sources[0] == number])
        expected[f"sources/{name}/loss"] = float(mine.mean())
    assert found == pytest.approx(expected, rel=1e-5)
    assert expected["sources/web/loss"] != expected["sources/code/loss"]
