"""The one door to the fastText library: it checks what the library would crash on, and says in a line what is wrong."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.corpus.classifier.binary import read_layout
from reasonforge.corpus.classifier.config import ClassifierConfig

MODULE = "fasttext"
LABEL = "__label__"
POSITIVE, NEGATIVE = f"{LABEL}positive", f"{LABEL}negative"

_PROBABILITY_OFFSET = 1e-5
"""The library adds it to a probability before it takes the logarithm, and does not take it away."""
_LEAST_PROBABILITY = 1e-9
"""What single precision can tell from zero after that."""


def providers(distributions: Sequence[metadata.Distribution] | None = None) -> list[tuple[str, str]]:
    """Return name and version of every installed distribution that brings a module ``fasttext``, by name.

    Args:
        distributions: where to look; None = in this environment.
    """
    found = set()
    for distribution in metadata.distributions() if distributions is None else distributions:
        top_level = (distribution.read_text("top_level.txt") or "").split()
        if MODULE in top_level or (not top_level and _has_module(distribution)):
            found.add((str(distribution.metadata["Name"]), distribution.version))
    return sorted(found)


def _has_module(distribution: metadata.Distribution) -> bool:
    return any(path.parts[0] in (MODULE, f"{MODULE}.py") for path in distribution.files or ())


@functools.cache
def provider() -> tuple[str, str]:
    """Return name and version of the one distribution that brings the library.

    Raises:
        UnavailableError: there is none; or there are two, of which each has overwritten files of the other.
    """
    return one_of(providers())


def one_of(found: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the only provider; see :func:`provider`."""
    if not found:
        raise UnavailableError('fastText is not installed. Install it with: pip install "reasonforge[corpus]"')
    if len(found) > 1:
        names = [name for name, _ in found]
        given = " and ".join(f"{name} {version}" for name, version in found)
        raise UnavailableError(
            f"{given} both bring the module {MODULE!r} and have overwritten each other's files. Uninstall them all and install one: "
            f"pip uninstall -y {' '.join(names)} && pip install fasttext-community"
        )
    return found[0]


def _module() -> Any:
    provider()
    import fasttext

    return fasttext


def train(lines: Path, config: ClassifierConfig, target: Path) -> None:
    """Train on a file of lines ``__label__x tokens`` and write the model.

    Raises:
        DataError: the file has no words that occur often enough, or training leaves the numbers.
        UnavailableError: the library is missing or cannot train.
    """
    library = _module()
    if not hasattr(library, "train_supervised"):
        name, version = provider()
        raise UnavailableError(f"{name} {version} cannot train. Replace it: pip uninstall -y {name} && pip install fasttext-community")
    try:
        model = library.train_supervised(
            input=str(lines),
            dim=config.dim,
            lr=config.lr,
            wordNgrams=config.word_ngrams,
            minCount=config.min_count,
            epoch=config.epochs,
            loss=config.loss,
            bucket=config.bucket,
            minn=config.minn,
            maxn=config.maxn,
            thread=config.threads,
            seed=config.seed,
            label=LABEL,
            verbose=0,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "NaN" in reason:
            raise DataError(f"training left the numbers with lr = {config.lr}. Set a smaller classifier.lr") from None
        raise DataError(
            f"fastText cannot train: {reason.rstrip('.')}. Are there enough examples for classifier.min_count = {config.min_count}?"
        ) from None
    if not model.get_words():
        raise DataError(f"fastText cannot train: no word occurs classifier.min_count = {config.min_count} times in the examples")
    model.save_model(str(target))


class Classifier:
    """A model of two labels that scores tokens."""

    def __init__(self, path: Path) -> None:
        """Load a model, whole or folded, after its file was checked: the library itself would read past the end of a broken one.

        Raises:
            DataError: it is no such model, or has other labels.
            UnavailableError: the library is missing or there are two.
        """
        self.layout = read_layout(path)
        if sorted(self.layout.labels) != [NEGATIVE, POSITIVE]:
            found = ", ".join(self.layout.labels[:3])
            raise DataError(f"{path}: has the labels {found}, not {NEGATIVE} and {POSITIVE}. Name a model that reasonforge trained")
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # older packages warn on every load
                self._model = _module().load_model(str(path))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise DataError(f"{path}: fastText cannot load it: {str(error).splitlines()[0]}. Train it again") from error

    def probabilities(self, lines: Sequence[str]) -> np.ndarray:
        """Return the probability of a positive for each text; see :meth:`log_odds`."""
        return 1.0 / (1.0 + np.exp(-self.log_odds(lines)))

    def log_odds(self, lines: Sequence[str]) -> np.ndarray:
        """Return the log-odds of a positive for each text.

        They tell pages apart whose probabilities are 1 in the library's single precision: the smaller probability of the two labels has
        its digits after the leading zeros.

        Args:
            lines: tokens of a text each, see :func:`reasonforge.corpus.classifier.tokenise.tokens_of`.

        Raises:
            DataError: the model's weights are not numbers.
        """
        # A list, never one text: packages built for NumPy 1 fail on one text under NumPy 2. Both labels, for the first need not be ours.
        try:
            labels, found = self._model.predict(list(lines), k=2)
        except RuntimeError as error:
            raise DataError(f"{self.layout.path}: fastText cannot score with it: {str(error).splitlines()[0]}. Train it again") from error
        stated = np.fromiter((value for row in map(_stated, labels, found) for value in row), np.float64, count=2 * len(lines))
        if not np.isfinite(stated).all():
            raise DataError(f"{self.layout.path}: its weights are not numbers, or too large. Train it again, with a smaller lr")
        positive, negative = np.clip(stated.reshape(-1, 2) - _PROBABILITY_OFFSET, _LEAST_PROBABILITY, 1.0).T
        return np.log(positive) - np.log(negative)


def _stated(labels: Sequence[str], probabilities: Sequence[float]) -> tuple[float, float]:
    """Return the probabilities of positive and negative as the library states them."""
    if not len(labels):  # a text without any feature: even odds
        return 0.5, 0.5
    by_label = dict(zip(labels, probabilities, strict=True))
    # Hierarchical softmax leaves out a label below 1e-5.
    return by_label.get(POSITIVE, _PROBABILITY_OFFSET), by_label.get(NEGATIVE, _PROBABILITY_OFFSET)
