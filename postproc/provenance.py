"""Signed provenance: a C2PA manifest in each file that can hold one, beside it where it cannot.

Runs last of all, on finished bytes. Says how the art came about (IPTC's digital source type) and
by which recipe; holds no prompt and no thumbnail. Offline: no time stamp authority is asked, so a
signature is worth what its certificate is worth on the day it is read. Signing the same file twice
gives different bytes, which is why the stage keeps the first.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from postproc.describe import DIGITAL_SOURCES, SOURCE_BASE
from postproc.files import PrintSize, write_png
from postproc.products import Artefact
from schemas.errors import MissingPart, Rejected, Unusable

ALGORITHMS: Final = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
EMBEDDED: Final = frozenset({"image/png", "image/tiff", "image/svg+xml"})
BESIDE: Final = frozenset({"application/pdf"})
SIDECAR_TYPE: Final = "application/c2pa"
_TRIAL: Final = PrintSize(width_px=1, height_px=1, width_um=1000, height_um=1000)
_SETTINGS: Final = {"builder": {"thumbnail": {"enabled": False}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who vouches: PEM of the certificate chain, leaf first, and of its private key."""

    certificates: bytes
    private_key: bytes = field(repr=False)
    algorithm: str = "es256"


def signed(
    artefacts: Iterable[Artefact], signer: Signer, *, digital_source: str, recipe_sha256: str
) -> list[Artefact]:
    """The artefacts with their manifests; a PDF is followed by its sidecar of the same name.

    Raises MissingPart without c2pa-python, Unusable for a key or chain that cannot sign.
    """
    c2pa = _c2pa()
    if signer.algorithm not in ALGORITHMS:
        limit = "one of " + ", ".join(ALGORITHMS)
        raise Rejected(f"{signer.algorithm!r} cannot sign", field="algorithm", limit=limit)
    made: list[Artefact] = []
    try:
        info = c2pa.C2paSignerInfo(
            signer.algorithm.encode(), signer.certificates, signer.private_key, None
        )
        with c2pa.Signer.from_info(info) as seal:
            for artefact in artefacts:
                claim = _claim(artefact, digital_source, recipe_sha256)
                made += _sealed(c2pa, seal, artefact, claim)
    except c2pa.C2paError as error:
        raise Unusable(f"the files cannot be signed: {error}") from error
    return made


def check_signer(signer: Signer) -> None:
    """Sign a picture of one pixel and read it back; raises Unusable where that does not verify."""
    data = write_png(np.zeros((1, 1, 3), dtype=np.uint8), _TRIAL)
    trial = Artefact(role="trial", media_type="image/png", display_name="trial.png", data=data)
    whole = signed([trial], signer, digital_source=DIGITAL_SOURCES[0], recipe_sha256="0" * 64)
    found = read_manifest(whole[0].data, trial.media_type)
    if found.get("validation_state") not in ("Valid", "Trusted"):
        codes = [str(one.get("code")) for one in found.get("validation_status", [])]
        raise Unusable(f"a trial signature does not verify: {', '.join(codes)[:300]}")


def read_manifest(data: bytes, media_type: str, *, beside: bytes | None = None) -> dict[str, Any]:
    """What a C2PA reader finds: its validation state and the active manifest's assertions."""
    c2pa = _c2pa()
    with c2pa.Reader(media_type, io.BytesIO(data), beside) as reader:
        found: dict[str, Any] = json.loads(reader.json())
    return found


def _sealed(c2pa: Any, seal: Any, artefact: Artefact, claim: str) -> list[Artefact]:
    if artefact.media_type not in EMBEDDED | BESIDE:
        return [artefact]
    with c2pa.Builder(claim, c2pa.Context.from_dict(_SETTINGS)) as builder:
        beside = artefact.media_type in BESIDE
        if beside:
            builder.set_no_embed()
        written = io.BytesIO()
        manifest = builder.sign(seal, artefact.media_type, io.BytesIO(artefact.data), written)
    # The library also writes a PDF anew, with the same objects, and signs what it wrote.
    whole = replace(artefact, data=written.getvalue())
    if not beside:
        return [whole]
    name = artefact.display_name + ".c2pa"
    sidecar = replace(
        artefact,
        role=f"{artefact.role}-c2pa",
        media_type=SIDECAR_TYPE,
        display_name=name,
        data=bytes(manifest),
    )
    return [whole, sidecar]


def _claim(artefact: Artefact, digital_source: str, recipe_sha256: str) -> str:
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_BASE + digital_source}
    repeat = {
        "recipe_sha256": recipe_sha256,
        "role": artefact.role,
        "colourway": artefact.colourway,
        "repeat_width_um": artefact.repeat_width_um,
        "repeat_height_um": artefact.repeat_height_um,
    }
    return json.dumps(
        {
            "claim_generator_info": [{"name": "heddle"}],
            "title": artefact.display_name,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
                {"label": "heddle.repeat", "data": repeat},
            ],
        }
    )


def _c2pa() -> Any:
    try:
        return importlib.import_module("c2pa")
    except ImportError as error:
        raise MissingPart("signed provenance needs c2pa-python: pip install c2pa-python") from error
