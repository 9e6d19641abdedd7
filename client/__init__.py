"""The counter: produce requests to Heddle, consume its assets.

Installed as `heddle-client`, imported as `heddle_client`; in this repository the package is
`client`. Talks Kafka and Avro, needs confluent-kafka and fastavro, and knows no stage.

    with Heddle("localhost:9092") as heddle:
        request_id = heddle.request(
            tenant="acme", prompt="blue herringbone", repeat=repeat_mm(64, 64)
        )
        result = heddle.wait(request_id, timeout_s=60)
        for asset in result.published.values():
            picture = fetch(asset.files[0], "/srv/heddle/assets")
"""

from schemas.errors import Busy, HeddleError, Rejected, Transient, Unusable
from schemas.records import (
    Adapter,
    AssetPublished,
    Canvas,
    File,
    PatternFailed,
    PatternRequested,
    Prompt,
    Repeat,
    RequestCompleted,
    Sealed,
)

from .aio import AsyncHeddle, AsyncResults, fetch_async, save_async
from .files import Source, fetch, save
from .heddle import Heddle
from .outcome import Result
from .reading import Event, Results
from .wishes import Options, repeat_mm, wish

__all__ = [
    "Adapter",
    "AssetPublished",
    "AsyncHeddle",
    "AsyncResults",
    "Busy",
    "Canvas",
    "Event",
    "File",
    "Heddle",
    "HeddleError",
    "Options",
    "PatternFailed",
    "PatternRequested",
    "Prompt",
    "Rejected",
    "Repeat",
    "RequestCompleted",
    "Result",
    "Results",
    "Sealed",
    "Source",
    "Transient",
    "Unusable",
    "fetch",
    "fetch_async",
    "repeat_mm",
    "save",
    "save_async",
    "wish",
]
