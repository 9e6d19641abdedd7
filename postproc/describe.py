"""Words about a file inside the file: XMP with its repeat, size, inks and how it came about.

The packet holds what a shop, a RIP or an archive asks: title, lattice and repeat in micrometres,
plate names, and IPTC's digital source type, which says that a trained model drew the art. It holds
no prompt, no time and no tool, so the same picture still gives the same bytes. `with_xmp` puts it
into PNG, TIFF, SVG and PDF and leaves other files as they are; pixels are never touched.
"""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from postproc.tiff import BYTE, Field, with_fields
from schemas.errors import MissingPart, Rejected

DIGITAL_SOURCES: Final = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "digitalCreation",
)
"""IPTC's terms (cv.iptc.org/newscodes/digitalsourcetype)."""
SOURCE_BASE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TEXT_CHARACTERS_MAX: Final = 2_000
NAMESPACE: Final = "urn:heddle:repeat:1"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TAG_XMP: Final = 700
_HEAD: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is said of a file."""

    title: str
    media_type: str
    lattice: str
    unit: str
    """`repeat` for the single unit, `straight` for the rectangle that repeats straight."""
    width_um: int
    height_um: int
    colourway: str
    recipe: str
    recipe_sha256: str
    digital_source: str
    plates: tuple[str, ...] = ()
    creator: str = ""
    rights: str = ""


def xmp_packet(said: Description) -> bytes:
    """The packet as UTF-8, read-only, without padding."""
    fields = {
        "lattice": said.lattice,
        "unit": said.unit,
        "widthUm": str(said.width_um),
        "heightUm": str(said.height_um),
        "colourway": said.colourway,
        "recipe": said.recipe,
        "recipeSha256": said.recipe_sha256,
    }
    lines = [
        _HEAD,
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmpTPg="http://ns.adobe.com/xap/1.0/t/pg/"'
        ' xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"'
        f' xmlns:heddle="{NAMESPACE}">',
        f"<dc:format>{said.media_type}</dc:format>",
        _listed("dc:title", "Alt", [said.title], ' xml:lang="x-default"'),
        _listed("dc:creator", "Seq", [said.creator]),
        _listed("dc:rights", "Alt", [said.rights], ' xml:lang="x-default"'),
        f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_BASE}{said.digital_source}"
        "</Iptc4xmpExt:DigitalSourceType>",
        _listed("xmpTPg:PlateNames", "Seq", said.plates),
        '<xmpTPg:MaxPageSize rdf:parseType="Resource">'
        f"<stDim:w>{said.width_um / 1000:.3f}</stDim:w><stDim:h>{said.height_um / 1000:.3f}"
        "</stDim:h><stDim:unit>mm</stDim:unit></xmpTPg:MaxPageSize>",
        *(f"<heddle:{key}>{escape(value)}</heddle:{key}>" for key, value in fields.items()),
        "</rdf:Description>",
        "</rdf:RDF>",
        "</x:xmpmeta>",
        '<?xpacket end="r"?>',
    ]
    return "\n".join(line for line in lines if line).encode()


def _listed(name: str, kind: str, values: Any, language: str = "") -> str:
    items = "".join(
        f"<rdf:li{language}>{escape(value[:TEXT_CHARACTERS_MAX])}</rdf:li>"
        for value in values
        if value
    )
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>" if items else ""


def with_xmp(data: bytes, xmp: bytes) -> bytes:
    """The same file with the packet inside; files of other kinds come back unchanged."""
    if data[:8] == _PNG:
        body = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
        return _with_png_chunk(data, b"iTXt", body)
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return with_fields(data, {_TAG_XMP: Field(BYTE, xmp)})
    if data[:5] == b"%PDF-":
        return _with_pdf_metadata(data, xmp)
    if data[:200].lstrip().startswith(b"<") and b"</desc>" in data:
        # The packet's own processing instructions are no part of an XML document's middle.
        inner = xmp[xmp.index(b"<x:xmpmeta") : xmp.rindex(b"</x:xmpmeta>") + 12]
        return data.replace(b"</desc>", b"</desc>\n<metadata>" + inner + b"</metadata>", 1)
    return data


def with_parameters(data: bytes, text: str) -> bytes:
    """A PNG with the `parameters` text that picture tools of this kind read; other files as is.

    Only what the caller hands in: nothing here knows a prompt.
    """
    if data[:8] != _PNG:
        return data
    said = text[:TEXT_CHARACTERS_MAX]
    try:
        return _with_png_chunk(data, b"tEXt", b"parameters\0" + said.encode("latin-1"))
    except UnicodeEncodeError:
        return _with_png_chunk(data, b"iTXt", b"parameters\0\0\0\0\0" + said.encode())


def _with_png_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk before its first pixels."""
    chunk = struct.pack(">I", len(body)) + kind + body
    chunk += struct.pack(">I", zlib.crc32(kind + body))
    at = len(_PNG)
    while data[at + 4 : at + 8] != b"IDAT":
        (size,) = struct.unpack_from(">I", data, at)
        at += 12 + size
        if at >= len(data):
            raise Rejected("the PNG holds no pixels", field="png", limit="a whole PNG")
    return data[:at] + chunk + data[at:]


def _with_pdf_metadata(data: bytes, xmp: bytes) -> bytes:
    try:
        pikepdf = importlib.import_module("pikepdf")
    except ImportError as error:
        raise MissingPart("words in a PDF need pikepdf: pip install pikepdf") from error
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.Root.Metadata = pdf.make_stream(
            xmp, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML
        )
        buffer = io.BytesIO()
        pdf.save(buffer, deterministic_id=True, force_version="1.6")
    return buffer.getvalue()
