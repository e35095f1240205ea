"""Fresh pairs from the policy as it stands: what makes DPO online."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from reasonforge.core.rollouts import Float32, RolloutGroup
from reasonforge.rewards.score import RewardScorer
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.sampling.tools import ToolLoop
from reasonforge.stages.driver import StageContext
from reasonforge.stages.preference.config import PreferenceIterations
from reasonforge.stages.preference.pairs import SamplePair
from reasonforge.stages.rl.data import PromptSource
from reasonforge.text.tokenizer import Tokenizer


class RoundSampler:
    """Draws and grades the completions of a round: a function of the round, the run's seed and the weights."""

    def __init__(
        self,
        config: PreferenceIterations,
        *,
        sampler: Sampler,
        scorer: RewardScorer,
        prompts: PromptSource,
        tokenizer: Tokenizer,
        stop_token_ids: tuple[int, ...],
        context: StageContext,
        tools: ToolLoop | None = None,
    ) -> None:
        self.config = config
        self._sampler = sampler
        self._scorer = scorer
        self._prompts = prompts
        self._tokenizer = tokenizer
        self._params = config.sampling.params(stop_token_ids=stop_token_ids)
        self._context = context
        self._tools = tools

    def draw(self, number: int, weights: Mapping[str, Tensor], *, version: int) -> list[RolloutGroup]:
        """Return the graded groups of a round.

        Args:
            number: of the round, from 0.
            weights: the policy's at the round's start.
            version: of these weights.

        Raises:
            UnavailableError: too many completions could not be graded.
        """
        self._sampler.load(weights, version=version)
        # Where the round begins, whoever has drawn before: a resumed run draws what the undisturbed one drew.
        self._prompts.go_to(number * self.config.prompts)
        problems, prompts = self._prompts.take(self.config.prompts)
        drawn = sample_groups(
            self._sampler,
            problems,
            prompts,
            self._params,
            group_size=self.config.group_size,
            seed_of=lambda row, problem, i: self._context.seed("rollout", number, row, problem.id, i),
            tokenizer=self._tokenizer,
            tools=self._tools,
            on_rollout=self._scorer.submit,
        )
        return self._scorer.score_groups(drawn)


def pair_signs(groups: Sequence[RolloutGroup], pairs: Sequence[SamplePair]) -> Float32:
    """Return, per rollout, how often it is preferred less how often it is not: what stands for an advantage in the stored rollouts."""
    signs: dict[tuple[str, bytes], float] = {}
    for pair in pairs:
        for sample, sign in ((pair.chosen, 1.0), (pair.rejected, -1.0)):
            key = (pair.problem_id, sample.token_ids.tobytes())
            signs[key] = signs.get(key, 0.0) + sign
    found = []
    for group in groups:
        for member in group.rollouts:
            ids = np.concatenate([np.asarray(member.rollout.prompt_ids, dtype=np.int32), member.rollout.completion.token_ids])
            found.append(signs.get((group.problem.id, ids.tobytes()), 0.0))
    return np.asarray(found, dtype=np.float32)
