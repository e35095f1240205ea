"""The learner: samples and an objective in, new weights out. It knows no algorithm; an objective knows no micro-batch."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import DataError, NonFiniteError
from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.models.decoder import Decoder
from reasonforge.tensors.batch import LossOutput, TokenBatch, TokenScores
from reasonforge.tensors.collate import collate, pack, padded_columns, plan_microbatches, plan_rows, scatter_to_samples
from reasonforge.tensors.logprobs import token_scores
from reasonforge.training.config import Pack, TrainingConfig
from reasonforge.training.optimizer import build_optimizer
from reasonforge.training.schedule import lr_fraction

Objective = Callable[[TokenScores, TokenBatch], LossOutput]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What an optimizer step did."""

    weights_version: int
    """Updates applied so far: the version of the weights now."""
    metrics: dict[str, float]
    skipped: bool
    """True = the weights are those from before: nothing to learn from, or a loss or gradient that is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScores:
    """Per sample, aligned with its ``token_ids``; zero at token 0 and where ``loss_mask`` is False."""

    logprobs: list[Float32]
    entropy: list[Float32]


class Scorer:
    """A decoder that says how likely samples are. The learner and the frozen reference score through this one path."""

    def __init__(self, model: Decoder, config: TrainingConfig, *, device: torch.device | str) -> None:
        self._model = model.to(device)
        self._config = config
        self._device = torch.device(device)

    @classmethod
    def frozen_copy(cls, model: Decoder, config: TrainingConfig, *, device: torch.device | str) -> Scorer:
        """Return a scorer over a copy of the model as it is now: a reference that training does not move."""
        return cls(copy.deepcopy(model).requires_grad_(False), config, device=device)

    def microbatches(self, samples: Sequence[TrainingSample], weights: Float32) -> Iterator[tuple[list[int], TokenBatch]]:
        """Yield (indices of samples, batch on the device) until every sample was in one; the same for the same samples."""
        lengths, config = [len(sample.token_ids) for sample in samples], self._config
        if isinstance(config.batching, Pack):
            row_tokens = config.batching.row_tokens
            rows = plan_rows(lengths, row_tokens=row_tokens)
            size = config.max_tokens_per_device // row_tokens
            for start in range(0, len(rows), size):
                indices = [index for row in rows[start : start + size] for index in row]
                yield indices, pack([samples[i] for i in indices], weights[indices], row_tokens=row_tokens).to(self._device)
        else:
            for indices in plan_microbatches(lengths, max_tokens=config.max_tokens_per_device):
                columns = min(padded_columns(max(lengths[i] for i in indices)), config.max_tokens_per_device)
                yield indices, collate([samples[i] for i in indices], weights[indices], pad_to=columns).to(self._device)

    def scores(self, batch: TokenBatch, *, temperature: float = 1.0, entropy_grad: bool = False) -> TokenScores:
        """Score one micro-batch; carries gradient where the model's parameters do."""
        hidden = self._model.hidden_states(batch, dtype=getattr(torch, self._config.dtype))
        return token_scores(hidden, self._model.head_weight, batch, temperature=temperature, entropy_grad=entropy_grad)

    @torch.no_grad()
    def score(self, samples: Sequence[TrainingSample], *, temperature: float = 1.0) -> SampleScores:
        """Return log-probabilities and entropies of samples, without gradient."""
        found = SampleScores(logprobs=[np.empty(0, np.float32)] * len(samples), entropy=[np.empty(0, np.float32)] * len(samples))
        for indices, batch in self.microbatches(samples, np.zeros(len(samples), np.float32)):
            scores, lengths = self.scores(batch, temperature=temperature), [len(samples[i].token_ids) for i in indices]
            for into, values in ((found.logprobs, scores.logprobs), (found.entropy, scores.entropy)):
                for index, row in zip(indices, scatter_to_samples(values, batch, lengths)):
                    into[index] = row
        return found

    def logprobs(self, samples: Sequence[TrainingSample], *, temperature: float = 1.0) -> list[Float32]:
        """Return log-probabilities of samples, without gradient; each aligned with its ``token_ids``."""
        return self.score(samples, temperature=temperature).logprobs

    def weights(self) -> Mapping[str, Tensor]:
        """Return the model's weights by name: the tensors themselves, no copies. Who keeps them must copy."""
        return self._model.state_dict()

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Copy weights into the model.

        Raises:
            DataError: they are of another model.
        """
        try:
            self._model.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(f"weights do not fit the model: {' '.join(str(error).split())}") from error


class Learner(Scorer):
    """A decoder with its optimizer.

    One ``step`` is one optimizer step over all its samples. Denominators are in the weights it is handed, so how the samples are split into
    micro-batches, ordered, padded or packed changes time and memory only (and rounding in the last bits).
    """

    def __init__(self, model: Decoder, config: TrainingConfig, *, total_steps: int, device: torch.device | str, threads: int = 1) -> None:
        """Take over a model.

        Args:
            model: trained in place.
            config: how.
            total_steps: calls of ``step`` planned; the schedule ends there.
            device: where to compute.
            threads: micro-batches computed at the same time, each on one core; the result is the same to the bit. Two threads inside
                the small products of a small model mostly wait for each other; two micro-batches do not. CPU only.
        """
        super().__init__(model, config, device=device)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 and self._device.type == "cpu" else None
        self._total_steps = total_steps
        self._optimizer = build_optimizer(self._model, config.optimizer)
        self._counts = {"version": 0, "steps": 0, "skipped": 0, "skipped_in_a_row": 0, "tokens": 0}

    @property
    def version(self) -> int:
        """Updates applied so far."""
        return self._counts["version"]

    def step(
        self,
        samples: Sequence[TrainingSample],
        objective: Objective,
        weights: Float32,
        *,
        temperature: float = 1.0,
        entropy_grad: bool = False,
    ) -> StepResult:
        """Take one optimizer step on the objective summed over all samples.

        The schedule moves on by one whether or not the weights change, so a skipped step does not stretch a run.

        Args:
            samples: what to learn from; none = nothing happens but the schedule's move.
            objective: called once per micro-batch.
            weights: one per sample, from ``objectives.aggregate``.
            temperature: the one the samples were drawn at.
            entropy_grad: the objective differentiates the entropy.

        Raises:
            NonFiniteError: more steps in a row than allowed had a loss or gradient that is not finite.
        """
        self._counts["steps"] += 1
        fraction = lr_fraction(self._config.schedule, self._counts["steps"], total_steps=self._total_steps)
        metrics = {"lr": self._config.optimizer.lr * fraction, "num_samples": float(len(samples))}
        if not samples:
            return StepResult(weights_version=self.version, metrics=self._with_totals(metrics), skipped=True)
        metrics |= self._accumulate(samples, objective, weights, temperature=temperature, entropy_grad=entropy_grad)
        applied = self._apply(metrics, fraction)
        if applied:
            self._counts["tokens"] += sum(int(sample.loss_mask.sum()) for sample in samples)
        else:
            metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        return StepResult(weights_version=self.version, metrics=self._with_totals(metrics), skipped=not applied)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on, as copies: (tensors, JSON-able scalars)."""
        tensors = {f"model.{name}": tensor.detach().clone() for name, tensor in self.weights().items()}
        for rule in self._optimizer:
            tensors |= {f"{rule.name}.{name}": tensor for name, tensor in rule.state().items()}
        return tensors, dict(self._counts)

    def load_state(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned; the next step is then the same to the bit.

        Raises:
            DataError: it is the state of another model or optimizer.
        """
        if scalars.keys() != self._counts.keys():
            raise DataError(f"learner state: expected {sorted(self._counts)}, found {sorted(scalars)}")
        self.load(_under("model.", tensors))
        for rule in self._optimizer:
            rule.load_state(_under(f"{rule.name}.", tensors))
        self._counts = {name: int(value) for name, value in scalars.items()}

    def _accumulate(
        self, samples: Sequence[TrainingSample], objective: Objective, weights: Float32, *, temperature: float, entropy_grad: bool
    ) -> dict[str, float]:
        """Leave the gradient of the whole step in the parameters; return the loss, the objective's metrics and the padding."""
        self._model.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        positions = 0

        def forward(batch: TokenBatch) -> LossOutput:
            return objective(self.scores(batch, temperature=temperature, entropy_grad=entropy_grad), batch)

        for batch, output in self._with_gradients(forward, [batch for _, batch in self.microbatches(samples, weights)]):
            positions += batch.inputs.numel()
            for name, value in ({"loss": output.loss} | output.metrics).items():
                sums[name] = sums.get(name, 0) + value.detach().float()
        used = sum(len(sample.token_ids) - 1 for sample in samples)
        # One transfer for all of them: each costs a GPU a wait.
        return dict(zip(sums, torch.stack(list(sums.values())).tolist())) | {"padding": 1 - used / max(positions, 1)}

    def _with_gradients(
        self, forward: Callable[[TokenBatch], LossOutput], batches: Sequence[TokenBatch]
    ) -> Iterator[tuple[TokenBatch, LossOutput]]:
        """Yield each micro-batch with its output, in order, once its gradient has been added to the parameters'."""
        if self._pool is None:
            for batch in batches:
                output = forward(batch)
                output.loss.backward()
                yield batch, output
            return
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]

        def backward(batch: TokenBatch) -> tuple[LossOutput, tuple[Tensor | None, ...]]:
            output = forward(batch)
            return output, torch.autograd.grad(output.loss, parameters, allow_unused=True)

        # Gradients are added here, in the order of the micro-batches: `backward` in two threads would add them in the order of arrival.
        # No more batches in flight than cores: every finished one holds a gradient as large as the model.
        waiting = deque(self._pool.submit(backward, batch) for batch in batches[: self._threads])
        for index, batch in enumerate(batches):
            output, gradients = waiting.popleft().result()
            if index + self._threads < len(batches):
                waiting.append(self._pool.submit(backward, batches[index + self._threads]))
            for parameter, gradient in zip(parameters, gradients):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
            yield batch, output

    def _apply(self, metrics: dict[str, float], fraction: float) -> bool:
        """Clip the gradient and update the weights, or skip if anything is not finite; return whether they were updated."""
        parameters = [parameter for parameter in self._model.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        metrics["grad_norm"] = norm.item()
        if not (math.isfinite(metrics["loss"]) and math.isfinite(metrics["grad_norm"])):
            self._skip(metrics)
            return False
        if self._config.max_grad_norm:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._config.max_grad_norm, norm)
        for rule in self._optimizer:
            rule.step(fraction)
        self._model.zero_grad(set_to_none=True)
        self._counts["version"] += 1
        self._counts["skipped_in_a_row"] = 0
        return True

    def _skip(self, metrics: dict[str, float]) -> None:
        self._model.zero_grad(set_to_none=True)
        self._counts["skipped"] += 1
        self._counts["skipped_in_a_row"] += 1
        if self._counts["skipped_in_a_row"] > self._config.max_skipped_steps:
            raise NonFiniteError(
                f"optimizer step {self._counts['steps']}: loss {metrics['loss']}, gradient norm {metrics['grad_norm']}, after "
                f"{self._config.max_skipped_steps} skipped steps in a row. Lower the learning rate, or look at the step's samples."
            )

    def _with_totals(self, metrics: dict[str, float]) -> dict[str, float]:
        return metrics | {"num_tokens": float(self._counts["tokens"]), "skipped_steps": float(self._counts["skipped"])}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
