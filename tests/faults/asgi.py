"""What an ASGI app can do wrong in answering, one row a fault: the app, and what the trace says of it.

`benchmarks.faults` runs the same apps through other drivers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import anyio

from tests.drive.bare import AsgiApp, Receive, Scope, Send, forever, hello, piece, respond, start

Act = Callable[[Receive, Send], Awaitable[object]]


@dataclass(frozen=True)
class Row:
    """One fault: an app that commits it everywhere but at ``/fine``, and the trace that it leaves."""

    app: AsgiApp
    status: int | None = 200
    content: bytes = b""
    warnings: tuple[str, ...] = ()
    method: str = "GET"

    @property
    def outcome(self) -> str:
        return "no_response" if self.status is None else "handled"


def acting(act: Act) -> AsgiApp:
    """Give an app that does this, and says hello at ``/fine``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["path"] == "/fine":
            return await hello(scope, receive, send)
        return await act(receive, send)

    return app


def starting(status: Any = 200, headers: Any = (), body: Any = b"") -> AsgiApp:
    """Give an app that answers with these."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send, status, headers() if callable(headers) else headers)
        await piece(send, body)

    return acting(act)


def sending(message: Any) -> AsgiApp:
    """Give an app that sends this and then answers."""

    async def act(receive: Receive, send: Send) -> None:
        await send(message)
        await respond(send, body=b"answer")

    return acting(act)


def beginning(**message: Any) -> AsgiApp:
    """Give an app that starts its response with these keys."""

    async def act(receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", **message})
        await piece(send, b"body")

    return acting(act)


def ending(**message: Any) -> AsgiApp:
    """Give an app that sends one body message with these keys."""

    async def act(receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.body", **message})

    return acting(act)


# -- apps with a mind of their own


async def answers_nothing(receive: Receive, send: Send) -> None:
    pass


async def starts_only(receive: Receive, send: Send) -> None:
    await start(send)


async def never_ends(receive: Receive, send: Send) -> None:
    await start(send)
    await piece(send, b"part", more=True)


async def starts_twice(receive: Receive, send: Send) -> None:
    await start(send, 200, [(b"x-a", b"1")])
    await respond(send, 500, b"body", [(b"x-b", b"2")])


async def answers_twice(receive: Receive, send: Send) -> None:
    await respond(send, 200, b"one")
    await respond(send, 500, b"two")


async def sends_the_body_first(receive: Receive, send: Send) -> None:
    await piece(send, b"early")
    await respond(send, body=b"late")


async def sends_only_a_body(receive: Receive, send: Send) -> None:
    await piece(send, b"body")


async def sends_after_the_end(receive: Receive, send: Send) -> None:
    await respond(send, body=b"all")
    await piece(send, b"more")


async def sends_many_after_the_end(receive: Receive, send: Send) -> None:
    await respond(send, body=b"all")
    for _ in range(100):
        await piece(send, b"more", more=True)


async def returns_a_value(receive: Receive, send: Send) -> object:
    await respond(send, body=b"body")
    return {"status": 200}


async def returns_what_it_did_not_await(receive: Receive, send: Send) -> object:
    return respond(send, body=b"body")


async def awaits_too_little(receive: Receive, send: Send) -> None:
    respond(send, body=b"body")  # type: ignore[unused-coroutine]


async def receives_after_the_end(receive: Receive, send: Send) -> None:
    await respond(send, body=b"body")
    for _ in range(3):
        assert (await receive())["type"] == "http.disconnect"


async def receives_in_another_task(receive: Receive, send: Send) -> None:
    seen: list[str] = []

    async def listen() -> None:
        seen.append((await receive())["type"])

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        group.start_soon(listen)
        while not seen:
            await anyio.sleep(0)
        await respond(send, body=b"body")
    assert sorted(seen) == ["http.disconnect", "http.request"]


async def sends_from_two_tasks(receive: Receive, send: Send) -> None:
    await start(send)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(piece, send, b"x", True)
    await piece(send)


def not_async(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["path"] == "/fine":
        return hello(scope, receive, send)
    return None


def gives_a_response(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["path"] == "/fine":
        return hello(scope, receive, send)
    return [b"body"]


async def _yields(receive: Receive, send: Send) -> AsyncIterator[bytes]:
    await respond(send)
    yield b"body"


def is_an_async_generator(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["path"] == "/fine":
        return hello(scope, receive, send)
    return _yields(receive, send)


def is_a_generator(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["path"] == "/fine":
        return hello(scope, receive, send)
    return (item for item in [b"body"])


class Unspeakable:
    """What cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


