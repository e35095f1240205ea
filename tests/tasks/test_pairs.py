"""Files of pairs and of labelled responses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message
from reasonforge.runs.directory import RunDirectory
from reasonforge.tasks.config import LabelledSource, PairFields, PairSource
from reasonforge.tasks.pairs import PAIRS_FILE, Labelled, Pair, load_labelled, load_pairs, write_pairs

ASKED = Message("user", "How tall is it?")


def pair(name: str = "p", **changes: Any) -> Pair:
    return Pair(**{"id": name, "messages": (ASKED,), "chosen": "Very.", "rejected": "No.", "margin": 1.5, "source": "judge:rank"} | changes)


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def test_a_row_of_three_texts_is_a_pair(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"prompt": "How tall is it?", "chosen": "Very.", "rejected": "No."})
    (found,) = load_pairs(PairSource(path=(path,)), tmp_path)
    assert (found.messages, found.chosen, found.rejected, found.margin) == ((ASKED,), "Very.", "No.", None)


def test_conversations_that_share_their_start_need_no_prompt_column(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"chosen": turns("How tall is it?", "Very."), "rejected": turns("How tall is it?", "No.")})
    (found,) = load_pairs(PairSource(path=(path,)), tmp_path)
    assert (found.messages, found.chosen, found.rejected) == ((ASKED,), "Very.", "No.")


def test_both_ways_of_writing_a_pair_have_one_id(tmp_path: Path) -> None:
    plain = jsonl(tmp_path / "a.jsonl", {"prompt": "How tall is it?", "chosen": "Very.", "rejected": "No."})
    whole = jsonl(tmp_path / "b.jsonl", {"chosen": turns("How tall is it?", "Very."), "rejected": turns("How tall is it?", "No.")})
    assert load_pairs(PairSource(path=(plain,)), tmp_path)[0].id == load_pairs(PairSource(path=(whole,)), tmp_path)[0].id


def test_parquet_holds_pairs_too(tmp_path: Path) -> None:
    rows = [{"prompt": turns("How tall is it?"), "chosen": turns("?", "Very.")[1:], "rejected": turns("?", "No.")[1:], "gap": 2.0}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (found,) = load_pairs(PairSource(path=(tmp_path / "a.parquet",), fields=PairFields(margin="gap")), tmp_path)
    assert (found.messages, found.chosen, found.margin) == ((ASKED,), "Very.", 2.0)


def test_written_pairs_are_read_back_from_the_stage(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RunDirectory.create(run, name="r", recipe_text="", resolved={}, argv=[], seed=0) as directory:
        write_pairs(directory.artefacts_dir("rank") / PAIRS_FILE, [pair("p"), pair("q", margin=None)])
    assert load_pairs(PairSource(stage="rank"), run) == [pair("p"), pair("q", margin=None)]


def test_a_stage_that_has_not_run_is_named(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", name="r", recipe_text="", resolved={}, argv=[], seed=0):
        pass
    with pytest.raises(DataError, match="stage 'rank' has left no pairs"):
        load_pairs(PairSource(stage="rank"), tmp_path / "run")


def test_shuffling_comes_before_the_limit_and_is_fixed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_pairs(path, [pair(f"p{i}") for i in range(20)])
    source = PairSource(path=(path,), fields=PairFields(id="id"), limit=5, shuffle_seed=3)
    names = [found.id for found in load_pairs(source, tmp_path)]
    assert names == [found.id for found in load_pairs(source, tmp_path)]
    assert len(names) == 5
    assert names != [f"p{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"prompt": "q", "chosen": "a"}, "no column 'rejected'"),
        ({"chosen": "a", "rejected": "b"}, "no column 'prompt'"),
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "are the same text"),
        ({"prompt": "q", "chosen": 3, "rejected": "b"}, "neither text nor a list of turns"),
        ({"prompt": "q", "chosen": " ", "rejected": "b"}, "is empty"),
        ({"prompt": "q", "chosen": [{"role": "robot", "content": "a"}], "rejected": "b"}, "not a turn"),
        ({"prompt": "q", "chosen": turns("q"), "rejected": "b"}, "ends with a turn of the user"),
        ({"chosen": turns("q", "a"), "rejected": turns("p", "b")}, "different conversations"),
        ({"prompt": "x", "chosen": turns("q", "a"), "rejected": turns("q", "b")}, "another conversation"),
    ],
)
def test_a_row_that_is_no_pair_is_refused_in_one_line(tmp_path: Path, row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=rf"a.jsonl:1.*{complaint}") as failure:
        load_pairs(PairSource(path=(jsonl(tmp_path / "a.jsonl", row),)), tmp_path)
    assert "\n" not in str(failure.value)


def test_a_margin_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"prompt": "q", "chosen": "a", "rejected": "b", "gap": "much"})
    with pytest.raises(DataError, match="not a number"):
        load_pairs(PairSource(path=(path,), fields=PairFields(margin="gap")), tmp_path)


def test_a_pair_that_comes_twice_is_refused(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    with pytest.raises(DataError, match="repeats id"):
        load_pairs(PairSource(path=(jsonl(tmp_path / "a.jsonl", row, row),)), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{}, {"path": "a.jsonl", "stage": "rank"}, {"path": "a.jsonl", "run": "r"}, {"stage": "rank", "fields": {"chosen": "good"}}],
)
def test_pairs_come_from_exactly_one_place(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PairSource(**settings)


@pytest.mark.parametrize(("stated", "label"), [("safe", 1.0), ("unsafe", 0.0), (True, 1.0), (False, 0.0), (0.25, 0.25), (1, 1.0)])
def test_labels_are_words_booleans_or_shares(tmp_path: Path, stated: Any, label: float) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"prompt": "q", "response": "r", "label": stated})
    (found,) = load_labelled(LabelledSource(path=(path,), good=("safe",), bad=("unsafe",)))
    assert found == Labelled(id=found.id, messages=(Message("user", "q"),), response="r", label=label, source=found.source)


@pytest.mark.parametrize(("stated", "complaint"), [("maybe", "say what it means"), (2, "between 0"), ([1], "not a number")])
def test_a_label_that_means_nothing_is_refused(tmp_path: Path, stated: Any, complaint: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"prompt": "q", "response": "r", "label": stated})
    with pytest.raises(DataError, match=complaint):
        load_labelled(LabelledSource(path=(path,)))


def test_a_word_cannot_be_good_and_bad() -> None:
    with pytest.raises(ValidationError, match="share the word"):
        LabelledSource(path=(Path("a.jsonl"),), good=("ok",), bad=("ok",))
