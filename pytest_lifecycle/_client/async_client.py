"""The client of async tests: it runs the app on the test's own loop, asyncio or trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, Unpack, final

import httpx

from .. import _session as session
from .._drive.asgi import AsgiApp, Connection, Event, build_scope
from .._drive.lifespan import Lifespan
from .._drive.loop import GRACE, AsyncBackend, TimedOut, current_backend
from .._drive.websocket import WebSocketConnection, websocket_scope
from .._drive.wsgi import WsgiCall
from .._errors import DeadlineExceeded, UsageProblem
from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .._trace.trace import Trace
from .async_stream import AsyncStream
from .async_websocket import AsyncWebSocket
from .client import call_asgi
from .conversation import BaseClient
from .encode import outgoing, seconds_of
from .interface import single_callable
from .verbs import CallArguments, HandshakeArguments, Verbs

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these


@final
class AsyncClient(BaseClient, Verbs[Coroutine[Any, Any, Trace]]):
    """Asks an app and gives traces, in async tests: `trace = await client.get("/")`.

    An ASGI app is awaited in the task that asks; a WSGI app runs in a worker thread that carries the context. The
    lifespan runs in a task of its own on the same loop, from the first request (or ``async with``) to `aclose`.
    """

    def _prepare(self) -> None:
        self._backend: AsyncBackend | None = None
        self._cancel_lifespan: Callable[[], object] = lambda: None
        self._asgi_app: AsgiApp = self.app
        self._ready: Event | None = None

    # -- opening and closing

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _start(self) -> AsyncBackend:
        if self._ready is not None:
            await self._ready.wait()  # another task's first request starts the app
        if self._backend is not None and self._is_open:
            return self._backend
        backend = current_backend()
        self._open()
        self._backend = backend
        if self.interface == "asgi":
            self._asgi_app = single_callable(self.app)
        if self._runs_lifespan:
            self._ready = backend.event()
            try:
                await self._start_lifespan(backend)
            except BaseException:
                self._close()
                raise
            finally:
                self._ready.set()
                self._ready = None
        return backend

    async def _start_lifespan(self, backend: AsyncBackend) -> None:
        lifespan = Lifespan(self._asgi_app, backend)
        self._cancel_lifespan = backend.spawn(lifespan.run)
        try:
            with self._ending(lifespan, if_it_fails=True):
                await self._within_lifespan(backend, lifespan.startup, "startup")
        except BaseException:
            await self._end_lifespan(backend, lifespan)
            raise
        self._lifespan = lifespan

    async def _end_lifespan(self, backend: AsyncBackend, lifespan: Lifespan) -> None:
        """Cancel the lifespan's task, if it has not ended, and let it end."""
        self._cancel_lifespan()
        with suppress(TimedOut):
            await backend.limited(lifespan.returned, GRACE)

    async def _within_lifespan(
        self, backend: AsyncBackend, call: Callable[[], Coroutine[Any, Any, None]], phase: str
    ) -> None:
        try:
            await backend.limited(call, self.timeout)
        except TimedOut:
            raise DeadlineExceeded(
                f"The app's {phase} did not end within {self.timeout} s. Give timeout= a larger number if it needs"
                " longer, or lifespan=False to leave it out.",
                slug="lifespan-deadline",
            ) from None

    async def aclose(self) -> None:
        """Shut the app down and stop observing; the client cannot be used again.

        Raises:
            Exception: The app's own, where its shutdown raised one.
        """
        lifespan, self._lifespan = self._lifespan, None
        backend = self._backend
        try:
            if lifespan is not None and backend is not None:
                try:
                    with self._ending(lifespan):
                        await self._within_lifespan(backend, lifespan.shutdown, "shutdown")
                finally:
                    await self._end_lifespan(backend, lifespan)
        finally:
            self._close()

    # -- requests

    async def request(self, method: str, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Trace:
        """Make a request and give its trace; arguments and errors as for `Client.request`."""
        backend = await self._start()
        auth, follow = arguments.pop("auth", None), arguments.pop("follow_redirects", None)
        seconds = seconds_of(arguments.pop("timeout", self.timeout))
        conversation = self._converse(self._build(method, url, arguments), auth, follow)
        try:
            request = next(conversation)
            while True:
                request = conversation.send(await self._drive(backend, request, seconds))
        except StopIteration as stop:
            trace: Trace = stop.value
            return trace

    async def _drive(self, backend: AsyncBackend, request: httpx.Request, seconds: float | None) -> Trace:
        session.watch_this_thread()
        exchange = self._begin(request)
        response, body, call = self._prepared(backend, request, exchange)
        error: BaseException | None
        token = CURRENT.set(exchange.root)
        try:
            error = await backend.limited(call, seconds)
        except TimedOut:
            raise self._expired(exchange, response, body, seconds) from None
        except BaseException as fatal:
            if backend.is_cancelled():  # the test was; what was seen until then is a trace, too
                exchange.root.exception = fatal
                self._publish(exchange, response, body)
                raise
            error = fatal
        finally:
            CURRENT.reset(token)
        return self._finish(exchange, response, body, error)

    def _prepared(
        self, backend: AsyncBackend, request: httpx.Request, exchange: Exchange
    ) -> tuple[Connection | WsgiCall, list[bytes], Callable[[], Awaitable[BaseException | None]]]:
        """Give what takes the response, where its body will be, and the call of the app."""
        out = outgoing(request, root_path=self._root_path, client=self._client)
        if self.interface == "asgi":
            connection = Connection(out, backend, exchange)
            scope = build_scope(out, self._lifespan.state if self._lifespan is not None else None)
            return connection, connection.body, lambda: call_asgi(self._asgi_app, scope, connection)
        body: list[bytes] = []
        wsgi = WsgiCall(out, exchange)
        return wsgi, body, lambda: backend.in_thread(lambda: self._call_wsgi(wsgi, body, exchange))

    def _call_wsgi(self, call: WsgiCall, body: list[bytes], exchange: Exchange) -> BaseException | None:
        session.watch_this_thread()
        try:
            return call.collect(self.app, body, lambda: exchange.gave_up)  # nobody cancels a thread
        finally:
            session.check(exchange)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str | httpx.URL, **arguments: Unpack[CallArguments]
    ) -> AsyncIterator[AsyncStream]:
        """Make a request and read its response while the app still runs; as `Client.stream`.

        Raises:
            UsageProblem: As for `request`; or the app speaks WSGI, which only a sync test can stream.
        """
        backend = await self._start()
        if self.interface == "wsgi":
            raise UsageProblem(
                "A WSGI app's response cannot be streamed in an async test. Use Client.stream in a sync one.",
                slug="stream-unread",
            )
        auth, seconds = arguments.pop("auth", None), seconds_of(arguments.pop("timeout", self.timeout))
        arguments.pop("follow_redirects", None)
        request = next(self._converse(self._build(method, url, arguments), auth, False))
        out = outgoing(request, root_path=self._root_path, client=self._client)
        exchange = self._begin(request)
        stream = AsyncStream(self, exchange, Connection(out, backend, exchange, paced=True), backend, seconds)
        scope = build_scope(out, self._lifespan.state if self._lifespan is not None else None)
        try:
            await stream.open(self._asgi_app, scope)
            yield stream
        finally:
            await stream.aclose()

    @asynccontextmanager
    async def websocket(
        self, url: str | httpx.URL, *, subprotocols: Sequence[str] = (), **arguments: Unpack[HandshakeArguments]
    ) -> AsyncIterator[AsyncWebSocket]:
        """Open a WebSocket; arguments and errors as for `Client.websocket`."""
        backend = await self._start()
        request, seconds = self._handshake(url, arguments)
        exchange = self._begin(request, "websocket")
        out = outgoing(request, root_path=self._root_path, client=self._client)
        scope = websocket_scope(out, subprotocols, self._lifespan.state if self._lifespan is not None else None)
        connection = WebSocketConnection(subprotocols, backend, exchange)
        websocket = AsyncWebSocket(self, exchange, connection, backend, seconds)
        try:
            await websocket.open(self._asgi_app, scope)
            yield websocket
        finally:
            await websocket.leave()
