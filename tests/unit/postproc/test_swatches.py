"""A client's colours come in and go out by ASE and CSV, and every Lab says how it was seen."""

from __future__ import annotations

import csv
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.cie import Viewing, to_d50
from postproc.swatches import (
    Swatch,
    of_hex,
    of_lab,
    parse_swatches,
    read_swatches,
    write_ase,
    write_csv,
)
from schemas.errors import Rejected

CLIENT = [of_lab("Mill Navy", (20.5, 4.25, -30)), of_hex("crème", "#f6eed6")]


def ase(*entries: tuple[str, bytes, tuple[float, ...]], group: str = "") -> bytes:
    """An ASE file built here from the published layout, not by our writer."""
    blocks = []
    if group:
        name = (group + "\0").encode("utf-16-be")
        body = struct.pack(">H", len(name) // 2) + name
        blocks.append(struct.pack(">HI", 0xC001, len(body)) + body)
    for title, model, values in entries:
        name = (title + "\0").encode("utf-16-be")
        body = struct.pack(">H", len(name) // 2) + name + model
        body += struct.pack(f">{len(values)}fH", *values, 1)
        blocks.append(struct.pack(">HI", 1, len(body)) + body)
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(blocks)) + b"".join(blocks)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
            st.tuples(st.floats(0, 100), st.floats(-100, 100), st.floats(-100, 100)),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_written_is_read_back(colours: list[tuple[str, tuple[float, ...]]]) -> None:
    """ASE and CSV keep names and Lab, and say D50/2 so that no default can bend them."""
    swatches = [of_lab(name, lab, viewing="D50/2") for name, lab in colours]
    for data in (write_ase(swatches, group="night"), write_csv(swatches)):
        found = read_swatches(data)
        assert [swatch.name for swatch in found] == [swatch.name for swatch in swatches]
        wanted = np.array([swatch.lab for swatch in swatches])
        assert np.allclose([swatch.lab for swatch in found], wanted, atol=1e-3)


def test_lab_is_d65_and_ten_degrees_unless_it_says_otherwise() -> None:
    """Import adapts to D50 from the default, from the caller's word, and from the file's own."""
    data = b"name,L,a,b\nbrick,45,40,20\n"
    by_default = read_swatches(data)[0].lab
    assert np.allclose(by_default, to_d50([45, 40, 20], Viewing("D65/10")))
    assert np.allclose(read_swatches(data, viewing="D50/2")[0].lab, [45, 40, 20])
    said = b"name,L,a,b,illuminant,observer\nbrick,45,40,20,A,2\n"
    assert np.allclose(read_swatches(said)[0].lab, to_d50([45, 40, 20], Viewing("A/2")))
    entry = ("brick", b"LAB ", (0.45, 40.0, 20.0))
    assert np.allclose(read_swatches(ase(entry))[0].lab, by_default, atol=1e-4)
    grouped = read_swatches(ase(entry, group="Autumn (D50/2)"))[0].lab
    assert np.allclose(grouped, [45, 40, 20], atol=1e-4)


def test_rgb_and_grey_swatches_are_srgb() -> None:
    """What a drawing program saves without Lab is taken as sRGB."""
    entries = [("sky", b"RGB ", (0.0, 128 / 255, 1.0)), ("mouse", b"Gray", (0.5,))]
    assert [swatch.rgb for swatch in read_swatches(ase(*entries))] == [
        (0, 128, 255),
        (128, 128, 128),
    ]


def test_tables_from_any_office_are_read() -> None:
    """A byte-order mark, semicolons and decimal commas are what half of Europe saves."""
    data = "\ufeffName;L;a;b\r\nMarine;20,5;4,25;-30\r\n".encode()
    assert read_swatches(data)[0] == Swatch(
        name="Marine", lab=of_lab("", (20.5, 4.25, -30)).lab, rgb=of_lab("", (20.5, 4.25, -30)).rgb
    )


def test_a_csv_reader_finds_every_column() -> None:
    """The standard library's reader agrees with our header."""
    rows = list(csv.DictReader(io.StringIO(write_csv(CLIENT).decode())))
    assert [row["name"] for row in rows] == ["Mill Navy", "crème"]
    assert rows[1]["hex"] == "#f6eed6"
    assert {(row["illuminant"], row["observer"]) for row in rows} == {("D50", "2")}


def test_the_short_form_of_recipes() -> None:
    """Names are optional, hex and Lab mix, nothing is nothing."""
    found = parse_swatches("deep navy #182454, 93 -1 10, red 45.5 60 40")
    assert [swatch.name for swatch in found] == ["deep navy", "colour 2", "red"]
    assert found[0].rgb == (0x18, 0x24, 0x54)
    assert parse_swatches("  ") == ()


BAD = [
    (b"hello", "columns name"),
    (b"\xff\xfe\x00", "ASE, or CSV"),
    (b"name,hex\n", "1 to 256"),
    (b"name,hex\nx,#12345\n", "#rrggbb"),
    (b"name,l,a,b\nx,10,nan,0\n", "a finite number"),
    (b"name,l,a,b\nx,101,0,0\n", "L 0 to 100"),
    (b"name,l,a,b,illuminant,observer\nx,10,0,0,D93,2\n", "one of D65/10"),
    (b"name,hex\nx,\n", "name and #rrggbb"),
    (b"ASEF\x00\x01\x00\x00\x00\x00\x00\x02\x00\x01", "a whole ASE"),
    (ase(("ink", b"CMYK", (0.1, 0.2, 0.3, 0.4))), "RGB, Gray or Lab"),
    (b"name,hex\n" + b"x,#000000\n" * 300, "1 to 256"),
    (b"x" * (1 << 20) + b"y", "1048576"),
]


@pytest.mark.parametrize(("data", "limit"), BAD, ids=range(len(BAD)))
def test_bad_colour_files_are_refused(data: bytes, limit: str) -> None:
    """Cut, endless, nonsensical or profile-less: the field and the limit are named."""
    with pytest.raises(Rejected) as caught:
        read_swatches(data, field="--locked")
    assert caught.value.field == "--locked"
    assert caught.value.limit.startswith(limit)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Whatever follows an ASE's head is swatches or a refusal."""
    for head in (b"", b"ASEF\x00\x01\x00\x00"):
        try:
            assert read_swatches(head + data)
        except Rejected:
            continue
