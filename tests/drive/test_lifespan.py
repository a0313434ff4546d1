"""An app's lifespan runs once around its requests, in one task; an app without one is fine."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from fastapi import FastAPI, Request
from starlette.applications import Starlette

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, LifecycleError, LifespanFailed
from tests.client.django_app import django
from tests.drive.bare import AsgiApp, Message, Receive, Scope, Send, forever, hello, respond


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


# -- failures


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


def phases(
    startup: Callable[[Send], Awaitable[None]] | None = None, shutdown: Callable[[Send], Awaitable[None]] | None = None
) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await respond(send)
        for act in (startup, shutdown):
            message = await receive()
            await act(send) if act is not None else await send({"type": f"{message['type']}.complete"})

    return app


async def fail_the_startup(send: Send) -> None:
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def fail_the_startup_silently(send: Send) -> None:
    await send({"type": "lifespan.startup.failed"})


async def fail_the_shutdown(send: Send) -> None:
    await send({"type": "lifespan.shutdown.failed", "message": "still busy"})


async def hang(send: Send) -> None:
    await forever()


ERROR = ValueError("the app's own")


async def raise_it(send: Send) -> None:
    raise ERROR


async def exit_it(send: Send) -> None:
    raise SystemExit(4)


FAILURES = {
    "startup.failed": (
        phases(fail_the_startup),
        LifespanFailed,
        "lifespan-failed",
        "The app reported that its startup failed: no database",
    ),
    "startup.failed without words": (
        phases(fail_the_startup_silently),
        LifespanFailed,
        "lifespan-failed",
        "The app reported that its startup failed",
    ),
    "shutdown.failed": (
        phases(None, fail_the_shutdown),
        LifespanFailed,
        "lifespan-failed",
        "The app reported that its shutdown failed: still busy",
    ),
    "startup hangs": (
        phases(hang),
        DeadlineExceeded,
        "lifespan-deadline",
        "The app's startup did not end within 0.05 s. Give timeout= a larger number if it needs longer,"
        " or lifespan=False to leave it out.",
    ),
    "shutdown hangs": (
        phases(None, hang),
        DeadlineExceeded,
        "lifespan-deadline",
        "The app's shutdown did not end within 0.05 s. Give timeout= a larger number if it needs longer,"
        " or lifespan=False to leave it out.",
    ),
    "startup raises": (phases(raise_it), ValueError, None, "the app's own"),
    "shutdown raises": (phases(None, raise_it), ValueError, None, "the app's own"),
    "startup exits": (phases(exit_it), SystemExit, None, "4"),
    "shutdown exits": (phases(None, exit_it), SystemExit, None, "4"),
}


@KINDS
@pytest.mark.parametrize(("app", "kind", "slug", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_raised_and_the_next_client_is_fine(
    app: AsgiApp, kind: type[BaseException], slug: str | None, message: str, how: str
) -> None:
    with pytest.raises(kind) as caught:
        asked(app, how, timeout=0.05 if slug == "lifespan-deadline" else 10.0)
    assert type(caught.value) is kind
    assert (str(caught.value), getattr(caught.value, "slug", None)) == (message, slug)
    if kind is ValueError:
        assert caught.value is ERROR
    asked(Recording(), how)


def test_an_exit_on_seeing_the_scope_is_an_exit() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise SystemExit(5)

    with pytest.raises(SystemExit):
        Client(app).get("/")


def test_what_waits_for_a_startup_that_fails_is_told_that_the_client_is_closed() -> None:
    slugs: list[str] = []

    async def main() -> None:
        client = AsyncClient(phases(fail_the_startup))
        for error in await asyncio.gather(client.get("/one"), client.get("/two"), return_exceptions=True):
            assert isinstance(error, LifecycleError)
            slugs.append(error.slug)

    asyncio.run(main())
    assert slugs == ["lifespan-failed", "client-closed"]


def test_an_app_that_ends_its_lifespan_early_does_not_hang_the_shutdown() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await respond(send)
        await receive()
        await send({"type": "lifespan.startup.complete"})

    for how in ("sync", "asyncio", "trio"):
        asked(app, how)


@KINDS
def test_an_app_that_goes_on_listening_after_its_shutdown_does_not_hang(how: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await respond(send)
        while True:
            await send({"type": f"{(await receive())['type']}.complete"})

    asked(app, how)


def test_a_lifespan_that_breaks_while_requests_run_is_told_at_the_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await respond(send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ERROR

    with pytest.raises(ValueError) as caught, Client(app) as client:
        assert client.get("/").status == 200
    assert caught.value is ERROR


def test_django_s_asgi_handler_has_no_lifespan_and_none_is_asked_for() -> None:
    async def main(app: Any) -> str:
        async with AsyncClient(app) as client:
            return (await client.get("/hello")).text

    with django("asgi") as app:
        with Client(app) as client:
            assert client.get("/hello").text == "hello"
        assert asyncio.run(main(app)) == "hello"
