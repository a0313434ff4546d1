"""What a WSGI app can do wrong in answering, one row a fault: the app, and what the trace says of it.

`benchmarks.faults` runs the same apps through other drivers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.drive.bare import Environ, StartResponse, WsgiApp, wsgi_hello
from tests.faults.asgi import Unspeakable

Act = Callable[[StartResponse, Environ], Any]
"""What an app does; the other way round, so that it is not an app itself."""


@dataclass(frozen=True)
class Row:
    """One fault: an app that commits it everywhere but at ``/fine``, and the trace that it leaves."""

    app: WsgiApp
    status: int | None = 200
    content: bytes = b""
    warnings: tuple[str, ...] = ()
    error: type[BaseException] | None = None
    method: str = "GET"

    @property
    def outcome(self) -> str:
        if self.error is not None:
            return "error"
        return "no_response" if self.status is None else "handled"


def acting(act: Act) -> WsgiApp:
    """Give an app that does this, and says hello at ``/fine``."""

    def app(environ: Environ, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/fine":
            return wsgi_hello(environ, start_response)
        return act(start_response, environ)

    return app


def giving(result: Any = (), status: Any = "200 OK", headers: Any = None) -> WsgiApp:
    """Give an app that answers with these; a function as result or headers is called for each request."""

    def act(start_response: StartResponse, environ: Environ) -> Any:
        start_response(status, headers() if callable(headers) else [] if headers is None else headers)
        return result() if callable(result) else result

    return acting(act)


# -- apps with a mind of their own


def starts_nothing(start_response: StartResponse, environ: Environ) -> list[bytes]:
    return []


def starts_nothing_and_answers(start_response: StartResponse, environ: Environ) -> list[bytes]:
    return [b"body"]


def starts_twice(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [("X-A", "1")])
    start_response("500 No", [("X-B", "1")])
    return [b"body"]


def starts_late(start_response: StartResponse, environ: Environ) -> Iterator[bytes]:
    yield b""
    start_response("202 Accepted", [])
    yield b"late"


def starts_too_late(start_response: StartResponse, environ: Environ) -> Iterator[bytes]:
    yield b"early"
    start_response("200 OK", [])
    yield b"late"


def writes(start_response: StartResponse, environ: Environ) -> list[bytes]:
    write = start_response("200 OK", [("Content-Length", "11")])
    write(b"write ")
    return [b"yield"]


def writes_text(start_response: StartResponse, environ: Environ) -> list[bytes]:
    write: Any = start_response("200 OK", [])
    write("text")
    return []


class WritesInItsClose:
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write

    def __iter__(self) -> Iterator[bytes]:
        yield b"body"

    def close(self) -> None:
        self.write(b"late")


def writes_after_the_end(start_response: StartResponse, environ: Environ) -> Any:
    return WritesInItsClose(start_response("200 OK", []))


def replaces(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [("X-A", "1")])
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("500 No", [("X-B", "1")], sys.exc_info())
    return [b"error page"]


def replaces_after_output(start_response: StartResponse, environ: Environ) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"out"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 No", [], sys.exc_info())
    yield b"error page"


def replaces_after_write(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [])(b"out")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 No", [], sys.exc_info())
    return [b"error page"]


def raises(start_response: StartResponse, environ: Environ) -> list[bytes]:
    raise ValueError("before the start")


def raises_after_the_start(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [])
    raise ValueError("after the start")


def raises_midway(start_response: StartResponse, environ: Environ) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"part"
    raise ValueError("midway")


class Closing:
    """An iterable whose `close` raises."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        if self.fails:
            raise ValueError("midway")

    def close(self) -> None:
        raise OSError("close")


class BrokenIterable:
    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("my own")


def reads_a_part(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [])
    return [bytes(environ["wsgi.input"].read(2))]


def reads_too_much(start_response: StartResponse, environ: Environ) -> list[bytes]:
    start_response("200 OK", [])
    stream = environ["wsgi.input"]
    return [stream.read() + stream.read() + stream.read(10**9)]


async def is_async(start_response: StartResponse, environ: Environ) -> list[bytes]:
    return wsgi_hello(environ, start_response)


def steps() -> Generator[bytes]:
    yield b"one"
    yield b""
    yield b"two"


def generated() -> Iterable[tuple[str, str]]:
    yield ("X-A", "1")


NO_RESPONSE = "the app returned without a response"
NOT_STARTED = "the app sent a body without having called start_response"
TWICE = "the app started the response twice"
NO_STATUS = "the app sent the status {}, which is no number from 100 to 599"
NOT_STR = "the app sent the status {} instead of str"
CONTROL = "the app sent the status {}, which holds a control character"
REASON = "the app sent the status {} without a reason, as in '200 OK'"
NO_BYTES = "the app sent a body of type {} instead of bytes"
NO_ITERABLE = "the app returned {}, which cannot be iterated over"
WHOLE = "the app returned a value of type {} instead of an iterable of bytes"
LIST = "the app sent headers of type {} instead of a list"
UNSAFE = "the app sent the header {}, which holds a line break or a NUL"
NO_TOKEN = "the app sent the header {}, whose name is no token (RFC 9110, section 5.6.2)"
HOP = "the app sent the header {}, which only its server may send (PEP 3333, Other HTTP Features)"
NO_PAIR = "the app sent {}, which is no pair of a header's name and value"
LENGTH = "the app announced a content-length of {}"

