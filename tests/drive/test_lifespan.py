"""An app's lifespan runs once around its requests, in one task; an app without one is fine."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from fastapi import FastAPI, Request
from starlette.applications import Starlette

from pytest_lifecycle import AsyncClient, Client, LifecycleError
from tests.client.django_app import django
from tests.drive.bare import AsgiApp, Message, Receive, Scope, Send, hello, respond


def asked(app: Any, how: str, **options: Any) -> None:
    """Open a client of one kind, ask once, close it."""
    if how == "sync":
        with Client(app, **options) as client:
            client.get("/")
        return

    async def main() -> None:
        async with AsyncClient(app, **options) as client:
            await client.get("/")

    if how == "trio":
        trio.run(main)
    else:
        asyncio.run(main())


KINDS = pytest.mark.parametrize("how", ["sync", "asyncio", "trio"])


class Recording:
    """An app that writes down what its server tells it."""

    def __init__(self, **state: object) -> None:
        self.log: list[str] = []
        self.scopes: list[Scope] = []
        self.state = state
        self.answers: dict[str, Message] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            self.log.append(scope["path"])
            await respond(send)
            return
        scope["state"].update(self.state)
        while True:
            kind = (await receive())["type"]
            self.log.append(kind)
            await send(self.answers.get(kind, {"type": f"{kind}.complete"}))
            if kind == "lifespan.shutdown":
                return


# -- once, around the requests


@KINDS
def test_it_starts_once_before_the_first_request_and_ends_after_the_last(how: str) -> None:
    app = Recording()
    asked(app, how)
    assert app.log == ["lifespan.startup", "/", "lifespan.shutdown"]


def test_without_a_with_block_it_starts_at_the_first_request_and_ends_at_close() -> None:
    app = Recording()
    client = Client(app)
    assert app.log == []
    client.get("/one")
    client.get("/two")
    assert app.log == ["lifespan.startup", "/one", "/two"]
    client.close()
    client.close()
    assert app.log == ["lifespan.startup", "/one", "/two", "lifespan.shutdown"]


def test_requests_that_come_at_once_wait_for_one_startup() -> None:
    app = Recording()

    async def main() -> None:
        client = AsyncClient(app)
        await asyncio.gather(client.get("/one"), client.get("/two"), client.get("/three"))
        await client.aclose()

    asyncio.run(main())
    assert app.log == ["lifespan.startup", "/one", "/two", "/three", "lifespan.shutdown"]


@KINDS
def test_it_can_be_left_out(how: str) -> None:
    app = Recording()
    asked(app, how, lifespan=False)
    assert app.log == ["/"]
    assert "state" not in app.scopes[0]


def test_its_scope_is_what_the_specification_says() -> None:
    app = Recording()
    asked(app, "sync")
    assert app.scopes[0] == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}


@KINDS
def test_each_request_has_a_shallow_copy_of_its_state(how: str) -> None:
    shared: list[int] = []
    app = Recording(pool=shared)

    async def spoiling(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["type"] == "http":
            assert scope["state"] == {"pool": shared}
            assert scope["state"]["pool"] is shared
            scope["state"]["mine"] = True

    if how == "sync":
        with Client(spoiling) as client:
            assert [client.get("/").exceptions for _ in range(2)] == [[], []]
        return

    async def main() -> None:
        async with AsyncClient(spoiling) as client:
            assert [(await client.get("/")).exceptions for _ in range(2)] == [[], []]

    (trio.run if how == "trio" else lambda call: asyncio.run(call()))(main)


def test_starlette_s_state_reaches_fastapi_s_requests() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        yield {"pool": "a pool"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(request: Request) -> str:
        pool: str = request.state.pool
        return pool

    with Client(app) as client:
        assert client.get("/").json() == "a pool"


# -- its task


@KINDS
def test_a_task_group_can_be_open_across_its_yield_and_serve_requests(how: str) -> None:
    served: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            app.state.group = group
            app.state.token = anyio.lowlevel.current_token()
            yield
            group.cancel_scope.cancel()
        served.append("closed")

    starlette: Any = Starlette(lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await starlette(scope, receive, send)
            return
        assert anyio.lowlevel.current_token() == starlette.state.token  # the same loop
        done = anyio.Event()

        async def work() -> None:
            served.append("work")
            done.set()

        starlette.state.group.start_soon(work)
        await done.wait()
        await respond(send)

    def check(exceptions: list[Any]) -> None:
        assert exceptions == []

    if how == "sync":
        with Client(app) as client:
            check(client.get("/").exceptions)
    else:

        async def main() -> None:
            async with AsyncClient(app) as client:
                check((await client.get("/")).exceptions)

        (trio.run if how == "trio" else lambda call: asyncio.run(call()))(main)
    assert served == ["work", "closed"]


def test_startup_and_shutdown_share_a_task_and_a_context_that_no_request_is_in() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append(variable.get())
            return await respond(send)
        await receive()
        variable.set("of the lifespan")
        task = asyncio.current_task()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        seen.extend([variable.get(), asyncio.current_task() is task])
        await send({"type": "lifespan.shutdown.complete"})

    with Client(app) as client:
        client.get("/")
    assert seen == ["unset", "of the lifespan", True]


# -- apps without one


async def raises_on_the_scope(scope: Scope, receive: Receive, send: Send) -> None:
    await hello(scope, receive, send)


async def returns_on_the_scope(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await respond(send, body=b"hello")


async def ignores_the_scope(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, body=b"hello")


async def reads_then_answers(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await respond(send, body=b"hello")


async def hears_and_returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if scope["type"] == "http":
        await respond(send, body=b"hello")


async def needs_a_path(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["path"]
    await respond(send, body=b"hello")


WITHOUT = [
    raises_on_the_scope,
    returns_on_the_scope,
    ignores_the_scope,
    reads_then_answers,
    hears_and_returns,
    needs_a_path,
]


@pytest.mark.parametrize("app", WITHOUT)
def test_an_app_without_lifespan_is_fine(app: AsgiApp) -> None:
    with Client(app) as client:
        trace = client.get("/")
    assert (trace.text, trace.warnings, trace.exceptions) == ("hello", [], [])


@pytest.mark.parametrize("app", WITHOUT)
@pytest.mark.parametrize("run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"])
def test_an_app_without_lifespan_is_fine_in_async_tests(app: AsgiApp, run: Callable[..., Any]) -> None:
    async def main() -> list[object]:
        async with AsyncClient(app) as client:
            trace = await client.get("/")
            return [trace.text, trace.warnings, trace.exceptions]

    assert run(main) == ["hello", [], []]


# -- failures; the others are in tests/faults


def test_the_app_s_own_exception_is_raised_where_its_startup_fails_with_one() -> None:
    error = RuntimeError("no database")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise error
        yield

    app = FastAPI(lifespan=lifespan)
    client = Client(app)
    with pytest.raises(RuntimeError) as caught:
        client.get("/")
    assert caught.value is error
    with pytest.raises(LifecycleError) as closed:
        client.get("/")
    assert closed.value.slug == "client-closed"


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


def test_what_waits_for_a_startup_that_fails_is_told_that_the_client_is_closed() -> None:
    slugs: list[str] = []

    async def main() -> None:
        client = AsyncClient(fails_to_start)
        for error in await asyncio.gather(client.get("/one"), client.get("/two"), return_exceptions=True):
            assert isinstance(error, LifecycleError)
            slugs.append(error.slug)

    asyncio.run(main())
    assert slugs == ["lifespan-failed", "client-closed"]


def test_django_s_asgi_handler_has_no_lifespan_and_none_is_asked_for() -> None:
    async def main(app: Any) -> str:
        async with AsyncClient(app) as client:
            return (await client.get("/hello")).text

    with django("asgi") as app:
        with Client(app) as client:
            assert client.get("/hello").text == "hello"
        assert asyncio.run(main(app)) == "hello"
