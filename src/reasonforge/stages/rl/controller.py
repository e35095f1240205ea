"""The weight of the divergence from the reference, as it is now."""

from __future__ import annotations

from collections.abc import Sequence

from reasonforge.core.rollouts import PolicySample
from reasonforge.objectives.shaping import adapted_kl_coef
from reasonforge.stages.rl.axes import KLPenalty
from reasonforge.stages.rl.credit import mean_divergence


class KLCoefficient:
    """Fixed, or moved after every step towards holding the divergence at its target."""

    def __init__(self, penalty: KLPenalty | None) -> None:
        self._controller = None if penalty is None else penalty.controller
        self.value = 0.0 if penalty is None else penalty.coef
        """What the next step uses; part of the checkpoint."""

    def adapt(self, samples: Sequence[PolicySample]) -> dict[str, float]:
        """Move on, given what the step has sampled; return the coefficient that the step used, where it moves.

        Args:
            samples: with reference log-probabilities; those with nothing to learn from do not count.
        """
        learned = [sample for sample in samples if sample.loss_mask.any()]
        if self._controller is None or not learned:
            return {}
        used, observed = self.value, mean_divergence(learned)
        self.value = adapted_kl_coef(
            used,
            observed_kl=observed,
            target_kl=self._controller.target,
            num_samples=len(learned),
            horizon=self._controller.horizon,
        )
        return {"kl_coef": used, "kl_per_completion": observed}
