"""Makes ASGI apps of plans, and calls them as a server would, without any client."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote

from tests.drive.bare import AsgiApp, Message, Receive, Scope, Send

from .plans import Deed, Form, Handler, Layer, Plan, Point, Reading, Request
from .worlds import VALUE, AppError, Lane, Seen, TranslatedError, World, fail, tell


def build(plan: Plan, world: World) -> AsgiApp:
    """Make the app of a plan."""
    app = make_handler(plan.handler, world)
    for number, layer in reversed([*enumerate(plan.layers)]):
        app = make_layer(app, layer, number, world)
    return app


# -- what a layer may look like: each form hands on to `act`, whose parameters are not those of an app


def make_layer(app: AsgiApp, layer: Layer, number: int, world: World) -> AsgiApp:
    """Put a layer around an app, in its form."""

    async def closure_layer(scope: Scope, receive: Receive, send: Send) -> None:
        await act(scope, receive, send, app, layer, number, world)

    async def renamed_layer(s: Scope, r: Receive, answer: Send) -> None:
        await act(s, r, answer, app, layer, number, world)

    def returning_layer(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return act(scope, receive, send, app, layer, number, world)

    match layer.form:
        case Form.CLOSURE:
            return closure_layer
        case Form.RENAMED:
            return renamed_layer
        case Form.RETURNING:
            return returning_layer
        case Form.CLASS:
            return ClassLayer(app, layer, number, world)
        case Form.SLOTS:
            return SlotsLayer(app, layer, number, world)
        case Form.SUBCLASS:
            return SubLayer(app, layer, number, world)
        case Form.METHOD:
            return MethodLayer(app, layer, number, world).handle
        case Form.PARTIAL:
            return functools.partial(partial_layer, app, layer, number, world)
        case Form.DECORATED:
            return passing_all(closure_layer)
        case Form.WRAPPED:
            return passing_three(closure_layer)


class ClassLayer:
    def __init__(self, app: AsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await act(scope, receive, send, self.app, *self.plan)


class SubLayer(ClassLayer):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


class SlotsLayer:
    __slots__ = ("app", "plan")

    def __init__(self, app: AsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await act(scope, receive, send, self.app, *self.plan)


class MethodLayer:
    def __init__(self, app: AsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await act(scope, receive, send, self.app, *self.plan)


async def partial_layer(
    app: AsgiApp, layer: Layer, number: int, world: World, scope: Scope, receive: Receive, send: Send
) -> None:
    await act(scope, receive, send, app, layer, number, world)


def passing_all(function: AsgiApp) -> AsgiApp:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        await function(*args, **kwargs)

    return wrapper


def passing_three(function: AsgiApp) -> AsgiApp:
    @functools.wraps(function)
    async def wrapper(scope: Scope, receive: Receive, send: Send) -> None:
        await function(scope, receive, send)

    return wrapper


# -- what a layer may do


async def act(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    world.note(number, "in")
    try:
        await DEEDS[layer.deed](scope, receive, send, app, layer, number, world)
    except Exception as error:
        world.note(number, "error", type(error).__name__)
        raise
    world.note(number, "out")


Act = Callable[[Scope, Receive, Send, AsgiApp, Layer, int, World], Awaitable[None]]
Changed = Callable[[Message], Message]


async def pass_on(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await app(scope, receive, send)


def changing(change: Callable[[Message, int], Message]) -> Act:
    """Give the deed of a layer that changes messages."""

    async def deed(
        scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
    ) -> None:
        async def changed(message: Message) -> None:
            await send(change(message, number))

        await app(scope, receive, changed)

    return deed


def add(message: Message, number: int) -> Message:
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": [*message["headers"], (b"x-%d" % number, b"added")]}


def change(message: Message, number: int) -> Message:
    if message["type"] != "http.response.start":
        return message
    lines = [(name, b"by %d" % number if name == b"x-origin" else value) for name, value in message["headers"]]
    return {**message, "headers": lines}


def remove(message: Message, number: int) -> Message:
    if message["type"] == "http.response.start":
        message["headers"] = [line for line in message["headers"] if line[0] != b"x-origin"]
    return message


def body(message: Message, number: int) -> Message:
    if message["type"] != "http.response.body":
        return message
    return {**message, "body": message["body"] + b"~%d" % number}


async def hold(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    held: list[Message] = []

    async def holding(message: Message) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        while held:
            await send(held.pop())
        await send(message)

    await app(scope, receive, holding)


async def copy(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await app({**scope, f"copied_{number}": True}, receive, send)


async def answer(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await respond(send, 403, number)


async def respond(send: Send, status: int, number: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-answer", b"%d" % number)]})
    await send({"type": "http.response.body", "body": b"answer"})


async def raise_before(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    if world.is_due(number, layer.times):
        raise AppError(number)
    await app(scope, receive, send)


async def raise_after(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await app(scope, receive, send)
    if world.is_due(number, layer.times):
        raise AppError(number)


def replayed(receive: Receive) -> Callable[[], Receive]:
    """Give what makes `receive` callables that all begin with the first message."""
    known: list[Message] = []

    def anew() -> Receive:
        position = 0

        async def receive_again() -> Message:
            nonlocal position
            position += 1
            if position > len(known):
                known.append(await receive())
            return known[position - 1]

        return receive_again

    return anew


async def retry(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    started = False

    async def noticing(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    anew = replayed(receive)
    for attempt in (1, 2):
        try:
            await app(scope, anew(), noticing)
        except Exception as error:
            world.note(number, "failed", attempt, str(error))
            if started or attempt == 2:
                raise
        else:
            return


async def twice(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    async def sink(message: Message) -> None:
        world.note(number, "sink", message["type"])

    anew = replayed(receive)
    await app(scope, anew(), sink)
    await app(scope, anew(), send)


async def swallow(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    started = False

    async def noticing(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        await app(scope, receive, noticing)
    except Exception as error:
        world.note(number, "swallowed", str(error))
        if not started:
            await respond(send, 500, number)


async def translate(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    try:
        await app(scope, receive, send)
    except Exception as error:
        world.note(number, "translated", str(error))
        raise TranslatedError(number) from error


async def reraise(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    try:
        await app(scope, receive, send)
    except Exception as error:
        error.add_note(f"seen by {number}")
        raise
    finally:
        world.note(number, "finally")


async def set_context(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    token = VALUE.set(f"of {number}")
    try:
        await app(scope, receive, send)
    finally:
        VALUE.reset(token)


async def manage(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        world.note(number, "before")
        try:
            yield
        finally:
            await world.pause()
            world.note(number, "after")

    async with around():
        await app(scope, receive, send)


async def go_in_steps(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    async def steps() -> AsyncIterator[str]:
        yield "begun"
        await app(scope, receive, send)
        yield "done"

    async for step in steps():
        world.note(number, step)


async def use_thread(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    thread = threading.Thread(target=world.note, args=(number, "in a thread"))
    thread.start()
    thread.join()
    await app(scope, receive, send)


async def use_executor(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await asyncio.get_running_loop().run_in_executor(None, world.note, number, "in an executor")
    await app(scope, receive, send)


async def use_to_thread(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await app(scope, receive, send)
    await asyncio.to_thread(world.note, number, "in to_thread")


async def work(world: World, number: int, lane: Lane) -> None:
    world.note(number, "task begins", lane=lane)
    for _ in range(3):
        await world.pause()
    world.note(number, "task ends", lane=lane)


async def use_side_task(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await asyncio.create_task(work(world, number, world.lane()))
    await app(scope, receive, send)


async def use_late_task(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    task = asyncio.create_task(work(world, number, world.lane()))
    try:
        await app(scope, receive, send)
    finally:
        await task


async def use_outliving_task(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    world.spawned.append(asyncio.create_task(work(world, number, world.lane())))
    await app(scope, receive, send)


async def use_inner_task(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    await asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]


async def use_group(
    scope: Scope, receive: Receive, send: Send, app: AsgiApp, layer: Layer, number: int, world: World
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(app(scope, receive, send))  # type: ignore[arg-type]


DEEDS: dict[Deed, Act] = {
    Deed.PASS: pass_on,
    Deed.ADD: changing(add),
    Deed.CHANGE: changing(change),
    Deed.REMOVE: changing(remove),
    Deed.BODY: changing(body),
    Deed.HOLD: hold,
    Deed.COPY: copy,
    Deed.ANSWER: answer,
    Deed.RAISE: raise_before,
    Deed.RAISE_AFTER: raise_after,
    Deed.RETRY: retry,
    Deed.TWICE: twice,
    Deed.SWALLOW: swallow,
    Deed.TRANSLATE: translate,
    Deed.RERAISE: reraise,
    Deed.CONTEXT: set_context,
    Deed.MANAGER: manage,
    Deed.STEPS: go_in_steps,
    Deed.THREAD: use_thread,
    Deed.EXECUTOR: use_executor,
    Deed.TO_THREAD: use_to_thread,
    Deed.SIDE_TASK: use_side_task,
    Deed.LATE_TASK: use_late_task,
    Deed.OUTLIVING_TASK: use_outliving_task,
    Deed.INNER_TASK: use_inner_task,
    Deed.GROUP: use_group,
}


# -- the handler


def make_handler(handler: Handler, world: World) -> AsgiApp:
    """Make the app at the end, in its form."""

    async def closure_handler(scope: Scope, receive: Receive, send: Send) -> None:
        await handle(scope, receive, send, handler, world)

    async def renamed_handler(s: Scope, r: Receive, answer: Send) -> None:
        await handle(s, r, answer, handler, world)

    def returning_handler(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return handle(scope, receive, send, handler, world)

    match handler.form:
        case Form.RENAMED:
            return renamed_handler
        case Form.RETURNING:
            return returning_handler
        case Form.CLASS | Form.SLOTS:
            return ClassHandler(handler, world)
        case Form.SUBCLASS:
            return SubHandler(handler, world)
        case Form.METHOD:
            return ClassHandler(handler, world).serve
        case Form.PARTIAL:
            return functools.partial(partial_handler, handler, world)
        case Form.DECORATED:
            return passing_all(closure_handler)
        case _:
            return closure_handler


class ClassHandler:
    def __init__(self, handler: Handler, world: World) -> None:
        self.plan = (handler, world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await handle(scope, receive, send, *self.plan)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await handle(scope, receive, send, *self.plan)


class SubHandler(ClassHandler):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


async def partial_handler(handler: Handler, world: World, scope: Scope, receive: Receive, send: Send) -> None:
    await handle(scope, receive, send, handler, world)


async def handle(scope: Scope, receive: Receive, send: Send, handler: Handler, world: World) -> None:
    """Do what the handler does."""
    world.note("handler", [name for name in scope if name.startswith("copied_")])
    await read(receive, handler.reading, world)
    await world.pause()
    fails = handler.fails if handler.fails is not None and world.is_due(-1, handler.times) else None

    def fail_at(point: Point) -> None:
        if fails is point:
            fail(AppError("handler", point.value), handler.cause)

    fail_at(Point.BEFORE)
    if handler.is_silent:
        return
    echo = quote(f"{scope['method']} {scope['path']}").encode()
    headers = [(b"x-origin", b"handler"), (b"x-echo", echo)]
    await send({"type": "http.response.start", "status": handler.status, "headers": headers})
    fail_at(Point.STARTED)
    *first, last = handler.pieces or (b"",)
    for piece in first:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await world.pause()
        fail_at(Point.MIDWAY)
    await send({"type": "http.response.body", "body": last})
    fail_at(Point.END)


async def read(receive: Receive, reading: Reading, world: World) -> None:
    if reading is Reading.NONE:
        return
    while True:
        message = await receive()
        world.note("read", message.get("body"))
        if reading is Reading.PART or not message.get("more_body"):
            return


# -- the caller


async def call(app: AsgiApp, world: World, request: Request) -> Seen:
    """Call an app as a server would, and say all that came of it."""
    inbox = deque(
        {"type": "http.request", "body": piece, "more_body": index < len(request.pieces)}
        for index, piece in enumerate(request.pieces or (b"",), 1)
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return inbox.popleft() if inbox else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await world.pause()
        sent.append(message)

    error = None
    try:
        await app(scope_of(request), receive, send)
    except Exception as raised:
        error = tell(raised)
    for task in world.spawned:
        await task
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    others = [message for message in sent if message is not start and message["type"] != "http.response.body"]
    return Seen(
        status=start["status"] if start else None,
        headers=start["headers"] if start else [],
        pieces=[message["body"] for message in sent if message["type"] == "http.response.body"],
        others=others,
        error=error,
        lanes=world.lanes,
    )


def scope_of(request: Request) -> Scope:
    """Make the scope of a request."""
    raw = quote(request.path, safe="/%")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *((name.encode(), value.encode()) for name, value in request.headers)],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
