"""WebSockets in async tests, on asyncio and trio, and from a real client over a socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, Trace, WebSocketClosed, observe
from tests.apps import chat_app

Main = Callable[[], Awaitable[None]]


def on_asyncio(main: Main) -> None:
    async def run() -> None:
        await main()

    asyncio.run(run())


def on_trio(main: Main) -> None:
    trio.run(main)


LOOPS = pytest.mark.parametrize("run", [on_asyncio, on_trio])


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat")
    while (text := await websocket.receive_text()) != "bye":
        await websocket.send_text(text)
    await websocket.close(4000, "said bye")


def build() -> Starlette:
    return Starlette(routes=[WebSocketRoute("/echo", echo)])


@LOOPS
def test_it_talks_as_the_sync_client_does(run: Callable[[Main], None]) -> None:
    traces: list[Trace] = []

    async def main() -> None:
        async with (
            AsyncClient(build()) as client,
            client.websocket("/echo", subprotocols=["chat"]) as websocket,
        ):
            await websocket.send_json({"a": 1})
            assert await websocket.receive_json() == {"a": 1}
            await websocket.send_text("bye")
            with pytest.raises(WebSocketClosed, match=r"4000 \(said bye\)"):
                await websocket.receive()
        traces.append(websocket.trace)

    run(main)
    with Client(build()) as client, client.websocket("/echo", subprotocols=["chat"]) as websocket:
        websocket.send_json({"a": 1})
        websocket.receive()
        websocket.send("bye")
        with pytest.raises(WebSocketClosed):
            websocket.receive()
    assert traces[0].to_dict(timings=False) == websocket.trace.to_dict(timings=False)
    assert traces[0].path == ["route WEBSOCKET /echo", "handler echo", "response 101"]


@LOOPS
def test_many_are_open_at_once(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(build()) as client:
            async with client.websocket("/echo") as one, client.websocket("/echo") as two:
                await one.send("1")
                await two.send("2")
                assert [await two.receive_text(), await one.receive_text()] == ["2", "1"]
                await two.close(3000)
            sent = [[message.type for message in trace.messages] for trace in (one.trace, two.trace)]
            assert sent[0].count("websocket.send") == sent[1].count("websocket.send") == 1
            assert [one.trace.close_code, two.trace.close_code] == [1000, 3000]

    run(main)


@LOOPS
def test_a_receive_has_a_deadline(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with AsyncClient(build(), timeout=0.05) as client, client.websocket("/echo") as websocket:
            with pytest.raises(DeadlineExceeded, match="the app waits for a message in 'handler echo'"):
                await websocket.receive_bytes()
        assert (websocket.trace.outcome, websocket.trace.warnings) == (
            "handled",
            ["the app accepted the subprotocol 'chat', which was not offered"],
        )

    run(main)


@LOOPS
def test_a_test_that_is_cancelled_meanwhile_leaves_a_trace(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        import anyio

        with observe() as traces, anyio.move_on_after(0.05):
            async with AsyncClient(build()) as client, client.websocket("/echo") as websocket:
                await websocket.receive(timeout=60)
        assert [(trace.route, trace.status) for trace in traces] == [("WEBSOCKET /echo", 101)]

    run(main)


@contextmanager
def served() -> Iterator[str]:
    config = uvicorn.Config(chat_app.build(), port=0, log_level="critical", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_real_client_over_a_socket_is_seen() -> None:
    headers = {"authorization": "Bearer ann"}
    with observe() as traces, served() as url:
        with connect(f"{url}/v1/rooms/7", additional_headers=headers) as websocket:
            websocket.send("hi")
            assert '"said":"hi"' in str(websocket.recv())
            websocket.send("bye")
            with pytest.raises(ConnectionClosed):
                websocket.recv()
        with pytest.raises(InvalidStatus):
            connect(f"{url}/v1/rooms/7")
    talked, refused = traces
    assert (talked.route, talked.handler, talked.status) == ("WEBSOCKET /v1/rooms/{room}", "talk", 101)
    assert (talked.closed_by, talked.close_code, talked.close_reason) == ("app", 4000, "said bye")
    assert (refused.status, refused.refused_by) == (401, "current_user")
