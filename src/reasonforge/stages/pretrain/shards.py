"""What a step of pre-training reads of packed shards. Torch-free: a dry run asks the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonforge.core.errors import RecipeError
from reasonforge.core.ids import content_id
from reasonforge.corpus.mixing.mixture import Mixture
from reasonforge.corpus.mixing.open import open_mixture
from reasonforge.corpus.packing.reader import Int32
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.tasks.config import ShardsSource
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.config import Pack, TrainingConfig


class Piece(NamedTuple):
    """A sequence to learn from."""

    source: int
    """Index among the sources."""
    tokens: Int32


class ShardSteps:
    """The windows of every step, as a function of the step alone."""

    def __init__(
        self, config: PretrainConfig, source: ShardsSource, tokenizer: Tokenizer, *, max_context: int, seed: int, where: str
    ) -> None:
        """Open the shards and see that they last.

        Args:
            config: the stage.
            source: its data table.
            tokenizer: the model's.
            max_context: positions that the model has.
            seed: of the order.
            where: the stage's name, for messages.

        Raises:
            RecipeError: a window does not fit the model, or a step is no whole number of windows.
            DataError: the shards cannot be read, are another tokenizer's, or would be read too often.
        """
        seq_len = max_context if config.seq_len is None else config.seq_len
        if seq_len > max_context:
            raise RecipeError(f"{where}: seq_len {seq_len} does not fit the model's context of {max_context} tokens")
        _check_room(config.training, seq_len + 1, where)
        self.windows_per_step = _windows_per_step(config, seq_len, where)
        self.mixture: Mixture = open_mixture(source, tokenizer, seq_len=seq_len, seed=seed)
        self._resets = source.reset_at_documents
        self.entries = config.most_steps * self.windows_per_step
        """Windows that the stage reads, at most."""
        if source.max_epochs is not None:
            self.mixture.check_epochs(self.entries, source.max_epochs)

    @property
    def data_id(self) -> str:
        """Changes when a shard does."""
        manifests = [manifest for source in self.mixture.sources for manifest in source.windows.shards.manifests]
        return content_id([[shard.bin_xxh3, shard.idx_xxh3] for manifest in manifests for shard in manifest.shards])

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources, in the order of :attr:`Piece.source`."""
        return tuple(source.name for source in self.mixture.sources)

    def __getitem__(self, step: int) -> Sequence[Piece]:
        """Return the sequences of a step: a window each, or with ``reset_at_documents`` the pieces of documents in it."""
        first = step * self.windows_per_step
        entries = range(first, first + self.windows_per_step)
        windows = [(self.mixture[entry].source, self.mixture.read(entry)) for entry in entries]
        if not self._resets:
            return [Piece(source, window.tokens) for source, window in windows]
        # A piece of one token has nothing to predict.
        return [Piece(source, piece) for source, window in windows for piece in window.documents() if len(piece) > 1]

    def metrics(self, steps: int) -> dict[str, float]:
        """Return tokens read and epochs of each source after so many steps."""
        found: dict[str, float] = {}
        for use in self.mixture.uses(steps * self.windows_per_step):
            found |= {f"sources/{use.name}/tokens": float(use.tokens), f"sources/{use.name}/epochs": use.epochs}
        return found

    def described(self) -> str:
        """Say what the stage reads: tokens, and how often each source."""
        uses = self.mixture.uses(self.entries)
        total = sum(use.tokens for use in uses)
        parts = ", ".join(f"{use.name} {use.tokens:,} ({use.epochs:.3g} epochs)" for use in uses)
        return f"{total:,} tokens in windows of {self.mixture.seq_len}: {parts}"


def _check_room(training: TrainingConfig, length: int, where: str) -> None:
    """Refuse before the run what the first micro-batch would refuse."""
    row_tokens = training.batching.row_tokens if isinstance(training.batching, Pack) else training.max_tokens_per_device
    name = "batching.row_tokens" if isinstance(training.batching, Pack) else "max_tokens_per_device"
    if length > row_tokens:
        raise RecipeError(f"{where}: a window has {length} tokens, training.{name} is {row_tokens}: raise it, or lower seq_len")


def _windows_per_step(config: PretrainConfig, seq_len: int, where: str) -> int:
    if config.documents_per_step is not None:
        return config.documents_per_step
    assert config.tokens_per_step is not None
    windows, rest = divmod(config.tokens_per_step, seq_len)
    if rest:
        near = f"{windows * seq_len} or {(windows + 1) * seq_len}" if windows else f"{seq_len}"
        raise RecipeError(f"{where}: tokens_per_step {config.tokens_per_step} is no whole number of windows of {seq_len}: take {near}")
    return windows