def generated() -> Iterator[tuple[bytes, bytes]]:
    yield (b"x-a", b"1")
    yield (b"x-b", b"2")


NO_STATUS = "the app sent the status {}, which is no number from 100 to 599"
UNKNOWN = "the app sent a message of the unknown type {}"
NO_MESSAGE = "the app sent {}, which is no message"
NO_TOKEN = "the app sent the header {}, whose name is no token (RFC 9110, section 5.6.2)"
UNSAFE = "the app sent the header {}, which holds a line break or a NUL"
STR = "the app sent the header {} as str instead of bytes"
NO_PAIR = "the app sent {}, which is no pair of a header's name and value"
NO_BYTES = "the app sent a body of type {} instead of bytes"
NO_END = "the app started the response and never ended it"
NO_RESPONSE = "the app returned without a response"
TWICE = "the app started the response twice"
EARLY = "the app sent http.response.body before http.response.start"
LATE = "the app sent http.response.body after the response was complete"
VALUE = "the app returned a value of type {}; an ASGI app returns None"
NOT_AWAITABLE = "the app returned a value of type {}, which cannot be awaited: it is no async function"
LENGTH = "the app announced a content-length of {}"

MESSAGES: dict[str, Row] = {
    "no response": Row(acting(answers_nothing), None, warnings=(NO_RESPONSE,)),
    "a start, then nothing": Row(acting(starts_only), warnings=(NO_END,)),
    "a body without an end": Row(acting(never_ends), content=b"part", warnings=(NO_END,)),
    "two starts": Row(acting(starts_twice), content=b"body", warnings=(TWICE,)),
    "two responses": Row(acting(answers_twice), content=b"one", warnings=(TWICE, LATE)),
    "the body before the start": Row(acting(sends_the_body_first), content=b"late", warnings=(EARLY,)),
    "a body and no start": Row(acting(sends_only_a_body), None, warnings=(EARLY, NO_RESPONSE)),
    "a body after the end": Row(acting(sends_after_the_end), content=b"all", warnings=(LATE,)),
    "a hundred bodies after the end": Row(acting(sends_many_after_the_end), content=b"all", warnings=(LATE,)),
    "an unknown type": Row(
        sending({"type": "http.response.end"}), content=b"answer", warnings=(UNKNOWN.format("'http.response.end'"),)
    ),
    "trailers that were not offered": Row(
        sending({"type": "http.response.trailers", "headers": []}),
        content=b"answer",
        warnings=(UNKNOWN.format("'http.response.trailers'"),),
    ),
    "pathsend that was not offered": Row(
        sending({"type": "http.response.pathsend", "path": "/etc/hostname"}),
        content=b"answer",
        warnings=(UNKNOWN.format("'http.response.pathsend'"),),
    ),
    "zerocopysend that was not offered": Row(
        sending({"type": "http.response.zerocopysend", "file": 0}),
        content=b"answer",
        warnings=(UNKNOWN.format("'http.response.zerocopysend'"),),
    ),
    "early hints that were not offered": Row(
        sending({"type": "http.response.early_hint", "links": []}),
        content=b"answer",
        warnings=(UNKNOWN.format("'http.response.early_hint'"),),
    ),
    "a WebSocket's message": Row(
        sending({"type": "websocket.send", "text": "hello"}),
        content=b"answer",
        warnings=(UNKNOWN.format("'websocket.send'"),),
    ),
    "no type": Row(sending({"status": 200}), content=b"answer", warnings=(UNKNOWN.format("None"),)),
    "a type that is no text": Row(sending({"type": 7}), content=b"answer", warnings=(UNKNOWN.format("7"),)),
    "None as a message": Row(sending(None), content=b"answer", warnings=(NO_MESSAGE.format("None"),)),
    "text as a message": Row(sending("hello"), content=b"answer", warnings=(NO_MESSAGE.format("'hello'"),)),
    "a returned value": Row(acting(returns_a_value), content=b"body", warnings=(VALUE.format("dict"),)),
    "a coroutine returned, not awaited": Row(
        acting(returns_what_it_did_not_await), None, warnings=(VALUE.format("coroutine"), NO_RESPONSE)
    ),
    "a send that is not awaited": Row(acting(awaits_too_little), None, warnings=(NO_RESPONSE,)),
    "a function that is not async": Row(not_async, None, warnings=(NOT_AWAITABLE.format("NoneType"), NO_RESPONSE)),
    "a list instead of a coroutine": Row(gives_a_response, None, warnings=(NOT_AWAITABLE.format("list"), NO_RESPONSE)),
    "an async generator": Row(
        is_an_async_generator, None, warnings=(NOT_AWAITABLE.format("async_generator"), NO_RESPONSE)
    ),
    "a generator": Row(is_a_generator, None, warnings=(NOT_AWAITABLE.format("generator"), NO_RESPONSE)),
    "receive after the end": Row(acting(receives_after_the_end), content=b"body"),
    "receive in two tasks": Row(acting(receives_in_another_task), content=b"body"),
    "send in two tasks": Row(acting(sends_from_two_tasks), content=b"xx"),
}

