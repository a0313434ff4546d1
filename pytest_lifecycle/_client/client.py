"""The client of sync tests: it runs the app on the test's own thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, final

import httpx

from .. import _session as session
from .._compat import clock
from .._drive.asgi import AsgiApp, Connection, build_scope
from .._drive.lifespan import Lifespan
from .._drive.loop import GRACE, OwnLoop, TimedOut, asyncio_limited, running_library
from .._drive.websocket import WebSocketConnection, websocket_scope
from .._drive.wsgi import WsgiCall
from .._errors import DeadlineExceeded, UsageProblem
from .._observe.recorder import CURRENT
from .._trace.faults import Fault
from .._trace.trace import Trace
from .conversation import BaseClient
from .encode import outgoing, seconds_of
from .interface import single_callable, stays_on_thread
from .running import AppTask
from .stream import AsgiStream, Stream, WsgiStream
from .verbs import CallArguments, HandshakeArguments, Verbs
from .websocket import WebSocket

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

T = TypeVar("T")


@final
class Client(BaseClient, Verbs[Trace]):
    """Asks an app and gives traces.

    An ASGI app runs on a loop of the client's own, on the calling thread; a WSGI app is called. The lifespan runs from
    the first request (or ``with``) to `close`.

    Example:
        >>> from pytest_lifecycle import Client
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [("content-type", "text/plain")])
        ...     return [b"hello"]
        >>> with Client(app) as client:
        ...     client.get("/").text
        'hello'
    """

    def _prepare(self) -> None:
        self._loop: OwnLoop | None = None
        self._asgi_app: AsgiApp = self.app
        self._is_django = False

    # -- opening and closing

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        _refuse_running_loop()
        if not self._open() or self.interface == "wsgi":
            return
        try:
            self._start_loop()
        except BaseException:
            self._release()
            raise

    def _start_loop(self) -> None:
        self._is_django = stays_on_thread(self.app)
        self._asgi_app = single_callable(self.app)
        self._loop = OwnLoop()
        if self._runs_lifespan and not self._is_django:
            lifespan = Lifespan(self._asgi_app, self._loop)
            self._loop.spawn(lifespan.run())
            with self._ending(lifespan, if_it_fails=True):
                self._within_lifespan(lifespan.startup(), "startup")
            self._lifespan = lifespan

    def _within_lifespan(self, call: Coroutine[Any, Any, None], phase: str) -> None:
        assert self._loop is not None
        try:
            self._loop.run(call, self.timeout)
        except TimedOut:
            raise DeadlineExceeded(
                f"The app's {phase} did not end within {self.timeout} s. Give timeout= a larger number if it needs"
                " longer, or lifespan=False to leave it out.",
                slug="lifespan-deadline",
            ) from None

    def close(self) -> None:
        """Shut the app down and stop observing; the client cannot be used again.

        Raises:
            Exception: The app's own, where its shutdown raised one.
        """
        if self._loop is not None:
            _refuse_running_loop()
        try:
            if self._lifespan is not None and self._is_open:
                with self._ending(self._lifespan):
                    self._within_lifespan(self._lifespan.shutdown(), "shutdown")
        finally:
            self._release()

    def _release(self) -> None:
        if self._loop is not None:
            self._loop.close()
        self._loop = self._lifespan = None
        self._close()

    # -- requests

    def request(self, method: str, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Trace:
        """Make a request and give its trace; of redirects that are followed, the last one's.

        Args:
            method: The HTTP method.
            url: A path, or a whole URL.
            arguments: As for `httpx.Client.request`: `params`, `headers`, `cookies`, `json`, `data`, `content`,
                `files`, `auth`, `follow_redirects`, `timeout` (seconds), `extensions`.

        Raises:
            UsageProblem: The request cannot be encoded, the client is closed, or a loop runs in this thread.
            DeadlineExceeded: The app did not answer in time.
            Exception: The app's own, with `raise_app_exceptions`.
        """
        self._start()
        auth, follow = arguments.pop("auth", None), arguments.pop("follow_redirects", None)
        seconds = seconds_of(arguments.pop("timeout", self.timeout))
        with session.aside():
            conversation = self._converse(self._build(method, url, arguments), auth, follow)
            try:
                request = next(conversation)
                while True:
                    request = conversation.send(self._drive(request, seconds))
            except StopIteration as stop:
                trace: Trace = stop.value
                return trace

    def _drive(self, request: httpx.Request, seconds: float | None) -> Trace:
        if self.interface == "asgi":
            return self._drive_asgi(request, seconds)
        return self._drive_wsgi(request, seconds)

    def _drive_asgi(self, request: httpx.Request, seconds: float | None) -> Trace:
        assert self._loop is not None
        exchange = self._begin(request)
        out = outgoing(request, root_path=self._root_path, client=self._client)
        connection = Connection(out, self._loop, exchange)
        scope = build_scope(out, self._lifespan.state if self._lifespan is not None else None)
        error: BaseException | None
        token = CURRENT.set(exchange.root)
        try:
            with session.attending():
                error = self._run(lambda: call_asgi(self._asgi_app, scope, connection), seconds)
        except TimedOut:
            raise self._expired(exchange, connection, connection.body, seconds) from None
        except UsageProblem:  # the app's own would be returned
            raise
        except BaseException as fatal:
            error = fatal
        finally:
            CURRENT.reset(token)
        return self._finish(exchange, connection, connection.body, error)

    def _run(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float | None) -> T:
        assert self._loop is not None
        if not self._is_django:
            return self._loop.run(call(), seconds)
        from asgiref.sync import async_to_sync

        return async_to_sync(partial(asyncio_limited, call, seconds))()

    def _drive_wsgi(self, request: httpx.Request, seconds: float | None) -> Trace:
        exchange = self._begin(request)
        call = WsgiCall(outgoing(request, root_path=self._root_path, client=self._client), exchange)
        body: list[bytes] = []
        latest = float("inf") if seconds is None else clock() + seconds
        token = CURRENT.set(exchange.root)
        try:
            with session.attending():
                error = call.collect(self.app, body, lambda: clock() > latest + GRACE)
        finally:
            CURRENT.reset(token)
        if call.is_cut:
            raise self._expired(exchange, call, body, seconds)
        if clock() > latest:
            exchange.warn(f"the app took longer than the {seconds} s it has; a sync app cannot be interrupted")
        return self._finish(exchange, call, body, error)

    @contextmanager
    def stream(self, method: str, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Iterator[Stream]:
        """Make a request and read its response while the app still runs.

        Redirects are not followed. Leaving the block before the end hangs up: the app gets ``http.disconnect``
        (ASGI), or its iterable is closed (WSGI).

        Args:
            method: The HTTP method.
            url: A path, or a whole URL.
            arguments: As for `request`; `timeout` is for each step.

        Raises:
            UsageProblem: As for `request`.
            DeadlineExceeded: A step took longer.
        """
        self._start()
        auth, seconds = arguments.pop("auth", None), seconds_of(arguments.pop("timeout", self.timeout))
        arguments.pop("follow_redirects", None)
        request = next(self._converse(self._build(method, url, arguments), auth, False))
        stream = self._open_stream(request, seconds)
        try:
            stream.open()
            yield stream
        finally:
            stream.close()

    @contextmanager
    def websocket(
        self, url: str | httpx.URL, *, subprotocols: Sequence[str] = (), **arguments: Unpack[HandshakeArguments]
    ) -> Iterator[WebSocket]:
        """Open a WebSocket. Leaving the block closes it; then `WebSocket.trace` is there.

        An app that refuses raises nothing: see `WebSocket.is_accepted`, `WebSocket.status` and the trace.

        Args:
            url: A path, or a whole URL.
            subprotocols: What to offer.
            arguments: As for `request`: `params`, `headers`, `cookies`, `auth`; `timeout` is for each step.

        Raises:
            UsageProblem: As for `request`; or the app speaks WSGI.
            DeadlineExceeded: The app did not answer the handshake in time.
            Exception: The app's own, with `raise_app_exceptions`.
        """
        self._start()
        request, seconds = self._handshake(url, arguments)
        assert self._loop is not None
        exchange = self._begin(request, "websocket")
        out = outgoing(request, root_path=self._root_path, client=self._client)
        scope = websocket_scope(out, subprotocols, self._lifespan.state if self._lifespan is not None else None)
        connection = WebSocketConnection(subprotocols, self._loop, exchange)
        running = AppTask(self._loop, call_asgi(self._asgi_app, scope, connection), exchange.root)
        websocket = WebSocket(self, exchange, connection, self._loop, running, seconds)
        try:
            websocket.open()
            yield websocket
        finally:
            websocket.leave()

    def _open_stream(self, request: httpx.Request, seconds: float | None) -> Stream:
        out = outgoing(request, root_path=self._root_path, client=self._client)
        exchange = self._begin(request)
        if self.interface == "wsgi":
            return WsgiStream(self, exchange, out)
        if self._is_django:
            raise UsageProblem(
                "Django's ASGI handler cannot be streamed from a sync test. Use AsyncClient, or the WSGI handler.",
                slug="stream-unread",
            )
        assert self._loop is not None
        state = self._lifespan.state if self._lifespan is not None else None
        return AsgiStream(self, exchange, out, self._loop, self._asgi_app, state, seconds)


async def call_asgi(
    app: AsgiApp, scope: dict[str, Any], connection: Connection | WebSocketConnection
) -> Exception | None:
    """Call an app and give the exception that it raised, if any."""
    try:
        returned: Any = app(scope, connection.receive, connection.send)
        if not isawaitable(returned):
            connection.faults.append(Fault.NOT_AWAITABLE.say(type(returned).__name__))
        elif (value := await returned) is not None:
            connection.faults.append(Fault.RETURN_VALUE.say(type(value).__name__))
    except Exception as error:
        connection.close(is_answered=False)
        return error
    except BaseException:
        connection.close(is_answered=False)
        raise
    finally:
        if connection.is_upload:
            await connection.end_upload()
    connection.close(is_answered=True)
    return None


def _refuse_running_loop() -> None:
    library = running_library()
    if library is not None:
        raise UsageProblem(
            f"A sync client was used while an event loop ({library}) runs in this thread. Use AsyncClient, or the"
            " fixture async_lifecycle: `trace = await async_lifecycle.get(...)`.",
            slug="sync-in-loop",
        )
