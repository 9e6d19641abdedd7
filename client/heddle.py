"""`Heddle`: one installation, as its neighbours see it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, TypeVar

from schemas import schema_registry, topics
from schemas.codec import Codec
from schemas.errors import Rejected, Transient
from schemas.records import AssetPublished, PatternFailed

from . import reading, wishes
from .outcome import Endings, Result
from .sending import Sender

if TYPE_CHECKING:
    from typing import Unpack

    from schemas.records import PatternRequested, Record, Repeat

_T = TypeVar("_T")

SEND_S: Final = 30.0
WAIT_S: Final = 300.0
CLOSE_S: Final = 5.0
BATCH_MAX: Final = 10_000
"""Requests in one `request_many`, ids in one `as_ended`."""
SENT_MAX: Final = 100_000
"""Requests of ours whose time of sending is remembered."""
SKEW_MS: Final = 300_000
"""How far the clocks of this machine and of the stages may differ."""


class Heddle:
    """Produce requests, consume results. May be used from several threads.

    `prefix` is the installation's HEDDLE_PREFIX; `schema_registry_url` names an external Schema
    Registry where the installation uses one; `group` is the default consumer group of `results`;
    `config` holds librdkafka properties (security, buffers) for every client made here. Raises
    Unusable for a property that librdkafka refuses, Transient when the registry does not answer.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        prefix: str = "",
        schema_registry_url: str | None = None,
        group: str | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._group = group
        self._config = dict(config or {})
        self._codec = _codec(schema_registry_url, prefix)
        self._sender = Sender(bootstrap, codec=self._codec, config=self._config)
        self._sent_ms: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Wait a moment for records still on their way. Readers are closed by who opened them."""
        self._sender.close(timeout_s=CLOSE_S)

    def request(
        self,
        *,
        tenant: str,
        prompt: wishes.Words,
        repeat: Repeat,
        request_id: str | None = None,
        timeout_s: float = SEND_S,
        **options: Unpack[wishes.Options],
    ) -> str:
        """Ask for patterns; returns the request id (a UUID unless given) once Kafka has it.

        Raises Rejected, naming field and limit, before anything is sent; Busy, Transient or
        Unusable as `request_many` does. After those the request may have arrived: to ask again
        give the same `request_id`, which makes it the same request.
        """
        request = wishes.wish(
            tenant=tenant, prompt=prompt, repeat=repeat, request_id=request_id, options=options
        )
        return self.request_many([request], timeout_s=timeout_s)[0]

    def request_many(
        self,
        requests: Iterable[PatternRequested],
        *,
        timeout_s: float = SEND_S,
        source: str | None = None,
    ) -> list[str]:
        """Send up to BATCH_MAX requests; returns their ids once Kafka has all of them.

        `source` picks the intake topic `patterns.requested.<source>`. Every request is checked
        before the first is sent. Raises Rejected; Busy when the local queue stays full; Transient
        when acknowledgements do not come in time; Unusable when the broker refuses.
        """
        batch = _bounded(requests)
        for request in batch:
            wishes.check(request)
        name = topics.REQUESTED.name + (f".{source}" if source else "")
        stamps = self._send(name, batch, timeout_s)
        for request, stamp in zip(batch, stamps, strict=True):
            self._sent_ms.setdefault(request.request_id, stamp)
            if len(self._sent_ms) > SENT_MAX:
                self._sent_ms.popitem(last=False)
        return [request.request_id for request in batch]

    def cancel(
        self,
        request_id: str,
        *,
        tenant: str,
        ordinal: int = 0,
        reason: str = "",
        event_id: str | None = None,
    ) -> None:
        """Wish to stop a request, or with `ordinal` one pattern of it. May come too late.

        Raises as `request` does; the same `event_id` (a UUID unless given) is the same wish.
        """
        wished = wishes.cancel_wish(
            request_id, tenant=tenant, ordinal=ordinal, reason=reason, event_id=event_id
        )
        self._send(topics.CANCEL_REQUESTED.name, [wished], SEND_S)

    def feedback(
        self,
        pattern_id: str,
        kind: str,
        *,
        tenant: str,
        reasons: Iterable[str] = (),
        reviewer: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Give a person's word on a pattern: accepted, rejected, ordered or withdrawn.

        `pattern_id` is `request_id.ordinal`, as `AssetPublished.pattern.pattern_id` gives it;
        `reviewer` is a pseudonym, never a name or an address. Raises as `request` does; the same
        `event_id` (a UUID unless given) is the same word.
        """
        given = wishes.verdict(
            pattern_id,
            kind,
            tenant=tenant,
            reasons=reasons,
            reviewer=reviewer,
            event_id=event_id,
        )
        self._send(topics.FEEDBACK.name, [given], SEND_S)

    def results(
        self,
        *kinds: type[reading.Event],
        group: str | None = None,
        from_beginning: bool | None = None,
    ) -> reading.Results:
        """Result events, each once by event id: all kinds, or those named.

        With a group (here or on `Heddle`) members share the topics, handled events are committed,
        and a new group starts at the beginning. Without one every event comes, nothing is
        committed, and reading starts at the end as it is now. `from_beginning` says otherwise.
        """
        names = self._names(kinds or tuple(reading.KINDS))
        chosen = group or self._group
        if chosen:
            return reading.in_group(
                self._bootstrap,
                names,
                group=chosen,
                codec=self._codec,
                from_beginning=from_beginning is not False,
                config=self._config,
            )
        return self._alone(names, 0 if from_beginning else None)

    def wait(
        self, request_id: str, *, timeout_s: float = WAIT_S, since: datetime | None = None
    ) -> Result:
        """What became of a request, once every pattern of it has ended.

        Reads the result topics alone. For a request that this object did not send, reading starts
        at `since`, else at the beginning of the topics. Raises Transient after `timeout_s`.
        """
        with closing(self.as_ended([request_id], timeout_s=timeout_s, since=since)) as found:
            return next(found)

    def as_ended(
        self,
        request_ids: Iterable[str],
        *,
        timeout_s: float = WAIT_S,
        since: datetime | None = None,
    ) -> Generator[Result]:
        """Results of several requests, each as soon as it has ended; one reader for all of them.

        Raises Transient when some have not ended `timeout_s` after the iteration began.
        """
        for result in self.ending(request_ids, timeout_s=timeout_s, since=since):
            if result is not None:
                yield result

    def ending(
        self, request_ids: Iterable[str], *, timeout_s: float, since: datetime | None = None
    ) -> Generator[Result | None]:
        """As `as_ended`, with None at least twice a second while nothing ends."""
        ids = _bounded(request_ids)
        endings = Endings(ids)
        due_s = time.monotonic() + timeout_s
        names = self._names((AssetPublished, PatternFailed))
        # Who waits long also waits long for a broker that is away when the wait begins.
        with self._alone(names, self._since_ms(ids, since), timeout_s) as events:
            while endings:
                left_s = due_s - time.monotonic()
                if left_s <= 0:
                    raise Transient(f"{endings.shortage()}, within {timeout_s:g} s")
                event = events.poll(min(left_s, reading.POLL_S))
                if isinstance(event, AssetPublished | PatternFailed):
                    endings.add(event)
                # Before the end is reached, a failure read may have been superseded long ago.
                if events.caught_up:
                    yield from endings.take()
                yield None

    def _since_ms(self, request_ids: Iterable[str], since: datetime | None) -> int:
        if since is not None:
            return max(0, round(since.timestamp() * 1000))
        return max(0, min((self._sent_ms.get(i, 0) for i in request_ids), default=0) - SKEW_MS)

    def _names(self, kinds: Iterable[type[reading.Event]]) -> dict[str, type[reading.Event]]:
        return {topics.prefixed(self._prefix, reading.KINDS[kind].name): kind for kind in kinds}

    def _alone(
        self,
        names: Mapping[str, type[reading.Event]],
        since_ms: int | None,
        patience_s: float = reading.METADATA_S,
    ) -> reading.Results:
        return reading.alone(
            self._bootstrap,
            names,
            codec=self._codec,
            since_ms=since_ms,
            config=self._config,
            patience_s=patience_s,
        )

    def _send(self, name: str, batch: Sequence[Record], timeout_s: float) -> list[int]:
        topic = topics.prefixed(self._prefix, name)
        return self._sender.send(topic, batch, timeout_s=timeout_s, now=datetime.now(UTC))


def _codec(schema_registry_url: str | None, prefix: str) -> Codec:
    if schema_registry_url is None:
        return Codec()
    return Codec(
        ids=schema_registry.ids_of(schema_registry_url, prefix=prefix),
        lookup=schema_registry.lookup(schema_registry_url),
    )


def _bounded(items: Iterable[_T]) -> list[_T]:
    """The items as a list. Raises Rejected for more than BATCH_MAX of them."""
    found = list(islice(items, BATCH_MAX + 1))
    if len(found) > BATCH_MAX:
        raise Rejected("too many at once", field="requests", limit=f"at most {BATCH_MAX}")
    return found
