"""Types and the smallest possible apps, for the tests of drivers and clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Lines = list[tuple[bytes, bytes]]


async def start(send: Send, status: Any = 200, headers: Any = ()) -> None:
    """Send the head of a response."""
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def piece(send: Send, body: Any = b"", more: bool = False) -> None:
    """Send a piece of a body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(send: Send, status: int = 200, body: bytes = b"", headers: Any = ()) -> None:
    """Send a whole response."""
    await start(send, status, headers)
    await piece(send, body)


async def read(receive: Receive) -> bytes:
    """Read a whole request body."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def forever() -> None:
    """Wait for what never comes, whatever library runs the loop."""
    import anyio

    await anyio.sleep_forever()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Say hello, whatever is asked; refuse a lifespan."""
    assert scope["type"] == "http"
    await respond(send, body=b"hello", headers=[(b"content-type", b"text/plain")])


def wsgi_hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Say hello, whatever is asked."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def tasks_of(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """Give the tasks of a loop that are not done."""
    return {task for task in asyncio.all_tasks(loop) if not task.done()}
