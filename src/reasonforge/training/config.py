"""Settings of training: how to update, how fast, how much at a time, what to do when a number is not one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class AdamW(Section):
    """Adam with decoupled weight decay; defaults are DeepSeekMath's (arXiv:2402.03300, 2.2.1) but for the learning rate."""

    type: Literal["adamw"] = "adamw"
    lr: float = Field(default=3e-4, gt=0)
    """Peak learning rate."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    """Decay of the running means of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Share of a weight that a step of learning rate 1 removes; norms and biases are never decayed."""


class Muon(Section):
    """Orthogonalised momentum for the matrices of the layers, AdamW for everything else (arXiv:2502.16982)."""

    type: Literal["muon"] = "muon"
    lr: float = Field(default=5e-3, gt=0)
    """Peak learning rate of the matrices; each is scaled by its shape so that updates are as large as AdamW's would be."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    """Of the matrices."""
    rest: AdamW = AdamW(lr=3e-3)
    """For embeddings, head, norms and biases."""


class Schedule(Section):
    """What all schedules share."""

    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps over which the learning rate rises linearly from zero."""


class Constant(Schedule):
    """The peak learning rate after warm-up."""

    type: Literal["constant"] = "constant"


class Cosine(Schedule):
    """Half a cosine from the peak, at the end of warm-up, to ``final_fraction`` of it at the last step."""

    type: Literal["cosine"] = "cosine"
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    """Of the peak; DeepSeek-R1's SFT (arXiv:2501.12948) ends at a tenth."""


class Drop(Section):
    """One step of a multi-step schedule."""

    after: float = Field(..., ge=0, lt=1)
    """Share of all steps."""
    fraction: float = Field(..., ge=0, le=1)
    """Of the peak learning rate, from there on."""


class Multistep(Schedule):
    """The peak, then abrupt drops; defaults are DeepSeekMath's (arXiv:2402.03300, 2.2.1)."""

    type: Literal["multistep"] = "multistep"
    warmup_steps: int = Field(default=2000, ge=0)
    """Optimizer steps over which the learning rate rises linearly from zero."""
    drops: tuple[Drop, ...] = Field(default=(Drop(after=0.8, fraction=0.316), Drop(after=0.9, fraction=0.1)), min_length=1)
    """In order of ``after``."""

    @model_validator(mode="after")
    def _in_order(self) -> Multistep:
        starts = [drop.after for drop in self.drops]
        if starts != sorted(set(starts)):
            raise ValueError(f"drops must come in increasing order of after, got {starts}")
        return self


class Bucket(Section):
    """One sample per row; rows of similar length share a micro-batch. The faster one on a CPU."""

    type: Literal["bucket"] = "bucket"


class Pack(Section):
    """Samples end to end in rows of fixed length; attention stays within a sample. For long rows on a GPU."""

    type: Literal["pack"] = "pack"
    row_tokens: int = Field(default=4096, gt=1)
    """Tokens of a row; no sample may be longer."""


class TrainingConfig(Section):
    """How the learner turns a loss into new weights."""

    optimizer: AdamW | Muon = Field(default=AdamW(), discriminator="type")
    schedule: Constant | Cosine | Multistep = Field(default=Constant(), discriminator="type")
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients of a larger norm are scaled down to it; 0 = off."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the decoder's matrix products; weights, optimizer, normalisations and log-probabilities stay float32."""
    max_tokens_per_device: int = Field(default=16_384, gt=1)
    """Positions of a micro-batch, padding included. It sets memory and speed; gradients are the same whatever it is."""
    batching: Bucket | Pack = Field(default=Bucket(), discriminator="type")
    max_skipped_steps: int = Field(default=3, ge=0)
    """Optimizer steps in a row that may be skipped because a loss or gradient is not finite; one more stops the run. 0 = stop at once."""
    checkpoint_every: int = Field(default=50, gt=0)
    """Stage steps between checkpoints."""

    @model_validator(mode="after")
    def _row_fits(self) -> TrainingConfig:
        if isinstance(self.batching, Pack) and self.batching.row_tokens > self.max_tokens_per_device:
            raise ValueError(
                f"batching.row_tokens ({self.batching.row_tokens}) is over max_tokens_per_device ({self.max_tokens_per_device})"
            )
        return self