STARTS: dict[str, Row] = {
    "no start_response": Row(acting(starts_nothing), None, warnings=(NO_RESPONSE,)),
    "a body without start_response": Row(acting(starts_nothing_and_answers), None, b"body", (NOT_STARTED, NO_RESPONSE)),
    "start_response twice": Row(acting(starts_twice), content=b"body", warnings=(TWICE,)),
    "start_response at the generator's first step": Row(acting(starts_late), 202, b"late"),
    "start_response after a piece": Row(acting(starts_too_late), content=b"earlylate", warnings=(NOT_STARTED,)),
    "exc_info before output (legal)": Row(acting(replaces), 500, b"error page"),
    "exc_info after output": Row(acting(replaces_after_output), content=b"out", error=ValueError),
    "exc_info after write()": Row(acting(replaces_after_write), content=b"out", error=ValueError),
    "write() (legal)": Row(acting(writes), content=b"write yield"),
    "write() of text": Row(acting(writes_text), content=b"text", warnings=(NO_BYTES.format("str"),)),
    "write() after the end": Row(
        acting(writes_after_the_end),
        content=b"body",
        warnings=("the app sent a piece by write() after the response was complete",),
    ),
}

RAISING: dict[str, Row] = {
    "raises": Row(acting(raises), None, error=ValueError),
    "raises after start_response": Row(acting(raises_after_the_start), error=ValueError),
    "a generator that raises midway": Row(acting(raises_midway), content=b"part", error=ValueError),
    "an iterable whose close() raises": Row(giving(Closing), content=b"one", error=OSError),
    "an iterable that raises, and its close() too": Row(
        giving(lambda: Closing(fails=True)), content=b"one", error=OSError
    ),
    "an iterable whose __iter__ raises": Row(giving(BrokenIterable), error=TypeError),
}

STATUSES: dict[str, Row] = {
    "a status as a number": Row(giving(status=200), warnings=(NOT_STR.format("200 as int"),)),
    "a status as bytes": Row(
        giving(status=b"200 OK"), None, warnings=(NOT_STR.format("b'200 OK' as bytes"), NO_STATUS.format("b'200 OK'"))
    ),
    "status None": Row(
        giving(status=None), None, warnings=(NOT_STR.format("None as NoneType"), NO_STATUS.format("None"))
    ),
    "a status that cannot be shown": Row(
        giving(status=Unspeakable()),
        None,
        warnings=(NOT_STR.format("<Unspeakable> as Unspeakable"), NO_STATUS.format("<Unspeakable>")),
    ),
    "a status without a number": Row(giving(status="OK"), None, warnings=(NO_STATUS.format("'OK'"),)),
    "an empty status": Row(giving(status=""), None, warnings=(NO_STATUS.format("''"),)),
    "a status without a reason": Row(giving(status="200"), warnings=(REASON.format("'200'"),)),
    "status 0": Row(giving(status="0 No"), None, warnings=(NO_STATUS.format("0"),)),
    "status 99": Row(giving(status="99 Low"), None, warnings=(NO_STATUS.format("99"),)),
    "status 1000": Row(giving(status="1000 High"), None, warnings=(NO_STATUS.format("1000"),)),
    "a status of 5,000 digits": Row(
        giving(status="9" * 5000 + " High"), None, warnings=(NO_STATUS.format("'" + "9" * 78 + "…"),)
    ),
    "CR LF in the status": Row(
        giving(status="200 OK\r\nX-Evil: 1"), warnings=(CONTROL.format("'200 OK\\r\\nX-Evil: 1'"),)
    ),
}

