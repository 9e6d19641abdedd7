"""The tokenizer: whole words of the captions, bytes for the rest, and never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from training import vocabulary
from training.captions import vocabulary as words
from training.model import TOKENS_MAX


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return vocabulary.write(Path(tmp_path_factory.mktemp("tokenizer")))


def test_every_caption_word_is_one_token(tokenizer: CLIPTokenizer) -> None:
    """Start, one token, end: for every word that the grammar can say."""
    assert [word for word in words() if len(tokenizer(word).input_ids) != 3] == []


def test_own_split_agrees_with_the_stock_tokenizer(tokenizer: CLIPTokenizer) -> None:
    """Our merge ranks mean the same to transformers' implementation, inside words too."""
    ranks = {pair: rank for rank, pair in enumerate(vocabulary.merges(words()))}
    for word in ("heartland", "starry", "zigzagging", "x"):
        pieces = tokenizer.convert_ids_to_tokens(tokenizer(word).input_ids)[1:-1]
        assert vocabulary.split(word, ranks) == pieces


@pytest.mark.parametrize("text", ["", "🧵🪡", "日本の波", "ünïcode", "a" * 10_000, "🧵 " * 5_000])
def test_any_text_has_tokens(tokenizer: CLIPTokenizer, text: str) -> None:
    """Empty, foreign and very long texts are cut to the model's length and hold no unknowns."""
    coded = tokenizer(text, padding="max_length", truncation=True, max_length=TOKENS_MAX)
    assert len(coded.input_ids) == TOKENS_MAX
    assert max(coded.input_ids) < len(tokenizer)


def test_text_survives_a_round_trip(tokenizer: CLIPTokenizer) -> None:
    """Bytes outside the vocabulary come back as they were, apart from capitals."""
    ids = tokenizer("Hearts 🧵 日本").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "hearts 🧵 日本"