STATUSES: dict[str, Row] = {
    "no status": Row(beginning(headers=[]), None, b"body", (NO_STATUS.format("None"),)),
    "a status as text": Row(starting("200"), None, warnings=(NO_STATUS.format("'200'"),)),
    "a status as a float": Row(starting(200.0), None, warnings=(NO_STATUS.format("200.0"),)),
    "status 0": Row(starting(0), None, warnings=(NO_STATUS.format("0"),)),
    "status -1": Row(starting(-1), None, warnings=(NO_STATUS.format("-1"),)),
    "status 99": Row(starting(99), None, warnings=(NO_STATUS.format("99"),)),
    "status 600": Row(starting(600), None, warnings=(NO_STATUS.format("600"),)),
    "status 1000": Row(starting(1000), None, warnings=(NO_STATUS.format("1000"),)),
    "status True": Row(starting(True), None, warnings=(NO_STATUS.format("True"),)),
    "a status that cannot be shown": Row(starting(Unspeakable()), None, warnings=(NO_STATUS.format("<Unspeakable>"),)),
    "an HTTPStatus": Row(starting(HTTPStatus.CREATED), 201),
}

HEADERS: dict[str, Row] = {
    "no headers": Row(beginning(status=200), content=b"body"),
    "headers None": Row(
        starting(headers=None), warnings=("the app sent headers of type NoneType, which cannot be iterated over",)
    ),
    "headers as a number": Row(
        starting(headers=7), warnings=("the app sent headers of type int, which cannot be iterated over",)
    ),
    "headers from a generator": Row(starting(headers=generated)),
    "headers as a dict": Row(starting(headers={b"te": b"1"}), warnings=(NO_PAIR.format("b'te'"),)),
    "headers as text": Row(starting(headers="ab"), warnings=(NO_PAIR.format("'a'"), NO_PAIR.format("'b'"))),
    "a header as text in bytes": Row(starting(headers=[b"x-a: 1"]), warnings=(NO_PAIR.format("b'x-a: 1'"),)),
    "a header of three": Row(starting(headers=[(b"a", b"b", b"c")]), warnings=(NO_PAIR.format("(b'a', b'b', b'c')"),)),
    "a header as str": Row(starting(headers=[("x-a", "1")]), warnings=(STR.format("'x-a'"),)),
    "a header's value as str": Row(starting(headers=[(b"x-a", "1")]), warnings=(STR.format("b'x-a'"),)),
    "a header beyond latin-1": Row(
        starting(headers=[("x-a", "\u20ac")]),
        warnings=(
            STR.format("'x-a'"),
            "the app sent the header 'x-a', which holds characters outside latin-1",
        ),
    ),
    "a header's value as a number": Row(
        starting(headers=[(b"x-a", 7)]), warnings=("the app sent the header b'x-a' as int instead of bytes",)
    ),
    "a header's value None": Row(
        starting(headers=[(b"x-a", None)]),
        warnings=("the app sent the header b'x-a' as NoneType instead of bytes",),
    ),
    "a header's value that cannot be shown": Row(
        starting(headers=[(b"x-a", Unspeakable())]),
        warnings=("the app sent the header b'x-a' as Unspeakable instead of bytes",),
    ),
    "a header's name in upper case": Row(starting(headers=[(b"X-A", b"1")])),
    "UTF-8 in a header": Row(starting(headers=[(b"x-a", "\u20ac".encode())])),
    "CR LF in a header's value": Row(
        starting(headers=[(b"location", b"/a\r\nset-cookie: admin=1")]), warnings=(UNSAFE.format("b'location'"),)
    ),
    "LF in a header's value": Row(starting(headers=[(b"x-a", b"1\n2")]), warnings=(UNSAFE.format("b'x-a'"),)),
    "NUL in a header's value": Row(starting(headers=[(b"x-a", b"1\x00")]), warnings=(UNSAFE.format("b'x-a'"),)),
    "LF in a header's name": Row(starting(headers=[(b"x\n", b"")]), warnings=(UNSAFE.format("b'x\\n'"),)),
    "a space in a header's name": Row(starting(headers=[(b"x a", b"1")]), warnings=(NO_TOKEN.format("b'x a'"),)),
    "a colon in a header's name": Row(starting(headers=[(b"x-a:", b"1")]), warnings=(NO_TOKEN.format("b'x-a:'"),)),
    "an empty header's name": Row(starting(headers=[(b"", b"1")]), warnings=(NO_TOKEN.format("b''"),)),
}

