"""Ranges: the first one is frozen, because shards, weights and a shipped tokenizer rest on it."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import torch

from training import captions, labels, motifs, palette, people, ranges, render, vocabulary
from training.lattice import Lattice
from training.ranges import FIRST, RANGES, WHOLE, Range

SHIPPED = Path(__file__).parents[3] / "inference" / "builtin" / "swatch" / "tokenizer"


def drawn(of: Range, count: int, seed: int = 20261124) -> list[render.Swatch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        render.draw_swatch(render.draw_group(generator, of), generator, of) for _ in range(count)
    ]


def test_the_first_range_is_frozen() -> None:
    """Draws, labels and captions of the first range come out as the shipped model knows them."""
    dice = random.Random(20261124)
    seen = hashlib.sha256()
    generator = torch.Generator().manual_seed(20261124)
    for _ in range(96):
        swatch = render.draw_swatch(render.draw_group(generator), generator)
        line = (labels.label(swatch), captions.caption(swatch, dice))
        seen.update(repr(line).encode())
    assert seen.hexdigest() == "bc109ad2a72afb77a2679228e3243716db6c68a820a860fd6f0e1bf1a2aa6457"
    assert list(labels.FIELDS.values()) == [16, 4, 3, 4, 16, 16, 17, 17]


def test_pictures_of_the_first_range_are_frozen() -> None:
    """One picture of each family has the mean colours that the first shards hold."""
    made = [
        render.Swatch(
            motif=motif,
            scale="medium",
            lattice=Lattice.STRAIGHT,
            inks=("red", "navy"),
            ground="cream",
            fill=0.3,
            turn=0.7,
            seed=5,
        )
        for motif in FIRST.motifs
    ]
    means = render.render(made, 64).mean((2, 3)).sum(1)
    assert torch.allclose(means, torch.tensor(MEANS), atol=2e-4)


MEANS = [
    2.184,
    2.1197,
    1.6708,
    1.7938,
    1.8457,
    1.622,
    1.6218,
    1.492,
    2.1365,
    1.8668,
    2.1471,
    2.2694,
    2.2962,
    2.248,
    1.9224,
    2.2096,
]


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer.json"])
def test_the_shipped_tokenizer_is_the_first_range(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Written anew, the tokenizer of the first range is the shipped one, byte for byte."""
    folder = tmp_path_factory.getbasetemp() / "first"
    vocabulary.load(folder)
    assert (folder / name).read_bytes() == (SHIPPED / name).read_bytes()


def test_the_whole_range_begins_with_the_first() -> None:
    """A family or colour has the same index in both ranges; none is named twice."""
    assert WHOLE.motifs[: len(FIRST.motifs)] == FIRST.motifs
    assert WHOLE.colours[: len(FIRST.colours)] == FIRST.colours
    assert len(set(WHOLE.motifs)) == len(WHOLE.motifs) == len(motifs.MOTIFS)
    assert len(set(WHOLE.colours)) == len(WHOLE.colours) == len(palette.COLOURS)


def test_the_whole_range_is_wide() -> None:
    """At least 40 families and exactly 60 colours, every colour with a value of its own."""
    assert len(WHOLE.motifs) >= 40
    assert len(WHOLE.colours) == 60
    assert len(set(palette.COLOURS.values())) == 60


@pytest.mark.parametrize("of", RANGES.values(), ids=RANGES.keys())
def test_every_name_has_words_and_no_word_has_two_meanings(of: Range) -> None:
    """Each family and colour can be said, and what is said names one thing only."""
    for names, book in ((of.motifs, of.nouns), (of.colours, of.colour_words)):
        assert tuple(book) == names
        said = [word for entry in book.values() for word in entry]
        assert len(said) == len(set(said))


def test_the_whole_range_uses_all_it_has() -> None:
    """Two to six colours, every finish, every family turn up in what is drawn."""
    made = drawn(WHOLE, 1500)
    assert {len(one.inks) + 1 for one in made} == {2, 3, 4, 5, 6}
    assert {one.motif for one in made} == set(WHOLE.motifs)
    assert {one.texture for one in made} == {"plain", "linen", "watercolour", "grain"}
    assert {one.style for one in made} == {"fill", "line"}
    assert {one.layout for one in made} == {"set", "tossed"}
    assert {one.density for one in made} == {"even", "sparse", "dense"}


