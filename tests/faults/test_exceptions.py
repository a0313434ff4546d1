"""What an app raises is kept as the very object, with the app's own frames in its traceback, or goes on its way."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import httpx
import pytest
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import AsyncClient, Client, Trace, observe
from pytest_lifecycle._session import DISTURBED
from tests.drive.bare import Environ, Receive, Scope, Send, StartResponse, hello, piece, respond, start, wsgi_hello
from tests.engine import IS_PROFILING
from tests.faults.test_asgi import LOOPS, Runner, is_fine

Make = Callable[[], BaseException]


class Silent(Exception):
    """An exception that says nothing and cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Slotted(Exception):
    __slots__ = ()


def deep() -> BaseException:
    """Give the error of a function that calls itself for ever."""

    def call() -> None:
        call()

    try:
        call()
    except RecursionError as error:
        return error.with_traceback(None)
    raise AssertionError


def noted() -> BaseException:
    error = ValueError("noted")
    error.add_note("seen in the app")
    return error


KEPT: dict[str, Make] = {
    "ValueError": lambda: ValueError("broken"),
    "a note": noted,
    "RecursionError": deep,
    "CancelledError": lambda: asyncio.CancelledError("mine"),
    "GeneratorExit": GeneratorExit,
    "TimeoutError": lambda: TimeoutError("mine"),
    "StopAsyncIteration": StopAsyncIteration,
    "ExceptionGroup": lambda: ExceptionGroup("both", [OSError(1), ExceptionGroup("inner", [ValueError(2)])]),
    "a group of one": lambda: ExceptionGroup("one", [OSError(1)]),
    "no text": Silent,
    "no attributes": Slotted,
}
EXITS: dict[str, Make] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "a group with an interrupt": lambda: BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError()]),
    "pytest.skip": lambda: pytest.skip.Exception("not here"),
    "pytest.fail": lambda: pytest.fail.Exception("an assertion of the app's"),
}
MOMENTS = {
    "before the start": (None, b""),
    "after the start": (201, b""),
    "in the body": (201, b"part"),
    "after the end": (201, b"part"),
}
AT_ANY_MOMENT = pytest.mark.parametrize("moment", MOMENTS)
ALL_KEPT = pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
SEEN_BY_ALL = pytest.mark.parametrize(
    "make", [make for name, make in KEPT.items() if not (IS_PROFILING and name == "RecursionError")]
)
"""CPython drops a profile function that the stack has no room for; our own clients set it anew for each request."""
ALL_EXITS = pytest.mark.parametrize("make", EXITS.values(), ids=EXITS)


@final
class Raising:
    """An ASGI app that raises; it keeps what it raised."""

    def __init__(self, make: Make, moment: str = "in the body") -> None:
        self.make = make
        self.moment = moment
        self.raised: list[BaseException] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await hello(scope, receive, send)
        if self.moment != "before the start":
            await start(send, 201)
        if self.moment in ("in the body", "after the end"):
            await piece(send, b"part", more=self.moment == "in the body")
        self.breaks()

    def breaks(self) -> None:
        self.raised.append(self.make())
        raise self.raised[-1]


@final
class WsgiRaising:
    """A WSGI app that raises; it keeps what it raised."""

    def __init__(self, make: Make, moment: str = "in the body") -> None:
        self.make = make
        self.moment = moment
        self.raised: list[BaseException] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fine":
            return wsgi_hello(environ, start_response)
        if self.moment == "before the start":
            self.breaks()
        start_response("201 Created", [])
        if self.moment == "after the start":
            self.breaks()
        return self.body()

    def body(self) -> Iterator[bytes]:
        yield b"part"
        self.breaks()

    breaks = Raising.breaks


def check(trace: Trace, app: Any) -> None:
    """The trace has the very object, as one that nobody handled, and the app is where it came from."""
    (error,) = app.raised
    assert trace.root.exception is error
    assert [raised.exception for raised in trace.exceptions] == [error]
    assert [raised.handled_by for raised in trace.exceptions] == [None]
    assert (trace.status, trace.content) == MOMENTS[app.moment]
    used_up = IS_PROFILING and isinstance(error, RecursionError)  # CPython drops the profile function then
    assert (trace.outcome, trace.warnings) == ("error", [DISTURBED["profiling"]] if used_up else [])
    assert frames_of(error)[-2:] == [called_from(app), "breaks"]
    assert not trace.root.is_open
    assert str(trace)
    assert trace.to_dict()["outcome"] == "error"


