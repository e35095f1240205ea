"""The unit that scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier.library import Classifier
from reasonforge.corpus.classifier.score import HISTOGRAM, SCHEMA, SCORES, estimated_tokens, plan_scores
from reasonforge.corpus.classifier.tokenise import tokens_of
from reasonforge.corpus.classifier.train import FOLDED, MANIFEST, MODEL, plan_train
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.scores import probability_of
from reasonforge.corpus.selection.cut import histogram, read_histograms
from reasonforge.corpus.units import Input, Receipt, Store, Unit, execute, file_digest, file_input
from tests.corpus.classifier.examples import SMALL, candidates, stored

PAGES = candidates(300, seed=5).select("id", "text")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained classifier."""
    root = tmp_path_factory.mktemp("trained")
    store = Store(root / "corpus")
    config = SMALL.model_copy(update={"keep_library_model": True})
    receipt = execute(plan_train(config, [stored(candidates(200), root / "candidates.parquet")]), store)
    return store.folder(receipt.unit)


def plan(model: Path, pages: Input, *masks: Input, name: str = FOLDED) -> Unit:
    return plan_scores(SMALL, model=file_input(model / name), manifest=file_input(model / MANIFEST), pages=[(pages, masks)])[0]


def scored(root: Path, model: Path, pages: pl.DataFrame, *masks: pl.DataFrame, name: str = FOLDED) -> tuple[pl.DataFrame, Receipt]:
    files = [stored(mask, root / f"mask-{number}.parquet") for number, mask in enumerate(masks)]
    store = Store(root / "corpus")
    receipt = execute(plan(model, stored(pages, root / "pages.parquet"), *files, name=name), store)
    return read_table(store.output(receipt, SCORES)), receipt


def test_scores_are_the_whole_models_probabilities(tmp_path: Path, model: Path) -> None:
    scores, _ = scored(tmp_path, model, PAGES)
    expected = Classifier(model / MODEL).probabilities(tokens_of(PAGES["text"]))
    assert scores.schema == SCHEMA
    assert scores["id"].to_list() == PAGES["id"].to_list()
    np.testing.assert_allclose(probability_of(scores["score"].to_numpy()), expected, atol=1e-4)  # half a step, in the middle


def test_the_whole_model_scores_alike(tmp_path: Path, model: Path) -> None:
    folded, _ = scored(tmp_path / "f", model, PAGES)
    whole, _ = scored(tmp_path / "m", model, PAGES, name=MODEL)
    assert np.abs(folded["score"].to_numpy().astype(int) - whole["score"].to_numpy()).max() <= 1


def test_masked_pages_are_dropped_by_the_first_masks_reason(tmp_path: Path, model: Path) -> None:
    url = PAGES.select("id").head(10).with_columns(reason=pl.lit("url_repeated"))
    near = PAGES.select("id")[8:13].with_columns(reason=pl.lit("near_duplicate"))
    bare = PAGES.select("id")[20:21]
    scores, receipt = scored(tmp_path, model, PAGES, url, near, bare)
    assert receipt.counts.dropped == {"url_repeated": 10, "near_duplicate": 3, "masked": 1}
    assert (receipt.counts.taken, receipt.counts.kept) == (300, 286)
    assert scores["id"].to_list() == [*PAGES["id"][13:20], *PAGES["id"][21:]]


def test_a_mask_of_other_pages_drops_nothing(tmp_path: Path, model: Path) -> None:
    _, receipt = scored(tmp_path, model, PAGES, pl.DataFrame({"id": ["elsewhere"], "reason": ["x"]}))
    assert receipt.counts.kept == 300


def test_the_pages_are_not_touched(tmp_path: Path, model: Path) -> None:
    pages = stored(PAGES, tmp_path / "pages.parquet")
    execute(plan(model, pages), Store(tmp_path / "corpus"))
    assert file_digest(tmp_path / "pages.parquet") == pages.digest


def test_the_histogram_is_that_of_the_scores(tmp_path: Path, model: Path) -> None:
    scores, receipt = scored(tmp_path, model, PAGES)
    found = read_histograms([Store(tmp_path / "corpus").output(receipt, HISTOGRAM)])
    np.testing.assert_array_equal(found, histogram(scores))
    assert receipt.counts.noted["tokens"] == scores["num_tokens"].sum()


def test_no_pages_have_no_scores(tmp_path: Path, model: Path) -> None:
    scores, receipt = scored(tmp_path, model, PAGES.clear())
    assert (scores.height, scores.schema, receipt.counts.taken) == (0, SCHEMA, 0)


def test_pages_without_text_get_a_score(tmp_path: Path, model: Path) -> None:
    pages = pl.DataFrame({"id": ["a", "b", "c"], "text": ["", None, "\n\u2028"]}, schema={"id": pl.String, "text": pl.String})
    scores, _ = scored(tmp_path, model, pages)
    assert scores["num_tokens"].to_list() == [0, 0, 1]
    assert scores["score"].n_unique() == 1


def test_the_score_looks_as_far_as_the_training(tmp_path: Path) -> None:
    root = tmp_path / "trained"
    store = Store(root)
    short = SMALL.model_copy(update={"max_chars": 20})
    model = store.folder(execute(plan_train(short, [stored(candidates(100), root / "candidates.parquet")]), store).unit)
    pages = PAGES.filter(pl.col("text").str.len_chars() > 20)
    longer = pages.with_columns(text=pl.col("text").str.head(20) + " theorem cat weather")
    one, _ = scored(tmp_path / "one", model, pages)
    two, _ = scored(tmp_path / "two", model, longer)
    assert one["score"].to_list() == two["score"].to_list()


def test_a_model_of_another_tokenisation_is_refused(tmp_path: Path, model: Path) -> None:
    other = tmp_path / "model"
    other.mkdir()
    (other / FOLDED).write_bytes((model / FOLDED).read_bytes())
    content = json.loads((model / MANIFEST).read_bytes()) | {"tokeniser": "0" * 32}
    (other / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(DataError, match="another tokenisation"):
        scored(tmp_path, other, PAGES)


def test_broken_pages_are_named(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "pages.parquet"
    stored(PAGES, path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"pages\.parquet: cannot read"):
        execute(plan(model, file_input(path)), Store(tmp_path / "corpus"))


def test_pages_without_their_columns_are_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match=r"pages\.parquet: cannot read"):
        scored(tmp_path, model, PAGES.select("id"))


def test_a_mask_without_ids_is_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataError, match="no mask of pages"):
        scored(tmp_path, model, PAGES, pl.DataFrame({"url": ["x"]}))


def test_tokens_are_estimated_by_bytes() -> None:
    assert estimated_tokens(pl.Series(["", "abcd", "abcde", "数学"]), 4.0).tolist() == [0, 1, 2, 2]
