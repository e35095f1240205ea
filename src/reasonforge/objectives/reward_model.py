"""What a learned reward learns from: preferred pairs, or labels of single answers and steps."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def bradley_terry(chosen_scores: Float[Tensor, " P"], rejected_scores: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Return ``-log sigma(chosen - rejected)`` per pair.

    Source:
        Bradley and Terry (1952); Ouyang et al. (arXiv:2203.02155), Eq. 1; DeepSeek-R1 (arXiv:2501.12948), section 3.1.
    """
    return -F.logsigmoid(chosen_scores - rejected_scores)


def pointwise(scores: Float[Tensor, "*shape"], labels: Bool[Tensor, "*shape"] | Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the binary cross-entropy of each score, a logit, with its label: safe answers, right answers, right steps.

    Args:
        scores: logits.
        labels: 1 = good, 0 = bad; in between, the chance that it is good (Math-Shepherd's soft labels).

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 3.1 (safety); Math-Shepherd (arXiv:2312.08935), Eq. 1-2 (answers, steps).
    """
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="none")