LENGTHS: dict[str, Row] = {
    "a content-length too large": Row(
        starting(headers=[(b"Content-Length", b"9")], body=b"four"),
        content=b"four",
        warnings=(LENGTH.format("9 and sent 4 bytes"),),
    ),
    "a content-length too small": Row(
        starting(headers=[(b"content-length", b"1")], body=b"four"),
        content=b"four",
        warnings=(LENGTH.format("1 and sent 4 bytes"),),
    ),
    "a negative content-length": Row(starting(headers=[(b"content-length", b"-1")]), warnings=(LENGTH.format("'-1'"),)),
    "a content-length in words": Row(
        starting(headers=[(b"content-length", b"four")], body=b"four"),
        content=b"four",
        warnings=(LENGTH.format("'four'"),),
    ),
    "a content-length of 5,000 digits": Row(
        starting(headers=[(b"content-length", b"9" * 5000)]),
        warnings=(LENGTH.format("'" + "9" * 78 + "…"),),
    ),
    "a content-length twice": Row(
        starting(headers=[(b"content-length", b"4"), (b"content-length", b"4")], body=b"four"),
        content=b"four",
        warnings=(LENGTH.format("4 and 1 more"),),
    ),
    "two different content-lengths": Row(
        starting(headers=[(b"content-length", b"4"), (b"content-length", b"5")], body=b"four"),
        content=b"four",
        warnings=(LENGTH.format("4 and 1 more"),),
    ),
    "a body with a 204": Row(
        starting(204, body=b"x"), 204, warnings=("the app sent a body with a 204 response, which has none",)
    ),
    "a body with a 304": Row(
        starting(304, body=b"x"), 304, warnings=("the app sent a body with a 304 response, which has none",)
    ),
    "a body for HEAD": Row(starting(headers=[(b"content-length", b"4")], body=b"four"), method="HEAD"),
    "a content-length with a 304": Row(starting(304, [(b"content-length", b"90")]), 304),
}

BODIES: dict[str, Row] = {
    "a body as str": Row(starting(body="text"), content=b"text", warnings=(NO_BYTES.format("str"),)),
    "a body None": Row(starting(body=None), warnings=(NO_BYTES.format("NoneType"),)),
    "a body as a number": Row(starting(body=10**6), warnings=(NO_BYTES.format("int"),)),
    "a body as a list": Row(starting(body=[b"x"]), warnings=(NO_BYTES.format("list"),)),
    "a body as a bytearray": Row(starting(body=bytearray(b"body")), content=b"body"),
    "a body as a memoryview": Row(starting(body=memoryview(b"body")), content=b"body"),
    "no body and no more_body": Row(ending()),
    "more_body as a true value": Row(ending(body=b"part", more_body=1), content=b"part", warnings=(NO_END,)),
    "more_body None": Row(ending(body=b"all", more_body=None), content=b"all"),
}

FAULTS: dict[str, Row] = {**MESSAGES, **STATUSES, **HEADERS, **LENGTHS, **BODIES}

# -- apps that do not end


async def never_answers(receive: Receive, send: Send) -> None:
    await forever()


async def hangs_in_its_body(receive: Receive, send: Send) -> None:
    await start(send)
    await piece(send, b"part", more=True)
    await forever()


async def hangs_after_the_end(receive: Receive, send: Send) -> None:
    await respond(send, body=b"all")
    await forever()


async def streams_for_ever(receive: Receive, send: Send) -> None:
    await start(send)
    while True:
        await piece(send, b"more", more=True)


async def waits_for_a_disconnect(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    await respond(send)


HANGING: dict[str, tuple[AsgiApp, int | None]] = {
    "never answers": (acting(never_answers), None),
    "hangs in its body": (acting(hangs_in_its_body), 200),
    "hangs after the end": (acting(hangs_after_the_end), 200),
    "an endless body": (acting(streams_for_ever), 200),
    "waits for a disconnect, then answers": (acting(waits_for_a_disconnect), None),
}
