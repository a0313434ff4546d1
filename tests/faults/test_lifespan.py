"""Whatever goes wrong in a lifespan is raised or is a sentence on its trace, which says how it ended; nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, LifespanFailed, Trace
from tests.drive.bare import AsgiApp, Receive, Scope, Send, forever, respond

Act = Callable[[Scope, Receive, Send], Awaitable[Any]]
KINDS = pytest.mark.parametrize("how", ["sync", "asyncio", "trio"])


def living(act: Act) -> AsgiApp:
    """Give an app whose lifespan does this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "http":
            return await respond(send, body=b"hello")
        return await act(scope, receive, send)

    return app


async def complete(receive: Receive, send: Send) -> None:
    """Go through the next phase as it should be."""
    await send({"type": f"{(await receive())['type']}.complete"})


def asked(app: AsgiApp, how: str, seconds: float = 10.0) -> tuple[BaseException | None, Trace | None]:
    """Ask an app through a client of one kind, close it, and give what that raised and the lifespan's trace."""
    if how == "sync":
        client = Client(app, timeout=seconds)
        try:
            with client:
                assert client.get("/").text == "hello"
        except BaseException as error:
            return error, client.lifespan
        return None, client.lifespan
    found: list[tuple[BaseException | None, Trace | None]] = []

    async def main() -> None:
        client = AsyncClient(app, timeout=seconds)
        try:
            async with client:
                assert (await client.get("/")).text == "hello"
        except BaseException as error:
            found.append((error, client.lifespan))
        else:
            found.append((None, client.lifespan))

    if how == "trio":
        trio.run(main)
    else:
        asyncio.run(main())
    return found[0]


# -- failures


@dataclass(frozen=True)
class Failure:
    """A lifespan that fails: what is raised, and what its trace says besides."""

    act: Act
    kind: type[BaseException]
    message: str
    warnings: tuple[str, ...] = ()
    slug: str | None = None


def raising(make: Callable[[], BaseException], phase: str = "startup") -> Act:
    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        if phase == "shutdown":
            await complete(receive, send)
        await receive()
        raise make()

    return act


def reporting(phase: str, *more: str | None) -> Act:
    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        if phase == "shutdown":
            await complete(receive, send)
        await receive()
        await send({"type": f"lifespan.{phase}.failed", **({"message": more[0]} if more else {})})

    return act


def hanging(phase: str) -> Act:
    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        if phase == "shutdown":
            await complete(receive, send)
        await receive()
        await forever()

    return act


async def reports_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
    raise ConnectionError("no database")


async def breaks_while_requests_run(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)
    raise ValueError("broken")


async def exits_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise SystemExit(5)


def late(phase: str) -> str:
    return (
        f"The app's {phase} did not end within 0.05 s. Give timeout= a larger number if it needs longer,"
        " or lifespan=False to leave it out."
    )


def both() -> ExceptionGroup[Exception]:
    return ExceptionGroup("both", [ValueError("one"), OSError("two")])


BOTH = "both (2 sub-exceptions)"
SAID = "reported that its {} failed"

FAILURES: dict[str, Failure] = {
    "startup raises": Failure(raising(lambda: ValueError("own")), ValueError, "own"),
    "startup raises a group": Failure(raising(both), ExceptionGroup, BOTH),
    "startup exits": Failure(raising(lambda: SystemExit(4)), SystemExit, "4"),
    "startup skips": Failure(raising(lambda: pytest.skip.Exception("later")), pytest.skip.Exception, "later"),
    "startup is cancelled": Failure(raising(lambda: asyncio.CancelledError("own")), asyncio.CancelledError, "own"),
    "an exit on seeing the scope": Failure(exits_at_once, SystemExit, "5"),
    "startup.failed": Failure(
        reporting("startup", "no database"),
        LifespanFailed,
        "The app reported that its startup failed: no database",
        ("the app reported that its startup failed: no database",),
        "lifespan-failed",
    ),
    "startup.failed without words": Failure(
        reporting("startup"),
        LifespanFailed,
        "The app reported that its startup failed",
        ("the app reported that its startup failed",),
        "lifespan-failed",
    ),
    "startup.failed with None for words": Failure(
        reporting("startup", None),
        LifespanFailed,
        "The app reported that its startup failed",
        ("the app reported that its startup failed",),
        "lifespan-failed",
    ),
    "startup.failed, then an exception": Failure(reports_and_raises, ConnectionError, "no database"),
    "startup hangs": Failure(
        hanging("startup"),
        DeadlineExceeded,
        late("startup"),
        ("the app's startup did not end in time",),
        "lifespan-deadline",
    ),
    "it breaks while requests run": Failure(breaks_while_requests_run, ValueError, "broken"),
    "shutdown raises": Failure(raising(lambda: ValueError("own"), "shutdown"), ValueError, "own"),
    "shutdown raises a group": Failure(raising(both, "shutdown"), ExceptionGroup, BOTH),
    "shutdown exits": Failure(raising(lambda: SystemExit(4), "shutdown"), SystemExit, "4"),
    "shutdown.failed": Failure(
        reporting("shutdown", "still busy"),
        LifespanFailed,
        "The app reported that its shutdown failed: still busy",
        ("the app reported that its shutdown failed: still busy",),
        "lifespan-failed",
    ),
    "shutdown hangs": Failure(
        hanging("shutdown"),
        DeadlineExceeded,
        late("shutdown"),
        ("the app's shutdown did not end in time",),
        "lifespan-deadline",
    ),
}


