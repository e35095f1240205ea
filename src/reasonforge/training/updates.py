"""What every learner does whatever its head says: micro-batches, gradients added up over them, updates, skips, state.

``Learner`` (token log-probabilities) and ``ScalarLearner`` (one number per position) differ in their forward pass alone.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from reasonforge.core.errors import DataError, NonFiniteError, RecipeError
from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.tensors.batch import LossOutput, TokenBatch
from reasonforge.tensors.collate import collate, pack, padded_columns, plan_microbatches, plan_rows, scatter_to_samples
from reasonforge.training.config import Pack, TrainingConfig
from reasonforge.training.optimizer import build_optimizer
from reasonforge.training.schedule import lr_fraction

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What an optimizer step did."""

    weights_version: int
    """Updates applied so far: the version of the weights now."""
    metrics: dict[str, float]
    skipped: bool
    """True = the weights are those from before: nothing to learn from, or a loss or gradient that is not finite."""


class BatchedModel(Generic[Model]):
    """A model on a device that reads samples in micro-batches."""

    def __init__(self, model: Model, config: TrainingConfig, *, device: torch.device | str) -> None:
        self._model = model.to(device)
        self._config = config
        self._device = torch.device(device)

    @classmethod
    def frozen_copy(cls, model: Model, config: TrainingConfig, *, device: torch.device | str) -> Self:
        """Return one over a copy of the model as it is now: a reference that training does not move."""
        return cls(copy.deepcopy(model).requires_grad_(False), config, device=device)

    def microbatches(self, samples: Sequence[TrainingSample], weights: Float32, *, unit: int = 1) -> Iterator[tuple[list[int], TokenBatch]]:
        """Yield (indices of samples, batch on the device) until every sample was in one; the same for the same samples.

        Args:
            samples: sequences.
            weights: one loss weight per sample.
            unit: so many consecutive samples stay together, in order: 2 = pairs.

        Raises:
            RecipeError: a sample (a unit) does not fit a micro-batch, or units are to be packed.
        """
        lengths, config = [len(sample.token_ids) for sample in samples], self._config
        if isinstance(config.batching, Pack):
            if unit > 1:
                raise RecipeError(f"batching.type: pack cannot keep {unit} samples together in one micro-batch; use bucket")
            row_tokens = config.batching.row_tokens
            rows = plan_rows(lengths, row_tokens=row_tokens)
            size = config.max_tokens_per_device // row_tokens
            for start in range(0, len(rows), size):
                indices = [index for row in rows[start : start + size] for index in row]
                yield indices, pack([samples[i] for i in indices], weights[indices], row_tokens=row_tokens).to(self._device)
        else:
            for indices in plan_microbatches(lengths, max_tokens=config.max_tokens_per_device, unit=unit):
                columns = min(padded_columns(max(lengths[i] for i in indices)), config.max_tokens_per_device // unit)
                yield indices, collate([samples[i] for i in indices], weights[indices], pad_to=columns).to(self._device)

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

    @torch.no_grad()
    def _by_sample(self, samples: Sequence[TrainingSample], forward: Callable[[TokenBatch], Sequence[Tensor]]) -> list[list[Float32]]:
        """Return, for each of the per-token tensors that ``forward`` gives, one array per sample; nothing carries gradient."""
        found: list[list[Float32]] = []
        for indices, batch in self.microbatches(samples, np.zeros(len(samples), np.float32)) if samples else ():
            lengths = [len(samples[i].token_ids) for i in indices]
            tensors = forward(batch)
            found = found or [[np.empty(0, np.float32)] * len(samples) for _ in tensors]
            for into, values in zip(found, tensors, strict=True):
                for index, row in zip(indices, scatter_to_samples(values, batch, lengths), strict=True):
                    into[index] = row
        return found


class Updating(BatchedModel[Model]):
    """A model with its optimizer.

    One step is one optimizer step over all its samples. Denominators are in the weights it is handed, so how the samples are split into
    micro-batches, ordered, padded or packed changes time and memory only (and rounding in the last bits).
    """

    def __init__(self, model: Model, config: TrainingConfig, *, total_steps: int, device: torch.device | str, threads: int = 1) -> None:
        """Take over a model.

        Args:
            model: trained in place.
            config: how.
            total_steps: optimizer steps planned; the schedule ends there.
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

    def _update(
        self, samples: Sequence[TrainingSample], forward: Callable[[TokenBatch], LossOutput], weights: Float32, *, unit: int
    ) -> StepResult:
        """Take one optimizer step on what ``forward`` returns, summed over the micro-batches of all samples.

        The schedule moves on by one whether or not the weights change, so a skipped step does not stretch a run.

        Raises:
            NonFiniteError: more steps in a row than allowed had a loss or gradient that is not finite.
        """
        if len(samples) % unit:
            raise ValueError(f"{len(samples)} samples are not whole units of {unit}")
        self._counts["steps"] += 1
        fraction = lr_fraction(self._config.schedule, self._counts["steps"], total_steps=self._total_steps)
        metrics = {"lr": self._config.optimizer.lr * fraction, "num_samples": float(len(samples))}
        if not samples:
            return StepResult(weights_version=self.version, metrics=self._with_totals(metrics), skipped=True)
        batches = [batch for _, batch in self.microbatches(samples, weights, unit=unit)]
        used = sum(len(sample.token_ids) - 1 for sample in samples)
        metrics |= {"padding": 1 - used / max(sum(batch.inputs.numel() for batch in batches), 1)}
        metrics |= self._accumulate(forward, batches)
        applied = self._apply(metrics, fraction)
        if applied:
            self._counts["tokens"] += sum(int(sample.loss_mask.sum()) for sample in samples)
        else:
            metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
        return StepResult(weights_version=self.version, metrics=self._with_totals(metrics), skipped=not applied)

    def _accumulate(self, forward: Callable[[TokenBatch], LossOutput], batches: Sequence[TokenBatch]) -> dict[str, float]:
        """Leave the gradient of the whole step in the parameters; return the loss and the objective's metrics."""
        self._model.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for output in self._with_gradients(forward, batches):
            for name, value in ({"loss": output.loss} | output.metrics).items():
                sums[name] = sums.get(name, 0) + value.detach().float()
        # One transfer for all of them: each costs a GPU a wait.
        return dict(zip(sums, torch.stack(list(sums.values())).tolist()))

    def _with_gradients(self, forward: Callable[[TokenBatch], LossOutput], batches: Sequence[TokenBatch]) -> Iterator[LossOutput]:
        """Yield each micro-batch's output, in order, once its gradient has been added to the parameters'."""
        if self._pool is None:
            for batch in batches:
                output = forward(batch)
                output.loss.backward()
                yield output
            return
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]

        def backward(batch: TokenBatch) -> tuple[LossOutput, tuple[Tensor | None, ...]]:
            output = forward(batch)
            return output, torch.autograd.grad(output.loss, parameters, allow_unused=True)

        # Gradients are added here, in the order of the micro-batches: `backward` in two threads would add them in the order of arrival.
        # No more batches in flight than cores: every finished one holds a gradient as large as the model.
        waiting = deque(self._pool.submit(backward, batch) for batch in batches[: self._threads])
        for index in range(len(batches)):
            output, gradients = waiting.popleft().result()
            if index + self._threads < len(batches):
                waiting.append(self._pool.submit(backward, batches[index + self._threads]))
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
            yield output

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
