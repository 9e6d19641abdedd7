"""What `heddle finish` was told, as an order for the table: colours, words, who signs.

Loaded by the command itself, because it needs the table's libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heddle import finishing
from heddle.commands.by_hand import read_file
from postproc.cie import parse_viewing
from postproc.colourways import Colourway
from postproc.finish import Order, repeat_of
from postproc.order import Words
from postproc.provenance import Signer
from postproc.sizes import parse_size_um
from postproc.swatches import Swatch, of_hex, read_swatches
from schemas.errors import Rejected

if TYPE_CHECKING:
    import argparse

    from heddle.settings import Settings
    from postproc.brought import Rgb


def order_of(given: argparse.Namespace, settings: Settings) -> Order:
    """The order; raises Rejected naming the option that cannot be read, Unusable for a file."""
    width_um, height_um = parse_size_um(given.repeat_mm, field="repeat-mm")
    return Order(
        repeat=repeat_of(given.lattice, width_um, height_um),
        palette_max=given.palette_max,
        design=given.design or given.tile.stem,
        network=finishing.network(settings),
        press_profile=given.press_profile or finishing.press_profile(settings),
        locked=_swatches(given.locked, given.lab, "--locked") if given.locked else (),
        lock_delta_e_max=given.lock_delta_e,
        colourways=tuple(_colourway(one, given.lab) for one in given.colourway),
        words=_words(given) or finishing.words(settings),
        signer=_signer(given) or finishing.signer(settings),
        refuse=False,
    )


def ground_of(given: argparse.Namespace) -> Rgb | None:
    """The colour of `--ground`; None where none was said. Raises Rejected naming it."""
    return of_hex("ground", given.ground, field="--ground").rgb if given.ground else None


def _swatches(path: Path, viewing: str, field: str) -> tuple[Swatch, ...]:
    seen = parse_viewing(viewing, field="--lab").name
    return read_swatches(read_file(path), viewing=seen, field=field)


def _colourway(text: str, viewing: str) -> Colourway:
    name, _, path = text.partition("=")
    if not name or not path:
        raise Rejected(f"{text[:60]!r} is no colourway", field="--colourway", limit="NAME=FILE")
    return Colourway(name=name, swatches=_swatches(Path(path), viewing, f"--colourway {name}"))


def _words(given: argparse.Namespace) -> Words | None:
    words = Words(creator=given.creator, rights=given.rights, parameters=given.parameters)
    return words if given.describe or words != Words() else None


def _signer(given: argparse.Namespace) -> Signer | None:
    if given.sign_chain is None and given.sign_key is None:
        return None
    if given.sign_chain is None or given.sign_key is None:
        raise Rejected("half a signer", field="--sign-key", limit="--sign-chain and --sign-key")
    return Signer(
        certificates=read_file(given.sign_chain),
        private_key=read_file(given.sign_key),
        algorithm=given.sign_algorithm,
    )
