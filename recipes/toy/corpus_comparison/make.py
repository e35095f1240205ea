"""Write and pack the corpora that the recipes of this folder compare.

    python recipes/toy/corpus_comparison/make.py [--out runs/corpora]

All are documents of procedural tasks, so what each is worth is known beforehand: ``clean`` teaches what the evaluation asks, ``noisy`` has
four wrong steps in ten, ``off_topic`` looks alike and teaches another task, ``small`` is one per cent of ``clean`` and is read many times.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reasonforge.corpus.packing.units import PackInput, plan_pack, publish
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store, file_input
from reasonforge.tasks.config import DocumentMixture, TaskSource
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.streams import DocumentStream
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.train import build_tokenizer

ASKED, OTHER = "labelled_arithmetic", "digit_shift"
LEVELS = (1, 2)
DOCUMENTS = 30_000


def corpora() -> dict[str, tuple[TaskSource, int]]:
    """Return what each corpus holds and how many documents of it."""
    asked = TaskSource(task=ASKED, levels=LEVELS, split="train", documents=DocumentMixture(think_share=0.9))
    noisy = asked.model_copy(update={"documents": DocumentMixture(think_share=0.9, step_noise=0.4)})
    other = TaskSource(task=OTHER, split="train", levels=(2, 4), documents=DocumentMixture(think_share=0.9))
    return {
        "clean": (asked, DOCUMENTS),
        "noisy": (noisy, DOCUMENTS),
        "off_topic": (other, DOCUMENTS),
        "small": (asked, DOCUMENTS // 100),
    }


def make(out: Path, *, seed: int = 1) -> None:
    """Write the corpora as JSON Lines, one tokenizer for all, and the shards. What is there already is left as it is."""
    alphabet = sorted(set(get_task(ASKED).alphabet()) | set(get_task(OTHER).alphabet()))
    build_tokenizer(CharacterTokenizer(), alphabet=alphabet).save(out / "tokenizer")
    store = Store(out / "units")
    for name, (source, count) in corpora().items():
        path = out / f"{name}.jsonl"
        stream = DocumentStream(source, seed=seed)
        path.write_text("".join(json.dumps({"text": stream[i].text}) + "\n" for i in range(count)), encoding="utf-8")
        receipts = run_all(plan_pack([PackInput(file=file_input(path))], out / "tokenizer"), store, InProcess())
        manifest = publish(receipts, store, out / name, source=name)
        print(f"{name}: {manifest.num_documents:,} documents, {manifest.num_tokens:,} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/corpora"), help="where the recipes look for them")
    make(parser.parse_args().out)
