"""Makes WSGI apps of plans, and calls them as a server would, without any client."""

from __future__ import annotations

import functools
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from tests.drive.bare import Environ, StartResponse, WsgiApp

from .plans import Body, Deed, Form, Handler, Layer, Plan, Point, Reading, Request
from .worlds import VALUE, AppError, Seen, TranslatedError, World, fail, tell

Lines = list[tuple[str, str]]


def build(plan: Plan, world: World) -> WsgiApp:
    """Make the app of a plan."""
    app = make_handler(plan.handler, world)
    for number, layer in reversed([*enumerate(plan.layers)]):
        app = make_layer(app, layer, number, world)
    return app


def close(body: Iterable[bytes]) -> None:
    """Close an iterable, as each who does not hand it on has to."""
    closing = getattr(body, "close", None)
    if closing is not None:
        closing()


# -- what a layer may look like: each form hands on to `act`, whose parameters are not those of an app


def make_layer(app: WsgiApp, layer: Layer, number: int, world: World) -> WsgiApp:
    """Put a layer around an app, in its form."""

    def closure_layer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return act(environ, start_response, app, layer, number, world)

    def renamed_layer(env: Environ, start: StartResponse) -> Iterable[bytes]:
        return act(env, start, app, layer, number, world)

    def generator_layer(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        inner = act(environ, start_response, app, layer, number, world)
        try:
            yield from inner
        finally:
            close(inner)

    match layer.form:
        case Form.CLOSURE:
            return closure_layer
        case Form.RENAMED:
            return renamed_layer
        case Form.GENERATOR:
            return generator_layer
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
            return passing_two(closure_layer)
        case _:
            raise NotImplementedError(layer.form)


class ClassLayer:
    def __init__(self, app: WsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return act(environ, start_response, self.app, *self.plan)


class SubLayer(ClassLayer):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return super().__call__(environ, start_response)


class SlotsLayer:
    __slots__ = ("app", "plan")

    def __init__(self, app: WsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return act(environ, start_response, self.app, *self.plan)


class MethodLayer:
    def __init__(self, app: WsgiApp, layer: Layer, number: int, world: World) -> None:
        self.app = app
        self.plan = (layer, number, world)

    def handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return act(environ, start_response, self.app, *self.plan)


def partial_layer(
    app: WsgiApp, layer: Layer, number: int, world: World, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    return act(environ, start_response, app, layer, number, world)


def passing_all(function: WsgiApp) -> WsgiApp:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Iterable[bytes]:
        return function(*args, **kwargs)

    return wrapper


def passing_two(function: WsgiApp) -> WsgiApp:
    @functools.wraps(function)
    def wrapper(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return function(environ, start_response)

    return wrapper


# -- what a layer may do


Act = Callable[[Environ, StartResponse, WsgiApp, Layer, int, World], Iterable[bytes]]


def act(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    world.note(number, "in")
    try:
        body = DEEDS[layer.deed](environ, start_response, app, layer, number, world)
    except Exception as error:
        world.note(number, "error", type(error).__name__)
        raise
    world.note(number, "out")
    return body


def pass_on(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    return app(environ, start_response)


def changing(change: Callable[[Lines, int], Lines]) -> Act:
    """Give the deed of a layer that changes the response's headers."""

    def deed(
        environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
    ) -> Iterable[bytes]:
        def changed(status: str, headers: Lines, *exc_info: Any) -> Callable[[bytes], object]:
            return start_response(status, change(headers, number), *exc_info)

        return app(environ, changed)

    return deed


def add(headers: Lines, number: int) -> Lines:
    return [*headers, (f"x-{number}", "added")]


def change(headers: Lines, number: int) -> Lines:
    return [(name, f"by {number}" if name == "x-origin" else value) for name, value in headers]


def remove(headers: Lines, number: int) -> Lines:
    headers[:] = [line for line in headers if line[0] != "x-origin"]
    return headers


def mark_body(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    return marked(app(environ, start_response), number, world)


def marked(body: Iterable[bytes], number: int, world: World) -> Iterator[bytes]:
    try:
        for piece in body:
            world.note(number, "piece")
            yield piece + b"~%d" % number
    finally:
        close(body)
        world.note(number, "closed")


def collected(body: Iterable[bytes]) -> list[bytes]:
    try:
        return [*body]
    finally:
        close(body)


def make_list(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    return collected(app(environ, start_response))


class Closing:
    """An iterable of a body that has something to do once it is closed."""

    def __init__(self, body: Iterable[bytes], at_end: Callable[[], None]) -> None:
        self.body = body
        self.at_end = at_end

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        close(self.body)
        self.at_end()


def make_iterable(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    return Closing(app(environ, start_response), lambda: world.note(number, "closed"))


def copy(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    return app({**environ, f"copied_{number}": True}, start_response)


def answer(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    start_response("403 Forbidden", [("x-answer", str(number))])
    return [b"answer"]


def raise_before(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    if world.is_due(number, layer.times):
        raise AppError(number)
    return app(environ, start_response)


def raise_after(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    body = collected(app(environ, start_response))
    if world.is_due(number, layer.times):
        raise AppError(number)
    return body


def noticing(start_response: StartResponse, started: list[str]) -> StartResponse:
    def noticed(status: str, headers: Lines, *exc_info: Any) -> Callable[[bytes], object]:
        started.append(status)
        return start_response(status, headers, *exc_info)

    return noticed


def retry(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    started: list[str] = []
    try:
        return collected(app(environ, noticing(start_response, started)))
    except Exception as error:
        world.note(number, "failed", str(error))
        if started:
            raise
    return app(environ, start_response)


def twice(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    def sink(status: str, headers: Lines, *exc_info: Any) -> Callable[[bytes], object]:
        world.note(number, "sink", status)
        return lambda piece: world.note(number, "sink", piece)

    collected(app(environ, sink))
    return app(environ, start_response)


def swallow(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    started: list[str] = []
    try:
        return collected(app(environ, noticing(start_response, started)))
    except Exception as error:
        world.note(number, "swallowed", str(error))
        if not started:
            start_response("500 Internal Server Error", [("x-answer", str(number))])
        return [b"sorry"]


def replace_by_exc_info(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    try:
        return collected(app(environ, start_response))
    except Exception as error:
        world.note(number, "replaced", str(error))
        start_response("500 Internal Server Error", [("x-answer", str(number))], sys.exc_info())
        return [b"sorry"]


def translate(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    try:
        return collected(app(environ, start_response))
    except Exception as error:
        world.note(number, "translated", str(error))
        raise TranslatedError(number) from error


def reraise(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    try:
        return app(environ, start_response)
    except Exception as error:
        error.add_note(f"seen by {number}")
        raise
    finally:
        world.note(number, "finally")


def set_context(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    token = VALUE.set(f"of {number}")
    try:
        return app(environ, start_response)
    finally:
        VALUE.reset(token)


def manage(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    @contextmanager
    def around() -> Iterator[None]:
        world.note(number, "before")
        try:
            yield
        finally:
            world.note(number, "after")

    with around():
        return app(environ, start_response)


def use_thread(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    thread = threading.Thread(target=world.note, args=(number, "in a thread"))
    thread.start()
    thread.join()
    return app(environ, start_response)


def use_executor(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    body = app(environ, start_response)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(world.note, number, "in an executor").result()
    return body


def use_inner_thread(
    environ: Environ, start_response: StartResponse, app: WsgiApp, layer: Layer, number: int, world: World
) -> Iterable[bytes]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(app, environ, start_response).result()


DEEDS: dict[Deed, Act] = {
    Deed.PASS: pass_on,
    Deed.ADD: changing(add),
    Deed.CHANGE: changing(change),
    Deed.REMOVE: changing(remove),
    Deed.BODY: mark_body,
    Deed.LIST: make_list,
    Deed.ITERABLE: make_iterable,
    Deed.COPY: copy,
    Deed.ANSWER: answer,
    Deed.RAISE: raise_before,
    Deed.RAISE_AFTER: raise_after,
    Deed.RETRY: retry,
    Deed.TWICE: twice,
    Deed.SWALLOW: swallow,
    Deed.EXC_INFO: replace_by_exc_info,
    Deed.TRANSLATE: translate,
    Deed.RERAISE: reraise,
    Deed.CONTEXT: set_context,
    Deed.MANAGER: manage,
    Deed.THREAD: use_thread,
    Deed.EXECUTOR: use_executor,
    Deed.INNER_THREAD: use_inner_thread,
}


# -- the handler


def make_handler(handler: Handler, world: World) -> WsgiApp:
    """Make the app at the end, in its form."""

    def closure_handler(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return handle(environ, start_response, handler, world)

    def renamed_handler(env: Environ, start: StartResponse) -> Iterable[bytes]:
        return handle(env, start, handler, world)

    def generator_handler(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        body = handle(environ, start_response, handler, world)
        try:
            yield from body
        finally:
            close(body)

    match handler.form:
        case Form.RENAMED:
            return renamed_handler
        case Form.GENERATOR:
            return generator_handler
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return handle(environ, start_response, *self.plan)

    def serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return handle(environ, start_response, *self.plan)


class SubHandler(ClassHandler):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return super().__call__(environ, start_response)


def partial_handler(handler: Handler, world: World, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return handle(environ, start_response, handler, world)


FailAt = Callable[[Point], None]


def handle(environ: Environ, start_response: StartResponse, handler: Handler, world: World) -> Iterable[bytes]:
    """Do what the handler does."""
    world.note("handler", [name for name in environ if name.startswith("copied_")])
    if handler.reading is not Reading.NONE:
        world.note("read", environ["wsgi.input"].read(*([3] if handler.reading is Reading.PART else [])))
    fails = handler.fails if handler.fails is not None and world.is_due(-1, handler.times) else None

    def fail_at(point: Point) -> None:
        if fails is point:
            fail(AppError("handler", point.value), handler.cause)

    fail_at(Point.BEFORE)
    if handler.is_silent:
        return []
    if handler.body is Body.LATE_START:
        return late(environ, start_response, fail_at, handler)
    write = start(environ, start_response, handler)
    fail_at(Point.STARTED)
    if handler.body is Body.GENERATOR:
        return in_pieces(handler.pieces, fail_at)
    if handler.body is Body.ITERABLE:
        return Closing(handler.pieces, lambda: fail_at(Point.END))
    if handler.body is Body.WRITE:
        for piece in handler.pieces:
            write(piece)
    fail_at(Point.MIDWAY)
    fail_at(Point.END)
    return [] if handler.body is Body.WRITE else [*handler.pieces]


def start(environ: Environ, start_response: StartResponse, handler: Handler) -> Callable[[bytes], object]:
    echo = quote(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
    return start_response(f"{handler.status} Fine", [("x-origin", "handler"), ("x-echo", echo)])


def late(environ: Environ, start_response: StartResponse, fail_at: FailAt, handler: Handler) -> Iterator[bytes]:
    start(environ, start_response, handler)
    fail_at(Point.STARTED)
    yield from in_pieces(handler.pieces, fail_at)


def in_pieces(pieces: tuple[bytes, ...], fail_at: FailAt) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        fail_at(Point.MIDWAY)
    fail_at(Point.END)


# -- the caller


def call(app: WsgiApp, world: World, request: Request) -> Seen:
    """Call an app as a server would, and say all that came of it."""
    heads: list[tuple[str, Lines]] = []
    others: list[object] = []
    pieces: list[bytes] = []

    def start_response(status: str, headers: Lines, exc_info: Any = None) -> Callable[[bytes], object]:
        if exc_info is not None:
            others.append(tell(exc_info[1]))
            if pieces:
                raise exc_info[1].with_traceback(exc_info[2])
        elif heads:
            others.append("started twice")
        heads.append((status, [*headers]))
        return pieces.append

    error = None
    try:
        body = app(environ_of(request), start_response)
        try:
            for piece in body:
                pieces += [piece] if piece else []
        finally:
            close(body)
    except Exception as raised:
        error = tell(raised)
    status, headers = heads[-1] if heads else (None, [])
    return Seen(
        status=int(status.split()[0]) if status else None,
        headers=[(name.encode(), value.encode()) for name, value in headers],
        pieces=pieces,
        others=[*others, *heads],
        error=error,
        lanes=world.lanes,
    )


def environ_of(request: Request) -> Environ:
    """Make the environ of a request."""
    body = b"".join(request.pieces)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(quote(request.path, safe="/%")).decode("latin-1"),
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ
