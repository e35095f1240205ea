"""Model files: folded they score alike, broken ones are named in a line."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier.binary import fold, read_layout
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.tokenise import tokens_of
from tests.corpus.classifier.examples import SMALL, small_model, texts

LINES = [*tokens_of([text for _, text in texts(300, seed=1)]), "", "neverseen", "neverseen twice 数"]
OPTIONS: list[dict[str, Any]] = [
    {"loss": "softmax"},
    {"loss": "hs"},
    {"minn": 2, "maxn": 4},
    {"word_ngrams": 1, "bucket": 0},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "m.bin", ClassifierConfig.tiny(dim=4, bucket=16, epochs=2))


def predicted(path: Path) -> tuple[list[str], np.ndarray]:
    """First label and its probability, straight from the library."""
    labels, values = fasttext.load_model(str(path)).predict(LINES, k=1)
    return [label[0] for label in labels], np.array([value[0] for value in values])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_folded_model_answers_as_the_whole_one(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = small_model(tmp_path / "m.bin", SMALL.model_validate({**SMALL.model_dump(), **options}))
    fold(whole, tmp_path / "f.bin")
    labels, values = predicted(whole)
    labels_folded, values_folded = predicted(tmp_path / "f.bin")
    assert labels == labels_folded
    assert len(set(labels)) == 2
    assert np.abs(values - values_folded).max() < 1e-5


def test_folding_leaves_a_column_per_label(model: Path, tmp_path: Path) -> None:
    before, after = read_layout(model), fold(model, tmp_path / "f.bin")
    assert (before.dim, after.dim) == (4, 2)
    assert (before.input_rows, before.labels) == (after.input_rows, after.labels)


def test_a_folded_model_folds_to_itself(model: Path, tmp_path: Path) -> None:
    fold(model, tmp_path / "once.bin")
    fold(tmp_path / "once.bin", tmp_path / "twice.bin")
    assert (tmp_path / "once.bin").read_bytes() == (tmp_path / "twice.bin").read_bytes()


def test_folding_reads_a_little_at_a_time(tmp_path: Path) -> None:
    big = small_model(tmp_path / "big.bin", ClassifierConfig.tiny(dim=64, bucket=150_000, epochs=1))
    tracemalloc.start()
    fold(big, tmp_path / "f.bin")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert big.stat().st_size > 38_000_000 > 3 * peak


def test_a_model_that_ends_anywhere_is_refused(model: Path, tmp_path: Path) -> None:
    content, cut = model.read_bytes(), tmp_path / "cut.bin"
    for length in range(0, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut\.bin"):
            read_layout(cut)


@given(st.data())
def test_no_change_of_the_header_crashes_the_reader(model: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(model.read_bytes())
    layout = read_layout(model)
    for at in data.draw(st.lists(st.integers(0, layout.input_at - 1), min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    broken = tmp_path_factory.mktemp("broken") / "b.bin"
    broken.write_bytes(content)
    try:
        found = read_layout(broken)
    except DataError:
        return
    assert (found.input_rows, found.output_rows, found.dim) == (layout.input_rows, layout.output_rows, layout.dim)


def at_offset(content: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrite a number."""
    changed = bytearray(content)
    struct.pack_into(form, changed, offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("offset", "form", "value", "says"),
    [
        (0, "<i", 7, "no fastText model"),
        (4, "<i", 11, "format 11"),
        (8, "<i", -1, "dim -1"),
        (8, "<i", 1 << 30, "impossible settings"),
        (28, "<i", 0, "wordNgrams 0"),
        (32, "<i", 2, "loss 2"),
        (36, "<i", 1, "no classifier"),
        (40, "<i", -5, "bucket -5"),
        (40, "<i", 0, "n-grams and no buckets"),
        (40, "<i", 17, "input matrix"),
        (64, "<i", 1 << 30, "impossible dictionary"),
        (68, "<i", 1 << 30, "impossible dictionary"),
        (72, "<i", -1, "impossible dictionary"),
        (84, "<q", 3, "quantised"),
    ],
)
def test_a_hostile_header_is_named(model: Path, tmp_path: Path, offset: int, form: str, value: int, says: str) -> None:
    broken = tmp_path / "b.bin"
    broken.write_bytes(at_offset(model.read_bytes(), offset, form, value))
    with pytest.raises(DataError, match=says):
        read_layout(broken)


def test_bytes_after_the_end_are_refused(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "b.bin"
    broken.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(DataError, match="1 bytes after its end"):
        read_layout(broken)


def test_a_label_count_that_would_break_the_tree_is_refused(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    at = content.index(b"__label__positive\0") + len(b"__label__positive\0")
    broken = tmp_path / "b.bin"
    broken.write_bytes(at_offset(content, at, "<q", 1 << 60))
    with pytest.raises(DataError, match="occurs 1152921504606846976 times"):
        read_layout(broken)


def test_weights_that_are_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "b.bin"
    broken.write_bytes(at_offset(model.read_bytes(), read_layout(model).input_at + 8, "<i", 0x7FC00000))
    with pytest.raises(DataError, match="not numbers"):
        fold(broken, tmp_path / "f.bin")


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    path = small_model(tmp_path / "m.bin", ClassifierConfig.tiny(dim=4, bucket=600, epochs=1))
    library = fasttext.load_model(str(path))
    library.quantize(input=str(tmp_path / "m.txt"), qnorm=False)
    library.save_model(str(tmp_path / "q.ftz"))
    with pytest.raises(DataError, match="quantised"):
        read_layout(tmp_path / "q.ftz")


def test_word_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a b c a b c a b c\n" * 10)
    fasttext.train_unsupervised(str(tmp_path / "t.txt"), dim=4, minCount=1, bucket=100, epoch=1, thread=1, verbose=0).save_model(
        str(tmp_path / "v.bin")
    )
    with pytest.raises(DataError, match="word vectors"):
        read_layout(tmp_path / "v.bin")


@pytest.mark.parametrize("content", [b"", b"\0", b"__label__a some text\n" * 100, b"\x1f\x8b" + b"\0" * 200])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.bin"):
        read_layout(tmp_path / "x.bin")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.bin"):
        read_layout(tmp_path / "none.bin")
    with pytest.raises(DataError, match="directory"):
        read_layout(tmp_path)