def frames_of(error: BaseException) -> list[str]:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]


def called_from(app: Any) -> str:
    return "body" if isinstance(app, WsgiRaising) and app.moment == "in the body" else "__call__"


# -- ASGI


@AT_ANY_MOMENT
@ALL_KEPT
def test_an_exception_is_a_part_of_the_trace_and_so_is_the_response_until_then(make: Make, moment: str) -> None:
    app = Raising(make, moment)
    with Client(app, lifespan=False) as client:
        check(client.get("/"), app)
        assert is_fine(client.get("/fine"))


@LOOPS
@ALL_KEPT
def test_the_async_client_keeps_the_same_exceptions(make: Make, run: Runner) -> None:
    app = Raising(make)

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            check(await client.get("/"), app)
            assert is_fine(await client.get("/fine"))

    run(main)


@SEEN_BY_ALL
def test_another_client_gets_it_as_without_us_and_so_does_the_trace(make: Make) -> None:
    app = Raising(make)

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            try:
                await client.get("/")
            except BaseException as error:
                caught.append(error)
            assert (await client.get("/fine")).text == "hello"

    caught: list[BaseException] = []
    with observe() as traces:
        asyncio.run(main())
    assert caught == app.raised
    trace, fine = traces
    assert [error.exception for error in trace.exceptions] == app.raised
    assert (trace.status, trace.content, trace.outcome, trace.warnings) == (201, b"part", "error", [])
    assert frames_of(app.raised[0])[-2:] == ["__call__", "breaks"]
    assert is_fine(fine)


@pytest.mark.parametrize("make", [*KEPT.values(), *EXITS.values()], ids=[*KEPT, *EXITS])
def test_on_request_the_very_exception_is_raised_and_the_trace_is_finished_all_the_same(make: Make) -> None:
    app = Raising(make)
    with Client(app, lifespan=False, raise_app_exceptions=True) as client:
        with observe() as traces, pytest.raises(BaseException) as caught:
            client.get("/")
        assert is_fine(client.get("/fine"))
    assert caught.value is app.raised[0]
    assert [(trace.status, trace.content, trace.root.exception) for trace in traces] == [(201, b"part", caught.value)]
    assert [entry.name for entry in caught.traceback][-2:] == ["__call__", "breaks"]


@ALL_EXITS
def test_an_exit_goes_on_its_way_and_the_trace_is_finished(make: Make) -> None:
    """A server would stop, and a skip or a failed assertion is meant for the test: nobody wants them swallowed."""
    app = Raising(make)
    with Client(app, lifespan=False) as client:
        with observe() as traces, pytest.raises(BaseException) as caught:
            client.get("/")
        assert is_fine(client.get("/fine"))
    assert caught.value is app.raised[0]
    assert [(trace.status, trace.root.exception) for trace in traces] == [(201, caught.value)]
    assert frames_of(caught.value)[-2:] == ["__call__", "breaks"]


@LOOPS
@ALL_EXITS
def test_an_exit_passes_the_async_client(make: Make, run: Runner) -> None:
    app = Raising(make)
    traces: list[Trace] = []

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with observe() as seen, pytest.raises(BaseException) as caught:
                await client.get("/")
            assert caught.value is app.raised[0]
            traces.extend(seen)
            assert is_fine(await client.get("/fine"))

    run(main)
    assert [(trace.status, trace.root.exception) for trace in traces] == [(201, app.raised[0])]


def test_a_stop_iteration_that_leaves_a_coroutine_is_what_python_makes_of_it() -> None:
    app = Raising(lambda: StopIteration("mine"), "before the start")
    with Client(app, lifespan=False) as client:
        trace = client.get("/")
        assert is_fine(client.get("/fine"))
    error = trace.root.exception
    assert isinstance(error, RuntimeError)
    assert error.__cause__ is app.raised[0]
    assert trace.outcome == "error"


