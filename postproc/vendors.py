"""What print-on-demand shops take, as they publish it: formats, bytes, pixels, resolution.

Read in November 2026 on the shops' own pages (`source`). Shops change their minds: these figures
are reported for all and refused for none, unless a recipe names the shop it prints for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from postproc.figures import Figure, at_least, at_most, exactly, of_part, reported

_BYTES_PER_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A shop's published limits; 0, or no formats, where it states none."""

    source: str
    media_types: tuple[str, ...] = ()
    megabytes_max: int = 0
    side_px_min: int = 0
    side_px_max: int = 0
    dpi_min: int = 0


_PICTURES: Final = ("image/png", "image/jpeg")
VENDORS: Final[dict[str, Vendor]] = {
    "printful": Vendor(
        source="printful.com/graphics-and-embroidery-guide",
        media_types=_PICTURES,
        megabytes_max=200,
        dpi_min=150,
    ),
    "society6": Vendor(
        source="help.society6.com, sections 205373228",
        media_types=_PICTURES,
        side_px_min=6500,
    ),
    "spod": Vendor(
        source="faq.spod.com, sections 360001601394",
        media_types=(*_PICTURES, "image/bmp", "image/gif"),
        megabytes_max=10,
        side_px_max=4000,
        dpi_min=200,
    ),
    "spoonflower": Vendor(
        source="support.spoonflower.com, articles 204277834",
        dpi_min=150,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a shop would be given."""

    media_type: str
    size_bytes: int
    width_px: int
    height_px: int
    dpi: float


def vendor_figures(name: str, upload: Upload) -> list[Figure]:
    """Each limit that the shop states, as a gate."""
    vendor = VENDORS[name]
    sides = (upload.width_px, upload.height_px)
    figures = []
    if vendor.media_types:
        taken = float(upload.media_type in vendor.media_types)
        figures.append(exactly("vendor_format", taken, 1, where=name))
    if vendor.megabytes_max:
        size_mb = upload.size_bytes / _BYTES_PER_MB
        figures.append(at_most("vendor_size", size_mb, vendor.megabytes_max, unit="MB", where=name))
    if vendor.side_px_max:
        figures.append(
            at_most("vendor_side_max", max(sides), vendor.side_px_max, unit="px", where=name)
        )
    if vendor.side_px_min:
        figures.append(
            at_least("vendor_side_min", min(sides), vendor.side_px_min, unit="px", where=name)
        )
    if vendor.dpi_min:
        figures.append(
            at_least("vendor_resolution", upload.dpi, vendor.dpi_min, unit="dpi", where=name)
        )
    return figures


def any_vendor_figures(upload: Upload) -> list[Figure]:
    """Per shop how many of its limits the file breaks, and which first; reported."""
    told = []
    for name in VENDORS:
        broken = [figure.name for figure in vendor_figures(name, upload) if not figure.passed]
        where = f"{name}: {broken[0]}" if broken else name
        told.append(of_part(reported("vendor_limits_broken", len(broken), where=where), name))
    return told
