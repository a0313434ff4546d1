"""After a client is closed nothing is left: no events, threads, tasks, loops, sockets, references."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx
import pytest
import trio
from fastapi import Depends, FastAPI
from flask import Flask

from pytest_lifecycle import AsyncClient, Client, LifecycleError, observe
from pytest_lifecycle._observe.recorder import CURRENT
from tests.client.django_app import django
from tests.drive.bare import Environ, Receive, Scope, Send, StartResponse, forever, piece, respond, start

Refs = list["weakref.ref[Any]"]
Act = Callable[[Refs], None]


def living(kind: type, is_left: Callable[[Any], bool]) -> set[int]:
    return {id(found) for found in gc.get_objects() if issubclass(type(found), kind) and is_left(found)}


def goes_on(thread: threading.Thread) -> bool:
    """Whether the thread goes on; those that trio keeps for its next call of a sync function end by themselves."""
    if thread.name.startswith("Trio thread"):
        return False
    thread.join(2)  # asgiref's thread ends as its executor is collected
    return thread.is_alive()


def census(known: set[threading.Thread]) -> dict[str, object]:
    """Say what there is now that should be the same later; of threads, those that were not known before."""
    gc.collect()
    threads = {thread for thread in set(threading.enumerate()) - known if goes_on(thread)}
    gc.collect()  # what the threads that ended meanwhile held
    tools: dict[int, object] = {}
    if sys.version_info >= (3, 12):
        for tool in range(6):
            name = sys.monitoring.get_tool(tool)
            tools[tool] = (name, sys.monitoring.get_events(tool) if name is not None else 0)
    return {
        "tools": tools,
        "profile": (sys.getprofile(), threading.getprofile()),
        "trace": (sys.gettrace(), threading.gettrace()),
        "threads": threads,
        "tasks": living(asyncio.Task, lambda task: not task.done()),
        "loops": living(asyncio.AbstractEventLoop, lambda loop: not loop.is_closed()),
        "sockets": living(socket.socket, lambda found: found.fileno() >= 0),
        "current": CURRENT.get(),
    }


@contextmanager
def leaving_nothing() -> Iterator[Refs]:
    """Check that all is as before, and that what is referred to weakly is gone."""
    refs: Refs = []
    threads = set(threading.enumerate())
    before = census(threads)
    yield refs
    assert census(threads) == before
    assert before["current"] is None
    assert [ref() for ref in refs if ref() is not None] == []
    assert refs


# -- the apps: fresh for each scenario, so that only we could keep them


class Bare:
    """An ASGI app that does what its path says."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.live(receive, send)
        path = scope["path"]
        if path == "/crash":
            raise ValueError("broken")
        if path == "/stuck":
            await forever()
        if path == "/task":
            self.task = asyncio.create_task(forever())
        if path == "/endless":
            await start(send)
            while True:
                await piece(send, b"more", more=True)
        await respond(send, body=b"hello", headers=[(b"set-cookie", b"id=1")])

    async def live(self, receive: Receive, send: Send) -> None:
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})


class Failing(Bare):
    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("no database")


class Hanging(Bare):
    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        await forever()


def fastapi_app() -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=lifespan)

    def user() -> Iterator[str]:
        yield "user"

    @app.get("/{number}")
    def read_order(number: int, user: str = Depends(user)) -> int:
        return number

    return app


def flask_app() -> Flask:
    app = Flask(__name__)

    @app.get("/<path:rest>")
    def read_all(rest: str) -> str:
        if rest == "crash":
            raise ValueError("broken")
        return rest

    return app


