"""Small corpora with their tokenizer, packed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.packing.units import PackInput, plan_pack, publish
from reasonforge.corpus.pool import Executor, InProcess, run_all
from reasonforge.corpus.units import Store, file_input
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import SpecialTokens, characters, train_bpe

EOS = "<|endoftext|>"


@cache
def letters() -> Tokenizer:
    """One token per character: ids can be worked out by hand."""
    return characters("abcdefghijklmnopqrstuvwxyz0123456789 +=.", special_tokens=SpecialTokens(eos="<eos>"))


@cache
def pairs() -> Tokenizer:
    """Byte-level BPE with a few merges: any text can be written."""
    return train_bpe(["the sum of the numbers", "the mean"] * 4, vocab_size=300, special_tokens=SpecialTokens(eos=EOS))


def lines(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """Write JSON Lines; a text stands for a row that has nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": row} if isinstance(row, str) else row) + "\n" for row in rows), encoding="utf-8")
    return path


def packed(
    folder: Path, files: Sequence[Sequence[str]], tokenizer: Tokenizer | None = None, *, executor: Executor | None = None
) -> tuple[Path, Manifest]:
    """Pack texts, one file for each list; return the folder of the shards and what it says of itself."""
    tokenizer = tokenizer or letters()
    tokenizer.save(folder / "tokenizer")
    inputs = [PackInput(file=file_input(lines(folder / f"{i}.jsonl", texts))) for i, texts in enumerate(files)]
    store = Store(folder / "units")
    receipts = run_all(plan_pack(inputs, folder / "tokenizer"), store, executor or InProcess())
    return folder / "shards", publish(receipts, store, folder / "shards", source="made")
