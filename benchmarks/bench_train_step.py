"""What few batch shapes and a second core do for a training step of the demo's model: CPU seconds, wall seconds, memory.

Every variant runs in a fresh process on the same 60 steps of 96 documents. ``ragged`` gives every micro-batch the shape its samples need,
which is what the peer here is: the usual "pad to the longest". ``few shapes`` is the product's planning, on one core and on two.

    .venv/bin/python benchmarks/bench_train_step.py
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import statistics
import subprocess
import sys
import time

from common import report

VARIANTS = {"ragged": ("ragged", 1), "few shapes": ("few", 1), "few shapes, two cores": ("few", 2)}
STEPS, DOCUMENTS, WARMUP = 60, 96, 20


def measure(shapes: str, threads: int) -> None:
    """Child: train, then print the median figures of the steps after warm-up."""
    import resource

    import torch

    from reasonforge.models.config import DecoderConfig
    from reasonforge.models.decoder import Decoder
    from reasonforge.objectives.aggregate import token_mean
    from reasonforge.stages.likelihood import negative_log_likelihood, whole_sequence
    from reasonforge.tasks.config import DocumentMixture, TaskSource
    from reasonforge.tasks.registry import get_task
    from reasonforge.tasks.sources import load_documents
    from reasonforge.tensors import collate
    from reasonforge.text.config import CharacterTokenizer
    from reasonforge.text.train import build_tokenizer
    from reasonforge.training import learner as learning
    from reasonforge.training.config import AdamW, Muon, TrainingConfig

    torch.set_num_threads(1)
    if shapes == "ragged":
        collate.ROW_STEP = 1
        collate.padded_columns = learning.padded_columns = lambda length: max(length - 1, 1)
    task = TaskSource(task="labelled_arithmetic", levels=(1, 8), documents=DocumentMixture(step_noise=0.17))
    tokenizer = build_tokenizer(CharacterTokenizer(), alphabet=get_task(task.task).alphabet())
    documents = load_documents(task, seed=0)
    decoder = Decoder(DecoderConfig(vocab_size=tokenizer.vocab_size, max_positions=64))
    decoder.reset_parameters(0)
    training = TrainingConfig(optimizer=Muon(rest=AdamW(lr=3e-3)), dtype="bfloat16", max_tokens_per_device=1024)
    learner = learning.Learner(decoder, training, total_steps=STEPS, device="cpu", threads=threads)
    cpu, wall = [], []
    for step in range(STEPS):
        samples = [whole_sequence(tokenizer.encode(documents[step * DOCUMENTS + i].text)) for i in range(DOCUMENTS)]
        weights = token_mean(torch.tensor([int(sample.loss_mask.sum()) for sample in samples])).float().numpy()
        started = time.process_time(), time.perf_counter()
        learner.step(samples, negative_log_likelihood, weights)
        cpu.append(time.process_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    figures = {
        "cpu_seconds": round(statistics.median(cpu[WARMUP:]), 4),
        "wall_seconds": round(statistics.median(wall[WARMUP:]), 4),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures))


def main() -> None:
    """Run every variant in turns, three times; report medians."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(3):
        for name, (shapes, threads) in VARIANTS.items():
            done = subprocess.run([sys.executable, __file__, shapes, str(threads)], check=True, capture_output=True, text=True)
            runs[name].append(json.loads(done.stdout))
    rows = {name: {key: statistics.median(run[key] for run in taken) for key in taken[0]} for name, taken in runs.items()}
    print(f"{'variant':24} {'CPU ms':>8} {'wall ms':>8} {'peak MiB':>9}")
    for name, row in rows.items():
        print(f"{name:24} {row['cpu_seconds'] * 1e3:8.1f} {row['wall_seconds'] * 1e3:8.1f} {row['peak_mib']:9.0f}")
    ragged, few, two = (rows[name] for name in VARIANTS)
    result = {
        "ratio": round(ragged["cpu_seconds"] / few["cpu_seconds"], 3),
        "memory_ratio": round(ragged["peak_mib"] / few["peak_mib"], 3),
        "two_cores_ratio": round(few["wall_seconds"] / two["wall_seconds"], 3),
        "variants": rows,
        "conditions": f"0.3M parameters, bfloat16, {DOCUMENTS} documents a step, steps {WARMUP} to {STEPS}",
    }
    report("train_step", result, packages=("torch",))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main()
