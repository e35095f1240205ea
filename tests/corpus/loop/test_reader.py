"""What a corpus folder says of its rounds, without holding a selection in memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from reasonforge.corpus.classifier.train import EVALUATION
from reasonforge.corpus.loop.ledger import RESOLVED
from reasonforge.corpus.loop.reader import CorpusReader, Selection
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.status import status_of, status_text
from reasonforge.corpus.pool import InProcess
from tests.corpus.loop import web


@pytest.fixture
def copied(tiny_corpus: Path, tmp_path: Path) -> Path:
    """Return a copy of the small corpus, with its own file of decisions."""
    root = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, root)
    recipe = json.loads((root / RESOLVED).read_bytes())
    shutil.copy(recipe["annotation"]["path"], tmp_path / "annotations.jsonl")
    recipe["annotation"]["path"] = str(tmp_path / "annotations.jsonl")
    (root / RESOLVED).write_text(json.dumps(recipe))
    return root


def labelled(web_folder: Path, root: Path, **changes: str) -> CorpusReader:
    """Change every line of the decisions and have round 1 annotated by them."""
    path = root.parent / "annotations.jsonl"
    rows = [json.loads(line) | changes for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    loaded = web.load(web_folder, f"--annotation.path={path}")
    assert run_corpus(loaded, root, InProcess, RunOptions(stage="annotate", round=1, quiet=True)) == 0
    return CorpusReader(root)


def test_a_selection_is_counted_as_its_pages_are(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    for number in reader.rounds:
        pages = reader.selected(number)
        assert reader.selection(number) == Selection(pages.height, int(pages["num_tokens"].cast(pl.UInt64).sum()))
    assert reader.selection(99) == Selection(0, 0)


def test_recall_and_precision_are_those_of_the_whole_table(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    assert reader.truth is not None
    for number in reader.rounds:
        found = reader.truth.join(reader.selected(number), on="id", how="semi")
        hits = int(found["is_math"].sum())
        assert reader.quality(number) == {"recall": hits / int(reader.truth["is_math"].sum()), "precision": hits / found.height}


def test_mathematical_domains_are_read_alone(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    whole = reader.domains(1)
    assert whole is not None
    found = reader.mathematical(1)
    assert found is not None
    assert found.equals(whole.filter("mathematical"))
    assert reader.mathematical(99) is None


def test_positives_are_those_of_the_files(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    table = reader.table("expand", 1, "positives.parquet", ["id"])
    assert table is not None
    assert reader.positives(1) == table.height > 0


@pytest.mark.parametrize(
    ("changes", "authors"),
    [
        ({}, {"truth": 3}),
        ({"by": "auto"}, {"auto": 3}),
        ({"by": "human:ann"}, {"human": 3}),
        ({"by": "human:ann", "why": "accepted from model:m"}, {"model accepted": 3}),
        ({"by": "model:m"}, {}),  # a proposal holds nothing
    ],
)
def test_labels_in_force_are_counted_by_who_gave_them(
    tiny_web: Path, copied: Path, changes: dict[str, str], authors: dict[str, int]
) -> None:
    reader = labelled(tiny_web, copied, **changes)
    assert reader.authors(1) == authors
    assert reader.authors(99) is None


def test_who_decided_is_known_when_the_file_of_decisions_is_gone(copied: Path) -> None:
    (copied.parent / "annotations.jsonl").unlink()
    assert CorpusReader(copied).authors(1) == {"truth": 3}


def test_who_says_the_same_changes_nothing_that_follows(tiny_web: Path, copied: Path) -> None:
    before = {receipt.key for receipt in CorpusReader(copied).receipts("expand", 1)}
    labelled(tiny_web, copied, by="human:ann")
    loaded = web.load(tiny_web, f"--annotation.path={copied.parent / 'annotations.jsonl'}")
    assert run_corpus(loaded, copied, InProcess, RunOptions(stage="expand", round=1, quiet=True)) == 0
    assert {receipt.key for receipt in CorpusReader(copied).receipts("expand", 1)} == before


def test_status_says_that_automatic_labels_are_not_the_papers_procedure(tiny_web: Path, copied: Path) -> None:
    assert "not the paper's procedure" not in status_text(status_of(copied))
    labelled(tiny_web, copied, by="auto")
    said = status_text(status_of(copied))
    assert "3 auto" in said
    assert "not the paper's procedure" in said


def test_a_figure_on_few_positives_is_said_to_be_none(copied: Path) -> None:
    reader = CorpusReader(copied)
    path = reader.outputs("train", 1, EVALUATION)[0]
    figures = json.loads(path.read_bytes())
    for positives, said in ((19, "too few (19 of 100)"), (20, "0.750 (20 of 100)")):
        path.write_text(json.dumps({**figures, "pr_auc": 0.75, "num_positives": positives, "num_negatives": 100 - positives}))
        status = status_of(copied)
        assert status["rounds"][0]["held_out"] == {"positives": positives, "pages": 100, "few": positives < 20}
        assert said in status_text(status)


def test_decisions_made_while_a_round_waits_are_told(copied: Path) -> None:
    reader = CorpusReader(copied)
    reader.ledger.end(None, state="waiting", round=1, message="round 1: a person has to say")
    assert "3 decisions in round 1 since then: the next run takes it for annotated" in status_text(status_of(copied))
    (copied.parent / "annotations.jsonl").write_text("")
    status = status_of(copied)
    assert status["waiting"] == {"round": 1, "decided": 0}
    assert "since then" not in status_text(status)
