"""Whether a stage is whole, without doing any of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.corpus import units
from reasonforge.corpus.ingest import survey
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, print_plan, run_corpus
from reasonforge.corpus.loop.whole import stage_state
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import file_digest
from tests.corpus.loop import web


def files_of(root: Path) -> dict[str, int]:
    """Return what lies in a folder."""
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_stage_that_is_done_is_whole(tiny_corpus: Path) -> None:
    before = files_of(tiny_corpus)
    assert stage_state(tiny_corpus, "pages", None) == (True, "pages: done")
    assert stage_state(tiny_corpus, "score", 1) == (True, "round 1: score: done")
    assert stage_state(tiny_corpus, "pack", None) == (True, "pack: done")
    assert files_of(tiny_corpus) == before


def test_whoever_looks_or_plans_reads_no_input_for_its_digest(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, root = shutil.copytree(tiny_web, tmp_path / "web"), shutil.copytree(tiny_corpus, tmp_path / "corpus")
    loaded, inputs = web.load(folder), {str(path) for path in folder.glob("*.jsonl")}  # copies: nobody has read them yet

    def refuse(path: Path, *_: object) -> str:
        assert str(path) not in inputs - {f"{folder}/benchmark.jsonl"}, f"{path} is read"
        return file_digest(path)

    for module in (survey, units):
        monkeypatch.setattr(module, "file_digest", refuse)
    assert print_plan(loaded, root, RunOptions(quiet=True)) == 0
    with pytest.raises(UnavailableError, match="inputs: 5 of 5 units are not done"):
        run_corpus(loaded, root, InProcess, RunOptions(stage="pages", only=True, quiet=True))
    assert stage_state(root, "pages", None) == (False, "inputs: 5 of 5 units are not done, and pages needs them")
    with pytest.raises(AssertionError, match="is read"):
        run_corpus(loaded, root, InProcess, RunOptions(stage="inputs", only=True, quiet=True))


def test_a_stage_that_lacks_a_unit_is_not_whole(tiny_corpus: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shutil.rmtree(CorpusReader(root).store.folder(CorpusReader(root).receipts("score", 1)[0].unit))
    assert stage_state(root, "score", 1) == (False, "round 1: score: 1 unit left to do")
    assert stage_state(root, "train", 1).whole
    assert stage_state(root, "select", 1) == (False, "round 1: score: 1 of 3 units are not done, and select needs them")
    shutil.rmtree(root / "urls" / "merged")
    assert stage_state(root, "urls", None) == (False, "urls (merged): 1 unit left to do")


def test_a_folder_that_is_not_there_yet_has_done_nothing(tmp_path: Path) -> None:
    assert stage_state(tmp_path / "no", "pages", None) == (False, f"pages: nothing is done: no corpus in {tmp_path / 'no'} yet")
    assert not (tmp_path / "no").exists()


def test_a_stage_behind_a_person_is_not_whole(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    assert run_corpus(web.load(tiny_web, annotation="human"), root, InProcess, RunOptions(quiet=True)) == 0
    said = (False, "round 1: a person has to say which paths of 2 mathematical domains are mathematics")
    assert stage_state(root, "expand", 1) == said
    assert stage_state(root, "score", 2) == said
    assert stage_state(root, "worklist", 1).whole


def test_a_round_that_convergence_spares_is_whole(tiny_corpus: Path, tmp_path: Path) -> None:
    last = CorpusReader(tiny_corpus).rounds[-1]
    assert last < 4
    assert stage_state(tiny_corpus, "score", last + 1) == (True, f"round {last + 1}: score never comes: the rounds ended before")


@pytest.mark.parametrize(
    ("stage", "number", "words"),
    [
        ("scor", None, "Did you mean score"),
        ("score", 9, "comes in rounds 1 to 4"),
        ("score", None, "of which round"),
        ("urls", 1, "outside"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(tiny_corpus: Path, stage: str, number: int | None, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        stage_state(tiny_corpus, stage, number)


def test_ranks_alone_make_a_stage_whole(tiny_web: Path, tmp_path: Path) -> None:
    root, loaded = tmp_path / "corpus", web.load(tiny_web)
    calls = 0
    for stage in ("inputs", "pages", "seed", "urls"):
        while not stage_state(root, stage, None).whole:
            for rank in range(2):
                options = RunOptions(stage=stage, only=True, rank=rank, world_size=2, quiet=True)
                assert run_corpus(loaded, root, InProcess, options) == 0
                calls += 1
            assert calls < 30
    assert calls > 6  # urls has several steps
    assert not (root / "corpus.lock").exists()
