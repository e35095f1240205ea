"""The unit that trains."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier import tokenise
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.train import EVALUATION, FOLDED, HELD_OUT, MANIFEST, MODEL, Manifest, held_out_domains, plan_train
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.reasons import REASONS
from reasonforge.corpus.units import Needs, Receipt, Store, digest_of, execute
from tests.corpus.classifier.examples import SMALL, candidates, stored


def trained(root: Path, *files: pl.DataFrame, **options: object) -> tuple[Store, Receipt]:
    """Train on tables of candidates."""
    inputs = [stored(frame, root / f"candidates-{number}.parquet") for number, frame in enumerate(files)]
    config = SMALL.model_validate({**SMALL.model_dump(), **options})
    store = Store(root / "corpus")
    return store, execute(plan_train(config, inputs), store)


def test_it_tells_mathematics_on_domains_it_has_not_seen(tmp_path: Path) -> None:
    store, receipt = trained(tmp_path, candidates(400))
    figures = json.loads(store.output(receipt, EVALUATION).read_bytes())
    assert figures["pr_auc"] > 0.98
    assert figures["num_domains"] >= 2


def test_it_says_how_many_threads_and_how_much_memory_it_takes() -> None:
    assert plan_train(ClassifierConfig(threads=8), []).needs == Needs(cpus=8, memory_bytes=2_048_000_000)


def test_every_example_is_accounted_for(tmp_path: Path) -> None:
    frame = candidates(100)
    both = frame.filter("positive").head(3).with_columns(positive=pl.lit(False))
    _, receipt = trained(tmp_path, frame, both, frame.head(2), num_positives=40, num_negatives=30)
    assert receipt.counts.taken == 105
    assert receipt.counts.kept == 70
    assert receipt.counts.dropped == {"also_positive": 3, "repeated_example": 2, "not_drawn": 30}
    assert set(receipt.counts.dropped) <= set(REASONS)


def test_the_lowest_ranks_are_drawn(tmp_path: Path) -> None:
    frame = candidates(100)
    store, receipt = trained(tmp_path, frame, num_positives=20, num_negatives=20, held_out=0.49)
    lowest = pl.concat([frame.filter(pl.col("positive") == kind).sort("rank").head(20) for kind in (True, False)])
    held = read_table(store.output(receipt, HELD_OUT))
    assert held.height > 0
    assert set(held["id"]) == set(lowest.filter(pl.col("domain").is_in(held["domain"].implode()))["id"])


def test_no_domain_is_on_both_sides(tmp_path: Path) -> None:
    frame = candidates(200)
    store, receipt = trained(tmp_path, frame)
    held = read_table(store.output(receipt, HELD_OUT))
    assert set(held["id"]) == set(frame.filter(pl.col("domain").is_in(held["domain"].implode()))["id"])
    assert 0 < held.height < frame.height


def test_how_the_candidates_are_split_into_files_does_not_matter(tmp_path: Path) -> None:
    frame = candidates(120)
    one = trained(tmp_path / "one", frame)[1]
    two = trained(tmp_path / "two", frame[70:], frame[:70])[1]
    assert one.outputs == two.outputs


def test_the_same_unit_writes_the_same_bytes(tmp_path: Path) -> None:
    frame = candidates(120)
    assert digest_of([trained(tmp_path / "a", frame)[1]]) == digest_of([trained(tmp_path / "b", frame)[1]])


def test_another_seed_is_another_model(tmp_path: Path) -> None:
    frame = candidates(120)
    found = [trained(tmp_path / str(seed), frame, seed=seed)[1].outputs[FOLDED] for seed in (0, 1)]
    assert found[0] != found[1]


def test_the_manifest_says_what_was_done(tmp_path: Path) -> None:
    store, receipt = trained(tmp_path, candidates(100), max_chars=50)
    content = json.loads(store.output(receipt, MANIFEST).read_bytes())
    assert content["tokeniser"] == tokenise.digest()
    assert content["max_chars"] == content["options"]["max_chars"] == 50
    assert content["deterministic"] is True
    assert content["examples"]["positives"] == 50
    assert content["library"]["name"].startswith("fasttext")


def test_the_librarys_model_is_kept_where_it_is_asked_for_and_changes_nothing_else(tmp_path: Path) -> None:
    frame = candidates(120)
    bare, whole = (trained(tmp_path / str(keep), frame, keep_library_model=keep)[1].outputs for keep in (False, True))
    assert {MODEL, *bare} == whole.keys()
    assert MODEL not in bare
    assert bare == {name: output for name, output in whole.items() if name != MODEL}
    assert whole[MODEL].size > 4 * SMALL.dim * SMALL.bucket


def test_several_threads_are_noted_as_not_repeatable(tmp_path: Path) -> None:
    store, receipt = trained(tmp_path, candidates(60), threads=2)
    assert json.loads(store.output(receipt, MANIFEST).read_bytes())["deterministic"] is False


@pytest.mark.parametrize(("kind", "missing"), [(True, "negative"), (False, "positive")])
def test_one_kind_alone_is_refused(tmp_path: Path, kind: bool, missing: str) -> None:
    with pytest.raises(DataError, match=f"no {missing} example among 25"):
        trained(tmp_path, candidates(50).filter(pl.col("positive") == kind))


def test_a_single_domain_trains_without_figures(tmp_path: Path) -> None:
    store, receipt = trained(tmp_path, candidates(60, domains=1))
    assert json.loads(store.output(receipt, EVALUATION).read_bytes()) is None
    assert receipt.counts.kept == 60


def test_documents_without_a_domain_are_domains_of_their_own(tmp_path: Path) -> None:
    store, receipt = trained(tmp_path, candidates(200).with_columns(domain=pl.lit("")), held_out=0.2)
    assert 10 < read_table(store.output(receipt, HELD_OUT)).height < 90


def test_held_out_domains_do_not_depend_on_the_others() -> None:
    frame = candidates(400, domains=100).with_columns(group="domain")
    whole = held_out_domains(frame, share=0.3, seed=1)
    some = frame.filter(pl.col("group") < "d5")
    assert held_out_domains(some, share=0.3, seed=1) == [name for name in whole if name < "d5"]
    assert 15 < len(whole) < 45


@pytest.mark.parametrize("seed", range(40))
def test_what_is_held_out_leaves_half_of_either_kind_to_learn_from(seed: int) -> None:
    # d3 is a domain of both kinds, and nearly all positives are its.
    rows = [("d3", True)] * 30 + [("d4", True)] * 4 + [(f"d{number}", False) for number in range(20) for _ in range(3)]
    frame = pl.DataFrame(rows, schema=["group", "positive"], orient="row")
    held_out = held_out_domains(frame, share=0.3, seed=seed)
    left = frame.filter(~pl.col("group").is_in(held_out))
    assert "d3" not in held_out
    for kind in (True, False):
        assert left.filter(pl.col("positive") == kind).height >= frame.filter(pl.col("positive") == kind).height / 2


def test_a_kind_of_one_domain_is_not_held_out() -> None:
    frame = pl.DataFrame({"group": ["one"] * 5 + [f"d{number}" for number in range(8)], "positive": [True] * 5 + [False] * 8})
    assert all("one" not in held_out_domains(frame, share=0.2, seed=seed) for seed in range(20))


def test_a_label_in_a_text_trains_no_label(tmp_path: Path) -> None:
    frame = candidates(60).with_columns(text=pl.col("text") + " __label__third\n__label__third\u2028x")
    store, receipt = trained(tmp_path, frame)
    assert json.loads(store.output(receipt, MANIFEST).read_bytes())["labels"] == ["__label__negative", "__label__positive"]


def test_a_manifest_of_another_tokenisation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"tokeniser": "0" * 32, "max_chars": 0}))
    with pytest.raises(DataError, match="another tokenisation") as error:
        Manifest.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"tokeniser": 3}', "\xff"])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match="not the manifest"):
        Manifest.read(path)
