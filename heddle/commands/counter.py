"""The client as the commands use it: built from settings, files from this installation's shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.store import AssetStore
from client import Heddle
from heddle import parts

if TYPE_CHECKING:
    from client.files import Source
    from heddle.settings import Settings


def heddle(settings: Settings) -> Heddle:
    """The public client, exactly as an upstream system would have it."""
    return Heddle(
        settings.required("BOOTSTRAP"),
        prefix=settings["PREFIX"],
        schema_registry_url=settings["SCHEMA_REGISTRY_URL"] or None,
        config=settings.kafka,
    )


def shelf(settings: Settings) -> Source:
    """Where published files can be fetched from."""
    store: AssetStore = parts.store(settings)
    return store.get
