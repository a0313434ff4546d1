"""What is written down while a request is under way. `Trace` reads it once it is over."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Self, final

from .._compat import clock
from .changes import Head, pairs
from .dependencies import Resolution
from .routing import Routing
from .span import Kind, Span
from .websocket import Closing

if TYPE_CHECKING:
    from .answer import Answer

BODY_LIMIT = 16 * 1024 * 1024
"""How many bytes of a response are kept that another client asked for; our own clients keep all."""
REQUEST_LIMIT = 64 * 1024
"""How many bytes of a request's body are kept: secrets in it are taken out of what is shown (never the body itself)."""


CREDENTIALS = re.compile(
    r"(?!.*[cx]srf)(?:.*[-_])?(?:authorization|authentication|auth|cookie|token|api[-_]?key|access[-_]?key|jwt)(?:[-_].*)?"
)
"""The headers that tell who asks: a token against forged requests does not."""

WARNING_LIMIT = 100
"""How many warnings a trace lists."""


class _Message(NamedTuple):
    direction: str
    type: str
    size: int
    at: float
    step: str


@final
class Message(_Message):
    """One message of the protocol at the app's edge.

    Attributes:
        direction: ``"in"`` where the app received it, ``"out"`` where it sent it.
        type: The message's type, such as ``"http.response.start"``; of WSGI, which has no messages, ``"wsgi.input"``
            for what was read in a row, ``"wsgi.start_response"`` and ``"wsgi.body"``.
        size: The size of what it carries, in bytes: of a body or of a WebSocket's text or data; 0 for others.
        at: When, in seconds since the request began.
        step: The name of the step that was running: who read the body, who answered.
    """

    _exchange: Exchange | None = None

    def of(self, exchange: Exchange) -> Self:
        """Note the request that it is about, whose secrets its `repr` leaves out. It is no part of the value."""
        self._exchange = exchange
        return self

    def __getstate__(self) -> None:
        """Say that a copy holds the value alone."""

    def __repr__(self) -> str:
        from .._show.told import told_fields

        return told_fields(self, self._fields, self._exchange)


