"""The ASGI driver keeps to the specification, and what an app does wrong is a fact on the trace."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, observe
from tests.drive.bare import AsgiApp, Lines, Message, Receive, Scope, Send, forever, hello, piece, read, respond, start

# -- what the app is given


def scope_of(url: str, method: str = "GET", options: dict[str, Any] | None = None, **arguments: Any) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await respond(send)

    with Client(app, lifespan=False, **options or {}) as client:
        client.request(method, url, **arguments)
    return seen[0]


def test_the_scope_is_what_the_specification_says() -> None:
    scope = scope_of("/caf%C3%A9%2Fx/Ü?q=1&q=%20#part", headers={"X-Trace": "a", "accept": "b"})
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": scope["asgi"]["spec_version"]},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/café/x/Ü",
        "raw_path": b"/caf%C3%A9%2Fx/%C3%9C",
        "query_string": b"q=1&q=%20",
        "root_path": "",
        "headers": [
            (b"host", b"testserver"),
            (b"x-trace", b"a"),
            (b"accept", b"b"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"user-agent", b"pytest-lifecycle"),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "extensions": {},
    }


def test_the_server_and_the_scheme_are_those_of_the_url() -> None:
    scope = scope_of("https://shop.example:8443/", options={"client": ("10.0.0.7", 4711), "root_path": "/api"})
    assert (scope["scheme"], scope["server"]) == ("https", ("shop.example", 8443))
    assert (scope["client"], scope["root_path"]) == (("10.0.0.7", 4711), "/api")
    assert (b"host", b"shop.example:8443") in scope["headers"]
    assert scope_of("https://shop.example/")["server"] == ("shop.example", 443)


def test_repeated_header_lines_reach_the_app_in_order() -> None:
    scope = scope_of("/", headers=[("X-A", "1"), ("x-b", "2"), ("x-a", "3")])
    assert [line for line in scope["headers"] if line[0].startswith(b"x-")] == [
        (b"x-a", b"1"),
        (b"x-b", b"2"),
        (b"x-a", b"3"),
    ]


def test_a_method_is_sent_in_upper_case() -> None:
    assert scope_of("/", "propfind")["method"] == "PROPFIND"


def test_each_request_has_a_scope_of_its_own() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["mine"] = True
        scope["headers"].append((b"x-own", b"1"))
        seen.append(scope)
        await respond(send)

    with Client(app, lifespan=False) as client:
        client.get("/")
        client.get("/")
    assert [line for line in seen[1]["headers"] if line[0] == b"x-own"] == [(b"x-own", b"1")]
    assert seen[0] is not seen[1]


# -- the request's body


async def record(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the pieces that came, one a line."""
    seen = []
    while True:
        message = await receive()
        seen.append(message)
        if not message["more_body"]:
            break
    assert {message["type"] for message in seen} == {"http.request"}
    await respond(send, body=b"|".join(message["body"] for message in seen))


def test_a_body_comes_whole() -> None:
    with Client(record, lifespan=False) as client:
        assert client.post("/", content=b"abc").text == "abc"
        assert client.get("/").text == ""


def test_a_body_from_an_iterator_comes_in_its_pieces() -> None:
    with Client(record, lifespan=False) as client:
        assert client.post("/", content=iter([b"one", b"two"])).text == "one|two|"


def test_a_sync_client_sends_the_pieces_of_an_async_iterator_too() -> None:
    with Client(record, lifespan=False) as client:
        assert client.post("/", content=pieces_of(b"one", b"two")).text == "one|two|"


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for part in pieces:
        await asyncio.sleep(0)
        yield part


def test_an_async_client_sends_the_pieces_of_both_kinds_of_iterator() -> None:
    async def main() -> list[str]:
        async with AsyncClient(record, lifespan=False) as client:
            first = await client.post("/", content=pieces_of(b"one", b"two"))
            second = await client.post("/", content=iter([b"three"]))
            third = await client.post("/", content=b"four")
            return [first.text, second.text, third.text]

    assert asyncio.run(main()) == ["one|two|", "three|", "four"]


def test_a_streamed_upload_is_announced_as_chunked() -> None:
    lines = dict(scope_of("/", "POST", content=iter([b"x"]))["headers"])
    assert lines[b"transfer-encoding"] == b"chunked"
    assert b"content-length" not in lines