def test_labels_of_the_whole_range_return_the_attributes() -> None:
    """Everything that a caption of the whole range may say survives its label."""
    for one in drawn(WHOLE, 200):
        back = labels.swatch(labels.label(one, WHOLE), WHOLE)
        for name in ("motif", "scale", "lattice", "inks", "ground", "direction", "density"):
            assert getattr(back, name) == getattr(one, name), name
        assert (back.layout, back.style, back.texture) == (one.layout, one.style, one.texture)
        assert all(
            0 <= value < size
            for value, size in zip(
                labels.label(one, WHOLE), labels.fields(WHOLE).values(), strict=True
            )
        )


def test_a_stranger_has_no_label_in_the_first_range() -> None:
    """A family or a colour of the whole range alone is refused, not mapped to something else."""
    stranger = render.Swatch(
        motif="damask", scale="small", lattice=Lattice.BRICK, inks=("plum",), ground="mint"
    )
    with pytest.raises(ValueError, match="index"):
        labels.label(stranger)


def test_captions_of_the_whole_range_never_lie() -> None:
    """A finish, a direction or a layout is said only of a picture that has it."""
    dice = random.Random(4)
    books = (
        ("density", ranges.words.DENSITY_WORDS),
        ("style", ranges.words.STYLE_WORDS),
        ("texture", ranges.words.TEXTURE_WORDS),
    )
    for one in drawn(WHOLE, 400):
        text = f" {captions.caption(one, dice, WHOLE).replace(',', ' ')} "
        assert text.strip()
        for name, book in books:
            for value, said in book.items():
                if value != getattr(one, name):
                    assert not [word for word in said if f" {word} " in text], text


def test_every_word_of_the_whole_range_is_in_its_vocabulary() -> None:
    """Captions of the whole range hold no word that its tokenizer would spell in bytes."""
    dice = random.Random(5)
    known = set(captions.vocabulary(WHOLE))
    for one in drawn(WHOLE, 300):
        words = captions.caption(one, dice, WHOLE).lower().replace(",", " ").replace("&", " ")
        for word in words.replace("-", " ").replace("'", " ").split():
            assert word in known, word


def test_people_ask_for_what_there_is() -> None:
    """Sixty prompts, half of them of the first range; every expectation is a name of its range."""
    assert len({one.prompt for one in people.PROMPTS}) == 60
    assert sum(one.range == "first" for one in people.PROMPTS) == 30
    for one in people.PROMPTS:
        of = RANGES[one.range]
        assert one.motif in of.motifs
        assert {*one.inks, *filter(None, [one.ground])} <= set(of.colours)
        assert one.scale is None or one.scale in motifs.SCALES


def test_people_do_not_speak_the_grammar() -> None:
    """No prompt comes out of the grammar, however often what it asks for is captioned."""
    dice = random.Random(6)
    for one in people.PROMPTS:
        of = RANGES[one.range]
        said = set()
        for _ in range(60):
            colours = [*one.inks, *filter(None, [one.ground])] or ["white"]
            swatch = render.Swatch(
                motif=one.motif,
                scale=one.scale or dice.choice(motifs.SCALES),
                lattice=one.lattice,
                inks=tuple(colours[:-1]) or tuple(colours),
                ground=colours[-1],
                turn=dice.random(),
            )
            said.add(captions.caption(swatch, dice, of).lower())
        assert one.prompt.lower() not in said


def test_nothing_that_trains_reads_people() -> None:
    """The prompts are kept out of training: only the evaluation may know them."""
    room = Path(people.__file__).parent
    readers = {
        path.name
        for path in room.rglob("*.py")
        if "training.people" in path.read_text(encoding="utf-8")
    }
    assert readers <= {"evaluate.py", "wishes.py", "probe.py"}
