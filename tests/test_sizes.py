"""Large bodies, many headers, deep and wide apps, many requests at once: the same trace, and memory that stays bounded.

Nothing is timed here; what it costs is in docs/explanation/cost.md.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio
from flask import Flask, Response, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import AsyncClient, Client, LifecycleError, Trace, observe

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
Start = Callable[..., Any]

MIB = 1024 * 1024
SIZE = 50 * MIB
PIECE = bytes(64 * 1024)
PIECES = SIZE // len(PIECE)
BODY = bytes(SIZE)


# -- bodies


async def read_all(receive: Receive) -> int:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    return size


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with how much was sent, or with a large body as a whole or in pieces."""
    size = await read_all(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/pieces":
        for _ in range(PIECES):
            await send({"type": "http.response.body", "body": bytes(len(PIECE)), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": BODY if scope["path"] == "/whole" else str(size).encode()})


def wsgi(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer in the same way."""
    size = 0
    while piece := environ["wsgi.input"].read(8192):
        size += len(piece)
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/pieces":
        return (bytes(len(PIECE)) for _ in range(PIECES))
    return [BODY if environ["PATH_INFO"] == "/whole" else str(size).encode()]


BOTH = pytest.mark.parametrize("app", [asgi, wsgi])


@contextmanager
def peak() -> Iterator[Callable[[], float]]:
    """Give what says the most memory that was in use since the block began, in 50 MiB."""
    gc.collect()
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] / SIZE
    finally:
        tracemalloc.stop()


def read(trace: Trace) -> None:
    """Read all that must not depend on the body."""
    assert len(str(trace)) < 10_000
    assert len(str(trace.to_dict())) < 500_000
    assert trace.path == [f"handler {trace.handler}", "response 200"]


@BOTH
@pytest.mark.parametrize("content", ["whole", "pieces", "one large piece"])
def test_a_large_request_is_held_once_at_most(app: Any, content: str) -> None:
    given = {"whole": lambda: BODY, "pieces": lambda: [PIECE] * PIECES, "one large piece": lambda: [BODY]}[content]()
    with Client(app, lifespan=False) as client, peak() as used:
        trace = client.post("/", content=given)
        read(trace)
        assert used() < 0.1  # of the test's own body no copy is made
    assert (trace.text, trace.body_read) == (str(SIZE), SIZE)


@BOTH
def test_a_large_response_is_the_app_s_own_object(app: Any) -> None:
    with Client(app, lifespan=False) as client, peak() as used:
        trace = client.get("/whole")
        read(trace)
        assert used() < 0.1
    assert trace.content is BODY


@BOTH
def test_a_large_response_in_pieces_is_kept_once(app: Any) -> None:
    with Client(app, lifespan=False) as client, peak() as used:
        trace = client.get("/pieces")
        read(trace)
        assert used() < 1.1
        assert len(trace.content) == SIZE
        assert trace.response.content is trace.content
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1.1 * SIZE  # joined, the pieces are let go


@BOTH
def test_a_large_response_that_is_streamed_is_kept_once(app: Any) -> None:
    with Client(app, lifespan=False) as client, peak() as used:
        with client.stream("GET", "/pieces") as stream:
            assert sum(map(len, stream.iter_bytes())) == SIZE
        read(stream.trace)
        assert used() < 1.1
    assert len(stream.trace.messages) >= PIECES


def test_of_a_large_response_to_another_client_nothing_is_kept() -> None:
    async def get() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://testserver") as client:
            assert len((await client.get("/pieces")).content) == SIZE

    with observe() as traces:
        asyncio.run(get())
    (trace,) = traces
    assert trace.warnings == ["the response's body was not kept: it is larger than 16777216 bytes"]
    assert trace._exchange.body is None
    read(trace)


def test_a_body_that_hooks_pass_on_is_kept_by_none_of_them() -> None:
    app = Flask("bodies")

    @app.get("/")
    def pieces() -> Response:
        return Response([bytes(len(PIECE)) for _ in range(PIECES)])

    @app.after_request
    def first(response: Response) -> Response:
        return response

    @app.after_request
    def second(response: Response) -> Response:
        response.headers["x-second"] = "1"
        return response

    with Client(app) as client, peak() as used:
        trace = client.get("/")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1.1 * SIZE
        assert used() < 2.1  # joined for a moment, to be compared
    assert trace.span("second").response_changes.added == {"x-second": "1"}
    assert trace.span("second").response_changes.body is None


# -- headers


MANY = [(f"x-{number}", str(number)) for number in range(10_000)]


def test_ten_thousand_headers_both_ways() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines = [(name, value) for name, value in scope["headers"] if name.startswith(b"x-")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body"})

    with Client(app, lifespan=False) as client:
        trace = client.get("/", headers=MANY)
    assert dict(trace.headers) == dict(MANY)
    assert (len(trace.headers), trace.headers["x-9999"]) == (10_000, "9999")
    assert len(trace.to_dict()["headers"]) == 10_000
    assert len(str(trace)) < 1000


def test_ten_thousand_headers_to_and_from_a_wsgi_app() -> None:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        start_response("200 OK", [(key[5:], value) for key, value in environ.items() if key.startswith("HTTP_X_")])
        return []

    with Client(app) as client:
        trace = client.get("/", headers=MANY)
    assert dict(trace.headers) == {name.replace("-", "_"): value for name, value in MANY}


def test_ten_thousand_lines_of_one_name_through_a_layer() -> None:
    cookies = [(b"set-cookie", b"c%d=1" % number) for number in range(10_000)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": cookies[:-1]})
        await send({"type": "http.response.body"})

    class Last:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def adding(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], cookies[-1]]
                await send(message)

            await self.app(scope, receive, adding)

    with Client(Last(app), lifespan=False) as client:
        trace = client.get("/")
    assert len(trace.cookies) == 10_000
    assert trace.span("Last").response_changes.cookies == ["c9999"]


@pytest.mark.parametrize("name", ["x-long", "authorization"])
def test_a_header_of_64_kib_is_kept_whole_and_shown_in_short(name: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": scope["headers"]})
        await send({"type": "http.response.body"})

    long = "v" * 64 * 1024
    with Client(app, lifespan=False) as client:
        trace = client.get("/", headers={name: long})
    assert trace.headers[name] == long
    assert len(str(trace)) < 1000


def test_a_trace_lists_a_hundred_warnings_and_says_that_there_are_more() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines = [(f"x-{number}", "text") for number in range(10_000)]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body"})

    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    assert len(trace.warnings) == 101
    assert trace.warnings[99].startswith("the app sent the header ")
    assert trace.warnings[100] == "there are more warnings than are listed here"


# -- layers and recursion


DEPTH = 300


class Layer:
    """Passes on, and says so in a header."""

    def __init__(self, app: Any, number: int) -> None:
        self.app = app
        self.number = number

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-%d" % self.number, b"1")]}
            await send(message)

        await self.app(scope, receive, adding)


class WsgiLayer:
    """The same for WSGI."""

    def __init__(self, app: Any, number: int) -> None:
        self.app = app
        self.number = number

    def __call__(self, environ: Environ, start_response: Start) -> Any:
        def adding(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, (f"x-{self.number}", "1")], exc_info)

        return self.app(environ, adding)


async def end(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/crash":
        raise LookupError("crash")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"end"})


def wsgi_end(environ: Environ, start_response: Start) -> list[bytes]:
    if environ["PATH_INFO"] == "/crash":
        raise LookupError("crash")
    start_response("200 OK", [])
    return [b"end"]


@pytest.fixture
def deep_stack() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("deep_stack")
@pytest.mark.parametrize(("layer", "app"), [(Layer, end), (WsgiLayer, wsgi_end)])
def test_three_hundred_middleware(layer: Any, app: Any) -> None:
    app_name = app.__name__
    for number in reversed(range(DEPTH)):
        app = layer(app, number)
    with Client(app, lifespan=False) as client:
        trace, crashed = client.get("/"), client.get("/crash")
    spans = trace.spans("middleware")
    assert len(spans) == len(trace.middleware_out) == DEPTH
    assert [list(span.response_changes.added) for span in spans] == [[f"x-{number}"] for number in range(DEPTH)]
    assert trace.header_set_by("x-7") is spans[7]
    assert trace.to_dict()["middleware"] == [layer.__name__] * DEPTH
    assert "more steps are not shown" in str(trace)
    assert abs(sum(trace.layers().values()) - trace.duration) < 1e-6
    (error,) = crashed.exceptions
    assert (error.type, error.raised_in, error.handled_by) == ("LookupError", app_name, None)
    assert error.crossed == (layer.__name__,) * DEPTH
    assert crashed.middleware_out == []


@pytest.mark.usefixtures("deep_stack")
def test_an_app_that_asks_itself_fifty_deep() -> None:
    async def count_down(request: Request) -> StarletteResponse:
        left = request.path_params["left"]
        if left == 0:
            return PlainTextResponse("0")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            inner = await client.get(f"/{left - 1}")
        return PlainTextResponse(f"{left} {inner.text}")

    app = Starlette(routes=[Route("/{left:int}", count_down)])
    with observe() as traces, Client(app) as client:
        outermost = client.get("/50")
    assert outermost.text == " ".join(map(str, range(50, -1, -1)))
    assert [trace.path_params["left"] for trace in traces] == list(range(51))  # the innermost ends first
    for inner, outer in pairwise(traces):
        assert inner.parent is outer.span("count_down")
        assert outer.path == ["route GET /{left:int}", "handler count_down", "response 200"]
        assert outer.warnings == []
    assert outermost.parent is None


@pytest.mark.usefixtures("deep_stack")
def test_a_wsgi_app_that_asks_itself_fifty_deep() -> None:
    app = Flask("recursive")

    @app.get("/<int:left>")
    def count_down(left: int) -> str:
        return "0" if left == 0 else f"{left} {app.test_client().get(f'/{left - 1}').text}"

    with observe() as traces, Client(app) as client:
        outermost = client.get("/50")
    assert outermost.text == " ".join(map(str, range(50, -1, -1)))
    assert [trace.path_params["left"] for trace in traces] == list(range(51))
    for inner, outer in pairwise(traces):
        assert inner.parent is outer.span("count_down")
        assert outer.path == ["route GET /<int:left>", "handler count_down", "response 200"]


# -- many requests


TEN_THOUSAND = """
import gc
from pytest_lifecycle import Span, Trace
import shop

def test_many(lifecycle, lifecycle_traces):
    alive = []
    for number in range(1, 10_001):
        lifecycle.get(f"/{number}")
        if number % 2500 == 0:
            gc.collect()
            known = gc.get_objects()
            alive.append([sum(1 for held in known if type(held) is kind) for kind in (Trace, Span)])
            del known
    assert [trace.url for trace in lifecycle_traces] == [f"http://testserver/{n}" for n in range(9001, 10_001)]
    assert alive[1:] == alive[:1] * 3, alive
    assert alive[0][0] == 1000
    assert False, "to see the report"
"""


def test_a_test_of_ten_thousand_requests_holds_a_thousand_and_says_so(named: pytest.Pytester) -> None:
    named.makepyfile(TEN_THOUSAND)
    result = named.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*AssertionError: to see the report*", "... 9980 earlier requests are not shown"])
    result.stdout.fnmatch_lines(["GET /9981 -> 200 handled*", "*GET /10000 -> 200 handled*"])
    result.assert_outcomes(failed=1)


# -- many at once


COUNT = 200
IDENTITY: ContextVar[str] = ContextVar("identity", default="")


class Noting:
    """ASGI middleware that notes the request's id in the scope, for the trace to tell."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            IDENTITY.set(scope["path"])
            scope[f"seen{scope['path']}"] = True
        await self.app(scope, receive, send)


class Passing(BaseHTTPMiddleware):
    """Runs what is inside it in another task."""

    async def dispatch(self, request: Request, call_next: Any) -> StarletteResponse:
        response: StarletteResponse = await call_next(request)
        response.headers["x-passed"] = request.url.path
        return response


def concurrent_app(pause: Callable[[], Awaitable[object]]) -> Starlette:
    async def answer(request: Request) -> StarletteResponse:
        await pause()
        return PlainTextResponse(IDENTITY.get(), headers={"x-answered": request.url.path})

    def in_thread(request: Request) -> StarletteResponse:
        return PlainTextResponse(IDENTITY.get(), headers={"x-answered": request.url.path})

    routes = [Route("/task/{number:int}", answer), Route("/thread/{number:int}", in_thread)]
    layers = [Middleware(Noting), Middleware(Passing), Middleware(Noting)]
    return Starlette(routes=routes, middleware=layers)


def check(trace: Trace, url: str) -> None:
    """See that everything of a trace is of one request."""
    assert trace.url == f"http://testserver{url}"
    assert (trace.text, trace.headers["x-passed"], trace.headers["x-answered"]) == (url, url, url)
    assert trace.path_params == {"number": int(url.rpartition("/")[2])}
    assert trace.middleware == ["Noting", "Passing", "Noting"]
    assert trace.middleware_out == ["Noting", "Passing", "Noting"]
    assert [span.scope_added for span in trace.spans("middleware", "Noting")] == [[f"seen{url}"], []]
    assert trace.span("Passing").response_changes.added == {"x-passed": url}
    handler = "in_thread" if "thread" in url else "answer"
    assert trace.path[3:] == [f"route GET /{url.split('/')[1]}/{{number:int}}", f"handler {handler}", "response 200"]
    assert {id(span.exchange) for span in trace.spans()} == {id(trace._exchange)}
    assert trace.warnings == []


URLS = [f"/{'thread' if number % 2 else 'task'}/{number}" for number in range(COUNT)]


def test_two_hundred_tasks_on_asyncio() -> None:
    async def ask() -> list[Trace]:
        async with AsyncClient(concurrent_app(lambda: asyncio.sleep(0))) as client:
            return await asyncio.gather(*[client.get(url) for url in URLS])

    for trace, url in zip(asyncio.run(ask()), URLS, strict=True):
        check(trace, url)


def test_two_hundred_tasks_on_trio() -> None:
    async def ask() -> dict[str, Trace]:
        found = {}

        async def get(url: str) -> None:
            found[url] = await client.get(url)

        async with AsyncClient(concurrent_app(trio.lowlevel.checkpoint)) as client, trio.open_nursery() as nursery:
            for url in URLS:
                nursery.start_soon(get, url)
        return found

    for url, trace in trio.run(ask).items():
        check(trace, url)


def test_two_hundred_threads_with_a_client_each() -> None:
    app = concurrent_app(lambda: asyncio.sleep(0))
    ready = threading.Barrier(COUNT)
    found: dict[str, Trace] = {}

    def ask(url: str) -> None:
        with Client(app, timeout=60) as client:
            ready.wait()
            found[url] = client.get(url)

    in_threads(ask, URLS)
    assert len(found) == COUNT
    for url, trace in found.items():
        check(trace, url)


def test_two_hundred_threads_share_a_client_of_a_wsgi_app() -> None:
    app = Flask("shared")
    app.add_url_rule("/<int:number>", "answer", lambda number: str(number))  # watched, unlike `str`
    ready = threading.Barrier(COUNT)
    found: dict[str, Trace] = {}

    def ask(url: str) -> None:
        ready.wait()
        found[url] = client.get(url)

    with Client(app, timeout=60) as client:
        in_threads(ask, [f"/{number}" for number in range(COUNT)])
    for number in range(COUNT):
        trace = found[f"/{number}"]
        assert (trace.url, trace.path_params) == (f"http://testserver/{number}", {"number": number})
        assert (trace.text, len({span.thread for span in trace.spans()})) == (str(number), 1)


def test_a_client_of_an_asgi_app_is_for_one_thread_at_a_time() -> None:
    entered, leave = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        while not leave.is_set():
            await asyncio.sleep(0.001)
        await end(scope, receive, send)

    with Client(app, lifespan=False) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, "/")
        entered.wait()
        with pytest.raises(LifecycleError, match="Give each thread a client of its own") as refused:
            client.get("/")
        leave.set()
        assert (first.result().status, client.get("/").status) == (200, 200)
    assert refused.value.slug == "client-busy"


def in_threads(ask: Callable[[str], None], urls: list[str]) -> None:
    threads = [threading.Thread(target=ask, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_hundred_threads_of_another_client() -> None:
    app = Flask("threads")

    @app.before_request
    def note() -> None:
        IDENTITY.set(request.path)

    @app.get("/<int:number>")
    def answer(number: int) -> Response:
        with ThreadPoolExecutor(1) as pool:
            inner = pool.submit(helper, number).result()
        return Response(IDENTITY.get(), headers={"x-answered": str(inner)})

    def helper(number: int) -> int:
        return number

    ready = threading.Barrier(COUNT)

    def ask(url: str) -> None:
        ready.wait()
        assert WerkzeugClient(app).get(url).text == url

    with observe() as traces:
        in_threads(ask, [f"/{number}" for number in range(COUNT)])
    assert sorted(trace.path_params["number"] for trace in traces) == list(range(COUNT))
    for trace in traces:
        number = trace.path_params["number"]
        assert (trace.url, trace.text) == (f"http://localhost/{number}", f"/{number}")
        assert trace.headers["x-answered"] == str(number)
        assert trace.path == ["route GET /<int:number>", "hook note", "handler answer", "response 200"]
        assert {id(span.exchange) for span in trace.spans()} == {id(trace._exchange)}


def test_two_hundred_streams_at_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await send({"type": "http.response.body", "body": scope["path"].encode(), "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body"})

    async def get(client: AsyncClient, url: str) -> Trace:
        async with client.stream("GET", url) as stream:
            assert [piece async for piece in stream.aiter_bytes()] == [url.encode()] * 5
        return stream.trace

    async def ask() -> list[Trace]:
        async with AsyncClient(Noting(app), lifespan=False) as client:
            return await asyncio.gather(*[get(client, url) for url in URLS])

    for trace, url in zip(asyncio.run(ask()), URLS, strict=True):
        assert trace.path == ["middleware Noting", "handler app", "response 200"]
        assert (trace.text, trace.span("Noting").scope_added) == (url * 5, [f"seen{url}"])