def test_after_the_body_receive_waits_until_the_response_is_sent_and_says_that_the_client_left() -> None:
    order: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)

        async def listen() -> None:
            message = await receive()
            order.append(message["type"])

        listener = asyncio.create_task(listen())
        for _ in range(5):
            await asyncio.sleep(0)
        order.append("responding")
        await respond(send)
        await listener
        order.append((await receive())["type"])

    with Client(app, lifespan=False) as client:
        client.post("/", content=b"x")
    assert order == ["responding", "http.disconnect", "http.disconnect"]


def test_once_the_response_is_sent_receive_says_that_the_client_left_even_if_the_body_was_not_read() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        seen.append(await receive())

    with Client(app, lifespan=False) as client:
        client.post("/", content=b"unread")
    assert seen == [{"type": "http.disconnect"}]


# -- the response


def test_a_response_in_pieces_is_joined() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 201, [(b"x-a", b"1"), (b"x-a", b"2")])
        await piece(send, b"one", more=True)
        await piece(send, b"", more=True)
        await piece(send, bytearray(b"two"), more=True)
        await send({"type": "http.response.body"})

    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    assert (trace.status, trace.content, trace.warnings) == (201, b"onetwo", [])
    assert trace.headers.get_list("x-a") == ["1", "2"]


def test_headers_may_be_any_iterable_and_left_out() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message: Message = {"type": "http.response.start", "status": 200}
        if scope["path"] == "/lines":
            message["headers"] = iter([[b"x-a", b"1"]])
        await send(message)
        await piece(send)

    with Client(app, lifespan=False) as client:
        assert client.get("/lines").headers.multi_items() == [("x-a", "1")]
        bare = client.get("/")
    assert (bare.headers.multi_items(), bare.warnings) == ([], [])


def test_what_the_app_does_with_its_lists_later_does_not_change_the_trace() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines = [(b"x-a", b"1")]
        body = bytearray(b"first")
        await start(send, 200, lines)
        await piece(send, body, more=True)
        lines.clear()
        body[:] = b"other"
        await piece(send)

    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    assert (trace.headers.multi_items(), trace.text) == ([("x-a", "1")], "first")


# -- what is no fault; what is one is in tests/faults


def sending(status: Any = 200, headers: Any = (), body: Any = b"") -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, status, body, headers)

    return app


def test_a_body_for_head_is_dropped_as_servers_do_and_is_no_fault() -> None:
    with Client(sending(headers=[(b"content-length", b"4")], body=b"four"), lifespan=False) as client:
        trace = client.head("/")
    assert (trace.status, trace.content, trace.headers["content-length"], trace.warnings) == (200, b"", "4", [])


def test_header_names_in_upper_case_are_found_in_any_case_and_are_no_fault() -> None:
    with Client(sending(headers=[(b"X-Upper", b"1")]), lifespan=False) as client:
        trace = client.get("/")
    assert (trace.headers["x-upper"], trace.headers["X-UPPER"], trace.warnings) == ("1", "1", [])


def test_latin_1_bytes_in_a_header_are_kept() -> None:
    with Client(sending(headers=[(b"x-name", b"caf\xe9")]), lifespan=False) as client:
        trace = client.get("/")
    assert (trace.headers["x-name"], trace.warnings) == ("café", [])


# -- size


def test_fifty_megabytes_and_ten_thousand_headers_come_through() -> None:
    body = b"0123456789abcdef" * (50 * 65536)
    lines = [(f"x-{number}".encode(), b"v" * 20) for number in range(9_999)] + [(b"x-long", b"v" * 65536)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, body=await read(receive), headers=lines)

    with Client(app, lifespan=False) as client:
        trace = client.post("/", content=body)
    assert trace.content == body
    assert len(trace.headers.multi_items()) == 10_000
    assert trace.warnings == []


def test_a_compressed_body_is_decoded() -> None:
    app = sending(headers=[(b"content-encoding", b"gzip")], body=gzip.compress(b"plain"))
    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    assert (trace.text, trace.response.text, trace.headers["content-encoding"]) == ("plain", "plain", "gzip")


# -- ASGI 2


