"""Which corpus is better? The same small model, pre-trained on five corpora for equally many tokens, on the same held-out problems.

    .venv/bin/python benchmarks/corpus/comparison.py [--seeds 5] [--out runs/corpus_comparison]

DeepSeekMath's Table 1 (the last column) and Figure 3 (accuracy over tokens) in miniature, where it is known what each corpus is worth.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "algorithms"))

from experiment import ROOT, TOY, arguments, compare, keep, metrics

FOLDER = TOY / "corpus_comparison"
CORPORA = ("clean", "small", "mix", "noisy", "off_topic")
LEGS = (("leg1", "after1"), ("leg2", "after2"), ("leg3", "final"))


def curve(runs: list[Path]) -> list[dict[str, float]]:
    """Return tokens trained on and mean accuracy after each leg, over the seeds."""
    points: list[dict[str, float]] = []
    tokens = 0.0
    for training, evaluation in LEGS:
        rows = [metrics(run, training)[-1] for run in runs]
        tokens += rows[0]["num_tokens"]
        assert all(row["num_tokens"] == rows[0]["num_tokens"] for row in rows), "runs of one corpus trained on different numbers of tokens"
        accuracy = statistics.fmean(metrics(run, evaluation)[-1]["eval/pass@1"] for run in runs)
        points.append({"tokens": tokens, "accuracy": round(accuracy, 4)})
    return points


def epochs(run: Path) -> dict[str, float]:
    """Return how often a run has read each of its sources, all legs together."""
    last = [metrics(run, training)[-1] for training, _ in LEGS]
    names = sorted(name.split("/")[1] for name in last[0] if name.startswith("sources/") and name.endswith("/epochs"))
    return {name: round(sum(row[f"sources/{name}/epochs"] for row in last), 3) for name in names}


def main() -> None:
    """Make the corpora, compare, read the curves."""
    chosen = arguments(__doc__, seeds=5)
    subprocess.run([sys.executable, str(FOLDER / "make.py"), "--out", "runs/corpora"], cwd=ROOT, check=True)
    recipes = [FOLDER / f"{name}.toml" for name in CORPORA]
    out, compared = compare("corpus_comparison", recipes, chosen)
    runs = {name: [out / f"{name}-s{seed}" for seed in range(1, chosen.seeds + 1)] for name in CORPORA}
    manifests = {name: json.loads((ROOT / "runs" / "corpora" / name / "manifest.json").read_text()) for name in CORPORA if name != "mix"}
    corpora: dict[str, Any] = {
        name: {
            "tokens_in_corpus": manifests[name]["num_tokens"] if name in manifests else None,
            "epochs": epochs(runs[name][0]),
            "curve": curve(runs[name]),
        }
        for name in CORPORA
    }
    assert len({corpus["curve"][-1]["tokens"] for corpus in corpora.values()}) == 1, "the corpora were not trained on equally many tokens"
    keep("corpus_comparison", {"corpora": corpora, **compared})


if __name__ == "__main__":
    main()
