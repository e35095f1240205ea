"""From a recipe's data table to a mixture that a model of a given tokenizer may be trained on."""

from __future__ import annotations

from reasonforge.core.errors import DataError
from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.mixing.mixture import MixedSource, Mixture
from reasonforge.corpus.packing.reader import Shards, Windows
from reasonforge.tasks.config import ShardFolder, ShardsSource
from reasonforge.text.tokenizer import Tokenizer

ONLY_SOURCE = "corpus"
"""What metrics call the source of a table that has one and no name for it."""


def open_mixture(source: ShardsSource, tokenizer: Tokenizer, *, seq_len: int, seed: int) -> Mixture:
    """Open the folders of a data table.

    Args:
        source: the table.
        tokenizer: of the model to be trained.
        seq_len: tokens that a window predicts.
        seed: of the order of each source's windows.

    Raises:
        DataError: a folder cannot be read, or was packed by another tokenizer.
        RecipeError: the weights cannot be shares.
    """
    folders = source.sources or {ONLY_SOURCE: ShardFolder(path=source.path, weight=1.0)}
    sources: list[MixedSource] = []
    for name, folder in folders.items():
        shards = Shards(folder.path)
        _check_tokenizer(shards, tokenizer)
        windows = Windows(shards, seq_len=seq_len, seed=derive_seed(seed, "windows", name))
        sources.append(MixedSource(name=name, weight=folder.weight, windows=windows))
    return Mixture(sources)


def _check_tokenizer(shards: Shards, tokenizer: Tokenizer) -> None:
    where = shards.folders[0]
    if shards.vocab_size != tokenizer.vocab_size:
        raise DataError(
            f"{where}: packed with a vocabulary of {shards.vocab_size} ids, the model's tokenizer has {tokenizer.vocab_size}: "
            "pack with the model's tokenizer, or train a model with the one that packed"
        )
    if shards.tokenizer_sha256 != tokenizer.encoding_sha256:
        raise DataError(
            f"{where}: packed by another tokenizer ({shards.tokenizer_sha256[:12]}) than the model's ({tokenizer.encoding_sha256[:12]}): "
            "its ids mean other text. Pack with the model's tokenizer, or train a model with the one that packed"
        )
