"""From words to the conditioning a UNet takes, for one and two text encoders.

Any text is taken: empty, very long, emoji, broken surrogates. What does not fit the encoder is cut,
and how much is counted, never what. Nothing here logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.loader import Loaded

_TOKENS_MAX = 1024
"""A tokenizer without a stated length says 10**30; no text encoder of these families takes more."""


@dataclass(slots=True, kw_only=True)
class Words:
    """One text, encoded."""

    tokens: Tensor
    """(tokens, channels)."""
    pooled: Tensor | None
    """(channels,), for models with added conditions."""
    tokens_cut: int


def encode(loaded: Loaded, texts: Sequence[str]) -> list[Words]:
    """Encode `texts` in one forward per encoder; equal texts once."""
    different = list(dict.fromkeys(texts))
    clean = [text.encode("utf-8", "replace").decode() for text in different]
    with torch.inference_mode():
        words = _encode_two(loaded, clean) if loaded.is_xl else _encode_one(loaded, clean)
    by_text = dict(zip(different, words, strict=True))
    return [by_text[text] for text in texts]


def nothing_said(loaded: Loaded, like: Words) -> Words | None:
    """The unconditional input of models trained with zeros for it; None for those that were not.

    (SDXL's `force_zeros_for_empty_prompt`.)
    """
    config = loaded.pipe.config
    if not loaded.is_xl or not config.get("force_zeros_for_empty_prompt", True):
        return None
    pooled = None if like.pooled is None else torch.zeros_like(like.pooled)
    return Words(tokens=torch.zeros_like(like.tokens), pooled=pooled, tokens_cut=0)


def _encode_one(loaded: Loaded, texts: list[str]) -> list[Words]:
    pipe = loaded.pipe
    ids, cut = _ids(pipe.tokenizer, pipe.text_encoder, texts)
    found = pipe.text_encoder(ids.to(loaded.device))[0]
    return [Words(tokens=found[i], pooled=None, tokens_cut=cut[i]) for i in range(len(texts))]


def _encode_two(loaded: Loaded, texts: list[str]) -> list[Words]:
    pipe = loaded.pipe
    layers, cuts = [], []
    pooled: Tensor | None = None
    for tokenizer, encoder in (
        (pipe.tokenizer, pipe.text_encoder),
        (pipe.tokenizer_2, pipe.text_encoder_2),
    ):
        ids, cut = _ids(tokenizer, encoder, texts)
        found = encoder(ids.to(loaded.device), output_hidden_states=True)
        # SDXL reads the last layer but one of both, and the pooled text of the second.
        layers.append(found.hidden_states[-2])
        pooled = found[0]
        cuts.append(cut)
    assert pooled is not None  # noqa: S101  (two encoders ran)
    tokens = torch.cat(layers, dim=-1)
    return [
        Words(tokens=tokens[i], pooled=pooled[i], tokens_cut=max(cut[i] for cut in cuts))
        for i in range(len(texts))
    ]


def _ids(tokenizer: Any, encoder: Any, texts: list[str]) -> tuple[Tensor, list[int]]:
    """Token ids (texts, length), padded and cut to the encoder's length, and how many were cut."""
    length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings, _TOKENS_MAX)
    whole = tokenizer(texts, truncation=False).input_ids
    fitted = tokenizer(
        texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return fitted, [max(0, len(ids) - length) for ids in whole]
