"""WSGI apps as plans: what each layer and the handler do, as data; the app that does it; and what that must come to."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .asgi_plans import DEPTH, Log, Plan, Refused

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]

LAYERS = (
    *("Passing", "wrapping", "Header", "Body", "Generating", "Closing", "Answering", "Raising", "RaisingAfter"),
    *("Swallowing", "Twice", "Thread", "Context"),
)
HANDLERS = ("whole", "stream", "late", "write", "raise before", "raise after start", "raise mid-body", "reads")


# -- the app


class Layer:
    """A layer; the subclass says what it does."""

    def __init__(self, app: App, log: Log) -> None:
        self.app = app
        self.log = log

    def note(self, what: str) -> None:
        self.log.note(type(self).__name__, what)


class Passing(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = self.app(environ, start_response)
        self.note("out")
        return body


class Header(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def with_header(status: str, headers: Headers, *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("X-Layer", "header")], *exc_info)

        return self.app({**environ, "seen": True}, with_header)


class Body(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = self.app(environ, start_response)
        try:
            return [piece.upper() for piece in body]
        finally:
            close(body)


class Generating(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        body = self.app(environ, start_response)
        try:
            yield from body
        finally:
            close(body)
            self.note("closed")


class Closing(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return ClosingBody(self.app(environ, start_response), self.note)


class ClosingBody:
    def __init__(self, body: Iterable[bytes], note: Callable[[str], None]) -> None:
        self.body = body
        self.note = note

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        close(self.body)
        self.note("closed")


class Answering(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, "403 Forbidden", b"no")


class Raising(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise Refused("before")


class RaisingAfter(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        close(self.app(environ, start_response))
        raise Refused("after")


class Swallowing(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self.app(environ, start_response)
        except Refused as error:
            self.note(f"caught {error}")
            start_response("502 Bad Gateway", [("X-From", "mended")], (type(error), error, error.__traceback__))
            return [b"mended"]


class Twice(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = self.app(dict(environ), dropped)
        list(body)
        close(body)
        return self.app(environ, start_response)


class Thread(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        found: list[Any] = []

        def run() -> None:
            try:
                found.append(self.app(environ, start_response))
            except Refused as error:
                found.append(error)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
        thread.start()
        thread.join()
        if isinstance(found[0], Refused):
            raise found[0]
        body: Iterable[bytes] = found[0]
        return body


class Context(Layer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        token = DEPTH.set(DEPTH.get() + 1)
        try:
            return self.app(environ, start_response)
        finally:
            DEPTH.reset(token)


def wrapped(app: App, log: Log) -> App:
    def wrapping(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        log.note("wrapping", "in")
        return app(environ, start_response)

    return wrapping


def dropped(status: str, headers: Headers, exc_info: object = None) -> Callable[[bytes], object]:
    """Take the head of a response that nobody wants."""
    return len


def close(body: object) -> None:
    """Close a body that can be closed (PEP 3333)."""
    closing = getattr(body, "close", None)
    if closing is not None:
        closing()


def answer(start_response: StartResponse, status: str, body: bytes) -> list[bytes]:
    start_response(status, [("X-From", "app")])
    return [body]


def handling(kind: str, log: Log) -> App:
    def eager(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        log.note("eager", f"{kind}, seen {environ.get('seen', False)}")
        match kind:
            case "raise before":
                raise Refused("handler")
            case "raise after start":
                answer(start_response, "200 OK", b"")
                raise Refused("handler")
            case "write":
                start_response("200 OK", [("X-From", "app")])(b"written ")
                return [b"and given"]
            case "reads":
                length = int(environ.get("CONTENT_LENGTH") or 0)
                return answer(start_response, "200 OK", environ["wsgi.input"].read(length))
        return answer(start_response, "200 OK", b"whole")

    def lazy(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        log.note("lazy", f"{kind}, seen {environ.get('seen', False)}")
        start_response("200 OK", [("X-From", "app")])
        yield b"a"
        if kind == "raise mid-body":
            raise Refused("handler")
        yield b"b"

    def streaming(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        log.note("streaming", "in")
        start_response("200 OK", [("X-From", "app")])
        return (piece for piece in (b"a", b"b"))

    return {"late": lazy, "raise mid-body": lazy, "stream": streaming}.get(kind, eager)


CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (Passing, Header, Body, Generating, Closing, Answering, Raising, RaisingAfter, Swallowing, Twice, Thread)
} | {"Context": Context}


def build(plan: Plan, log: Log) -> App:
    """Make the app of a plan, anew."""
    app = handling(plan.handler, log)
    for kind in reversed(plan.layers):
        app = wrapped(app, log) if kind == "wrapping" else CLASSES[kind](app, log)
    return app


# -- what it must come to

Later = Callable[[], "str | None"]
"""What is still to happen as a body is iterated over; gives who raises then."""


def nothing_more() -> str | None:
    return None


@dataclass
class Model:
    """What a plan comes to, worked out without running it.

    Attributes:
        entered: The layers in the order entered.
        handled: How often the handler ran.
        escapes: Who raised what leaves the app; None where nothing does.
    """

    plan: Plan
    entered: list[str] = field(default_factory=list)
    handled: int = 0
    escapes: str | None = None

    def __post_init__(self) -> None:
        raised, later = self._layer(0)
        self.escapes = raised or later()

    def _layer(self, at: int) -> tuple[str | None, Later]:
        """Give who raised what leaves this call, and what is to happen as its body is iterated over."""
        if at == len(self.plan.layers):
            return self._handler()
        kind = self.plan.layers[at]
        if kind != "Generating":
            self.entered.append(kind)
        match kind:
            case "Answering":
                return None, nothing_more
            case "Raising":
                return kind, nothing_more
            case "Generating":
                return None, lambda: self._generating(at)
            case "RaisingAfter":
                raised, _ = self._layer(at + 1)
                return raised or kind, nothing_more
            case "Body":
                raised, later = self._layer(at + 1)
                return raised or later(), nothing_more
            case "Swallowing":
                raised, later = self._layer(at + 1)
                return None, nothing_more if raised else later
            case "Twice":
                raised, later = self._layer(at + 1)
                raised = raised or later()
                return (raised, nothing_more) if raised else self._layer(at + 1)
        return self._layer(at + 1)

    def _generating(self, at: int) -> str | None:
        self.entered.append("Generating")
        raised, later = self._layer(at + 1)
        return raised or later()

    def _handler(self) -> tuple[str | None, Later]:
        if self.plan.handler in ("late", "raise mid-body"):
            return None, self._lazily
        self.handled += 1
        return ("eager" if self.plan.handler.startswith("raise") else None), nothing_more

    def _lazily(self) -> str | None:
        self.handled += 1
        return "lazy" if self.plan.handler == "raise mid-body" else None
