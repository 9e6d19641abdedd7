"""A tile that a gate of the recipe stops: the failure says what was spent on it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pytest
from PIL import Image

from assets.folder import FolderStore
from postproc.recipe import shipped_recipe
from schemas.codec import Codec
from schemas.errors import Rejected
from schemas.records import PatternFailed
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.stages.finish import Finish, Table
from streams.stages.pool import CountedPool
from tests.unit.analytics import events as made
from tests.unit.analytics.events import pattern

EVENTS = Events(codec=Codec())
T = TypeVar("T")


class Here:
    """The pool's contract without processes."""

    def run(self, name: str, task: Callable[..., T], *details: Any) -> T:
        """The task, now."""
        del name
        return task(*details)

    def close(self) -> None:
        """Nothing to stop."""


def crop() -> bytes:
    """A picture whose edges do not meet: a ramp."""
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 4, 64, axis=0)
    page = io.BytesIO()
    Image.fromarray(np.repeat(ramp, 3, axis=2)).save(page, "PNG")
    return page.getvalue()


def test_a_failed_gate_tells_its_processor_time(tmp_path: Path) -> None:
    """PatternFailed holds the table's time and the loom's; it is an end without dead letter."""
    store, data = FolderStore(tmp_path), crop()
    store.put("acme/tile.png", data, media_type="image/png")
    digest = hashlib.sha256(data).hexdigest()
    file = replace(made.file(), key="acme/tile.png", size_bytes=len(data), sha256=digest)
    of = pattern("gate", lattice="straight", recipe="web-preview",
                 repeat_width_um=80_000, repeat_height_um=80_000)  # fmt: skip
    table = Table(recipes={"web-preview": shipped_recipe("web-preview")})
    stage = Finish(events=EVENTS, store=store, pool=cast("CountedPool", Here()), table=table)
    output = EVENTS.output(made.generated(of, file=file))
    message = Message(Place("t", 0, 1), output.key, output.value)
    with pytest.raises(Rejected) as refused:
        stage(message)
    assert (refused.value.outcome, refused.value.dead_letter) == ("failed", False)
    told = stage.failure(message, refused.value, attempts=1)
    assert told is not None
    event = EVENTS.codec.decode(told.value, PatternFailed)
    assert event.cpu_us == refused.value.cpu_us > 0
    assert event.gpu_us == 1234


def test_what_is_refused_before_any_work_costs_nothing(tmp_path: Path) -> None:
    """An unknown recipe is seen at once: no processor time, no made-up figure."""
    stage = Finish(events=EVENTS, store=FolderStore(tmp_path), pool=cast("CountedPool", Here()),
                   table=Table(recipes={}))  # fmt: skip
    output = EVENTS.output(made.generated(pattern("none")))
    message = Message(Place("t", 0, 1), output.key, output.value)
    with pytest.raises(Rejected) as refused:
        stage(message)
    told = stage.failure(message, refused.value, attempts=1)
    assert told is not None
    assert EVENTS.codec.decode(told.value, PatternFailed).cpu_us == 0
