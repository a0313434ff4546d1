"""The server's side of one HTTP request to an ASGI app.

Source of the rules: the ASGI specification, HTTP Connection Scope, version 2.5.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any, Protocol, final

from .._observe.recorder import CURRENT
from .._trace.answer import Answer
from .._trace.exchange import Exchange
from .._trace.faults import Header
from .outgoing import Outgoing, check_upload

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

BREATHER = 32
"""After how many messages in a row the loop gets its turn, so that an endless response can be cancelled."""


class Event(Protocol):
    """What asyncio's and trio's events have in common."""

    def set(self) -> object:
        """Let all go on that wait."""

    async def wait(self) -> object:
        """Wait until it is set."""


class Loop(Protocol):
    """What a connection needs of the loop it runs on."""

    def event(self) -> Event:
        """Make an event."""
        ...

    async def checkpoint(self) -> None:
        """Let others have a turn."""


def build_scope(outgoing: Outgoing, state: dict[str, Any] | None) -> dict[str, Any]:
    """Make the scope of a request.

    Args:
        outgoing: The request.
        state: What the app's lifespan put into its state; each request gets a shallow copy (ASGI lifespan
            specification, "Lifespan State"). None where no lifespan ran.
    """
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": outgoing.method,
        "scheme": outgoing.scheme,
        "path": outgoing.path,
        "raw_path": outgoing.raw_path,
        "query_string": outgoing.query,
        "root_path": outgoing.root_path,
        "headers": outgoing.headers,
        "client": outgoing.client,
        "server": (outgoing.host, outgoing.port),
        "extensions": {},
    }
    if state is not None:
        scope["state"] = state.copy()
    return scope


@final
class Connection:
    """Gives an app its request and takes its response.

    Args:
        outgoing: The request.
        loop: The loop that the app runs on.
        exchange: Where its messages are noted.
        paced: Whether the app waits, after each piece of its response, until somebody has taken the piece.

    Attributes:
        answer: The response, but for its body.
        body: The pieces of the body, or those that nobody has taken yet.
        is_upload: Whether the request's body comes in pieces.
        upload_error: What the request's body raised, instead of giving a piece.
    """

    __slots__ = (
        "_body",
        "_exchange",
        "_has_ended",
        "_is_gone",
        "_is_read",
        "_loop",
        "_messages",
        "_news",
        "_over",
        "_paced",
        "_taken",
        "answer",
        "body",
        "is_upload",
        "upload_error",
    )

    def __init__(self, outgoing: Outgoing, loop: Loop, exchange: Exchange, *, paced: bool = False) -> None:
        self._loop = loop
        self._exchange = exchange
        self._body = outgoing.body
        self.is_upload = not isinstance(outgoing.body, bytes)
        self.upload_error: Exception | None = None
        self._paced = paced
        self._is_read = False
        self._is_gone = False
        self._has_ended = False
        self._messages = 0
        self._over: Event | None = None
        self._news: Event | None = None
        self._taken: Event | None = None
        self.answer = Answer(exchange)
        self.body: list[bytes] = []

    @property
    def status(self) -> int | None:
        """The status; None until the response is started, or where it is no status."""
        return self.answer.status

    @property
    def headers(self) -> list[Header]:
        """The response's header lines."""
        return self.answer.headers

    @property
    def faults(self) -> list[str]:
        """What the app did wrong, as sentences."""
        return self.answer.faults

    @property
    def is_complete(self) -> bool:
        """Whether the response's end was sent."""
        return self.answer.is_complete

    # -- what the app calls

    async def receive(self) -> Message:
        """Give the next piece of the request's body; after it, wait for the end and say that the client left."""
        step = CURRENT.get()
        if not (self.answer.is_complete or self._is_gone or self._is_read):
            message = await self._next_piece()
            self._exchange.log("in", "http.request", len(message["body"]), step)
            self._exchange.hear(message["body"])
            return message
        if not (self.answer.is_complete or self._is_gone):
            if self._over is None:
                self._over = self._loop.event()
            await self._over.wait()
        self._exchange.log("in", "http.disconnect", 0, step)
        return {"type": "http.disconnect"}

    async def _next_piece(self) -> Message:
        body = self._body
        if isinstance(body, bytes):
            self._is_read = True
            return {"type": "http.request", "body": body, "more_body": False}
        try:
            if not isinstance(body, AsyncIterator | Iterator):
                body = self._body = aiter(body) if isinstance(body, AsyncIterable) else iter(body)
            piece = await anext(body, None) if isinstance(body, AsyncIterator) else next(body, None)
            check_upload(piece)
        except Exception as error:
            self.upload_error = error
            raise
        self._is_read = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(self, message: Message) -> None:
        """Take a message of the response; what is wrong with it is noted, and the app goes on."""
        if self._has_ended:
            return  # a task of the app's has outlived it
        piece = self.answer.take(message, CURRENT.get())
        if piece and not self._is_gone:
            self.body.append(piece)
        if self._over is not None and self.answer.is_complete:
            self._over.set()
        if self._news is not None:
            self._news.set()
        if self._paced and self.body and not self._is_gone:
            if self._taken is None:  # else another task of the app's waits, too
                self._taken = self._loop.event()
            await self._taken.wait()
        self._messages += 1
        if self._messages % BREATHER == 0:
            await self._loop.checkpoint()

    # -- what the client calls

    def close(self, *, is_answered: bool) -> None:
        """Note what is missing once the app has returned.

        Args:
            is_answered: Whether the app returned by itself: one that raised or was cancelled is not blamed for it.
        """
        if is_answered and not self._is_gone:  # nobody waits for the end of a response that was hung up on
            self.answer.end()
        self._has_ended = True
        self.leave()

    async def end_upload(self) -> None:
        """Close the generator of a body that the app did not read to its end: trio does not want it dropped."""
        if isinstance(self._body, AsyncGenerator):
            with suppress(RuntimeError):  # it is being read: by a task of the app's that outlives the request
                await self._body.aclose()

    def leave(self) -> None:
        """Hang up: the app's next `receive` says so, and its `send` waits for nobody."""
        self._is_gone = True
        for event in (self._over, self._taken, self._news):
            if event is not None:
                event.set()

    async def news(self) -> None:
        """Wait until the app has sent something, or the connection has ended."""
        if not (self.body or self.is_complete or self._is_gone):
            self._news = self._loop.event()
            await self._news.wait()
            self._news = None

    def take(self) -> list[bytes]:
        """Take the pieces of the body that have come, and let the app go on."""
        pieces, self.body = self.body, []
        if self._taken is not None:
            self._taken.set()
            self._taken = None
        return pieces
