"""WebSockets that an async test talks over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from .._compat import clock
from .._drive.asgi import AsgiApp
from .._drive.loop import GRACE, AsyncBackend, TimedOut
from .._drive.websocket import WebSocketConnection
from .._trace.exchange import Exchange
from .._trace.websocket import NORMAL
from .client import call_asgi
from .running import AsyncAppTask
from .websocket import Mode, WebSocketHead, as_bytes, as_message, as_text

if TYPE_CHECKING:
    from .conversation import BaseClient

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these


@final
class AsyncWebSocket(WebSocketHead):
    """A WebSocket in an async test: as `WebSocket`, with `await` before all that waits or sends."""

    def __init__(
        self,
        client: BaseClient,
        exchange: Exchange,
        connection: WebSocketConnection,
        backend: AsyncBackend,
        seconds: float | None,
    ) -> None:
        super().__init__(client, exchange, connection, seconds)
        self._backend = backend
        self._running: AsyncAppTask | None = None

    async def open(self, app: AsgiApp, scope: dict[str, Any]) -> None:
        """Call the app, and wait until it has answered the handshake."""
        call = lambda: call_asgi(app, scope, self._connection)  # noqa: E731
        self._running = AsyncAppTask(self._backend, call, self._exchange.root)
        try:
            await self._until(lambda: self._connection.is_answered, self._seconds)
        except TimedOut:
            moment = clock()
            await self._running.end(0)
            raise self._client._expired(self._exchange, self._connection, self._read, self._seconds, moment) from None

    async def _until(self, is_so: Callable[[], bool], seconds: float | None) -> None:
        await self._backend.limited(lambda: self._connection.until(is_so), seconds)

    def _error(self) -> BaseException | None:
        return None if self._running is None else self._running.error

    async def send(self, data: str | bytes) -> None:
        """Send a text or data; errors as for `WebSocket.send`."""
        self._push(data)
        await self._backend.checkpoint()

    async def send_text(self, text: str) -> None:
        """Send a text."""
        await self.send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send data."""
        await self.send(data)

    async def send_json(self, value: Any, mode: Mode = "text") -> None:
        """Send a value as JSON, in a text or a binary message."""
        await self.send(as_message(value, mode))

    async def receive(self, *, timeout: float | None = None) -> str | bytes:
        """Wait for the app's next message; arguments and errors as for `WebSocket.receive`."""
        seconds = self._seconds if timeout is None else timeout
        try:
            await self._until(self._has_news, seconds)
        except TimedOut:
            raise self._nothing_came(seconds, clock()) from None
        return self._take()

    async def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for a text."""
        return as_text(await self.receive(timeout=timeout))

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for data."""
        return as_bytes(await self.receive(timeout=timeout))

    async def receive_json(self, *, timeout: float | None = None) -> Any:
        """Wait for JSON, in a text or a binary message."""
        return json.loads(await self.receive(timeout=timeout))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it from the client's side."""
        self._connection.leave(code, reason)
        await self._backend.checkpoint()

    async def leave(self) -> None:
        """Close it if it is open, and let the app end; one that does not is cancelled."""
        running = self._running
        if running is None:
            return
        patience = self._seconds if self._connection.is_closed else GRACE
        self._connection.leave()
        is_cancelled = True
        try:
            is_cancelled = await running.end(patience)
        finally:
            running.cancel()  # this test may be cancelled itself
            self._conclude_left(running.error, is_cancelled=is_cancelled)
