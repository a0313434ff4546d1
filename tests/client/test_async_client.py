"""`AsyncClient` runs apps on the test's own loop, asyncio or trio, and gives the same traces as `Client`."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import trio
from fastapi import Depends, FastAPI
from flask import Flask

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, Trace, UsageProblem, observe
from tests.client.django_app import django
from tests.drive.bare import Environ, Receive, Scope, Send, StartResponse, forever, hello, read, respond, start

Main = Callable[[], Awaitable[None]]


def on_asyncio(main: Main) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Main) -> None:
    trio.run(main)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])
variable = contextvars.ContextVar("variable", default="unset")


@LOOPS
def test_it_asks_as_the_sync_client_does(run: Callable[[Main], None]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/from":
            return await respond(send, 307, headers=[(b"location", b"/to"), (b"set-cookie", b"id=1")])
        lines = dict(scope["headers"])
        said = [scope["method"].encode(), lines.get(b"cookie", b"-"), lines.get(b"authorization", b"-")]
        await respond(send, body=b" ".join([*said, await read(receive)]))

    async def main() -> None:
        async with AsyncClient(app, lifespan=False, follow_redirects=True, cookies={"a": "0"}) as client:
            trace = await client.post("/from", content=b"body", auth=("u", "p"))
            assert trace.text == "POST a=0; id=1 Basic dTpw body"
            assert [step.status for step in trace.history] == [307]
            for verb in ("get", "options", "head", "post", "put", "patch", "delete"):
                assert (await getattr(client, verb)("/")).method == verb.upper()

    run(main)


def shop() -> FastAPI:
    app = FastAPI()

    def current_user() -> str:
        return "user"

    @app.get("/orders/{number}")
    async def read_order(number: int, user: str = Depends(current_user)) -> dict[str, object]:
        return {"number": number, "user": user}

    return app


@pytest.mark.parametrize("url", ["/orders/7", "/orders/many", "/missing"])
@LOOPS
def test_its_traces_are_those_of_the_sync_client(run: Callable[[Main], None], url: str) -> None:
    app = shop()
    traces: list[Trace] = []

    async def main() -> None:
        async with AsyncClient(app) as client:
            traces.append(await client.get(url))

    run(main)
    with Client(app) as sync_client:
        expected = sync_client.get(url)
    assert traces[0].to_dict(timings=False) == expected.to_dict(timings=False)


# -- at once


@LOOPS
def test_requests_at_once_have_traces_of_their_own(run: Callable[[Main], None]) -> None:
    """Each request waits inside the app until all have come."""
    come: list[str] = []

    class Layer:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/refused":
                return await respond(send, 403)
            await self.app(scope, receive, send)

    async def meet(scope: Scope, receive: Receive, send: Send) -> None:
        come.append(scope["path"])
        while len(come) < 10:
            await anyio.lowlevel.checkpoint()
        await respond(send, body=scope["path"].encode())

    found: dict[int, Trace] = {}

    async def main() -> None:
        async with AsyncClient(Layer(meet), lifespan=False) as client, anyio.create_task_group() as group:

            async def ask(number: int) -> None:
                found[number] = await client.get(f"/{number}" if number < 10 else "/refused")

            for number in range(12):
                group.start_soon(ask, number)

    run(main)
    for number in range(10):
        trace = found[number]
        assert (trace.text, trace.url) == (f"/{number}", f"http://testserver/{number}")
        assert trace.path == ["middleware Layer", "handler meet", "response 200"]
    assert found[10].path == found[11].path == ["middleware Layer", "response 403"]


def test_gather_gives_the_traces_in_the_order_asked() -> None:
    async def main() -> list[str]:
        async with AsyncClient(hello) as client:
            traces = await asyncio.gather(*[client.get(f"/{number}") for number in range(5)])
            return [trace.url for trace in traces]

    assert asyncio.run(main()) == [f"http://testserver/{number}" for number in range(5)]


@LOOPS
def test_two_clients_in_one_test_do_not_mix(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(hello) as one, AsyncClient(shop()) as two:
            with observe() as traces:
                async with anyio.create_task_group() as group:
                    group.start_soon(one.get, "/one")
                    group.start_soon(two.get, "/orders/2")
        assert sorted(trace.path[-2] for trace in traces) == ["handler hello", "handler read_order"]

    run(main)


# -- the same task, thread and context


@LOOPS
def test_an_asgi_app_runs_in_the_task_that_asks(run: Callable[[Main], None]) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([anyio.get_current_task().id, threading.get_ident(), variable.get()])
        await respond(send)

    async def main() -> None:
        variable.set("of the test")
        async with AsyncClient(app, lifespan=False) as client:
            await client.get("/")
        assert seen == [anyio.get_current_task().id, threading.get_ident(), "of the test"]

    run(main)


@LOOPS
def test_a_wsgi_app_runs_in_a_worker_thread_that_carries_the_context(run: Callable[[Main], None]) -> None:
    seen: list[object] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.extend([threading.get_ident(), variable.get()])
        start_response("200 OK", [("X-A", "1")])
        return [environ["wsgi.input"].read()]

    async def main() -> None:
        variable.set("of the test")
        async with AsyncClient(app) as client:
            trace = await client.post("/", content=b"body")
        assert (trace.text, trace.headers["x-a"], trace.interface) == ("body", "1", "wsgi")
        assert trace.path == ["handler app", "response 200"]

    run(main)
    assert seen[0] != threading.get_ident()
    assert seen[1] == "of the test"


@LOOPS
def test_flask_s_async_views_work(run: Callable[[Main], None]) -> None:
    app = Flask(__name__)

    @app.get("/<name>")
    async def greet(name: str) -> str:
        await asyncio.sleep(0)
        return f"hello {name}"

    async def main() -> None:
        async with AsyncClient(app) as client:
            trace = await client.get("/you")
        assert (trace.text, trace.handler, trace.route) == ("hello you", "greet", "GET /<name>")

    run(main)


@LOOPS
def test_a_wsgi_app_s_faults_and_exceptions_are_told(run: Callable[[Main], None]) -> None:
    error = ValueError("broken")

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] == "/exit":
            raise SystemExit(3)
        start_response("200 OK", [("Content-Length", "9")])
        if environ["PATH_INFO"] == "/crash":
            raise error
        return [b"four"]

    async def main() -> None:
        async with AsyncClient(app) as client:
            assert (await client.get("/")).warnings == ["the app announced a content-length of 9 and sent 4 bytes"]
            assert (await client.get("/crash")).root.exception is error
            with pytest.raises(SystemExit):
                await client.get("/exit")

    run(main)


def test_django_s_asgi_handler_runs_on_the_test_s_loop() -> None:
    async def main(app: Any) -> None:
        async with AsyncClient(app) as client:
            assert (await client.get("/async-thread")).text == str(threading.get_ident())
            assert (await client.get("/stream")).content == b"onetwo"

    with django("asgi") as app:
        asyncio.run(main(app))


# -- the deadline and the test's own cancellation


async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
    """Start a response and wait for ever, but for what asks for /fine."""
    if scope["path"] == "/fine":
        return await respond(send, body=b"fine")
    await start(send, 201)
    await forever()


@LOOPS
def test_the_deadline_names_the_layer_and_the_next_request_is_fine(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(stuck, lifespan=False) as client:
            with observe() as traces, pytest.raises(DeadlineExceeded) as caught:
                await client.get("/", timeout=0.05)
            assert (await client.get("/fine")).text == "fine"
        assert caught.value.slug == "deadline"
        assert str(caught.value) == (
            "GET http://testserver/ was not answered within 0.05 s: the app waits in 'handler stuck'."
            " Give timeout= a larger number if it needs longer."
        )
        assert [trace.status for trace in traces] == [201]

    run(main)


@LOOPS
def test_a_time_limit_of_the_test_s_own_is_the_test_s(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(stuck, lifespan=False) as client:
            with observe() as traces, pytest.raises(TimeoutError), anyio.fail_after(0.05):
                await client.get("/")
            assert (await client.get("/fine")).text == "fine"
        assert [trace.status for trace in traces] == [201]

    run(main)


def test_a_test_that_is_cancelled_while_it_asks_ends_with_a_finished_trace() -> None:
    waiting: list[asyncio.Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        waiting[0].set()
        await forever()

    async def main() -> None:
        waiting.append(asyncio.Event())
        async with AsyncClient(app, lifespan=False) as client:
            with observe() as traces:
                task = asyncio.ensure_future(client.get("/"))
                await waiting[0].wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert len(traces) == 1
            assert isinstance(traces[0].root.exception, asyncio.CancelledError)
            assert not traces[0].root.is_open

    asyncio.run(main())


# -- its life


def test_outside_a_loop_it_says_so() -> None:
    coroutine = AsyncClient(hello).get("/")
    with pytest.raises(UsageProblem) as caught:
        coroutine.send(None)
    assert caught.value.slug == "no-loop"
    assert str(caught.value) == (
        "An AsyncClient was used where no asyncio or trio loop runs. Use it in an async test, or use Client in a sync"
        " one."
    )


@LOOPS
def test_a_closed_client_says_so(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        client = AsyncClient(hello)
        assert (await client.get("/")).text == "hello"
        await client.aclose()
        await client.aclose()
        with pytest.raises(UsageProblem) as caught:
            await client.get("/")
        assert caught.value.slug == "client-closed"

    run(main)


@pytest.mark.parametrize("lifespan", [True, False])
@LOOPS
def test_asgi_2_apps_are_driven_with_and_without_lifespan(run: Callable[[Main], None], lifespan: bool) -> None:
    class Old:
        def __init__(self, scope: Scope) -> None:
            self.path = scope.get("path", "")

        async def __call__(self, receive: Receive, send: Send) -> None:
            await respond(send, body=self.path.encode())

    async def main() -> None:
        async with AsyncClient(Old, lifespan=lifespan) as client:
            assert (await client.get("/old")).text == "/old"

    run(main)


@LOOPS
def test_an_exception_is_raised_when_that_is_asked_for(run: Callable[[Main], None]) -> None:
    error = LookupError("broken")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async def main() -> None:
        async with AsyncClient(app, lifespan=False, raise_app_exceptions=True) as client:
            with observe() as traces, pytest.raises(LookupError) as caught:
                await client.get("/")
        assert caught.value is error
        assert [trace.outcome for trace in traces] == ["error"]

    run(main)
