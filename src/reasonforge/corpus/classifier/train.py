"""Train a classifier: draw the examples, keep some domains for measuring, train, fold, measure. One unit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xxhash

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors
from reasonforge.corpus.classifier import tokenise
from reasonforge.corpus.classifier.binary import Layout, fold
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import NEGATIVE, POSITIVE, Classifier, provider, train
from reasonforge.corpus.classifier.measure import evaluate
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.reasons import ALSO_POSITIVE, NOT_DRAWN, REPEATED_EXAMPLE
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.scores import score_of
from reasonforge.corpus.units import Input, Needs, Unit, Work

MODEL = "model.bin"
"""The library's own model, for looking at words and their neighbours; only where ``classifier.keep_library_model`` asks for it."""
FOLDED = "folded.bin"
"""What scores."""
MANIFEST = "model.json"
EVALUATION = "evaluation.json"
HELD_OUT = "held_out.parquet"
"""Score of every held-out example: ``id``, ``domain``, ``positive``, ``score``."""

_THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9)
_SHUFFLED_BYTES = 1 << 26
_BATCH = 4096
_DRAWN = ["id", "rank", "positive", "domain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What must be known of a model to score with it."""

    tokeniser: str
    """Digest of the tokenisation that it was trained by."""
    max_chars: int
    """Of a text, that it was shown; 0 = all."""

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read the manifest of a model, and refuse one that was trained by another tokenisation.

        Raises:
            DataError: it is no manifest, or the tokenisation is another.
        """
        try:
            content = json.loads(path.read_bytes())
            manifest = cls(tokeniser=content["tokeniser"], max_chars=content["max_chars"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not the manifest of a classifier ({error}). Train it again") from error
        if manifest.tokeniser != tokenise.digest():
            raise DataError(
                f"{path}: this classifier was trained by another tokenisation ({manifest.tokeniser[:12]}, here {tokenise.digest()[:12]}): "
                f"its scores would mean nothing. Train it again"
            )
        return manifest


_NO_EXAMPLE = {
    "positive": "Check the seed documents",
    "negative": "Check the pages. In later rounds, what was selected or accepted before is no negative: if that is nearly all, lower "
    'rounds.token_budgets, raise rounds.threshold, or set classifier.negatives = "random"',
}
"""What to do where there is no example of a kind."""


def plan_train(config: ClassifierConfig, candidates: Sequence[Input], *, stage: str = "classifier") -> Unit:
    """Return the unit that trains a classifier.

    Args:
        config: how.
        candidates: tables ``id, rank, positive, domain, text``. Of each kind those of lowest rank are taken.
        stage: folder of the unit.
    """
    settings = config.model_dump(mode="json", exclude={"negatives", "bytes_per_token"})
    settings["tokeniser"] = tokenise.digest()
    function = "reasonforge.corpus.classifier.train:train_classifier"
    needs = Needs(cpus=config.threads, memory_bytes=4 * config.dim * config.bucket)
    return unit_of(stage, function, {"candidates": candidates}, settings=settings, needs=needs)


def train_classifier(work: Work) -> None:
    """Do :func:`plan_train`'s unit."""
    settings = {name: value for name, value in work.settings.items() if name not in ("roles", "tokeniser")}
    config = ClassifierConfig.model_validate(settings)
    files = roles(work)["candidates"]
    examples = _draw(work, files, config)
    held_out = held_out_domains(examples, share=config.held_out, seed=config.seed)
    examples = examples.with_columns(held_out=pl.col("group").is_in(held_out))
    with tempfile.TemporaryDirectory(dir=work.folder) as scratch:
        lines = Path(scratch) / "train.txt"
        measured = _write_examples(files, examples, lines, config)
        model = work.output(MODEL) if config.keep_library_model else Path(scratch) / MODEL
        train(lines, config, model)
        layout = fold(model, work.output(FOLDED))
    figures = _measure(work, measured)
    counts = {
        "positives": int(examples["positive"].sum()),
        "negatives": int((~examples["positive"]).sum()),
        "held_out": measured.height,
        "held_out_domains": len(held_out),
    }
    _write_json(work.output(MANIFEST), _manifest(config, layout, counts, figures))


def _draw(work: Work, files: Sequence[str], config: ClassifierConfig) -> pl.DataFrame:
    """Return the examples of lowest rank of each kind, in order of rank; count what is left."""
    whole = pl.concat([read_table(path, _DRAWN).with_columns(file=pl.lit(index, pl.UInt32)) for index, path in enumerate(files)])
    work.counts.taken = whole.height
    positives = whole.filter("positive").unique("id", keep="first", maintain_order=True)
    negatives = whole.filter(~pl.col("positive")).unique("id", keep="first", maintain_order=True)
    work.counts.drop(REPEATED_EXAMPLE, whole.height - positives.height - negatives.height)
    fit = negatives.join(positives, on="id", how="anti", maintain_order="left")
    work.counts.drop(ALSO_POSITIVE, negatives.height - fit.height)
    taken = []
    for frame, number in ((positives, config.num_positives), (fit, config.num_negatives)):
        taken.append(frame.sort(["rank", "id"]).head(number))
        work.counts.drop(NOT_DRAWN, frame.height - taken[-1].height)
    for frame, kind in zip(taken, ("positive", "negative"), strict=True):
        if not frame.height:
            raise DataError(f"{work.unit.stage}: no {kind} example among {whole.height} candidates. {_NO_EXAMPLE[kind]}")
    examples = pl.concat(taken)
    work.counts.kept = examples.height
    work.counts.note("positives", taken[0].height)
    # A document without a domain is a domain of its own.
    return examples.with_columns(group=pl.when(pl.col("domain") == "").then("id").otherwise("domain"))


def held_out_domains(examples: pl.DataFrame, *, share: float, seed: int) -> list[str]:
    """Return the domains that are kept for measuring: those of smallest hash, and for each kind at least one if that can be.

    A domain that would leave less than half of the positives, or of the negatives, to learn from is passed over: one large site must not
    take most of what there is to learn away from the classifier.

    Args:
        examples: ``group`` (the domain) and ``positive``.
        share: of the domains.
        seed: of the hash.
    """
    kinds = {"positive": pl.col("positive").sum(), "negative": (~pl.col("positive")).sum()}
    groups = examples.group_by("group").agg(**kinds).rows()
    ranked = sorted((xxhash.xxh3_64_intdigest(f"held out\n{group}".encode(), seed), group, counts) for group, *counts in groups)
    most = np.array(examples.select(**kinds).row(0)) // 2
    chosen: list[str] = []
    taken = np.zeros(2, np.int64)
    for rank, group, counts in ranked:
        is_first_of_kind = bool(((taken == 0) & (np.array(counts) > 0)).any())
        if (rank < share * 2.0**64 or is_first_of_kind) and (taken + counts <= most).all():
            chosen.append(group)
            taken += counts
    return sorted(chosen)


def _write_examples(files: Sequence[str], examples: pl.DataFrame, target: Path, config: ClassifierConfig) -> pl.DataFrame:
    """Write the training file in an order that depends on the ids alone, and return the held-out examples with their tokens."""
    num_parts = 1 + sum(Path(path).stat().st_size for path in files) * 4 // _SHUFFLED_BYTES
    parts = [target.with_name(f"part-{number:05d}") for number in range(num_parts)]
    measured: list[pl.DataFrame] = []
    with storage_errors(target):
        for index, path in enumerate(files):
            wanted = examples.filter(pl.col("file") == index).drop("file", "rank")
            if not wanted.height:
                continue
            texts = read_table(path, ["id", "positive", "text"]).unique(["id", "positive"], keep="first", maintain_order=True)
            mine = wanted.join(texts, on=["id", "positive"], how="left", maintain_order="left")
            for batch in mine.iter_slices(_BATCH):
                tokens = pl.Series("tokens", tokenise.tokens_of(batch["text"], max_chars=config.max_chars), dtype=pl.String)
                lines = batch.drop("text").with_columns(tokens)
                measured.append(lines.filter("held_out"))
                _append(lines.filter(~pl.col("held_out")), parts, config.seed)
        with target.open("wb") as out:
            for part in parts:
                if part.exists():
                    rows = sorted(part.read_bytes().splitlines(keepends=True))
                    out.writelines(row.partition(b" ")[2] for row in rows)
                    part.unlink()
    return pl.concat(measured).sort("id")


def _append(lines: pl.DataFrame, parts: Sequence[Path], seed: int) -> None:
    """Append each line to the part that its hash names, with the hash before it: sorting the parts one by one shuffles all."""
    by_part: dict[int, list[bytes]] = {}
    for identity, positive, tokens in lines.select("id", "positive", "tokens").iter_rows():
        order = xxhash.xxh3_64_intdigest(f"order\n{identity}".encode(), seed)
        row = f"{order:016x} {POSITIVE if positive else NEGATIVE} {tokens}\n"
        by_part.setdefault(order * len(parts) >> 64, []).append(row.encode())
    for number, rows in by_part.items():
        with parts[number].open("ab") as file:
            file.writelines(rows)


def _measure(work: Work, measured: pl.DataFrame) -> Mapping[str, Any] | None:
    """Score the held-out examples as pages will be scored, and write what came out."""
    log_odds = np.zeros(0) if not measured.height else Classifier(work.output(FOLDED)).log_odds(measured["tokens"].to_list())
    scored = measured.select("id", "domain", "positive").with_columns(pl.Series("score", score_of(log_odds), dtype=pl.UInt16))
    write_table(work.output(HELD_OUT), scored)
    positive = measured["positive"].to_numpy()
    found = evaluate(1.0 / (1.0 + np.exp(-log_odds)), positive, num_domains=measured["group"].n_unique(), thresholds=_THRESHOLDS)
    figures = None if found is None else found.to_dict()
    _write_json(work.output(EVALUATION), figures)
    return figures


def _manifest(config: ClassifierConfig, layout: Layout, counts: Mapping[str, int], figures: Mapping[str, Any] | None) -> dict[str, Any]:
    name, version = provider()
    return {
        "format": 1,
        "tokeniser": tokenise.digest(),
        "tokeniser_version": tokenise.VERSION,
        "max_chars": config.max_chars,
        "options": config.model_dump(mode="json", exclude={"bytes_per_token", "keep_library_model", "negatives"}),
        "examples": counts,
        "words": layout.num_words,
        "labels": list(layout.labels),
        "library": {"name": name, "version": version},
        "deterministic": config.threads == 1,
        "pr_auc": None if figures is None else figures["pr_auc"],
    }


def _write_json(path: Path, value: object) -> None:
    with storage_errors(path):
        path.write_text(json.dumps(value, sort_keys=True, indent=1) + "\n", encoding="utf-8")
