"""What a stage makes sure of before it takes its first record, each in one clear line.

Device, volumes and clock of this machine; then broker and trust, rights, topics and their
partitions. Asks and leaves everything as it was; each "no" is an Unusable with an exit code of its
own, so that a person or a cluster sees which it was.
"""

from __future__ import annotations

import ctypes
import http.client
import tempfile
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from heddle import parts
from schemas.errors import EXIT_CLOCK, EXIT_DEVICE, EXIT_VOLUME, Unusable
from streams.kafka import admin, plan

if TYPE_CHECKING:
    from heddle.settings import Settings

TOPICS_S_MAX: Final = 60.0
"""How long a stage waits for its topics before it says that they are missing."""
ANSWER_S_MAX: Final = 3.0
WRITERS: Final = ("route", "generate", "finish")
"""Stages that lay something on the shelf."""


def machine(settings: Settings, stage: str) -> None:
    """Device, volumes and clock are what the settings say. Raises Unusable."""
    if stage == "generate" and settings["ENGINE"] == "diffusion" and settings["DEVICE"] == "cuda":
        _require_gpu()
    for folder, setting in _folders(settings, stage):
        require_writable(folder, setting=setting)
    for url in _neighbours(settings):
        require_same_time(url, skew_ms_max=settings.whole("CLOCK_SKEW_MS"))


def _require_gpu() -> None:
    """Asks the driver, not torch, which takes seconds to load."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        found = False
    if not found or count.value == 0:
        raise Unusable(
            "HEDDLE_DEVICE is cuda and this machine shows no NVIDIA GPU: set it to auto or cpu,"
            " or give the container a GPU and check the driver with nvidia-smi",
            exit_code=EXIT_DEVICE,
        )


def _folders(settings: Settings, stage: str) -> list[tuple[Path, str]]:
    """Folders that `stage` writes to, with the setting that names each."""
    if stage == "ledger":
        return [(Path(settings["STACK"]).resolve() / "ledger", "HEDDLE_STACK")]
    if stage not in WRITERS:
        return []
    if not settings["ASSETS"]:
        return [(Path(settings["STACK"]).resolve() / "assets", "HEDDLE_STACK")]
    shelf = urlsplit(settings["ASSETS"])
    return [(Path(shelf.path), "HEDDLE_ASSETS")] if shelf.scheme == "file" else []


def require_writable(folder: Path, *, setting: str) -> None:
    """Raise Unusable, naming folder and setting, where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise Unusable(
            f"{folder} cannot be written ({error.strerror}): mount a volume there that belongs to"
            f" this process's user, or set {setting} to another place",
            exit_code=EXIT_VOLUME,
        ) from error


def _neighbours(settings: Settings) -> list[str]:
    """Whoever has a clock to compare ours with and is named by the settings."""
    urls = [settings["SCHEMA_URL"], settings["LEDGER_URL"]]
    if settings["ASSETS"].startswith("s3:"):
        urls += parse_qs(urlsplit(settings["ASSETS"]).query).get("endpoint", [])
    return [url for url in urls if url]


def require_same_time(url: str, *, skew_ms_max: int) -> None:
    """Raise Unusable where the Date of an HTTP answer is further from our clock.

    Deadlines, signatures and results compare times of several machines. Who does not answer is
    passed over: that is for those to say who need it.
    """
    address = urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    try:
        with closing(kind(address.netloc, timeout=ANSWER_S_MAX)) as asked:
            asked.request("HEAD", "/livez")
            date = asked.getresponse().getheader("Date") or ""
            ahead_ms = round((time.time() - parsedate_to_datetime(date).timestamp()) * 1000)
    except (OSError, http.client.HTTPException, ValueError):
        return
    # A Date has whole seconds.
    if abs(ahead_ms) > skew_ms_max + 1_000:
        side = "ahead of" if ahead_ms > 0 else "behind"
        raise Unusable(
            f"this machine's clock is {abs(ahead_ms) / 1000:.0f} s {side} that of {address.netloc}:"
            f" set both by NTP (limit: HEDDLE_CLOCK_SKEW_MS={skew_ms_max})",
            exit_code=EXIT_CLOCK,
        )


def kafka(settings: Settings, stage: str) -> None:
    """The broker knows us and lets us do what `stage` has to do, on topics that are there.

    Waits for broker and topics up to TOPICS_S_MAX. Raises Unusable, or Transient where no broker
    answers.
    """
    reach = parts.connection(settings, stage)
    names = list(parts.intakes(settings).tenants)
    acls = [acl for acl in plan.acls(settings["PREFIX"], intakes=names) if acl.stage == stage]
    topics = {acl.name for acl in acls if acl.resource == "topic"}
    admin.require(reach, sorted(topics), timeout_s=TOPICS_S_MAX)
    admin.require_rights(reach, acls)
    planned = plan.planned(
        settings["PREFIX"],
        partitions=settings.whole("PARTITIONS", lowest=1),
        intakes=names,
    )
    admin.require_partitions(reach, [topic for topic in planned if topic.name in topics])