# -- WSGI


@pytest.mark.parametrize("moment", ["before the start", "after the start", "in the body"])
@ALL_KEPT
def test_an_exception_of_a_wsgi_app_is_a_part_of_the_trace(make: Make, moment: str) -> None:
    app = WsgiRaising(make, moment)
    with Client(app) as client:
        check(client.get("/"), app)
        assert is_fine(client.get("/fine"))
    raising = WsgiRaising(make, moment)
    with Client(raising, raise_app_exceptions=True) as client, pytest.raises(BaseException) as caught:
        client.get("/")
    assert caught.value is raising.raised[0]


@LOOPS
@ALL_KEPT
def test_the_async_client_keeps_the_exceptions_of_a_wsgi_app(make: Make, run: Runner) -> None:
    app = WsgiRaising(make)

    async def main() -> None:
        async with AsyncClient(app) as client:
            check(await client.get("/"), app)
            fine = await client.get("/fine")
            assert is_fine(fine)
            assert fine.path[-2:] == ["handler wsgi_hello", "response 200"]  # seen again, in the same thread

    run(main)


@ALL_EXITS
def test_an_exit_of_a_wsgi_app_goes_on_its_way(make: Make) -> None:
    app = WsgiRaising(make)
    with Client(app) as client:
        with observe() as traces, pytest.raises(BaseException) as caught:
            client.get("/")
        assert is_fine(client.get("/fine"))
    assert caught.value is app.raised[0]
    assert [(trace.status, trace.root.exception) for trace in traces] == [(201, caught.value)]
    assert frames_of(caught.value)[-2:] == ["body", "breaks"]


@LOOPS
@ALL_EXITS
def test_an_exit_of_a_wsgi_app_passes_the_async_client(make: Make, run: Runner) -> None:
    app = WsgiRaising(make)

    async def main() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(BaseException) as caught:
                await client.get("/")
            assert caught.value is app.raised[0]
            assert is_fine(await client.get("/fine"))

    run(main)


@SEEN_BY_ALL
def test_another_client_gets_a_wsgi_app_s_exception_and_so_does_the_trace(make: Make) -> None:
    app = WsgiRaising(make, "before the start")
    client = WerkzeugClient(app)
    with observe() as traces:
        with pytest.raises(BaseException) as caught:
            client.get("/")
        assert client.get("/fine").text == "hello"
    assert caught.value is app.raised[0]
    trace, fine = traces
    assert [error.exception for error in trace.exceptions] == app.raised
    assert (trace.status, trace.outcome, trace.warnings) == (None, "error", [])
    assert is_fine(fine)


@pytest.mark.parametrize("moment", ["before the start", "after the start"])
def test_a_wsgi_app_s_own_stop_iteration_is_no_end_of_its_body(moment: str) -> None:
    app = WsgiRaising(lambda: StopIteration("mine"), moment)
    with Client(app) as client:
        check(client.get("/"), app)
        with client.stream("GET", "/") as stream:
            assert b"".join(stream.iter_bytes()) == b""
        assert stream.trace.root.exception is app.raised[1]
        assert is_fine(client.get("/fine"))

    async def main() -> None:
        async with AsyncClient(app) as client:
            assert (await client.get("/")).root.exception is app.raised[2]

    asyncio.run(main())


# -- what is no fault of the protocol


def test_what_a_failing_app_left_out_is_no_fault_of_the_protocol() -> None:
    with Client(Raising(ValueError), lifespan=False) as client:
        assert client.get("/").warnings == []


def test_a_task_that_outlives_its_request_does_not_disturb_the_next_one() -> None:
    released = asyncio.Event()
    finished: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def later() -> None:
            await released.wait()
            await piece(send, b"late")
            finished.append("later")

        if scope["path"] == "/":
            tasks.append(asyncio.create_task(later()))
        else:
            released.set()
            await tasks[0]
        await respond(send, body=b"answer")

    with Client(app, lifespan=False) as client:
        first, second = client.get("/"), client.get("/release")
    assert finished == ["later"]
    assert (first.content, second.content) == (b"answer", b"answer")
    assert second.warnings == []
