"""ASGI apps as plans: what each layer and the handler do, as data; the app that does it; and what that must come to."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DEPTH: ContextVar[int] = ContextVar("depth", default=0)
"""What the layers of the generated apps count in: theirs, not ours."""

LAYERS = (
    *("Passing", "wrapping", "Method", "partial", "Header", "Body", "Answering", "Raising", "RaisingAfter"),
    *("Swallowing", "Retrying", "Twice", "Task", "Thread", "Spawning", "Context"),
)
HANDLERS = ("whole", "stream", "raise before", "raise after start", "raise mid-body", "reads", "silent")


@dataclass(frozen=True)
class Plan:
    """What an app does: its layers, the outermost first, and its handler."""

    layers: tuple[str, ...]
    handler: str


@dataclass
class Log:
    """The side effects of a run, in order: who did what, with which `DEPTH`, and whether on the caller's thread."""

    events: list[tuple[str, str, int, bool]] = field(default_factory=list)
    home: int = field(default_factory=threading.get_ident)

    def note(self, who: str, what: str) -> None:
        self.events.append((who, what, DEPTH.get(), threading.get_ident() == self.home))


class Refused(Exception):
    """What the layers and handlers of these apps raise."""


# -- the app


class Layer:
    """A layer; the subclass says what it does."""

    def __init__(self, app: App, log: Log) -> None:
        self.app = app
        self.log = log

    def note(self, what: str) -> None:
        self.log.note(type(self).__name__, what)


class Passing(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        self.note("out")


class Header(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-layer", b"header")]}
            await send(message)

        await self.app({**scope, "seen": True}, receive, with_header)


class Body(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def louder(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = message.get("body", b"").upper()
            await send(message)

        await self.app(scope, receive, louder)


class Answering(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 403, b"no")


class Raising(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise Refused("before")


class RaisingAfter(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        raise Refused("after")


class Swallowing(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Refused as error:
            self.note(f"caught {error}")
            if not started:
                await answer(send, 502, b"mended")


class Retrying(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, dropped)
        except Refused:
            self.note("again")
        await self.app(scope, receive, send)


class Twice(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(dict(scope), receive, dropped)
        await self.app(scope, receive, send)


class Task(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.create_task(self._inner(scope, receive, send))

    async def _inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Thread(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(self.note, "in a thread")
        await self.app(scope, receive, send)


class Spawning(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def aside() -> None:
            await asyncio.sleep(0)
            self.note("aside")

        task = asyncio.create_task(aside())
        try:
            await self.app(scope, receive, send)
        finally:
            await task


class Context(Layer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = DEPTH.set(DEPTH.get() + 1)
        try:
            await self.app(scope, receive, send)
        finally:
            DEPTH.reset(token)


class Method(Layer):
    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def wrapped(app: App, log: Log) -> App:
    @functools.wraps(app, assigned=())
    async def wrapping(scope: Scope, receive: Receive, send: Send) -> None:
        log.note("wrapping", "in")
        await app(scope, receive, send)

    return wrapping


async def partial(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def dropped(message: Message) -> None:
    """Take a message, and do nothing with it."""


async def answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-from", b"app")]})
    await send({"type": "http.response.body", "body": body})


def handling(kind: str, log: Log) -> App:
    read: list[bytes] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        log.note("endpoint", f"{kind}, seen {scope.get('seen', False)}")
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x-from", b"app")]}
        match kind:
            case "whole":
                await answer(send, 200, b"whole")
            case "stream":
                await send(start)
                for piece in (b"a", b"b", b""):
                    await send({"type": "http.response.body", "body": piece, "more_body": bool(piece)})
            case "raise before":
                raise Refused("handler")
            case "raise after start":
                await send(start)
                raise Refused("handler")
            case "raise mid-body":
                await send(start)
                await send({"type": "http.response.body", "body": b"a", "more_body": True})
                raise Refused("handler")
            case "reads":
                if not read:  # a server has it once
                    read.append((await receive()).get("body", b""))
                await answer(send, 200, read[0])

    return endpoint


CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (Passing, Header, Body, Answering, Raising, RaisingAfter, Swallowing, Retrying, Twice, Task, Thread)
} | {"Spawning": Spawning, "Context": Context}


def build(plan: Plan, log: Log) -> App:
    """Make the app of a plan, anew."""
    app = handling(plan.handler, log)
    for kind in reversed(plan.layers):
        match kind:
            case "wrapping":
                app = wrapped(app, log)
            case "partial":
                app = functools.partial(partial, app)
            case "Method":
                app = Method(app, log).run
            case _:
                app = CLASSES[kind](app, log)
    return app


# -- what it must come to


@dataclass
class Model:
    """What a plan comes to, worked out without running it.

    Attributes:
        entered: The layers in the order entered.
        handled: How often the handler ran.
        status: The status that the caller gets.
        escapes: Who raised what leaves the app; None where nothing does.
    """

    plan: Plan
    entered: list[str] = field(default_factory=list)
    handled: int = 0
    status: int | None = None
    escapes: str | None = None

    def __post_init__(self) -> None:
        self.escapes = self._layer(0, heard=True)[0]

    def _start(self, status: int, heard: bool) -> bool:
        if heard and self.status is None:
            self.status = status
        return True

    def _layer(self, at: int, *, heard: bool) -> tuple[str | None, bool]:
        """Give who raised what leaves this layer, and whether it started a response; `heard`: by the caller."""
        if at == len(self.plan.layers):
            return self._handler(heard)
        kind = self.plan.layers[at]
        name = {"Method": "Method.run"}.get(kind, kind)
        self.entered.append(name)
        match kind:
            case "Answering":
                return None, self._start(403, heard)
            case "Raising":
                return name, False
            case "Twice":
                raised, _ = self._layer(at + 1, heard=False)
                return (raised, False) if raised else self._layer(at + 1, heard=heard)
            case "Retrying":
                self._layer(at + 1, heard=False)
                return self._layer(at + 1, heard=heard)
        raised, started = self._layer(at + 1, heard=heard)
        if kind == "RaisingAfter" and raised is None:
            return name, started
        if kind == "Swallowing" and raised is not None:
            return None, started or self._start(502, heard)
        return raised, started

    def _handler(self, heard: bool) -> tuple[str | None, bool]:
        self.handled += 1
        started = self.plan.handler not in ("raise before", "silent")
        if started:
            self._start(200, heard)
        return ("endpoint" if self.plan.handler.startswith("raise") else None), started
