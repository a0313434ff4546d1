"""WebSockets that a test talks over: what both twins share, and the one of sync tests."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, final

from .._compat import clock
from .._drive.loop import GRACE, OwnLoop, TimedOut
from .._drive.websocket import WebSocketConnection
from .._errors import DeadlineExceeded, LifecycleError, UsageProblem, WebSocketClosed
from .._show.told import told_text, told_url
from .._trace.exchange import Exchange
from .._trace.faults import Fault
from .._trace.story import path_entry
from .._trace.websocket import NORMAL, OPENED
from .running import AppTask
from .stream import Underway

if TYPE_CHECKING:
    from .conversation import BaseClient

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

Mode = Literal["text", "binary"]


class WebSocketHead(Underway, ABC):
    """What both twins share: what the handshake said, and the messages.

    Args:
        client: The client that asked.
        exchange: The WebSocket.
        connection: The server's side of it.
        seconds: How long each step may take.
    """

    _word = "websocket"

    def __init__(
        self, client: BaseClient, exchange: Exchange, connection: WebSocketConnection, seconds: float | None
    ) -> None:
        super().__init__(client, exchange, connection)
        self._connection = connection
        self._read = connection.body
        self._seconds = seconds

    @property
    def is_accepted(self) -> bool:
        """Whether the app accepted it."""
        return self._connection.status == OPENED

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the app chose."""
        return self._connection.subprotocol

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with; None while it is open."""
        return None if self._exchange.closing is None else self._exchange.closing.code

    @property
    def close_reason(self) -> str | None:
        """The reason that it was closed with; None while it is open."""
        return None if self._exchange.closing is None else self._exchange.closing.reason

    def _push(self, data: str | bytes) -> None:
        if not isinstance(data, str | bytes):
            raise UsageProblem(
                f"A WebSocket's message is text or bytes, and this is a {type(data).__name__}. Use send_json for data.",
                slug="websocket-type",
            )
        if self._connection.is_closed:
            raise self._closed()
        self._connection.push({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    def _take(self) -> str | bytes:
        if not self._connection.arrived:
            raise self._closed()
        return self._connection.arrived.popleft()

    def _has_news(self) -> bool:
        return bool(self._connection.arrived) or self._connection.is_closed

    def _closed(self) -> WebSocketClosed:
        """Say why nothing can be sent or received."""
        closing, status = self._exchange.closing, self._connection.status
        error = self._error()
        if error is not None:
            why = f"the app ended with {type(error).__qualname__}"
        elif status != OPENED:
            why = "the app ended without a handshake" if status is None else f"the app refused it with {status}"
        elif closing is None:
            why = "the app ended without closing it"
        else:
            said = f" ({told_text(closing.reason, self._exchange)})" if closing.reason else ""
            why = f"the {closing.by} closed it with {closing.code}{said}"
        return WebSocketClosed(
            f"The WebSocket {told_url(self._exchange.url, self._exchange)} is closed: {why}."
            " The trace says more: read `websocket.trace` after the `with` block.",
            code=None if closing is None else closing.code,
            reason="" if closing is None else closing.reason,
        )

    @abstractmethod
    def _error(self) -> BaseException | None:
        """Give what the app raised, if it has ended."""

    def _nothing_came(self, seconds: float | None, moment: float) -> DeadlineExceeded:
        from .conversation import active_step

        where = active_step(self._exchange.root, moment)
        place = "before its first step" if where is None else f"in {path_entry(where)!r}"
        what = "waits for a message" if self._connection.is_waiting else "is"
        return DeadlineExceeded(
            f"{told_url(self._exchange.url, self._exchange)} sent nothing within {seconds} s: the app {what} {place}."
            " Give timeout= a larger number if it needs longer.",
            slug="deadline",
        )

    def _conclude_left(self, error: BaseException | None, *, is_cancelled: bool) -> None:
        if is_cancelled:
            self._exchange.warn(Fault.LEFT_RUNNING.say())
        self._conclude(None if is_cancelled else error, is_cancelled=is_cancelled)


def as_text(message: str | bytes) -> str:
    """Give a message that has to be text.

    Raises:
        LifecycleError: It is bytes.
    """
    if isinstance(message, str):
        return message
    raise LifecycleError(
        f"The app sent {len(message)} bytes where text was asked for. Use receive_bytes, or receive for both.",
        slug="websocket-type",
    )


def as_bytes(message: str | bytes) -> bytes:
    """Give a message that has to be bytes.

    Raises:
        LifecycleError: It is text.
    """
    if isinstance(message, bytes):
        return message
    raise LifecycleError(
        f"The app sent a text of {len(message)} characters where bytes were asked for. Use receive_text, or receive"
        " for both.",
        slug="websocket-type",
    )


def as_message(value: Any, mode: Mode) -> str | bytes:
    """Write a value as JSON."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if mode == "text" else text.encode()


