"""A CLIP vocabulary of our own: the captions' words are single tokens, anything else is bytes.

The stock CLIPTokenizer loads what this writes. Refuses nothing: every text has tokens, because all
256 bytes do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from training.captions import vocabulary
from training.model import TOKENS_MAX
from training.ranges import FIRST, Range

END = "</w>"
START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"
Pair = tuple[str, str]


def byte_letters() -> list[str]:
    """The 256 printable letters that stand for bytes in byte-level BPE, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(rest))]


def merges(words: Iterable[str]) -> list[Pair]:
    """Merge rules, in order of rank, under which every word becomes one token.

    A word's rules are appended after those of earlier words, so they cannot disturb them: while an
    earlier word is not yet whole, one of its own rules has the better rank.
    """
    ranks: dict[Pair, int] = {}
    for word in words:
        pieces = split(word, ranks)
        while len(pieces) > 1:
            ranks.setdefault((pieces[0], pieces[1]), len(ranks))
            pieces = split(word, ranks)
    return list(ranks)


def split(word: str, ranks: dict[Pair, int]) -> list[str]:
    """The tokens of one lower-case ASCII word under the given merge ranks."""
    pieces = [*word[:-1], word[-1] + END]
    while len(pieces) > 1:
        pairs = list(pairwise(pieces))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        place = 0
        while place < len(pieces):
            if tuple(pieces[place : place + 2]) == best:
                joined.append(best[0] + best[1])
                place += 2
            else:
                joined.append(pieces[place])
                place += 1
        pieces = joined
    return pieces


def write(folder: Path, of: Range = FIRST) -> CLIPTokenizer:
    """Write the tokenizer's files into `folder` and answer the tokenizer read back from them."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = merges(vocabulary(of))
    letters = byte_letters()
    tokens = [*letters, *(letter + END for letter in letters)]
    tokens += [left + right for left, right in rules]
    tokens = [*dict.fromkeys(tokens), START_TOKEN, END_TOKEN]
    table = {token: place for place, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in rules)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        model_max_length=TOKENS_MAX,
        pad_token=END_TOKEN,
    )
    tokenizer.save_pretrained(folder)
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return loaded


def load(folder: Path, of: Range = FIRST) -> CLIPTokenizer:
    """Read the tokenizer if its files are there, else write them; safe beside other readers."""
    if not (folder / "tokenizer_config.json").exists():
        return write(folder, of)
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return loaded
