"""Signed files verify with a C2PA reader, hold the same pixels, and tell when they were touched."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from postproc.describe import DIGITAL_SOURCES, SOURCE_BASE
from postproc.files import read_back
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.provenance import Signer, read_manifest, signed
from postproc.recipe import parse_recipe
from postproc.svg import rasterise
from schemas.errors import Rejected, Unusable

pytest.importorskip("c2pa")

RECIPE = """
name = "signed"
version = 1
[[step]]
do = "enlarge"
scale_max = 1
[[step]]
do = "ink"
[[step]]
do = "trace"
bleed_mm = 2
"""
KINDS = {"png": "image", "tiff": "print", "svg": "vector", "pdf": "spot", "palette": "palette"}
WRITES = "".join(f'[[step]]\ndo = "write"\nfile = "{f}"\nrole = "{r}"\n' for f, r in KINDS.items())


@pytest.fixture(scope="module")
def signer(signing_keys: Path) -> Signer:
    """A key and a chain of two certificates, made for this run."""
    return Signer(
        certificates=(signing_keys / "chain.pem").read_bytes(),
        private_key=(signing_keys / "leaf.key").read_bytes(),
    )


@pytest.fixture(scope="module")
def both(periodic: Any, signer: Signer) -> tuple[Finished, Finished]:
    """The same set unsigned and signed."""
    recipe = parse_recipe(RECIPE + WRITES, source="signed.toml")
    order = Order(repeat=repeat_of("half-drop", 80_000, 80_000), design="dots")
    tile = periodic(HALF_DROP, seed=3)
    return finish(tile, recipe, order), finish(tile, recipe, replace(order, signer=signer))


def manifest_of(found: dict[str, Any]) -> dict[str, Any]:
    active: dict[str, Any] = found["manifests"][found["active_manifest"]]
    return active


@pytest.mark.parametrize("role", ["image", "print", "vector"])
def test_a_reader_finds_the_signature_and_the_origin(both: Any, role: str) -> None:
    """Valid, ours, drawn by a trained model, by this recipe; no prompt and no thumbnail inside."""
    artefact = next(a for a in both[1].artefacts if a.role == role)
    found = read_manifest(artefact.data, artefact.media_type)
    assert found["validation_state"] == "Valid"
    codes = {entry["code"] for entry in found.get("validation_status", [])}
    # Nobody knows this run's authority: that alone is what a reader may object to.
    assert codes <= {"signingCredential.untrusted"}
    active = manifest_of(found)
    assert active["title"] == artefact.display_name
    assert "thumbnail" not in active
    said = json.dumps(active["assertions"])
    assert SOURCE_BASE + DIGITAL_SOURCES[0] in said
    assert both[1].recipe_hash in said


def test_signing_moves_no_pixel(both: Any) -> None:
    """Raster files decode to what they were, and the vector draws the same picture."""
    plain, sealed = ({a.role: a.data for a in done.artefacts} for done in both)
    for role in ("image", "print"):
        assert np.array_equal(read_back(plain[role]), read_back(sealed[role]))
    drawn = [rasterise(files["vector"], width_px=64, height_px=64) for files in (plain, sealed)]
    assert np.array_equal(*drawn)
    assert plain["palette"] == sealed["palette"]


def test_a_pdf_has_its_manifest_beside_it(both: Any) -> None:
    """The sidecar verifies the page, which paints and names what it did before it was signed."""
    pikepdf = pytest.importorskip("pikepdf")
    plain, sealed = ({a.role: a for a in done.artefacts} for done in both)
    page, beside = sealed["spot"], sealed["spot-c2pa"]
    assert beside.display_name == page.display_name + ".c2pa"
    found = read_manifest(page.data, page.media_type, beside=beside.data)
    assert found["validation_state"] == "Valid"
    with (
        pikepdf.open(io.BytesIO(plain["spot"].data)) as before,
        pikepdf.open(io.BytesIO(page.data)) as after,
    ):
        assert after.check_pdf_syntax() == []
        old, new = before.pages[0], after.pages[0]
        assert new.Contents.read_bytes() == old.Contents.read_bytes()
        assert list(new.TrimBox) == list(old.TrimBox)
        inks = [[str(space[1]) for space in p.Resources.ColorSpace.values()] for p in (old, new)]
        assert sorted(inks[0]) == sorted(inks[1])
        assert len(after.Root.OCProperties.OCGs) == len(before.Root.OCProperties.OCGs)


@pytest.mark.parametrize("role", ["image", "spot"])
def test_a_touched_file_is_found_out(both: Any, role: str) -> None:
    """One changed byte of the art, and the reader says so."""
    files = {a.role: a for a in both[1].artefacts}
    data = bytearray(files[role].data)
    at = data.index(b"IDAT") + 40 if role == "image" else data.index(b"stream") + 40
    data[at] ^= 1
    beside = files["spot-c2pa"].data if role == "spot" else None
    found = read_manifest(bytes(data), files[role].media_type, beside=beside)
    assert found["validation_state"] == "Invalid"


def test_a_key_that_cannot_sign_says_so(both: Any, signer: Signer) -> None:
    """Nonsense for a key, or an unknown algorithm, is named and nothing is half signed."""
    facts = {"digital_source": DIGITAL_SOURCES[0], "recipe_sha256": "0" * 64}
    with pytest.raises(Unusable, match="cannot be signed"):
        signed(both[0].artefacts, replace(signer, private_key=b"nonsense"), **facts)
    with pytest.raises(Rejected) as caught:
        signed(both[0].artefacts, replace(signer, algorithm="md5"), **facts)
    assert caught.value.field == "algorithm"


def test_the_manifest_is_read_from_the_file_alone(both: Any) -> None:
    """An unsigned file has none, and reading it says so rather than guessing."""
    artefact = next(a for a in both[0].artefacts if a.role == "image")
    with pytest.raises(Exception, match="ManifestNotFound"):
        read_manifest(io.BytesIO(artefact.data).getvalue(), artefact.media_type)
