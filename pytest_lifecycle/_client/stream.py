"""Responses that are read while the app still runs, in sync tests."""

from __future__ import annotations

import contextvars
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, final

from .. import _session as session
from .._compat import clock
from .._drive.asgi import AsgiApp, Connection, build_scope
from .._drive.loop import GRACE, OwnLoop, TimedOut
from .._drive.outgoing import Outgoing
from .._drive.wsgi import WsgiCall, raised_by_app
from .._errors import LifecycleError
from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .._trace.headers import Headers
from .._trace.trace import Trace
from .running import AppTask

if TYPE_CHECKING:
    from .conversation import BaseClient, Response

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these


class Underway:
    """What is known of a request while the test is in its block.

    Args:
        client: The client that asked.
        exchange: The request.
        response: What takes the response from the app.
    """

    _word = "stream"

    def __init__(self, client: BaseClient, exchange: Exchange, response: Response) -> None:
        session.watch_this_thread()
        self._client = client
        self._exchange = exchange
        self._response = response
        self._read: list[bytes] = []
        self._trace: Trace | None = None

    @property
    def status(self) -> int | None:
        """The status; None where the app has started no response."""
        return self._response.status

    @property
    def headers(self) -> Headers:
        """The response's headers."""
        return Headers(self._response.headers, self._exchange)

    @property
    def trace(self) -> Trace:
        """The trace, once the block is left; its content is what was read.

        Raises:
            LifecycleError: The request is not over.
        """
        if self._trace is None:
            raise LifecycleError(
                f"The request is not over: read `{self._word}.trace` after the `with` block.",
                slug=f"{self._word}-unread",
            )
        return self._trace

    def _conclude(self, error: BaseException | None, *, is_cancelled: bool = False) -> None:
        if is_cancelled:
            forget_cancellation(self._exchange)
        if self._trace is None and not self._exchange.is_over:
            self._trace = self._client._finish(self._exchange, self._response, self._read, error)
            self._client._remember_cookies(self._trace)


def forget_cancellation(exchange: Exchange) -> None:
    """Take away what came of cancelling an app that did not end as its client left: it is no error of the app's."""
    exchange.raised[:] = [(error, span) for error, span in exchange.raised if isinstance(error, Exception)]
    for span in exchange.root.walk():
        if span.exception is not None and not isinstance(span.exception, Exception):
            span.exception = None


class Stream(Underway, ABC):
    """A response that is read piece by piece.

    Example:
        >>> from pytest_lifecycle import Client
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [])
        ...     yield b"one"
        ...     yield b"two"
        >>> with Client(app) as client, client.stream("GET", "/") as stream:
        ...     next(stream.iter_bytes())
        b'one'
    """

    @abstractmethod
    def open(self) -> None:
        """Call the app, until it has started the response."""

    @abstractmethod
    def iter_bytes(self) -> Iterator[bytes]:
        """Give the pieces of the body as the app sends them, as sent (still compressed, if they are).

        Raises:
            DeadlineExceeded: The next piece took too long.
        """

    @abstractmethod
    def close(self) -> None:
        """Hang up, and let the app end."""

    def read(self) -> bytes:
        """Give the rest of the body."""
        return b"".join(self.iter_bytes())


@final
class WsgiStream(Stream):
    """A WSGI app's response: its iterable, taken step by step."""

    def __init__(self, client: BaseClient, exchange: Exchange, out: Outgoing) -> None:
        self._call = WsgiCall(out, exchange)
        super().__init__(client, exchange, self._call)
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, exchange.root)
        self._pieces = self._call.pieces(client.app)
        self._first: bytes | None = None
        self._error: BaseException | None = None

    def open(self) -> None:
        """Call the app, until its first piece: PEP 3333 lets it start the response that late."""
        self._first = self._next()

    def _next(self) -> bytes | None:
        try:
            return self._context.run(next, self._pieces, None)
        except BaseException as error:
            self._error = raised_by_app(error)
            return None

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the pieces of the body as the app yields them."""
        piece, self._first = self._first or self._next(), None
        while piece is not None:
            self._read.append(piece)
            yield piece
            piece = self._next()

    def close(self) -> None:
        """Close the app's iterable."""
        try:
            self._context.run(self._pieces.close)
        except BaseException as error:
            self._error = self._error or error
        self._conclude(self._error)


@final
class AsgiStream(Stream):
    """An ASGI app's response: the app runs in a task, which waits after each piece until it is taken."""

    def __init__(
        self,
        client: BaseClient,
        exchange: Exchange,
        out: Outgoing,
        loop: OwnLoop,
        app: AsgiApp,
        state: dict[str, Any] | None,
        seconds: float | None,
    ) -> None:
        self._connection = Connection(out, loop, exchange, paced=True)
        super().__init__(client, exchange, self._connection)
        self._loop = loop
        self._app = app
        self._scope = build_scope(out, state)
        self._seconds = seconds
        self._running: AppTask | None = None

    def open(self) -> None:
        """Call the app, until it has started the response or ended."""
        from .client import call_asgi

        call = call_asgi(self._app, self._scope, self._connection)
        self._running = AppTask(self._loop, call, self._exchange.root)
        self._wait()

    def _wait(self) -> None:
        try:
            self._loop.run(self._connection.news(), self._seconds)
        except TimedOut:
            moment = clock()
            self._end(0)
            raise self._client._expired(self._exchange, self._connection, self._read, self._seconds, moment) from None

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the pieces of the body as the app sends them."""
        while True:
            pieces = self._connection.take()
            for piece in pieces:
                self._read.append(piece)
                yield piece
            if self._connection.body:
                continue  # another request on this loop let the app go on
            if self._connection.is_complete or self._running is None or self._running.is_over:
                return
            self._wait()

    def close(self) -> None:
        """Hang up; cancel the app if it does not end by itself."""
        self._connection.leave()
        # What it does after its response (background tasks) has the time of a request.
        is_cancelled = self._end(self._seconds if self._connection.is_complete else GRACE)
        self._conclude(self._running.error if self._running is not None else None, is_cancelled=is_cancelled)

    def _end(self, patience: float | None) -> bool:
        return self._running is not None and self._running.end(patience)
