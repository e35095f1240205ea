"""Log-probabilities and entropies of the targets from hidden states, without ever holding the logits of a whole batch.

Naively, the logits of one 32k-token sequence over a 152k vocabulary take 20 GB, and their gradient twice that again. Here the logits
exist one chunk of positions at a time, the forward pass keeps none of them, and the backward pass computes each chunk again. Only
positions that ``loss_mask`` keeps are computed at all.

Precision: hidden states are cast up to float32 before the projection, and everything from there on (product, log-softmax, entropy,
gradients) is float32, whatever dtype the decoder ran in: bfloat16 logits are off by 0.02 nats in the mean, more than the ratios that
are built on them can bear.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reasonforge.tensors.batch import TokenBatch, TokenScores

CHUNK_BYTES = 128 << 20
"""Budget of one chunk of logits, what one matrix product makes. Not below 32 MiB on a CPU: glibc keeps smaller blocks on its heap instead
of returning them, and peak memory then grows as chunks get smaller."""

_TILE_BYTES = 2 << 20
"""On a CPU, everything but the products is done on tiles of a chunk that stay in a core's cache: 2.5 times faster (measured)."""


def token_scores(
    hidden: Float[Tensor, "B T D"],
    head_weight: Float[Tensor, "V D"],
    batch: TokenBatch,
    *,
    temperature: float = 1.0,
    entropy_grad: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> TokenScores:
    """Score the targets of a batch under ``softmax(hidden @ head_weight.T / temperature)``.

    Args:
        hidden: what the decoder returns after its final norm; carries gradient.
        head_weight: the output head; carries gradient.
        batch: targets and the mask of positions to score.
        temperature: the sampler's, > 0; the log-probabilities are then those of the distribution the tokens were drawn from.
        entropy_grad: let the entropy carry gradient. It costs a logarithm per logit in the backward pass, so only who uses it asks.
        chunk_bytes: budget of one chunk of logits; it changes memory and time, not the result.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be > 0 to score tokens, got {temperature} (greedy decoding has no log-probabilities)")
    kept = batch.loss_mask.flatten().nonzero().squeeze(1)
    dtype = torch.promote_types(hidden.dtype, torch.float32)
    row_bytes = head_weight.shape[0] * dtype.itemsize
    chunk_rows = max(1, chunk_bytes // row_bytes)
    tile_rows = max(1, min(_TILE_BYTES // row_bytes, chunk_rows)) if hidden.device.type == "cpu" else chunk_rows
    settings = _Settings(temperature, entropy_grad, chunk_rows, tile_rows)
    logprobs, entropy = _ChunkedHead.apply(hidden.flatten(0, 1), head_weight.to(dtype), batch.targets.flatten(), kept, settings)
    return TokenScores(logprobs=logprobs.view_as(batch.targets), entropy=entropy.view_as(batch.targets))


class _Settings(NamedTuple):
    temperature: float
    entropy_grad: bool
    chunk_rows: int
    tile_rows: int


class _ChunkedHead(torch.autograd.Function):
    """Linear layer, log-softmax, gather and entropy in one, chunked over the ``N`` kept of ``M = B * T`` positions.

    With ``z`` the logits, ``p`` their softmax and ``H`` its entropy: ``d logprob / dz = onehot - p``, ``dH / dz = -p (log p + H)``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Float[Tensor, "M D"],
        weight: Float[Tensor, "V D"],
        targets: Int[Tensor, " M"],
        kept: Int[Tensor, " N"],
        settings: _Settings,
    ) -> tuple[Float[Tensor, " M"], Float[Tensor, " M"]]:
        rows = hidden.index_select(0, kept).to(weight.dtype)
        if settings.temperature != 1.0:
            rows /= settings.temperature  # the same as dividing the logits, at D instead of V numbers per position
        target = targets.index_select(0, kept).unsqueeze(1)
        target_log_probs, entropy = rows.new_empty(len(rows), 1), rows.new_empty(len(rows), 1)
        # If one chunk holds everything, its probabilities are kept: within the budget, and cheaper than computing them again.
        whole = len(rows) <= settings.chunk_rows
        # Buffers for all chunks: fresh memory for each would cost more in page faults than the arithmetic on it.
        logits = rows.new_empty(min(settings.chunk_rows, len(rows)), len(weight))
        probs = rows.new_empty(len(rows) if whole else settings.tile_rows, len(weight))
        for start, stop in _spans(0, len(rows), settings.chunk_rows):
            torch.mm(rows[start:stop], weight.T, out=logits[: stop - start])
            for first, last in _spans(start, stop, settings.tile_rows):
                z, p = logits[first - start : last - start], probs[first:last] if whole else probs[: last - first]
                torch.softmax(z.sub_(z.amax(dim=-1, keepdim=True)), dim=-1, out=p)
                # Where z is 0, its largest, log p is minus the log normaliser: at least 1 / V, so the logarithm is exact enough.
                shift = p.amax(dim=-1, keepdim=True).log_()
                target_log_probs[first:last] = z.gather(1, target[first:last]) + shift
                entropy[first:last] = -torch.linalg.vecdot(p, z).unsqueeze(1) - shift
        ctx.save_for_backward(rows, weight, target, kept, entropy, probs if whole else None)
        ctx.settings, ctx.hidden_shape, ctx.hidden_dtype = settings, hidden.shape, hidden.dtype
        logprobs, entropies = (rows.new_zeros(len(hidden)).index_copy_(0, kept, x.squeeze(1)) for x in (target_log_probs, entropy))
        if not settings.entropy_grad:
            ctx.mark_non_differentiable(entropies)
        return logprobs, entropies

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        rows, weight, target, kept, entropy, whole = ctx.saved_tensors
        settings: _Settings = ctx.settings
        grad_logprob, grad_entropy = (grad.index_select(0, kept).unsqueeze(1) for grad in grads)
        grad_rows, grad_weight = torch.empty_like(rows), torch.zeros_like(weight)
        logits = rows.new_empty(min(settings.chunk_rows, len(rows)), len(weight))
        probs = rows.new_empty(settings.tile_rows if whole is None else 0, len(weight))
        for start, stop in _spans(0, len(rows), settings.chunk_rows):
            grad_logits = logits[: stop - start]
            if whole is None:
                torch.mm(rows[start:stop], weight.T, out=grad_logits)
            for first, last in _spans(start, stop, settings.tile_rows):
                z = grad_logits[first - start : last - start]
                p = torch.softmax(z, dim=-1, out=probs[: last - first]) if whole is None else whole[first:last]
                factor = -grad_logprob[first:last]
                if settings.entropy_grad:
                    log_p = p.clamp(min=torch.finfo(p.dtype).tiny).log_()  # 0 log 0 is 0
                    factor = factor - grad_entropy[first:last] * (log_p + entropy[first:last])
                torch.mul(p, factor, out=z).scatter_add_(1, target[first:last], grad_logprob[first:last])
            torch.mm(grad_logits, weight, out=grad_rows[start:stop])
            grad_weight.addmm_(grad_logits.T, rows[start:stop])
        if settings.temperature != 1.0:
            grad_rows /= settings.temperature
        grad_hidden = torch.zeros(ctx.hidden_shape, dtype=ctx.hidden_dtype, device=rows.device)
        return grad_hidden.index_copy_(0, kept, grad_rows.to(ctx.hidden_dtype)), grad_weight, None, None, None


def _spans(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]