HEADERS: dict[str, Row] = {
    "headers as a tuple": Row(giving(headers=(("X-A", "1"),)), warnings=(LIST.format("tuple"),)),
    "headers from a generator": Row(giving(headers=generated), warnings=(LIST.format("generator"),)),
    "headers as a dict": Row(giving(headers={"X-A": "1"}), warnings=(LIST.format("dict"), NO_PAIR.format("'X-A'"))),
    "headers None": Row(
        giving(headers=lambda: None),
        warnings=(LIST.format("NoneType"), "the app sent headers of type NoneType, which cannot be iterated over"),
    ),
    "a header of three": Row(giving(headers=[("a", "b", "c")]), warnings=(NO_PAIR.format("('a', 'b', 'c')"),)),
    "a header as bytes": Row(
        giving(headers=[(b"X-A", b"1")]), warnings=("the app sent the header b'X-A' as bytes instead of str",)
    ),
    "a header's value as a number": Row(
        giving(headers=[("X-A", 7)]), warnings=("the app sent the header 'X-A' as int instead of str",)
    ),
    "a header in latin-1 (legal)": Row(giving(headers=[("X-A", "caf\xe9")])),
    "a header beyond latin-1": Row(
        giving(headers=[("X-A", "\u20ac")]),
        warnings=("the app sent the header 'X-A', which holds characters outside latin-1",),
    ),
    "CR LF in a header's value": Row(
        giving(headers=[("Location", "/\r\nSet-Cookie: a=1")]), warnings=(UNSAFE.format("'Location'"),)
    ),
    "NUL in a header's value": Row(giving(headers=[("X-A", "1\0")]), warnings=(UNSAFE.format("'X-A'"),)),
    "LF in a header's name": Row(giving(headers=[("X-A\n", "1")]), warnings=(UNSAFE.format("'X-A\\n'"),)),
    "a space in a header's name": Row(giving(headers=[("X A", "1")]), warnings=(NO_TOKEN.format("'X A'"),)),
    "a colon in a header's name": Row(giving(headers=[("X-A:", "1")]), warnings=(NO_TOKEN.format("'X-A:'"),)),
    "a hop-by-hop header": Row(giving(headers=[("Connection", "close")]), warnings=(HOP.format("'Connection'"),)),
    "chunks of its own": Row(
        giving([b"0\r\n\r\n"], headers=[("Transfer-Encoding", "chunked")]),
        content=b"0\r\n\r\n",
        warnings=(HOP.format("'Transfer-Encoding'"),),
    ),
}

RETURNS: dict[str, Row] = {
    "returns None": Row(giving(lambda: None), warnings=(NO_ITERABLE.format("None"),)),
    "returns a number": Row(giving(7), warnings=(NO_ITERABLE.format("a value of type int"),)),
    "returns str": Row(giving("text"), content=b"text", warnings=(WHOLE.format("str"),)),
    "returns bytes": Row(giving(b"body"), content=b"body", warnings=(WHOLE.format("bytes"),)),
    "returns a dict": Row(giving({"a": 1}), content=b"a", warnings=(NO_BYTES.format("str"),)),
    "returns str in a list": Row(giving(["text"]), content=b"text", warnings=(NO_BYTES.format("str"),)),
    "returns None in a list": Row(giving([None]), warnings=(NO_BYTES.format("NoneType"),)),
    "returns a number in a list": Row(giving([10**9]), warnings=(NO_BYTES.format("int"),)),
    "returns a bytearray in a list": Row(giving([bytearray(b"body")]), content=b"body"),
    "an iterator without a length (legal)": Row(giving(steps), content=b"onetwo"),
    "an async function": Row(
        acting(is_async), None, warnings=(NO_ITERABLE.format("a value of type coroutine"), NO_RESPONSE)
    ),
    "input that is read in part": Row(acting(reads_a_part), content=b"in", method="POST"),
    "input that is read past its end": Row(acting(reads_too_much), content=b"input", method="POST"),
}

LENGTHS: dict[str, Row] = {
    "a content-length too large": Row(
        giving([b"four"], headers=[("Content-Length", "5")]),
        content=b"four",
        warnings=(LENGTH.format("5 and sent 4 bytes"),),
    ),
    "a content-length too small": Row(
        giving([b"fo", b"ur"], headers=[("Content-Length", "1")]),
        content=b"four",
        warnings=(LENGTH.format("1 and sent 4 bytes"),),
    ),
    "a negative content-length": Row(
        giving([b"four"], headers=[("Content-Length", "-4")]),
        content=b"four",
        warnings=(LENGTH.format("'-4'"),),
    ),
    "a content-length of 5,000 digits": Row(
        giving([b"four"], headers=[("Content-Length", "9" * 5000)]),
        content=b"four",
        warnings=(LENGTH.format("'" + "9" * 78 + "…"),),
    ),
    "a content-length twice": Row(
        giving([b"four"], headers=[("Content-Length", "4"), ("Content-Length", "4")]),
        content=b"four",
        warnings=(LENGTH.format("4 and 1 more"),),
    ),
    "a body with a 204": Row(
        giving([b"x"], "204 No Content"), 204, warnings=("the app sent a body with a 204 response, which has none",)
    ),
    "a body with a 304": Row(
        giving([b"x"], "304 Not Modified"), 304, warnings=("the app sent a body with a 304 response, which has none",)
    ),
    "a body for HEAD": Row(giving([b"four"], headers=[("Content-Length", "4")]), method="HEAD"),
}

FAULTS: dict[str, Row] = {**STARTS, **RAISING, **STATUSES, **HEADERS, **RETURNS, **LENGTHS}