@final
class WebSocket(WebSocketHead):
    """A WebSocket in a sync test. The app runs while the test waits: in `receive` and its like, and at the end.

    Example:
        >>> from pytest_lifecycle import Client
        >>> async def app(scope, receive, send):
        ...     if scope["type"] == "websocket":
        ...         await receive()
        ...         await send({"type": "websocket.accept"})
        ...         await send({"type": "websocket.send", "text": scope["path"]})
        ...         await send({"type": "websocket.close"})
        >>> with Client(app) as client, client.websocket("/ws/7") as websocket:
        ...     websocket.receive_text()
        '/ws/7'
        >>> (websocket.trace.status, websocket.trace.close_code, websocket.trace.closed_by)
        (101, 1000, 'app')
    """

    def __init__(
        self,
        client: BaseClient,
        exchange: Exchange,
        connection: WebSocketConnection,
        loop: OwnLoop,
        running: AppTask,
        seconds: float | None,
    ) -> None:
        super().__init__(client, exchange, connection, seconds)
        self._loop = loop
        self._running = running

    def open(self) -> None:
        """Wait until the app has answered the handshake."""
        try:
            self._until(lambda: self._connection.is_answered, self._seconds)
        except TimedOut:
            moment = clock()
            self._running.end(0)
            raise self._client._expired(self._exchange, self._connection, self._read, self._seconds, moment) from None

    def _until(self, is_so: Callable[[], bool], seconds: float | None) -> None:
        self._loop.run(self._connection.until(is_so), seconds)

    def _error(self) -> BaseException | None:
        return self._running.error

    def send(self, data: str | bytes) -> None:
        """Send a text or data.

        Raises:
            WebSocketClosed: It is closed, or was refused.
            UsageProblem: It is neither text nor bytes.
        """
        self._push(data)

    def send_text(self, text: str) -> None:
        """Send a text; errors as for `send`."""
        self.send(text)

    def send_bytes(self, data: bytes) -> None:
        """Send data; errors as for `send`."""
        self.send(data)

    def send_json(self, value: Any, mode: Mode = "text") -> None:
        """Send a value as JSON, in a text or a binary message; errors as for `send`."""
        self.send(as_message(value, mode))

    def receive(self, *, timeout: float | None = None) -> str | bytes:
        """Wait for the app's next message.

        Args:
            timeout: How many seconds to wait at most; None for as long as each step of this WebSocket may take.

        Raises:
            WebSocketClosed: No message is left, and it is closed or was refused.
            DeadlineExceeded: None came in time; the message names where the app is.
        """
        seconds = self._seconds if timeout is None else timeout
        try:
            self._until(self._has_news, seconds)
        except TimedOut:
            raise self._nothing_came(seconds, clock()) from None
        return self._take()

    def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for a text; arguments and errors as for `receive`; `LifecycleError` for data."""
        return as_text(self.receive(timeout=timeout))

    def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for data; arguments and errors as for `receive`; `LifecycleError` for a text."""
        return as_bytes(self.receive(timeout=timeout))

    def receive_json(self, *, timeout: float | None = None) -> Any:
        """Wait for JSON, in a text or a binary message; as `receive`, and `ValueError` for what is no JSON."""
        return json.loads(self.receive(timeout=timeout))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it from the client's side (RFC 6455, section 7.4)."""
        self._connection.leave(code, reason)

    def leave(self) -> None:
        """Close it if it is open, and let the app end; one that does not is cancelled."""
        patience = self._seconds if self._connection.is_closed else GRACE
        self._connection.leave()
        is_cancelled = self._running.end(patience)
        self._conclude_left(self._running.error, is_cancelled=is_cancelled)
