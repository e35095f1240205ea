"""What packing says of the figure that the budgets reckon with."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.corpus.loop.measured import BytesPerToken
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.status import status_of, status_text
from reasonforge.corpus.packing.reader import Shards
from reasonforge.corpus.pool import InProcess
from reasonforge.text.tokenizer import Tokenizer
from tests.corpus.loop import web


@pytest.mark.parametrize(("measured", "reckoned", "words"), [(2.87, 4.0, "2.9"), (40.0, 4.0, "16.0"), (5.04, 4, "5.0"), (0.2, 1.0, "1.0")])
def test_what_is_far_off_comes_with_what_to_set(measured: float, reckoned: float, words: str) -> None:
    said = BytesPerToken(measured, reckoned).words()
    assert said.endswith(f": set classifier.bytes_per_token = {words}")
    assert f"the budgets reckoned with {reckoned:g}" in said


@pytest.mark.parametrize("measured", [3.21, 4.0, 4.99])
def test_what_is_near_needs_no_setting(measured: float) -> None:
    assert BytesPerToken(measured, 4.0).words() == f"measured {measured:.1f} bytes per token, the budgets reckoned with 4"


def test_a_corpus_says_at_its_end_and_in_its_status_how_long_the_tokens_of_its_mined_pages_are(
    tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "corpus"
    recipe = web.load(tiny_web, "--classifier.bytes_per_token=12", "--rounds.threshold=none", "--rounds.token_budgets=[1500]")
    assert run_corpus(recipe, root, InProcess, RunOptions()) == 0
    tokenizer, shards = Tokenizer.load(root / "tokenizer"), Shards(root / "shards" / "mined")
    texts = [tokenizer.decode(shards.document(index)[:-1].tolist()) for index in range(shards.num_documents)]
    measured = sum(len(text.encode()) for text in texts) / shards.num_tokens
    said = f"measured {measured:.1f} bytes per token, the budgets reckoned with 12: set classifier.bytes_per_token = {measured:.1f}"
    assert said in " ".join(capsys.readouterr().out.split())
    status = status_of(root)
    assert status["bytes_per_token"] == {"measured": pytest.approx(measured), "reckoned": 12.0}
    assert said in status_text(status)


def test_a_threshold_reckons_with_no_tokens(tiny_corpus: Path) -> None:
    status = status_of(tiny_corpus)
    assert status["bytes_per_token"] is None
    assert "bytes per token" not in status_text(status)