class Wsgi:
    """A WSGI app that does what its path says."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        if environ["PATH_INFO"] == "/crash":
            raise ValueError("broken")
        yield b"two"


APPS: dict[str, Callable[[], Any]] = {"asgi": Bare, "wsgi": Wsgi, "fastapi": fastapi_app, "flask": flask_app}


def tracking(refs: Refs) -> Callable[[httpx.Request], httpx.Request]:
    """Give an auth function that remembers each request, weakly."""

    def track(request: httpx.Request) -> httpx.Request:
        refs.append(weakref.ref(request))
        return request

    return track


def ask(app: Any, refs: Refs, url: str, **options: Any) -> None:
    """Open a client, ask, look at all there is, and close it."""
    refs.append(weakref.ref(app))
    with Client(app, **options) as client:
        refs.append(weakref.ref(client))
        trace = client.get(url, auth=tracking(refs))
        refs.extend([weakref.ref(trace), weakref.ref(trace.root)])
        if trace.status is not None:
            refs.append(weakref.ref(trace.response))
        str(trace), trace.to_dict(), trace.path, trace.exceptions


def ask_async(run: Callable[..., Any], app: Any, refs: Refs, url: str, **options: Any) -> None:
    async def main() -> None:
        refs.append(weakref.ref(app))
        async with AsyncClient(app, **options) as client:
            refs.append(weakref.ref(client))
            trace = await client.get(url, auth=tracking(refs))
            refs.append(weakref.ref(trace))

    run(main)


def on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main)


@pytest.fixture(autouse=True, scope="module")
def warm() -> Iterator[None]:
    """Let the libraries fill their caches, and count only what is made from now on."""
    ask(fastapi_app(), [], "/7")
    for run in (on_asyncio, on_trio):
        ask_async(run, Bare(), [], "/")
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Log nothing: pytest keeps each record, and with it the exception and its frames."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])


@pytest.mark.parametrize("make", APPS.values(), ids=APPS)
@pytest.mark.parametrize("url", ["/7", "/crash"])
def test_after_a_client_is_closed(make: Callable[[], Any], url: str) -> None:
    with leaving_nothing() as refs:
        ask(make(), refs, url)


@LOOPS
@pytest.mark.parametrize("url", ["/7", "/crash"])
@pytest.mark.parametrize("make", [Bare, fastapi_app])
def test_after_an_async_client_is_closed(run: Callable[..., Any], make: Callable[[], Any], url: str) -> None:
    ask_async(run, make(), [], url)  # worker threads of the loop's own
    with leaving_nothing() as refs:
        ask_async(run, make(), refs, url)


@pytest.mark.parametrize("make", [Wsgi, flask_app])
def test_after_an_async_client_of_a_wsgi_app_is_closed(make: Callable[[], Any]) -> None:
    with leaving_nothing() as refs:
        ask_async(on_asyncio, make(), refs, "/7")


def test_after_an_app_s_exception_was_raised() -> None:
    with leaving_nothing() as refs, suppress(ValueError):
        ask(Bare(), refs, "/crash", raise_app_exceptions=True)


@LOOPS
def test_after_a_deadline(run: Callable[..., Any]) -> None:
    with leaving_nothing() as refs:
        with suppress(LifecycleError):
            ask(Bare(), refs, "/stuck", timeout=0.01)
        with suppress(LifecycleError):
            ask_async(run, Bare(), refs, "/stuck", timeout=0.01)


@LOOPS
@pytest.mark.parametrize("make", [Failing, Hanging])
def test_after_a_lifespan_that_fails(run: Callable[..., Any], make: Callable[[], Any]) -> None:
    with leaving_nothing() as refs:
        with suppress(LifecycleError, ValueError):
            ask(make(), refs, "/", timeout=0.01)
        with suppress(LifecycleError, ValueError):
            ask_async(run, make(), refs, "/", timeout=0.01)


class Staying(Bare):
    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await forever()


@pytest.mark.parametrize("make", [Bare, Failing, Hanging, Staying])
def test_no_task_is_left_in_the_test_s_own_loop(make: Callable[[], Any]) -> None:
    async def main() -> None:
        client = AsyncClient(make(), timeout=0.01)
        with suppress(LifecycleError, ValueError):
            await client.get("/")
        with suppress(LifecycleError):
            await client.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_after_a_shutdown_that_hangs() -> None:
    for run in (on_asyncio, on_trio):
        with leaving_nothing() as refs:
            with suppress(LifecycleError):
                ask(Staying(), refs, "/", timeout=0.01)
            with suppress(LifecycleError):
                ask_async(run, Staying(), refs, "/", timeout=0.01)


def test_after_tasks_that_the_app_left() -> None:
    with leaving_nothing() as refs:
        ask(Bare(), refs, "/task")


def test_after_an_app_that_does_not_care_for_its_cancellation() -> None:
    class Stubborn(Bare):
        def __init__(self) -> None:
            self.may_end = asyncio.Event()

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            while not self.may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await self.may_end.wait()

    with leaving_nothing() as refs:
        app = Stubborn()
        refs.append(weakref.ref(app))
        with Client(app, lifespan=False, timeout=0.01) as client:
            with suppress(LifecycleError):
                client.get("/")
            app.may_end.set()
        del app, client


@LOOPS
def test_after_streams_that_were_left(run: Callable[..., Any]) -> None:
    with leaving_nothing() as refs:

        def sync_stream(app: Any, url: str) -> None:
            refs.append(weakref.ref(app))
            with Client(app) as client, client.stream("GET", url) as stream:
                next(stream.iter_bytes())
                refs.append(weakref.ref(stream))

        async def main() -> None:
            app = Bare()
            refs.append(weakref.ref(app))
            async with AsyncClient(app) as client, client.stream("GET", "/7") as stream:
                await anext(stream.aiter_bytes())
                refs.append(weakref.ref(stream))

        sync_stream(Bare(), "/7")
        sync_stream(Wsgi(), "/7")
        run(main)
        del sync_stream, main


@pytest.mark.parametrize("url", ["/hello", "/thread", "/async-thread", "/boom"])
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_after_django(interface: str, url: str) -> None:
    def request(refs: Refs) -> None:
        with django(interface) as app:
            ask(app, refs, url)

    request([])  # Django's own caches, and asgiref's
    with leaving_nothing() as refs:
        request(refs)


def test_after_an_observed_block() -> None:
    with leaving_nothing() as refs:
        with observe() as traces, suppress(ZeroDivisionError):
            for make in (fastapi_app, Bare, flask_app, Wsgi):
                ask(make(), refs, "/7")
            flask_app().test_client().get("/7")
            refs.extend(weakref.ref(trace) for trace in traces)
            raise ZeroDivisionError
        traces.clear()


def test_after_a_refusal() -> None:
    with leaving_nothing() as refs:
        app = Bare()
        refs.append(weakref.ref(app))
        with Client(app) as client:
            for arguments in ({"json": object()}, {"auth": 5}):
                with suppress(LifecycleError):
                    client.post("/", **arguments)
        with Client(app, base_url="") as client, suppress(LifecycleError):
            client.get("/relative")
        del app, client


def test_the_loop_of_a_client_is_closed_with_it() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        await respond(send)

    with Client(app, lifespan=False) as client:
        client.get("/")
        client.get("/")
        assert not loops[0].is_closed()
    assert loops[0] is loops[1]
    assert loops[0].is_closed()


def test_worker_threads_have_ended_as_soon_as_the_client_is_closed() -> None:
    names: list[str] = []
    app = FastAPI()

    @app.get("/")
    def where() -> None:
        names.append(threading.current_thread().name)

    before = threading.enumerate()
    for _ in range(20):
        with Client(app) as client:
            client.get("/")
        assert {*threading.enumerate()} <= {*before}
    assert set(names) == {"AnyIO worker thread"}


def test_a_kept_trace_does_not_keep_the_app() -> None:
    app = Bare()
    ref = weakref.ref(app)
    with Client(app) as client:
        trace = client.get("/")
    del app, client
    gc.collect()
    assert ref() is None
    assert trace.text == "hello"


def test_a_client_that_nobody_closes_stops_observing_once_it_is_gone() -> None:
    before = census(set(threading.enumerate()))
    client = Client(Flask("left"))
    assert client.get("/").status == 404
    assert census(set(threading.enumerate())) != before
    del client
    assert census(set(threading.enumerate())) == before
