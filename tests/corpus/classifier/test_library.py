"""The door to the library."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.corpus.classifier.binary import fold
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import Classifier, one_of, providers, train
from reasonforge.corpus.classifier.tokenise import tokens_of
from tests.corpus.classifier.examples import SMALL, small_model, texts

LINES = tokens_of([text for _, text in texts(60, seed=2)])


def installed(root: Path, name: str, *, top_level: str | None = None, record: str = "") -> None:
    """Pretend that a distribution is installed."""
    folder = root / f"{name.replace('-', '_')}-0.9.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.9.2\n")
    (folder / "RECORD").write_text(record)
    if top_level is not None:
        (folder / "top_level.txt").write_text(top_level)


def found_in(root: Path) -> list[tuple[str, str]]:
    return providers(list(metadata.distributions(path=[str(root)])))


def test_two_packages_with_the_same_module_are_both_named(tmp_path: Path) -> None:
    installed(tmp_path, "fasttext-wheel", top_level="fasttext\nfasttext_pybind\n")
    installed(tmp_path, "fasttext-numpy2", record="fasttext/__init__.py,,\n")
    installed(tmp_path, "fasttext-langdetect", top_level="ftlangdetect\n", record="ftlangdetect/fasttext.py,,\n")
    assert found_in(tmp_path) == [("fasttext-numpy2", "0.9.2"), ("fasttext-wheel", "0.9.2")]
    with pytest.raises(UnavailableError, match=r"fasttext-numpy2 0\.9\.2 and fasttext-wheel 0\.9\.2 both bring.*pip uninstall") as error:
        one_of(found_in(tmp_path))
    assert "\n" not in str(error.value)


def test_one_package_found_twice_on_the_path_is_one(tmp_path: Path) -> None:
    installed(tmp_path, "fasttext-wheel", top_level="fasttext\n")
    twice = list(metadata.distributions(path=[str(tmp_path), str(tmp_path)]))
    assert one_of(providers(twice * 2)) == ("fasttext-wheel", "0.9.2")


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"reasonforge\[corpus\]"):
        one_of(found_in(tmp_path))


def test_this_environment_has_one() -> None:
    assert len(providers()) == 1


def test_one_text_and_many_have_the_same_probability(tmp_path: Path) -> None:
    classifier = Classifier(small_model(tmp_path / "m.bin"))
    alone = np.concatenate([classifier.probabilities([line]) for line in LINES])
    np.testing.assert_array_equal(alone, classifier.probabilities(LINES))


@pytest.mark.parametrize("loss", ["softmax", "hs"])
def test_probabilities_are_those_of_the_positive_label(tmp_path: Path, loss: str) -> None:
    classifier = Classifier(small_model(tmp_path / "m.bin", SMALL.model_copy(update={"loss": loss})))
    found = classifier.probabilities(LINES)
    assert 0 <= found.min() < 0.3 < 0.7 < found.max() <= 1
    assert ((found > 0.5) == [kind for kind, _ in texts(60, seed=2)]).mean() > 0.9


def test_softmax_is_computed_as_written(tmp_path: Path) -> None:
    # By hand from the folded file: one unigram, its end of line, no n-grams.
    config = ClassifierConfig.tiny(dim=4, bucket=0, word_ngrams=1, epochs=3)
    fold(small_model(tmp_path / "m.bin", config), tmp_path / "f.bin")
    classifier = Classifier(tmp_path / "f.bin")
    library = classifier._model
    rows = library.get_input_matrix()
    logits = (rows[library.get_word_id("theorem")] + rows[library.get_word_id("</s>")]) / 2
    odds = np.exp(logits - logits.max())
    expected = (odds / odds.sum())[library.get_labels().index("__label__positive")]
    assert classifier.probabilities(["theorem"])[0] == pytest.approx(expected, abs=1e-6)


def test_no_texts_have_no_probabilities(tmp_path: Path) -> None:
    assert Classifier(small_model(tmp_path / "m.bin")).probabilities([]).shape == (0,)


def test_weights_that_are_no_numbers_are_one_line(tmp_path: Path) -> None:
    path = small_model(tmp_path / "m.bin")
    content = bytearray(path.read_bytes())
    content[-16 * SMALL.dim // 2 :] = np.full(2 * SMALL.dim, np.nan, "<f4").tobytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"m\.bin: ") as error:
        Classifier(path).probabilities(LINES)
    assert "\n" not in str(error.value)


def test_a_model_with_other_labels_is_refused(tmp_path: Path) -> None:
    path = small_model(tmp_path / "m.bin", also=["__label__third some text"] * 5)
    with pytest.raises(DataError, match="has the labels"):
        Classifier(path)


@pytest.mark.parametrize("content", ["", "\n", "__label__positive a\n__label__negative b\n"])
def test_too_little_to_train_on_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.txt").write_text(content)
    with pytest.raises(DataError, match=r"cannot train.*min_count = 3"):
        train(tmp_path / "t.txt", SMALL, tmp_path / "m.bin")


def test_training_that_leaves_the_numbers_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lr = 1e\+30.*smaller classifier\.lr"):
        small_model(tmp_path / "m.bin", SMALL.model_copy(update={"lr": 1e30}))  # beyond the range of the setting


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"minn": 3}, "minn = 3 is more than maxn"),
        ({"maxn": 3}, "maxn = 3 has no effect"),
        ({"bucket": 0}, "bucket = 0 leaves no rows"),
        ({"word_ngrams": 1}, "has no effect without n-grams"),
        ({"dims": 3}, "dims"),
    ],
)
def test_settings_without_effect_are_refused(options: dict[str, int], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ClassifierConfig.model_validate(options)


def test_the_defaults_are_the_papers() -> None:
    config = ClassifierConfig()
    assert (config.dim, config.lr, config.word_ngrams, config.min_count, config.epochs) == (256, 0.1, 3, 3, 3)
    assert (config.num_positives, config.num_negatives) == (500_000, 500_000)


def test_the_settings_load_neither_numpy_nor_polars() -> None:
    code = (
        "import sys, reasonforge.corpus.classifier.config, reasonforge.corpus.selection.config;"
        "print(sorted({'numpy', 'polars', 'fasttext'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
