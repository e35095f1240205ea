"""A decoder that says a number instead of a token: reward models and critics."""

from __future__ import annotations

import copy
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.layers import Linear
from reasonforge.tensors.batch import TokenBatch


class ScalarModel(nn.Module):
    """A decoder and one linear output. It has no output head over the vocabulary: its config says that embeddings are tied.

    Parameters are zero until a loader or ``from_decoder`` fills them.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.decoder = Decoder(config.model_copy(update={"tie_embeddings": True}))
        self.score = Linear(config.hidden_size, 1)

    @classmethod
    def from_decoder(cls, decoder: Decoder) -> Self:
        """Return a scalar model that starts with a copy of a decoder, on its device; every value is 0 at first."""
        model = cls(decoder.config)
        body = {name: tensor for name, tensor in decoder.state_dict().items() if not name.startswith("lm_head.")}
        model.decoder.load_state_dict(copy.deepcopy(body))
        return model.to(decoder.embed_tokens.weight.device)

    def values(self, batch: TokenBatch, *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "B T"]:
        """Return a value per position, float32; padding holds garbage.

        Entry ``[b, t]`` is read from the hidden state that predicts ``targets[b, t]``: of a critic, V of the state in which that token is
        chosen. A value *after* a token is therefore the next token's entry; a sample that ends there needs one more token, whose id is
        never read.

        Args:
            dtype: of the decoder's matrix products; the last one is float32.
        """
        hidden = self.decoder.hidden_states(batch, dtype=dtype)
        return (hidden.to(torch.promote_types(dtype, torch.float32)) @ self.score.weight.T).squeeze(-1)
