"""AdamW and Muon behind one face: step with a learning-rate fraction, and hand out or take back all state as named tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from reasonforge.core.errors import DataError
from reasonforge.training.config import AdamW, Muon

NamedParameters = Mapping[str, nn.Parameter]

_LAYER = re.compile(r"(decoder\.)?layers\.")
"""What a parameter of a layer is called, in a decoder and in a scalar model around one."""


class UpdateRule(Protocol):
    """Turns the gradients of some parameters into new values of them."""

    name: str

    def step(self, lr_fraction: float) -> None:
        """Update every parameter, at this fraction of the peak learning rate."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return copies of everything remembered between steps, as ``<parameter>.<slot>``."""
        ...

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what ``state`` returned, to the bit.

        Raises:
            DataError: the tensors are of other parameters or another rule.
        """
        ...


def build_optimizer(model: nn.Module, config: AdamW | Muon) -> list[UpdateRule]:
    """Return the update rules that together cover the trainable parameters of a model, each parameter once."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if isinstance(config, AdamW):
        return [AdamWRule(parameters, config)]
    # Embeddings and heads are tables of vectors, not maps between them: orthogonalising their update makes no sense.
    matrices = {name: parameter for name, parameter in parameters.items() if _LAYER.match(name) and parameter.ndim == 2}
    rest = {name: parameter for name, parameter in parameters.items() if name not in matrices}
    return [MuonRule(matrices, config), AdamWRule(rest, config.rest)]


class AdamWRule:
    """PyTorch's AdamW; matrices and tables are decayed, vectors (norms, biases) are not."""

    name = "adamw"

    def __init__(self, parameters: NamedParameters, config: AdamW) -> None:
        self._parameters, self._lr = parameters, config.lr
        groups = [
            {"params": [p for p in parameters.values() if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
        ]
        # One fused kernel: four times faster than a loop over the tensors of a small model, which is PyTorch's default on a CPU.
        self._adamw = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)

    def step(self, lr_fraction: float) -> None:
        """Update every parameter."""
        for group in self._adamw.param_groups:
            group["lr"] = self._lr * lr_fraction
        self._adamw.step()

    def state(self) -> dict[str, Tensor]:
        """Return ``step``, ``exp_avg`` and ``exp_avg_sq`` of each parameter; nothing before the first step."""
        slots = ((name, self._adamw.state.get(parameter, {})) for name, parameter in self._parameters.items())
        return {f"{name}.{slot}": value.detach().clone() for name, values in slots for slot, value in values.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self._adamw.state.clear()
        slots = ("step", "exp_avg", "exp_avg_sq")
        _expect(tensors, {f"{name}.{slot}" for name in self._parameters for slot in slots} if tensors else set())
        for name, parameter in self._parameters.items() if tensors else ():
            values = {slot: tensors[f"{name}.{slot}"].detach().clone() for slot in slots}
            moved = {slot: value.to(parameter.device) for slot, value in values.items()}
            self._adamw.state[parameter] = moved


class MuonRule:
    """Momentum, orthogonalised by five Newton-Schulz iterations. Matrices of one shape are updated as one stack.

    The same numbers as ``torch.optim.Muon(adjust_lr_fn="match_rms_adamw")``, which loops over the matrices: for the 21 small ones of a
    three-layer decoder, stacks are 2.5 times faster.

    Source:
        Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024): iteration and coefficients, Nesterov momentum.
        "Muon is Scalable for LLM Training" (arXiv:2502.16982), 2.2: weight decay, updates scaled by ``0.2 sqrt(max(rows, columns))``.
    """

    name = "muon"

    def __init__(self, parameters: NamedParameters, config: Muon) -> None:
        self._config = config
        self._stacks: list[NamedParameters] = []
        for shape in dict.fromkeys(_wide_shape(parameter) for parameter in parameters.values()):
            self._stacks.append({name: parameter for name, parameter in parameters.items() if _wide_shape(parameter) == shape})
        self._momenta = [torch.stack([torch.zeros_like(_wide(p)) for p in stack.values()]) for stack in self._stacks]

    @torch.no_grad()
    def step(self, lr_fraction: float) -> None:
        """Update every matrix."""
        lr, momentum = self._config.lr * lr_fraction, self._config.momentum
        for stack, mean in zip(self._stacks, self._momenta):
            gradients = torch.stack([_wide(_gradient(parameter)) for parameter in stack.values()])
            mean.lerp_(gradients, 1 - momentum)
            updates = orthogonalized(gradients.lerp_(mean, momentum))
            scale = 0.2 * math.sqrt(max(updates.shape[-2:]))
            for parameter, update in zip(stack.values(), updates.to(mean.dtype)):
                wide = _wide(parameter)
                wide.mul_(1 - lr * self._config.weight_decay).add_(update, alpha=-lr * scale)

    def state(self) -> dict[str, Tensor]:
        """Return the momentum of each matrix, wide: as many columns as rows or more."""
        momenta = ((stack, mean) for stack, mean in zip(self._stacks, self._momenta))
        return {f"{name}.momentum": value.clone() for stack, mean in momenta for name, value in zip(stack, mean)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the momenta back."""
        _expect(tensors, {f"{name}.momentum" for stack in self._stacks for name in stack})
        for stack, mean in zip(self._stacks, self._momenta):
            for name, value in zip(stack, mean):
                value.copy_(tensors[f"{name}.momentum"])


def orthogonalized(matrices: Tensor) -> Tensor:
    """Push the singular values of wide matrices ``[N, rows, columns]`` to around 1 (0.7 to 1.2), keeping the singular vectors.

    Five steps of a quintic Newton-Schulz iteration whose slope at zero is as steep as it can be; in bfloat16, whose rounding it
    outlives. The result is bfloat16.
    """
    x = matrices.bfloat16()
    x = x / torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    return x


def _wide(matrix: Tensor) -> Tensor:
    """The matrix, or a view of its transpose if it is taller than wide: the iteration's products are then the smaller ones."""
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def _wide_shape(matrix: Tensor) -> tuple[int, ...]:
    return tuple(_wide(matrix).shape)


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None, "a matrix of the layers took no part in the loss"
    return parameter.grad


def _expect(tensors: Mapping[str, Tensor], names: set[str]) -> None:
    if tensors.keys() != names:
        odd = min(tensors.keys() ^ names)
        raise DataError(
            f"optimizer state: {odd} is {'missing' if odd in names else 'unknown'}. The checkpoint is of another model or optimizer."
        )
