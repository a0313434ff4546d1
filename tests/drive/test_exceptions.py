"""What an ASGI app raises is kept as the very object, or goes on its way; the next request is fine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import trio

from pytest_lifecycle import AsyncClient, Client, Trace, observe
from tests.drive.bare import AsgiApp, Receive, Scope, Send, hello, piece, respond, start

Runner = Callable[[Callable[[], Awaitable[None]]], object]


def on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])


class Silent(Exception):
    """An exception that says nothing and cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


KEPT = {
    "ValueError": ValueError("broken"),
    "RecursionError": RecursionError("deep"),
    "CancelledError": asyncio.CancelledError("mine"),
    "GeneratorExit": GeneratorExit(),
    "TimeoutError": TimeoutError("mine"),
    "ExceptionGroup": ExceptionGroup("both", [OSError(1), ExceptionGroup("inner", [ValueError(2)])]),
    "no text": Silent(),
}
EXITS = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "pytest.skip": pytest.skip.Exception("not here"),
    "pytest.fail": pytest.fail.Exception("an assertion of the app's"),
}


def raising(error: BaseException, moment: str = "before the start") -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await hello(scope, receive, send)
        if moment != "before the start":
            await start(send, 201)
            await piece(send, b"part", more=moment == "in the body")
        raise error

    return app


MOMENTS = {"before the start": (None, b""), "in the body": (201, b"part"), "after the end": (201, b"part")}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("error", KEPT.values(), ids=KEPT)
def test_an_exception_is_a_part_of_the_trace_and_so_is_the_response_until_then(
    error: BaseException, moment: str
) -> None:
    with Client(raising(error, moment), lifespan=False) as client:
        trace = client.get("/")
        assert client.get("/fine").text == "hello"
    assert trace.root.exception is error
    assert [raised.exception for raised in trace.exceptions] == [error]
    assert [raised.handled_by for raised in trace.exceptions] == [None]
    assert (trace.status, trace.content) == MOMENTS[moment]
    assert (trace.outcome, trace.warnings) == ("error", [])


@LOOPS
@pytest.mark.parametrize("error", KEPT.values(), ids=KEPT)
def test_the_async_client_keeps_the_same_exceptions(error: BaseException, run: Runner) -> None:
    traces: list[Trace] = []

    async def main() -> None:
        async with AsyncClient(raising(error, "in the body"), lifespan=False) as client:
            traces.append(await client.get("/"))
            assert (await client.get("/fine")).text == "hello"

    run(main)
    assert traces[0].root.exception is error
    assert (traces[0].status, traces[0].content) == (201, b"part")


@pytest.mark.parametrize("error", [*KEPT.values(), *EXITS.values()], ids=[*KEPT, *EXITS])
def test_on_request_the_very_exception_is_raised_and_the_trace_is_finished_all_the_same(error: BaseException) -> None:
    with Client(raising(error, "in the body"), lifespan=False, raise_app_exceptions=True) as client:
        with observe() as traces, pytest.raises(type(error)) as caught:
            client.get("/")
        assert client.get("/fine").text == "hello"
    assert caught.value is error
    assert [(trace.status, trace.content, trace.root.exception) for trace in traces] == [(201, b"part", error)]
    assert caught.traceback[-1].name == "app"


@pytest.mark.parametrize("error", EXITS.values(), ids=EXITS)
def test_an_exit_goes_on_its_way_and_the_trace_is_finished(error: BaseException) -> None:
    with Client(raising(error, "in the body"), lifespan=False) as client:
        with observe() as traces, pytest.raises(type(error)) as caught:
            client.get("/")
        assert client.get("/fine").text == "hello"
    assert caught.value is error
    assert [(trace.status, trace.root.exception) for trace in traces] == [(201, error)]


@LOOPS
@pytest.mark.parametrize("error", EXITS.values(), ids=EXITS)
def test_an_exit_passes_the_async_client(error: BaseException, run: Runner) -> None:
    traces: list[Trace] = []

    async def main() -> None:
        async with AsyncClient(raising(error, "in the body"), lifespan=False) as client:
            with observe() as seen, pytest.raises(type(error)) as caught:
                await client.get("/")
            assert caught.value is error
            traces.extend(seen)
            assert (await client.get("/fine")).text == "hello"

    run(main)
    assert [(trace.status, trace.root.exception) for trace in traces] == [(201, error)]


def test_what_a_failing_app_left_out_is_no_fault_of_the_protocol() -> None:
    with Client(raising(ValueError(), "in the body"), lifespan=False) as client:
        assert client.get("/").warnings == []


def test_a_task_that_outlives_its_request_does_not_disturb_the_next_one() -> None:
    released = asyncio.Event()
    finished: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def later() -> None:
            await released.wait()
            await piece(send, b"late")
            finished.append("later")

        if scope["path"] == "/":
            app.task = asyncio.create_task(later())  # type: ignore[attr-defined]
        else:
            released.set()
            await app.task  # type: ignore[attr-defined]
        await respond(send, body=b"answer")

    with Client(app, lifespan=False) as client:
        first, second = client.get("/"), client.get("/release")
    assert finished == ["later"]
    assert (first.content, second.content) == (b"answer", b"answer")
    assert second.warnings == []
