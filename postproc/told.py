"""An artefact with what it says of itself, where recipe or order asked for words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from postproc.describe import Description, with_parameters, with_xmp, xmp_packet

if TYPE_CHECKING:
    from postproc.products import Artefact
    from postproc.work import Unit, Work


def told(work: Work, artefact: Artefact, unit: Unit) -> Artefact:
    """The artefact with an XMP packet and parameters; as it is where nobody asked for either."""
    words = work.order.words
    data = artefact.data
    if work.described:
        inks = work.separation.palette.inks if work.separation else ()
        said = Description(
            title=work.order.design,
            media_type=artefact.media_type,
            lattice=unit.label.lattice,
            unit="repeat" if unit.lattice == unit.source else "straight",
            width_um=unit.size.width_um,
            height_um=unit.size.height_um,
            colourway=artefact.colourway,
            recipe=work.label.recipe,
            recipe_sha256=work.recipe_sha256,
            digital_source=work.described,
            plates=tuple(ink.plate(rank) for rank, ink in enumerate(inks, start=1)),
            creator=words.creator if words else "",
            rights=words.rights if words else "",
        )
        data = with_xmp(data, xmp_packet(said))
    if words and words.parameters:
        data = with_parameters(data, words.parameters)
    return replace(artefact, data=data)
