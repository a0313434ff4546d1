"""What a sync and an async client share: settings, cookies, auth, redirects, exceptions.

A conversation is a generator that yields requests and takes their traces, so that the twins differ only in how they
drive the app.
"""

from __future__ import annotations

import re
import weakref
from asyncio import CancelledError
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from .. import _session as session
from .._drive.asgi import Connection
from .._drive.lifespan import Lifespan
from .._drive.websocket import WebSocketConnection
from .._drive.wsgi import WsgiCall
from .._errors import DeadlineExceeded, LifespanFailed, UsageProblem
from .._observe.recorder import CURRENT
from .._show.told import told_request, told_text, told_url
from .._trace.declared import Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.exchange import Exchange
from .._trace.span import Span
from .._trace.story import path_entry
from .._trace.trace import Trace
from .encode import (
    UNENCODABLE,
    RequestArguments,
    absolute_url,
    auth_of,
    encode,
    may_share_secrets,
    not_encodable,
    own_lines,
    redirect_target,
    seconds_of,
)
from .interface import Interface, interface_of
from .verbs import HandshakeArguments

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

MAX_REDIRECTS = 20
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEPT = (Exception, CancelledError, GeneratorExit)
"""What becomes a part of the trace; an exit, an interrupt or a `pytest.skip` of the app's goes on its way."""
Response = Connection | WsgiCall | WebSocketConnection
"""What takes an app's response."""
Conversation = Generator[httpx.Request, Trace, Trace]


