"""A corpus whose files become fewer shards."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from reasonforge.corpus.loop.explain import explain_page
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.packing import batches
from reasonforge.corpus.packing.reader import Shards
from reasonforge.corpus.packing.units import num_files
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.selection.units import SELECTED
from reasonforge.text.tokenizer import Tokenizer
from tests.corpus.loop import web


def packed(root: Path) -> Shards:
    return Shards(root / "shards" / "mined")


def selected_tokens(root: Path) -> list[int]:
    """What the last round has selected of each file, by its estimate."""
    reader = CorpusReader(root)
    assert reader.last_selected is not None
    return [receipt.counts.noted["tokens"] for receipt in reader.receipts("select", reader.last_selected) if SELECTED in receipt.outputs]


@pytest.fixture(scope="module")
def root(tiny_web: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus with shards that hold two files and one."""
    root = tmp_path_factory.mktemp("batched") / "corpus"
    estimated = selected_tokens(tiny_corpus)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_LEAST_SHARDS", 1)
        loaded = web.load(tiny_web, f"--pack.shard_tokens={sum(estimated[:2])}")
        assert run_corpus(loaded, root, InProcess, RunOptions(quiet=True)) == 0
    return root


def test_files_are_batched_by_what_was_selected_of_them(root: Path, tiny_corpus: Path) -> None:
    units = [receipt.unit for receipt in CorpusReader(root).receipts("pack") if receipt.unit.stage == "pack/mined"]
    assert [num_files(unit) for unit in units] == [2, web.NUM_FILES - 2]
    assert len(packed(tiny_corpus).manifests[0].shards) == web.NUM_FILES


def test_the_stream_of_tokens_is_the_same(root: Path, tiny_corpus: Path) -> None:
    ours, apart = packed(root), packed(tiny_corpus)
    assert ours.tokens(0, ours.num_tokens).tolist() == apart.tokens(0, apart.num_tokens).tolist()
    assert ours.document_ends(0, ours.num_tokens).tolist() == apart.document_ends(0, apart.num_tokens).tolist()


@pytest.mark.parametrize("name", ["root", "tiny_corpus"])
def test_explain_names_the_shard_that_holds_the_page(request: pytest.FixtureRequest, name: str) -> None:
    root: Path = request.getfixturevalue(name)
    tokenizer, shards = Tokenizer.load(root / "tokenizer"), packed(root)
    texts = [tokenizer.decode(shards.document(index)[:-1].tolist()) for index in range(shards.num_documents)]
    by_shard: dict[str, set[str]] = {}
    for shard in shards.manifests[0].shards:
        by_shard[f"shards/mined/{shard.name}"] = {texts.pop(0) for _ in range(shard.num_documents)}
    found: list[str] = []
    for path in CorpusReader(root).outputs("pages", None, PAGES):
        pages = read_table(path, ["id", "text"]).filter(pl.col("text").is_in({text for held in by_shard.values() for text in held}))
        steps = dict(explain_page(root, pages["id"][0])["captures"][0]["steps"])
        found.append(steps["packed"])
        assert pages["text"][0] in by_shard[found[-1]]
    assert sorted(set(found)) == sorted(by_shard)