class Old:
    """An ASGI 2 app: made with the scope, then called."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        assert self.scope["type"] == "http"
        await respond(send, body=self.scope["path"].encode() + await read(receive))


def test_asgi_2_apps_are_driven() -> None:
    with Client(Old) as client:
        assert client.post("/old", content=b"!").text == "/old!"


def test_asgi_2_apps_are_driven_in_async_tests() -> None:
    async def main() -> str:
        async with AsyncClient(Old) as client:
            return (await client.post("/old", content=b"!")).text

    assert asyncio.run(main()) == "/old!"


# -- the oracle: any request gives what a raw call gives

Name = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8).map(lambda name: f"x-{name}")
Value = st.binary(max_size=20).map(lambda value: bytes(set(value) - {0, 10, 13}))
Headers = st.lists(st.tuples(Name, Value), max_size=6)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked: the body as it came, the rest in headers."""
    lines = [line for line in scope["headers"] if line[0].startswith(b"x-")]
    lines += [(b"e-path", scope["path"].encode("utf-8", "surrogatepass").hex().encode())]
    lines += [(b"e-raw-path", scope["raw_path"]), (b"e-query", scope["query_string"])]
    lines += [(b"e-method", scope["method"].encode())]
    await respond(send, 299, await read(receive), lines)


async def called_raw(app: AsgiApp, scope: Scope, body: bytes) -> tuple[Any, Lines, bytes]:
    """Call an app as simply as possible."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:])


# httpx resolves dot segments, as a browser does (RFC 3986, section 5.2.4): the app never gets them.
Paths = st.text(max_size=20).filter(lambda path: not {".", ".."} & set(path.split("/")))


@settings(deadline=None)
@given(path=Paths, query=st.text(max_size=20), headers=Headers, body=st.binary(max_size=200))
def test_any_request_comes_back_from_an_echo_as_from_a_raw_call(
    path: str, query: str, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    from urllib.parse import quote

    raw_path, raw_query = "/" + quote(path, errors="replace"), quote(query, errors="replace")
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/" + path.encode("utf-8", "replace").decode(),
        "raw_path": raw_path.encode(),
        "query_string": raw_query.encode(),
        "headers": [(name.encode(), value) for name, value in headers],
    }
    expected = asyncio.run(called_raw(echo, scope, body))
    lines: Any = [(name.encode(), value) for name, value in headers]
    with Client(echo, lifespan=False) as client:
        trace = client.post(f"{raw_path}?{raw_query}" if raw_query else raw_path, content=body, headers=lines)
    found = [(name.encode(), value.encode("latin-1")) for name, value in trace.headers.multi_items()]
    assert (trace.status, found, trace.content) == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=8))
def test_a_body_is_the_same_however_it_is_cut(pieces: list[bytes]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            message = await receive()
            await piece(send, message["body"], more=message["more_body"])
            if not message["more_body"]:
                return

    def cut() -> Iterator[bytes]:
        yield from pieces

    with Client(app, lifespan=False) as client:
        assert client.post("/", content=cut()).content == client.post("/", content=b"".join(pieces)).content


# -- the deadline


def test_an_endless_response_is_cancelled_at_the_deadline() -> None:
    ended: list[str] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fine":
            return await respond(send, body=b"fine")
        await start(send)
        try:
            while True:
                await piece(send, b"more", more=True)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with Client(endless, lifespan=False) as client, observe() as traces:
        with pytest.raises(DeadlineExceeded) as caught:
            client.get("/", timeout=0.05)
        assert client.get("/fine").text == "fine"
    assert caught.value.slug == "deadline"
    assert str(caught.value) == (
        "GET http://testserver/ was not answered within 0.05 s: the app waits in 'handler endless'."
        " Give timeout= a larger number if it needs longer."
    )
    assert ended == ["cancelled"]
    assert (traces[0].status, traces[0].path) == (200, ["handler endless", "response 200"])


def test_an_app_that_never_answers_is_named_by_its_innermost_layer() -> None:
    class Outer:
        def __init__(self, app: AsgiApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await forever()

    with Client(Outer(stuck), lifespan=False) as client, pytest.raises(DeadlineExceeded, match="'handler stuck'"):
        client.get("/", timeout=0.05)


@pytest.mark.parametrize("answers", [True, False])
def test_an_app_that_makes_something_else_of_its_cancellation_is_late_all_the_same(answers: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await forever()
        except BaseException as cancelled:
            if not answers:
                raise ValueError("cancelled?") from cancelled
            await respond(send, 504)

    with Client(app, lifespan=False) as client, pytest.raises(DeadlineExceeded):
        client.get("/", timeout=0.05)

    async def main() -> None:
        async with AsyncClient(app, lifespan=False) as client:
            with pytest.raises(DeadlineExceeded):
                await client.get("/", timeout=0.05)

    asyncio.run(main())


def test_no_limit_is_no_limit() -> None:
    with Client(hello, timeout=None) as client:
        assert client.get("/").text == "hello"
