"""Log-probabilities of the targets from hidden states: our chunked head against log-softmax + gather and against cross-entropy.

Forward and backward of a weighted sum of log-probabilities (the shape of every policy loss), float32, one core. Time: CPU seconds of
interleaved runs in one process. Memory: growth of the peak resident set over one forward and backward, each in a process of its own.
Ours also returns the entropy, which the peers do not.

    python benchmarks/bench_logprob_head.py [--tokens 4096] [--vocab 32768] [--width 256] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from common import cpu_seconds, medians, report
from torch import Tensor
from torch.nn import functional as F

from reasonforge.tensors.batch import TokenBatch
from reasonforge.tensors.logprobs import token_scores


@dataclass(frozen=True, slots=True)
class Problem:
    """Hidden states, head, targets, and the weight of each log-probability in the loss."""

    hidden: Tensor
    head: Tensor
    batch: TokenBatch
    weights: Tensor


def build(tokens: int, vocab: int, width: int) -> Problem:
    """Draw a problem of one row."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(vocab, (1, tokens), generator=generator)
    ones = torch.ones_like(targets)
    batch = TokenBatch(
        inputs=targets,
        targets=targets,
        loss_mask=ones.bool(),
        loss_weights=ones.float(),
        positions=torch.arange(tokens)[None],
        segments=ones,
        samples=torch.zeros_like(targets),
        num_samples=1,
    )
    hidden = torch.randn(1, tokens, width, generator=generator).requires_grad_()
    head = (torch.randn(vocab, width, generator=generator) * width**-0.5).requires_grad_()
    return Problem(hidden, head, batch, torch.randn(1, tokens, generator=generator))


def chunked(problem: Problem) -> Tensor:
    """Ours."""
    return token_scores(problem.hidden, problem.head, problem.batch).logprobs


def log_softmax_gather(problem: Problem) -> Tensor:
    """What most training loops do."""
    return torch.log_softmax(problem.hidden @ problem.head.T, dim=-1).gather(-1, problem.batch.targets[..., None]).squeeze(-1)


def cross_entropy(problem: Problem) -> Tensor:
    """PyTorch's fused loss, unreduced."""
    logits = problem.hidden @ problem.head.T
    return -F.cross_entropy(logits.flatten(0, 1), problem.batch.targets.flatten(), reduction="none").view_as(problem.weights)


VARIANTS: dict[str, Callable[[Problem], Tensor]] = {f.__name__: f for f in (chunked, log_softmax_gather, cross_entropy)}


def run(problem: Problem, variant: Callable[[Problem], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Forward and backward; return log-probabilities and both gradients."""
    problem.hidden.grad = problem.head.grad = None
    logprobs = variant(problem)
    (logprobs * problem.weights).sum().backward()
    assert problem.hidden.grad is not None
    assert problem.head.grad is not None
    return logprobs.detach(), problem.hidden.grad, problem.head.grad


def extra_peak_bytes(problem: Problem, variant: Callable[[Problem], Tensor]) -> int:
    """Growth of this process's peak memory over one run, after a small run has loaded the kernels."""
    run(build(8, 64, 16), variant)
    before = peak_resident_bytes()
    run(problem, variant)
    return peak_resident_bytes() - before


def peak_resident_bytes() -> int:
    """The kernel's high-water mark of this program. Not ``getrusage``: there a child starts from the peak of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def measured_apart(arguments: argparse.Namespace, variant: str) -> int:
    """Extra peak bytes of a variant, from a fresh process."""
    size = [f"--{name}={getattr(arguments, name)}" for name in ("tokens", "vocab", "width")]
    done = subprocess.run([sys.executable, __file__, *size, "--memory-of", variant], check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout.splitlines()[-1])["extra_peak_bytes"])


def main() -> None:
    """Measure, print a table, store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--vocab", type=int, default=32_768)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-of", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = build(arguments.tokens, arguments.vocab, arguments.width)
    if arguments.memory_of:
        print(json.dumps({"extra_peak_bytes": extra_peak_bytes(problem, VARIANTS[arguments.memory_of])}))
        return
    results = {name: run(problem, variant) for name, variant in VARIANTS.items()}
    for name, found in results.items():
        torch.testing.assert_close(found, results["log_softmax_gather"], atol=1e-4, rtol=1e-4, msg=f"{name} disagrees")
    del results
    taken = cpu_seconds(
        {name: lambda variant=variant: run(problem, variant) for name, variant in VARIANTS.items()}, repeats=arguments.repeats
    )
    seconds, memory = medians(taken), {name: measured_apart(arguments, name) for name in VARIANTS}
    print(f"{'':20}{'CPU s':>8}{'min':>8}{'max':>8}{'extra peak MiB':>16}")
    for name in VARIANTS:
        print(f"{name:20}{seconds[name]:8.2f}{min(taken[name]):8.2f}{max(taken[name]):8.2f}{memory[name] / 2**20:16.0f}")
    report(
        "logprob_head",
        {
            "tokens": arguments.tokens,
            "vocab": arguments.vocab,
            "width": arguments.width,
            "peer": "torch.log_softmax + gather",
            "ratio": round(seconds["log_softmax_gather"] / seconds["chunked"], 3),
            "memory_ratio": round(memory["log_softmax_gather"] / memory["chunked"], 2),
            "ratio_to_cross_entropy": round(seconds["cross_entropy"] / seconds["chunked"], 3),
            "memory_ratio_to_cross_entropy": round(memory["cross_entropy"] / memory["chunked"], 2),
            "cpu_seconds": taken,
            "extra_peak_bytes": memory,
        },
        packages=("torch",),
    )


if __name__ == "__main__":
    main()
