"""What it costs to read a trace's facts, and a WebSocket against Starlette's client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from pytest_lifecycle import Client, Trace

from .measure import Contestant, in_turns
from .requests import quiet_test_client

FACTS: dict[str, Callable[[Trace], object]] = {
    "path": lambda trace: trace.path,
    "refusal": lambda trace: trace.refusal,
    "exceptions": lambda trace: trace.exceptions,
    "candidates": lambda trace: trace.candidates,
    "dependency_runs": lambda trace: trace.dependency_runs,
    "response_changes": lambda trace: [span.response_changes for span in trace.spans("middleware")],
    "to_dict()": lambda trace: trace.to_dict(),
    "str()": str,
}


def reading(app: Any, url: str, *, rounds: int, repeats: int) -> dict[str, float]:
    """Give the time in seconds that each fact takes when it is first read."""
    with Client(app) as client:
        exchange = client.get(url)._exchange

    def contestant(name: str, read: Callable[[Trace], object]) -> Contestant:
        def run(repeats: int) -> None:
            for _ in range(repeats):
                read(Trace(exchange))

        return Contestant(name, lambda: run)

    return in_turns([contestant(name, read) for name, read in FACTS.items()], rounds=rounds, repeats=repeats)


def websockets(app: Any, url: str, *, rounds: int, repeats: int) -> dict[str, float]:
    """Give the time in seconds of a connection with one message each way: traced, and through TestClient."""
    ours, theirs = ExitStack(), ExitStack()

    def traced() -> Callable[[int], None]:
        client = ours.enter_context(Client(app))

        def run(repeats: int) -> None:
            for _ in range(repeats):
                with client.websocket(url) as websocket:
                    websocket.send_text("hello")
                    websocket.receive_text()
                assert websocket.trace.path

        return run

    def untraced() -> Callable[[int], None]:
        client = theirs.enter_context(quiet_test_client(app))

        def run(repeats: int) -> None:
            for _ in range(repeats):
                with client.websocket_connect(url) as websocket:
                    websocket.send_text("hello")
                    websocket.receive_text()

        return run

    contestants = [Contestant("traced", traced, ours.close), Contestant("TestClient", untraced, theirs.close)]
    return in_turns(contestants, rounds=rounds, repeats=repeats)