class BaseClient:
    """A client's settings and what it remembers between requests.

    Args:
        app: The WSGI or ASGI app, as a server would be given it.
        interface: ``"asgi"`` or ``"wsgi"``, where it cannot be told from the app.
        base_url: What relative URLs are relative to.
        headers: Sent with each request; those of a request come on top.
        cookies: The cookies to begin with; what the app sets is added and sent from then on.
        root_path: What the app is mounted under (ASGI `root_path`, WSGI `SCRIPT_NAME`).
        client: The address that requests come from.
        follow_redirects: Whether redirects are followed; a request can say otherwise.
        raise_app_exceptions: Whether an exception that escapes the app is raised, after its trace is finished.
            Otherwise it is part of the trace.
        timeout: How many seconds a request, the startup or the shutdown may take; None for no limit. A sync WSGI app
            cannot be interrupted: its trace gets a warning.
        lifespan: Whether an ASGI app's lifespan is run.

    Raises:
        UsageProblem: The app is none, or its interface cannot be told; the headers or the cookies cannot be sent.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        interface: str | None = None,
        base_url: str = "http://testserver",
        headers: Any = None,
        cookies: Any = None,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        follow_redirects: bool = False,
        raise_app_exceptions: bool = False,
        timeout: float | None = 10.0,
        lifespan: bool = True,
    ) -> None:
        self.app = app
        self.interface: Interface = interface_of(app, interface)
        self.base_url = base_url
        lines = own_lines(headers, cookies)
        self.headers: httpx.Headers = lines[0]
        self.cookies: httpx.Cookies = lines[1]
        self.follow_redirects = follow_redirects
        self.raise_app_exceptions = raise_app_exceptions
        self.timeout: float | None = seconds_of(timeout)
        self._root_path = root_path
        self._client = client
        self._runs_lifespan = lifespan and self.interface == "asgi"
        self._is_open = False
        self._is_closed = False
        self._lifespan: Lifespan | None = None
        self._lifespan_trace: Trace | None = None
        self._prepare()

    def _prepare(self) -> None:
        """Set what only one of the twins has; so that both share this signature."""

    # -- what the app declares

    def routes(self) -> list[DeclaredRoute]:
        """Give the routes that the app declares, in the order declared, without a request."""
        return list(self._declared().routes)

    def stack(self) -> list[DeclaredMiddleware]:
        """Give the middleware that the app declares, without a request: that of the whole app first, outermost first.

        Middleware that is declared and that no request goes through is among them: see `DeclaredMiddleware.active`.
        """
        return list(self._declared().middleware)

    def _declared(self) -> Declared:
        return session.declared(self.app) or Declared()

    # -- observation

    def _open(self) -> bool:
        """Begin to observe; whether it was not open yet.

        Raises:
            UsageProblem: The client was closed.
        """
        if self._is_closed:
            raise UsageProblem(
                "This client is closed. Make a new one for further requests.",
                slug="client-closed",
            )
        if self._is_open:
            return False
        session.acquire()
        self._stop_observing = weakref.finalize(self, session.release)  # for a client that nobody closes
        self._stop_observing.atexit = False
        self._is_open = True
        return True

    def _close(self) -> bool:
        """Stop observing; whether it was open."""
        was_open = self._is_open
        self._is_open = False
        self._is_closed = True
        if was_open:
            self._stop_observing()
        return was_open

    # -- the lifespan

    @property
    def lifespan(self) -> Trace | None:
        """The trace of the app's startup and, once the client is closed, of its shutdown.

        None where no lifespan ran: the app has none, it speaks WSGI, or `lifespan=False` was given.
        """
        if self._lifespan_trace is None and self._lifespan is not None and self._lifespan.is_supported:
            return Trace(self._lifespan.exchange)
        return self._lifespan_trace

    @contextmanager
    def _ending(self, lifespan: Lifespan, *, if_it_fails: bool = False) -> Iterator[None]:
        """Publish a lifespan's trace after its shutdown, or after a startup that failed."""
        try:
            yield
        except LifespanFailed as failed:
            self._lifespan_trace = session.publish(lifespan.exchange)
            raise LifespanFailed(told_text(str(failed)), slug=failed.slug) from None  # the app's words are in it
        except BaseException as error:
            if isinstance(error, DeadlineExceeded):
                lifespan.expire()
            self._lifespan_trace = session.publish(lifespan.exchange)
            raise
        if not if_it_fails and lifespan.is_supported:
            self._lifespan_trace = session.publish(lifespan.exchange)

    # -- requests

    def _build(self, method: str, url: str | httpx.URL, arguments: RequestArguments) -> httpx.Request:
        if not isinstance(url, (str, httpx.URL)):
            raise UsageProblem(
                f"{told_text(repr(url)):.80} is no URL. Give a path, or a URL such as 'http://testserver/orders'.",
                slug="unusable-url",
            )
        target = absolute_url(self.base_url, str(url))
        given = dict(arguments)
        headers, cookies = arguments.get("headers"), arguments.get("cookies")
        try:
            if self.headers:
                arguments["headers"] = httpx.Headers(self.headers)
                arguments["headers"].update(headers)
            if len(self.cookies.jar) or cookies:
                arguments["cookies"] = httpx.Cookies(self.cookies)
                arguments["cookies"].update(cookies)
            request = encode(method.upper(), target, arguments)
            if arguments.get("files"):
                request.read()  # what cannot be read is found here, and a redirect can send it again
            if self.interface == "wsgi" and not isinstance(request.stream, httpx.SyncByteStream):
                raise TypeError("a WSGI app cannot be given an async iterable")
        except UNENCODABLE as error:
            raise not_encodable(method, target, given, error) from None
        return request

    def _handshake(self, url: str | httpx.URL, arguments: HandshakeArguments) -> tuple[httpx.Request, float | None]:
        """Give the request that opens a WebSocket, and how many seconds each of its steps has.

        Raises:
            UsageProblem: The app speaks WSGI, or the request cannot be encoded.
        """
        if self.interface == "wsgi":
            raise UsageProblem(
                "A WSGI app has no WebSockets. Give the client the project's ASGI app.", slug="unknown-interface"
            )
        given = dict(arguments)
        auth, seconds = given.pop("auth", None), seconds_of(given.pop("timeout", self.timeout))
        target = re.sub("^ws(?=s?://)", "http", str(url))
        request = self._build("GET", target, cast("RequestArguments", given))
        return next(self._converse(request, auth, False)), seconds

    def _converse(self, request: httpx.Request, auth: Any, follow: bool | None) -> Conversation:
        """Yield the requests of one call and take their traces: auth flows and redirects."""
        follows = self.follow_redirects if follow is None else follow
        history: list[Trace] = []
        while True:
            trace = yield from self._authenticated(request, auth)
            trace.history.extend(history)
            if not follows or trace.status not in REDIRECTS:
                return trace
            location = trace.headers.get("location")
            if not location:
                return trace
            if len(history) >= MAX_REDIRECTS:
                raise UsageProblem(
                    f"{told_request(history[0]._exchange)} was redirected {MAX_REDIRECTS} times,"
                    f" lastly to {told_url(location, trace._exchange)!r}."
                    " Ask with follow_redirects=False to see where the circle begins.",
                    slug="too-many-redirects",
                )
            history.append(trace)
            redirected = self._redirected(request, trace.status, location)
            if not may_share_secrets(request.url, redirected.url):
                auth = None  # what one server may know is none of another's business
            request = redirected

    def _authenticated(self, request: httpx.Request, auth: Any) -> Conversation:
        flow = auth_of(request, auth)
        if flow is None:
            trace = yield request
            self._remember_cookies(trace)
            return trace
        steps = flow.sync_auth_flow(request)
        request = next(steps)
        while True:
            trace = yield request
            self._remember_cookies(trace)
            if trace.status is None:
                return trace
            try:
                request = steps.send(trace.response)
            except StopIteration:
                return trace

    def _remember_cookies(self, trace: Trace) -> None:
        if trace.status is not None and any(name.lower() == b"set-cookie" for name, _ in trace._exchange.raw_headers):
            request = httpx.Request(trace.method, trace.url)
            lines = [("set-cookie", value) for value in trace.headers.get_list("set-cookie")]
            self.cookies.extract_cookies(httpx.Response(trace.status, headers=lines, request=request))

    def _redirected(self, request: httpx.Request, status: int | None, location: str) -> httpx.Request:
        """Make the request that a redirect asks for (RFC 9110, section 15.4)."""
        url = redirect_target(request.url, location)
        method = request.method
        if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
            method = "GET"
        headers = httpx.Headers(request.headers)
        dropped = ["cookie"]
        if url.netloc != request.url.netloc:
            headers["host"] = url.netloc.decode("ascii")
        if not may_share_secrets(request.url, url):
            dropped.append("authorization")
        if method != request.method:
            dropped += ["content-length", "content-type", "transfer-encoding"]
        for name in dropped:
            headers.pop(name, None)
        stream = request.stream if method == request.method else None
        cookies = self.cookies if len(self.cookies.jar) else None
        return httpx.Request(
            method, url, headers=headers, cookies=cookies, stream=stream, extensions=request.extensions
        )

    # -- traces

    def _begin(self, request: httpx.Request, protocol: str = "http") -> Exchange:
        method, url = request.method, str(request.url)
        if protocol == "websocket":
            method, url = "WEBSOCKET", "ws" + url.removeprefix("http")
        exchange = Exchange(self.interface, method, url, parent=CURRENT.get(), protocol=protocol)
        exchange.captures = False
        exchange.request_headers = [*request.headers.raw]
        return exchange

    def _finish(self, exchange: Exchange, response: Response, body: list[bytes], error: BaseException | None) -> Trace:
        """Write the response down, publish the trace, and raise the app's exception if that is asked for."""
        if error is not None:
            session.saw(error)
            exchange.root.exception = error
            if not any(raised is error for raised, _ in exchange.raised):
                exchange.raised.append((error, exchange.root))  # no step was running: a body's own iterable, say
        trace = self._publish(exchange, response, body)
        if response.upload_error is not None:
            raise response.upload_error  # the test's own: whatever the app made of it
        if error is not None and (self.raise_app_exceptions or not isinstance(error, KEPT)):
            raise error
        return trace

    @staticmethod
    def _publish(exchange: Exchange, response: Response, body: list[bytes]) -> Trace:
        exchange.status = response.status
        exchange.raw_headers = response.headers
        exchange.body = body
        for fault in dict.fromkeys(response.faults):
            exchange.warn(fault)
        return session.publish(exchange)

    def _expired(
        self,
        exchange: Exchange,
        response: Response,
        body: list[bytes],
        seconds: float | None,
        moment: float | None = None,
    ) -> DeadlineExceeded:
        """Publish the trace of a request that took too long, and say where it stood when its time was over."""
        if moment is None:
            moment = exchange.root.start + (seconds or 0.0)
        where = active_step(exchange.root, moment)
        exchange.gave_up = True
        self._publish(exchange, response, body)
        place = "before its first step" if where is None else f"in {path_entry(where)!r}"
        return DeadlineExceeded(
            f"{told_request(exchange)} was not answered within {seconds} s: the app waits {place}."
            " Give timeout= a larger number if it needs longer.",
            slug="deadline",
        )


def active_step(root: Span, moment: float) -> Span | None:
    """Give the deepest step that was running at a moment of `time.perf_counter`, a user's own before a builtin one."""
    steps = [(span, span.active_intervals()) for span in root.walk() if span is not root]
    running = [span for span, times in steps if any(begin <= moment <= end for begin, end in times)]
    if not running:  # a generator makes the body, and stood between two pieces
        running = [span for span, times in steps if times[0][0] <= moment <= times[-1][1]]
    own = [span for span in running if not span.builtin]
    return (own or running)[-1] if running else None
