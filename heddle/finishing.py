"""From settings to what the finishing table is equipped with, each part tried before it is used.

A profile that is no CMYK profile, a network that cannot run, half a signer, a certificate that may
not sign: one line that names the setting, before the first record is taken. Nothing here logs a
key, and a signer does not show its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from heddle import parts
from postproc.order import Words
from postproc.press import check_profile
from postproc.provenance import Signer, check_signer
from postproc.upscale import check_network
from schemas.errors import EXIT_CERTIFICATE, EXIT_USAGE, MissingPart, Unusable
from streams.stages.finish_order import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from heddle.settings import Settings

CHAIN_BYTES_MAX: Final = 1 << 20


def table(settings: Settings) -> Table:
    """The table of a finish stage. Raises Unusable, naming the setting, and MissingPart."""
    return Table(
        recipes=parts.recipes(settings),
        network=network(settings),
        press_profile=press_profile(settings),
        signer=signer(settings),
        words=words(settings),
    )


def network(settings: Settings) -> Path | None:
    """The network of HEDDLE_NETWORK, opened and run once; None where the table's own is meant."""
    return _tried(settings, "NETWORK", check_network)


def press_profile(settings: Settings) -> Path | None:
    """The mill's profile of HEDDLE_PRESS_PROFILE, tried both ways on one colour; None for none."""
    return _tried(settings, "PRESS_PROFILE", check_profile)


def words(settings: Settings) -> Words | None:
    """What every file says of itself by HEDDLE_CREATOR and HEDDLE_RIGHTS; None where neither."""
    said = Words(creator=settings["CREATOR"], rights=settings["RIGHTS"])
    return said if said != Words() else None


def signer(settings: Settings) -> Signer | None:
    """Who signs by HEDDLE_SIGN_*, having signed a trial picture; None where nobody does."""
    chain, key = settings.path("SIGN_CHAIN"), settings["SIGN_KEY"]
    if chain is None and not key:
        return None
    if chain is None or not key:
        missing = "SIGN_KEY" if chain else "SIGN_CHAIN"
        line = f"HEDDLE_{missing} is not set: signing needs the certificate chain and its key"
        raise Unusable(line, exit_code=EXIT_USAGE)
    who = Signer(
        certificates=_chain(chain),
        private_key=key.encode() + b"\n",
        algorithm=settings["SIGN_ALGORITHM"],
    )
    try:
        check_signer(who)
    except MissingPart:
        raise
    except Unusable as error:
        line = f"HEDDLE_SIGN_CHAIN ({chain}) and HEDDLE_SIGN_KEY: {error}"
        raise Unusable(line, exit_code=EXIT_CERTIFICATE) from error
    return who


def _chain(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(CHAIN_BYTES_MAX)
    except OSError as error:
        line = f"HEDDLE_SIGN_CHAIN: {path} cannot be read ({error.strerror})"
        raise Unusable(line, exit_code=EXIT_CERTIFICATE) from error


def _tried(settings: Settings, name: str, check: Callable[[Path], object]) -> Path | None:
    path = settings.path(name)
    if path is None:
        return None
    if not path.is_file():
        raise Unusable(f"HEDDLE_{name}: there is no file {path}", exit_code=EXIT_USAGE)
    try:
        check(path)
    except MissingPart:
        raise
    except Unusable as error:
        raise Unusable(f"HEDDLE_{name}: {error}", exit_code=EXIT_USAGE) from error
    return path.resolve()