@KINDS
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_raised_and_is_on_the_trace_and_the_next_client_is_fine(failure: Failure, how: str) -> None:
    error, trace = asked(living(failure.act), how, seconds=0.05 if failure.slug == "lifespan-deadline" else 10.0)
    assert type(error) is failure.kind
    assert (str(error), getattr(error, "slug", None)) == (failure.message, failure.slug)
    assert trace is not None
    assert (trace.outcome, trace.path[-1], tuple(trace.warnings)) == ("error", "lifespan failed", failure.warnings)
    assert [raised.exception for raised in trace.exceptions] == ([] if failure.slug else [error])
    assert not trace.root.is_open
    assert str(trace)
    assert asked(living(healthy), how)[0] is None


async def healthy(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)
    await complete(receive, send)


# -- oddities: nothing is raised


async def ends_early(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)


async def completes_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)
    await send({"type": "lifespan.startup.complete"})
    await complete(receive, send)


async def shuts_down_first(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)
    await send({"type": "lifespan.shutdown.complete"})
    await complete(receive, send)


async def says_nothing_at_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await complete(receive, send)
    await receive()


async def listens_on(scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        await complete(receive, send)


async def replaces_the_state(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"] = {"mine": 1}
    await healthy(scope, receive, send)


async def drops_the_state(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"] = None
    await healthy(scope, receive, send)


async def clears_the_state(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"]["mine"] = 1
    await complete(receive, send)
    scope["state"].clear()
    await complete(receive, send)


def interjecting(message: Any) -> Act:
    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        await complete(receive, send)
        await send(message)
        await complete(receive, send)

    return act


ODDITIES: dict[str, tuple[Act, list[str]]] = {
    "none": (healthy, []),
    "it ends early": (ends_early, ["the app's lifespan ended before its shutdown"]),
    "startup.complete twice": (completes_twice, ["the app sent lifespan.startup.complete where none was due"]),
    "shutdown.complete too early": (shuts_down_first, ["the app sent lifespan.shutdown.complete where none was due"]),
    "no shutdown.complete": (says_nothing_at_the_end, []),
    "it goes on listening": (listens_on, []),
    "an unknown message": (
        interjecting({"type": "lifespan.hello"}),
        ["the app sent a message of the unknown type 'lifespan.hello'"],
    ),
    "a response": (
        interjecting({"type": "http.response.start", "status": 200}),
        ["the app sent a message of the unknown type 'http.response.start'"],
    ),
    "no type": (interjecting({}), ["the app sent a message of the unknown type None"]),
    "None as a message": (interjecting(None), ["the app sent None, which is no message"]),
    "another state": (replaces_the_state, []),
    "no state": (drops_the_state, []),
    "a state that is emptied": (clears_the_state, []),
}


@KINDS
@pytest.mark.parametrize(("act", "warnings"), ODDITIES.values(), ids=ODDITIES)
def test_an_oddity_is_a_sentence_on_the_trace(act: Act, warnings: list[str], how: str) -> None:
    error, trace = asked(living(act), how)
    assert error is None
    assert trace is not None
    assert (trace.outcome, trace.path[-1], trace.warnings) == ("handled", "lifespan complete", warnings)
    assert trace.exceptions == []


def test_a_request_cannot_spoil_the_state_of_the_next() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["state"]))
            scope["state"].clear()
            scope["state"] = None
            return await respond(send)
        scope["state"]["pool"] = "a pool"
        await healthy(scope, receive, send)

    with Client(app) as client:
        client.get("/")
        client.get("/")
    assert seen == [{"pool": "a pool"}] * 2