@final
class Exchange:
    """One request and its answer, as they are seen.

    Attributes:
        interface: ``"asgi"`` or ``"wsgi"``.
        protocol: ``"http"``, ``"websocket"`` or ``"lifespan"``: what the app is called for.
        method: The HTTP method as sent; ``"WEBSOCKET"`` and ``"LIFESPAN"`` for the other protocols.
        url: The URL as sent.
        root: The span that all steps of this request are in.
        parent: The span of another request that made this one; None for most.
        is_over: Whether the request has ended.
        is_published: Whether its trace was handed out.
        gave_up: Whether the client cancelled the app, at its deadline or once a lifespan was over: what was cancelled
            is no error of the app.
        has_failed: Whether a lifespan failed, even if no exception says so.
        broke_off: Whether an exception left the first step, even if it was not seen which one (profiling).
        captures: Whether the observer takes the response from what crosses the app's edge.
            A driver that holds the response itself sets it to False.
        responded_at: When the response was started at the app's edge, in seconds of `time.perf_counter`.
        is_vouched_for: Whether the test told the framework who asks, in place of credentials.
        request_headers: The request's header lines: so that secrets among them are known when the request is shown.
        request_body: What the app read of the request's body, or was sent over a WebSocket, up to `REQUEST_LIMIT`.
        known: What is known of its secrets once it is over, and by which rules: worked out when it is first shown.
        status: The status code; None until a response is started.
        raw_headers: The response's header lines, in order.
        body: The response's body in pieces; None where it cannot be seen.
        crossed: The layers that the response has left on its way out, in that order.
        left: Where the response is on its way out: the step that sent it, and the next layer around it.
        raised: Each exception with each span that it left, in that order.
        answer: The response as the observer takes it from the app's edge; None where a driver does, or nobody can.
        answers: The exceptions that the framework itself means as answers, by their `id`.
        caught: The spans that turned an exception into an answer, by the exception's `id`.
        routing: What the routers decided, in order.
        resolutions: The dependencies that were looked for, in order.
        head: The response's head where it was seen last on its way out.
        messages: The protocol's messages at the app's edge, in order.
        closing: How a WebSocket was closed; None while it is open.
        errors: The exceptions that the framework took for a crash, not for an answer.
        framework: The name of the adapter that recognised the app; None for a bare app.
        app: The outermost app that an adapter recognised, weakly; None for a bare app.
        warnings: Protocol faults of the app, and faults of an adapter.
        edge: The `scope` or `environ`, `send` or `start_response`, and `receive` of the outermost call, while it runs.
        outermost: The first step, where the observer itself opened the exchange: the request ends with it.
    """

    __slots__ = (
        "answer",
        "answers",
        "app",
        "body",
        "body_size",
        "broke_off",
        "captures",
        "caught",
        "closing",
        "crossed",
        "edge",
        "errors",
        "framework",
        "gave_up",
        "has_failed",
        "head",
        "interface",
        "is_over",
        "is_published",
        "is_vouched_for",
        "known",
        "left",
        "messages",
        "method",
        "outermost",
        "parent",
        "protocol",
        "raised",
        "raw_headers",
        "request_body",
        "request_headers",
        "request_size",
        "resolutions",
        "responded_at",
        "root",
        "routing",
        "status",
        "url",
        "warnings",
    )

    def __init__(
        self, interface: str, method: str, url: str, *, parent: Span | None = None, protocol: str = "http"
    ) -> None:
        self.interface: str = interface
        self.protocol: str = protocol
        self.method: str = method
        self.url: str = url
        self.parent: Span | None = parent
        self.captures: bool = True
        self.broke_off: bool = False
        self.is_over: bool = False
        self.is_published: bool = False
        self.is_vouched_for: bool = False
        self.gave_up: bool = False
        self.has_failed: bool = False
        self.status: int | None = None
        self.request_headers: list[tuple[object, object]] = []
        self.request_body: list[bytes] = []
        self.request_size: int = 0
        self.known: tuple[object, object] | None = None
        self.responded_at: float | None = None
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] | None = []
        self.body_size: int = 0
        self.crossed: list[Span] = []
        self.left: tuple[Span | None, Span | None] = (None, None)
        self.raised: list[tuple[BaseException, Span]] = []
        self.answer: Answer | None = None
        self.answers: set[int] = set()
        self.caught: dict[int, str] = {}
        self.errors: list[BaseException] = []
        self.routing: list[Routing] = []
        self.resolutions: list[Resolution] = []
        self.messages: list[Message] = []
        self.head: Head | None = None
        self.closing: Closing | None = None
        self.framework: str | None = None
        self.app: weakref.ref[object] | None = None
        self.warnings: list[str] = []
        self.edge: tuple[object, ...] = ()
        self.outermost: Span | None = None
        self.root: Span = Span(Kind.APP, interface, builtin=True, exchange=self)

    def belong_to(self, app: object) -> None:
        """Note the app that an adapter recognised; one that is inside of another one counts as a part of it."""
        if self.app is None:
            try:
                self.app = weakref.ref(app)
            except TypeError:  # its class has slots
                return

    @property
    def is_anonymous(self) -> bool:
        """Whether the request brought no credentials (see `CREDENTIALS`); an empty header brings none."""
        brought = (_lower(name) for name, value in self.request_headers if value)
        return not (self.is_vouched_for or any(map(CREDENTIALS.fullmatch, brought)))

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks with it what it may ask (Fetch standard, "CORS-preflight request")."""
        names = (_lower(name) for name, _ in self.request_headers)
        return self.method == "OPTIONS" and "access-control-request-method" in names

    def respond(self, status: object, headers: Iterable[object]) -> None:
        """Note that the response was started; what is no status and no header line is left out."""
        self.status = int.__index__(status) if issubclass(type(status), int) else None  # type: ignore[arg-type]
        self.raw_headers = pairs(headers)

    def hear(self, piece: bytes) -> None:
        """Keep a piece of what the client sent, up to `REQUEST_LIMIT`."""
        room = REQUEST_LIMIT - self.request_size
        if piece and room > 0:
            self.request_body.append(piece[:room])
            self.request_size += len(piece)

    def receive_body(self, chunk: bytes) -> None:
        """Keep a piece of the response's body, up to `BODY_LIMIT`."""
        if self.body is None or not chunk:
            return
        self.body_size += len(chunk)
        if self.body_size > BODY_LIMIT:
            self.body = None
            self.warn(f"the response's body was not kept: it is larger than {BODY_LIMIT} bytes")
        else:
            self.body.append(chunk)

    def cross(self, span: Span, head: Head | None = None, inner: Head | None = None) -> None:
        """Note that the response left this layer on its way out, with this head; it came to it with the inner one.

        What a helper changes that a middleware made for itself is that middleware's doing.
        """
        if not span._crossed:
            span._crossed = True
            self.crossed.append(span)
            if head is not None and span.kind is not Kind.INTERNAL:
                span._inner_head, span._outer_head = inner, head

    def log(self, direction: str, kind: str, size: int, step: Span | None) -> None:
        """Note a message at the app's edge, and the step that was running."""
        self.messages.append(Message(direction, kind, size, clock() - self.root.start, self._name_of(step)))

    def _name_of(self, step: Span | None) -> str:
        return "" if step is None or step is self.root else step.name

    def read(self, data: bytes, step: Span | None) -> None:
        """Note that a step read this of `wsgi.input`; what it reads in a row is one entry."""
        size = len(data)
        self.hear(data)
        last = self.messages[-1] if self.messages else None
        if last is not None and last.type == "wsgi.input" and last.step == self._name_of(step):
            self.messages[-1] = last._replace(size=last.size + size)
        else:
            self.log("in", "wsgi.input", size, step)

    def warn(self, message: str) -> None:
        """Note a fault, once; of an app that does little else but wrong, the first ones."""
        if len(self.warnings) > WARNING_LIMIT or message in self.warnings:
            return
        is_last = len(self.warnings) == WARNING_LIMIT
        self.warnings.append("there are more warnings than are listed here" if is_last else message)

    def fail(self, message: str) -> None:
        """Note that a lifespan failed, and why."""
        self.has_failed = True
        self.warn(message)

    def reopen(self) -> None:
        """Go on after the end: a WSGI app's first step has returned, and its body is made only now, by further steps.

        A layer that seemed to answer itself has handed the request on after all.
        """
        self.is_over = False
        self.root._end = None
        self.root.reached_inner = True
        for span in self.root.walk():
            span.short_circuited = False

    def finish(self) -> None:
        """End the root and let go of what only the running request needed."""
        self.edge = ()
        self.left = (None, None)
        self.head = None
        self.is_over = True
        self.root.close()


def _lower(name: object) -> str:
    return name.decode("latin-1").lower() if isinstance(name, bytes) else str(name).lower()
