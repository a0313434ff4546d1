"""All that was seen of one request."""

from __future__ import annotations

import json
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, final

from . import story
from .changes import ResponseChanges
from .dependencies import DependencyRun, runs_of
from .exchange import Exchange, Message
from .facts import Outcome, RaisedException, Refusal, Validation, ValidationIssue
from .headers import Headers, charset_of, cookies_of
from .routing import RouteCandidate, candidates_of, nearest
from .span import Kind, Span
from .timing import layer_times

if TYPE_CHECKING:
    import httpx


COMPARED = (
    *(Outcome, Refusal, Validation, ValidationIssue, RaisedException),
    *(DependencyRun, Message, ResponseChanges, RouteCandidate),
)
for _value in COMPARED:
    _value.__module__ = "pytest_lifecycle"  # where a tool that writes snapshots imports it from

BODIES_IN = frozenset({"http.request", "wsgi.input"})
"""The messages that bring a request's body."""


@final
class Trace:
    """One request's whole trip: what ran, in which order, what was decided, and the response.

    Also that of one WebSocket, whose response is the handshake's (101 where the app accepted it), and of one lifespan,
    which has none.

    All that tests compare is plain: `str`, `int`, `list`, `tuple`, `None` or a `StrEnum`.

    Attributes:
        protocol: ``"http"``, ``"websocket"`` or ``"lifespan"``.
        method: The HTTP method as sent; ``"WEBSOCKET"`` or ``"LIFESPAN"`` for those.
        url: The URL as sent.
        interface: ``"asgi"`` or ``"wsgi"``: how the app was called.
        framework: The most specific adapter that recognised the app (``"fastapi"``, ``"flask"``, ...); None for a
            bare app.
        root: The whole tree, framework internals included.
        parent: The span of another request whose handling made this one; None for most.
        history: The redirects that were followed to get here, oldest first.
        warnings: Protocol faults of the app, and faults of an adapter.

    Example:
        >>> from pytest_lifecycle import Client
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 204, "headers": []})
        ...     await send({"type": "http.response.body"})
        >>> with Client(app) as client:
        ...     client.get("/").path
        ['handler app', 'response 204']
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.protocol: str = exchange.protocol
        self.method: str = exchange.method
        self.url: str = exchange.url
        self.interface: str = exchange.interface
        self.framework: str | None = exchange.framework
        self.root: Span = exchange.root
        self.parent: Span | None = exchange.parent
        self.history: list[Trace] = []
        self.warnings: list[str] = exchange.warnings

    @property
    def status(self) -> int | None:
        """The status code; None where no response was started."""
        return self._exchange.status

    @property
    def is_anonymous(self) -> bool:
        """Whether the request brought no credentials: no authorization, cookie, API key or token header."""
        return self._exchange.is_anonymous

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks with it whether it may make a request of another origin (CORS)."""
        return self._exchange.is_preflight

    # -- the way in

    @cached_property
    def outcome(self) -> Outcome:
        """How the request ended."""
        return story.outcome_of(self._exchange)

    @cached_property
    def path(self) -> list[str]:
        """The way in, one ``"kind name"`` per step in the order begun, ending in ``"response STATUS"``."""
        return [*map(story.path_entry, story.steps_of(self._exchange)), story.end_of(self._exchange)]

    @cached_property
    def stopped_at(self) -> str:
        """The deepest step reached before the response, as it stands in `path`."""
        deepest = story.deepest_step(story.steps_of(self._exchange))
        return self.path[-1] if deepest is None else story.path_entry(deepest)

    @cached_property
    def middleware(self) -> list[str]:
        """The names of the middleware in the order entered, outermost first."""
        return [span.name for span in self.spans(Kind.MIDDLEWARE) if not span.builtin]

    @cached_property
    def middleware_out(self) -> list[str]:
        """The names of the middleware that the response left on its way out, innermost first."""
        return [span.name for span in self._exchange.crossed if span.kind is Kind.MIDDLEWARE and not span.builtin]

    # -- routing, dependencies, validation, handler

    @cached_property
    def route(self) -> str | None:
        """The method asked for and the pattern of the route that the router chose; None where it chose none."""
        route = story.matched_route(self.root)
        return None if route is None else route.name

    @cached_property
    def route_name(self) -> str | None:
        """The route's name as the framework holds it."""
        route = story.matched_route(self.root)
        return None if route is None else route.fact("route_name")

    @cached_property
    def path_params(self) -> dict[str, Any]:
        """The path's parameters, converted, as the framework holds them."""
        route = story.matched_route(self.root)
        return {} if route is None else dict(route.fact("path_params") or {})

    @cached_property
    def candidates(self) -> list[RouteCandidate]:
        """The routes that were tried, in order, each with why it did not match."""
        return [candidate.of(self._exchange) for candidate in candidates_of(self._exchange.routing)]

    @cached_property
    def nearest(self) -> list[str]:
        """The routes that come nearest to what was asked for, with what differs; empty where a route matched."""
        if self.route is not None:
            return []
        found = nearest(self._exchange.routing)
        return list(dict.fromkeys(f"{pattern} ({difference})" for pattern, difference in found))

    @cached_property
    def dependencies(self) -> list[str]:
        """The dependencies in the order resolved, each once per resolution that ran."""
        return [span.name for span in self.spans(Kind.DEPENDENCY)]

    @cached_property
    def dependency_runs(self) -> list[DependencyRun]:
        """Each dependency that was looked for, in the order resolved: whether it ran, what it stands for, and so on."""
        return runs_of(self._exchange.resolutions, self._exchange.responded_at)

    @cached_property
    def validation(self) -> Validation:
        """What validation said of the request."""
        return story.validation_of(self.root)

    @cached_property
    def validation_errors(self) -> list[ValidationIssue]:
        """What validation found wrong, in its order."""
        return self._issues(Kind.VALIDATION)

    @cached_property
    def response_errors(self) -> list[ValidationIssue]:
        """What the validation of the response found wrong: the handler did not keep what its declaration promises."""
        return self._issues(Kind.RESPONSE)

    def _issues(self, kind: Kind) -> list[ValidationIssue]:
        return [issue.of(self._exchange) for span in self.spans(kind) for issue in span.fact("errors") or ()]

    @cached_property
    def handler(self) -> str | None:
        """The function or method that ran; None where none did."""
        handler = story.handler_of(self.root)
        return None if handler is None else handler.name

    # -- who said no, who raised, who changed what

    @cached_property
    def refusal(self) -> Refusal | None:
        """The kind of no that the request was told; None where it was not refused."""
        return story.refusal_of(self._exchange, self.outcome)[0]

    @cached_property
    def refused_by(self) -> str | None:
        """The name of the step, or of the class within it, that refused the request; None where it was not refused."""
        return story.refusal_of(self._exchange, self.outcome)[1]

    def header_set_by(self, name: str) -> Span | None:
        """Give the layer that set a header of the response as it was sent: the last one that added or changed it.

        None where the header came with the response that the innermost layer made, or is not there at all.
        """
        name = name.lower()
        setters = (span for span in reversed(self._exchange.crossed) if name in _set_by(span.response_changes))
        return next(setters, None) if name in self.headers else None

    @property
    def time_to_first_byte(self) -> float | None:
        """When the first piece of the response's body left the app, in seconds since the request began; None if none.

        How many pieces there were, `messages` tells.
        """
        sent = (message.at for message in self.messages if message.direction == "out" and message.size)
        return next(sent, None)

    @property
    def messages(self) -> list[Message]:
        """The protocol's messages at the app's edge, in order: types, sizes and times."""
        return [message.of(self._exchange) for message in self._exchange.messages]

    @property
    def body_read_by(self) -> list[str]:
        """The steps that read the request's body at the app's edge, in order, a step once for what it read in a row.

        Empty where nobody did; two names where a second one read what the first had read already.
        """
        readers = [message.step for message in self.messages if message.type in BODIES_IN]
        return [name for name, _ in groupby(readers)]

    @property
    def body_read(self) -> int:
        """How many bytes of the request's body were read."""
        return sum(message.size for message in self.messages if message.type in BODIES_IN)

    @property
    def close_code(self) -> int | None:
        """The code that a WebSocket was closed with; 1006 where the app ended without a close (RFC 6455, 7.4.1)."""
        return None if self._exchange.closing is None else self._exchange.closing.code

    @property
    def close_reason(self) -> str | None:
        """The reason that a WebSocket was closed with; None for anything else."""
        return None if self._exchange.closing is None else self._exchange.closing.reason

    @property
    def closed_by(self) -> str | None:
        """Who closed a WebSocket: ``"app"`` or ``"client"``; None for anything else."""
        return None if self._exchange.closing is None else self._exchange.closing.by

    @property
    def exceptions(self) -> list[RaisedException]:
        """The exceptions in the order raised: where from, past which layers, caught by whom."""
        return story.exceptions_of(self._exchange)

    # -- the response

    @cached_property
    def headers(self) -> Headers:
        """The response's headers, by name in any case."""
        return Headers(self._exchange.raw_headers, self._exchange)

    @cached_property
    def content(self) -> bytes:
        """The response's body, decoded where it was compressed.

        Raises:
            LifecycleError: The body was not kept: it streamed past another client, or was too large.
        """
        if self.headers.get("content-encoding", "identity") != "identity":
            return self.response.content
        return self._sent()

    @property
    def text(self) -> str:
        """The response's body as text, in the charset that its content type names."""
        try:
            return self.content.decode(charset_of(self.headers), errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """Give the response's body read as JSON.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.content)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the response sets, by name."""
        return cookies_of(self.headers)

    @cached_property
    def response(self) -> httpx.Response:
        """The response as httpx gives it, built at first use.

        Raises:
            LifecycleError: There is no response, or its body was not kept.
        """
        from .._errors import LifecycleError

        if self.status is None:
            from .._show.told import told_request

            raise LifecycleError(
                f"{told_request(self._exchange)} got no response. See `trace.exceptions` and `trace.warnings`.",
                slug="no-response",
            )
        import httpx

        return httpx.Response(
            self.status,
            headers=self._exchange.raw_headers,
            content=self._sent(),
            request=httpx.Request(self.method, self.url),
        )

    def _sent(self) -> bytes:
        if self._exchange.body is None:
            from .._errors import LifecycleError

            raise LifecycleError(
                "The response's body was not kept. Ask through the `lifecycle` client to have it.", slug="body-not-kept"
            )
        self._exchange.body[:] = [b"".join(self._exchange.body)]  # one copy is enough
        return self._exchange.body[0]

    # -- the tree

    def spans(self, kind: Kind | str | None = None, name: str | None = None) -> list[Span]:
        """Give the spans of this kind and this name in the order begun; without arguments all but the root."""
        return [
            span
            for span in self.root.walk()
            if span is not self.root and (kind is None or span.kind == kind) and (name is None or span.name == name)
        ]

    def span(self, name: str) -> Span:
        """Give the first span of this name.

        Raises:
            LookupError: There is none; the message names what there is.
        """
        found = self.spans(name=name)
        if not found:
            there = ", ".join(repr(span.name) for span in self.spans() if not span.builtin) or "none"
            raise LookupError(f"No span is named {name!r}. There are: {there}.")
        return found[0]

    @property
    def duration(self) -> float:
        """How long the request took, in seconds."""
        return self.root.duration

    def layers(self) -> dict[str, float]:
        """Give the own time of each layer in seconds, by its name; the values sum to `duration`."""
        return layer_times(self.root)

    # -- as text and as data

    def to_dict(self, *, timings: bool = True) -> dict[str, Any]:
        """Give the trace as JSON-safe data, secrets redacted.

        Args:
            timings: Whether times are in it; without them two traces of the same request are equal.
        """
        from .._show.export import to_dict

        return to_dict(self, timings=timings)

    def __str__(self) -> str:
        from .._show.tree import render

        return render(self)

    def __repr__(self) -> str:
        from .._show.told import told_trace

        return f"<Trace {told_trace(self)} {self.status} {self.outcome.value}>"


def _set_by(changes: ResponseChanges) -> set[str]:
    return {*changes.added, *changes.changed}
