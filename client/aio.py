"""The same for asyncio: every call goes to a thread, no logic lives here."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from . import reading
from .files import fetch, save
from .heddle import WAIT_S, Heddle
from .outcome import Result

P = ParamSpec("P")
T = TypeVar("T")

_Blocking = Callable[Concatenate[Heddle, P], T]
_Bridged = Callable[Concatenate["AsyncHeddle", P], Coroutine[Any, Any, T]]


def _bridged(call: _Blocking[P, T]) -> _Bridged[P, T]:
    """The same method, awaited: it runs in a thread."""

    @functools.wraps(call)
    async def method(self: AsyncHeddle, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(call, self.blocking, *args, **kwargs)

    return method


def _async_results(
    call: _Blocking[P, reading.Results],
) -> _Bridged[P, AsyncResults]:
    @functools.wraps(call)
    async def method(self: AsyncHeddle, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResults:
        return AsyncResults(await asyncio.to_thread(call, self.blocking, *args, **kwargs))

    return method


class AsyncResults:
    """`Results` for `async for` and `async with`."""

    def __init__(self, results: reading.Results) -> None:
        self._results = results

    def __aiter__(self) -> Self:
        """Events for ever, until `close`."""
        return self

    async def __anext__(self) -> reading.Event:
        """The next event, however long it takes."""
        while not self._results.closed:
            event = await self.poll(reading.POLL_S)
            if event is not None:
                return event
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        """Close at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def poll(self, timeout_s: float) -> reading.Event | None:
        """As `Results.poll`. An event polled by a cancelled call counts as handed out."""
        return await asyncio.to_thread(self._results.poll, timeout_s)

    async def close(self) -> None:
        """As `Results.close`."""
        await asyncio.to_thread(self._results.close)


class AsyncHeddle:
    """`AsyncHeddle(Heddle(...))`: the same calls, awaited, with the same arguments and errors.

    A cancelled call is left by its thread within about half a second, sending excepted: what is
    on its way arrives.
    """

    def __init__(self, blocking: Heddle) -> None:
        self.blocking = blocking

    request = _bridged(Heddle.request)
    request_many = _bridged(Heddle.request_many)
    cancel = _bridged(Heddle.cancel)
    feedback = _bridged(Heddle.feedback)
    close = _bridged(Heddle.close)
    results = _async_results(Heddle.results)

    async def __aenter__(self) -> Self:
        """Close at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def wait(
        self, request_id: str, *, timeout_s: float = WAIT_S, since: datetime | None = None
    ) -> Result:
        """As `Heddle.wait`."""
        ended = self.as_ended([request_id], timeout_s=timeout_s, since=since)
        async with aclosing(ended) as found:
            return await anext(found)

    async def as_ended(
        self,
        request_ids: Iterable[str],
        *,
        timeout_s: float = WAIT_S,
        since: datetime | None = None,
    ) -> AsyncGenerator[Result]:
        """As `Heddle.as_ended`, for `async for`."""
        steps = _Steps(self.blocking.ending(request_ids, timeout_s=timeout_s, since=since))
        try:
            while (step := await asyncio.to_thread(steps.take)) is not _END:
                if isinstance(step, Result):
                    yield step
        finally:
            await asyncio.to_thread(steps.close)


_END = object()


class _Steps:
    """A generator that may be closed while another thread still runs it: close waits."""

    def __init__(self, steps: Generator[Result | None]) -> None:
        self._steps = steps
        self._lock = threading.Lock()

    def take(self) -> object:
        """The next step; _END after the last."""
        with self._lock:
            return next(self._steps, _END)

    def close(self) -> None:
        """Close the generator, after a step that is being taken."""
        with self._lock:
            self._steps.close()


def _threaded(call: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(call)
    async def function(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(call, *args, **kwargs)

    return function


fetch_async = _threaded(fetch)
save_async = _threaded(save)
