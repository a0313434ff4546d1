"""Responses that are read while the app still runs, in async tests."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self, final

from .._compat import clock
from .._drive.asgi import AsgiApp, Connection
from .._drive.loop import GRACE, AsyncBackend, TimedOut
from .._trace.exchange import Exchange
from .client import call_asgi
from .conversation import BaseClient
from .running import AsyncAppTask
from .stream import Underway

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these


@final
class AsyncStream(Underway):
    """A response that is read piece by piece, in an async test."""

    def __init__(
        self,
        client: BaseClient,
        exchange: Exchange,
        connection: Connection,
        backend: AsyncBackend,
        seconds: float | None,
    ) -> None:
        super().__init__(client, exchange, connection)
        self._connection = connection
        self._backend = backend
        self._seconds = seconds
        self._running: AsyncAppTask | None = None
        self._taken: deque[bytes] = deque()

    async def open(self, app: AsgiApp, scope: dict[str, Any]) -> None:
        """Call the app, until it has started the response or ended."""
        self._running = AsyncAppTask(
            self._backend, lambda: call_asgi(app, scope, self._connection), self._exchange.root
        )
        await self._wait()

    async def _wait(self) -> None:
        try:
            await self._backend.limited(self._connection.news, self._seconds)
        except TimedOut:
            moment = clock()
            await self._end(0)
            raise self._client._expired(self._exchange, self._connection, self._read, self._seconds, moment) from None

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the pieces of the body as the app sends them, as sent.

        Raises:
            DeadlineExceeded: The next piece took too long.
        """
        return _Pieces(self._next)

    async def _next(self) -> bytes:
        while not self._taken:
            self._taken.extend(self._connection.take())
            if self._taken:
                break
            if self._connection.is_complete or self._running is None or self._running.is_over:
                raise StopAsyncIteration
            await self._wait()
        piece = self._taken.popleft()
        self._read.append(piece)
        return piece

    async def aread(self) -> bytes:
        """Give the rest of the body."""
        return b"".join([piece async for piece in self.aiter_bytes()])

    async def aclose(self) -> None:
        """Hang up; cancel the app if it does not end by itself."""
        self._connection.leave()
        running = self._running
        if running is None:
            return
        is_cancelled = True
        try:
            # What it does after its response (background tasks) has the time of a request.
            is_cancelled = await self._end(self._seconds if self._connection.is_complete else GRACE)
        finally:
            running.cancel()  # this test may be cancelled itself
            self._conclude(None if is_cancelled else running.error, is_cancelled=is_cancelled)

    async def _end(self, patience: float | None) -> bool:
        return self._running is not None and await self._running.end(patience)


@final
class _Pieces:
    """An async iterator that may be dropped half-way, unlike a generator, which trio wants to be closed."""

    def __init__(self, give: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        self._give = give

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        return self._give()
