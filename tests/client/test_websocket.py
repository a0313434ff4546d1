"""WebSockets: what a test sends and receives, and the trace of each, whoever the client is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.testclient import TestClient

from pytest_lifecycle import Client, DeadlineExceeded, LifecycleError, Trace, UsageProblem, WebSocketClosed, observe
from tests.apps import chat_app
from tests.drive.bare import Receive, Scope, Send, forever
from tests.faults.asgi import Unspeakable

ANN = {"authorization": "Bearer ann"}
LAYERS = ["middleware ConnectionID", "middleware CORSMiddleware", "middleware Gate"]
TALK = [*LAYERS, "route WEBSOCKET /v1/rooms/{room}"]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(chat_app.build(), timeout=5) as client:
        yield client


def visited(client: Client, url: str, **arguments: Any) -> Trace:
    """Open a WebSocket and close it again."""
    with client.websocket(url, **arguments) as websocket:
        pass
    return websocket.trace


# -- what a test sends and receives


def test_texts_data_and_json_go_both_ways(client: Client) -> None:
    with client.websocket("/echo") as websocket:
        websocket.send("ä")
        websocket.send_text("two")
        websocket.send_bytes(b"\x00")
        websocket.send_json({"a": ["ü"]})
        websocket.send_json([1], mode="binary")
        assert [websocket.receive(), websocket.receive_text(), websocket.receive_bytes()] == ["ä", "two", b"\x00"]
        assert [websocket.receive_json(), websocket.receive_json()] == [{"a": ["ü"]}, [1]]
    assert [(message.direction, message.type, message.size) for message in websocket.trace.messages] == [
        ("in", "websocket.connect", 0),
        ("out", "websocket.accept", 0),
        ("in", "websocket.receive", 2),
        ("out", "websocket.send", 2),
        ("in", "websocket.receive", 3),
        ("out", "websocket.send", 3),
        ("in", "websocket.receive", 1),
        ("out", "websocket.send", 1),
        ("in", "websocket.receive", 12),
        ("out", "websocket.send", 12),
        ("in", "websocket.receive", 3),
        ("out", "websocket.send", 3),
        ("in", "websocket.disconnect", 0),
    ]


def test_the_app_is_asked_as_a_server_asks_it() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "b"})
        await send({"type": "websocket.close"})

    with (
        Client(app, base_url="https://chat.example:8443/api", root_path="/api", lifespan=False) as client,
        client.websocket("/rooms/ä?x=1", subprotocols=["a", "b"], params={"y": 2}, cookies={"k": "v"}) as websocket,
    ):
        assert websocket.subprotocol == "b"
    (scope,) = seen
    assert {key: scope[key] for key in ("type", "scheme", "path", "query_string", "root_path", "subprotocols")} == {
        "type": "websocket",
        "scheme": "wss",
        "path": "/api/rooms/ä",
        "query_string": b"y=2",
        "root_path": "/api",
        "subprotocols": ["a", "b"],
    }
    assert scope["server"] == ("chat.example", 8443)
    assert "method" not in scope
    assert scope["extensions"] == {"websocket.http.response": {}}
    headers = dict(scope["headers"])
    assert headers[b"sec-websocket-protocol"] == b"a, b"
    assert (headers[b"cookie"], headers[b"upgrade"]) == (b"k=v", b"websocket")
    assert websocket.trace.url == "wss://chat.example:8443/api/rooms/%C3%A4?y=2"


def test_a_whole_url_may_name_the_scheme(client: Client) -> None:
    assert visited(client, "ws://testserver/echo").url == "ws://testserver/echo"
    assert visited(client, "wss://testserver/echo").url == "wss://testserver/echo"


def test_the_client_closes_with_its_own_code_and_reason(client: Client) -> None:
    with client.websocket("/echo") as websocket:
        websocket.close(3001, "enough")
        with pytest.raises(WebSocketClosed, match=r"the client closed it with 3001 \(enough\)"):
            websocket.send("late")
    trace = websocket.trace
    assert (trace.close_code, trace.close_reason, trace.closed_by) == (3001, "enough", "client")


def test_what_came_before_the_close_is_received_first() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for text in ("one", "two"):
            await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 4001, "reason": "done"})

    with Client(app, lifespan=False) as client, client.websocket("/") as websocket:
        assert [websocket.receive(), websocket.receive()] == ["one", "two"]
        with pytest.raises(WebSocketClosed, match=r"the app closed it with 4001 \(done\)") as closed:
            websocket.receive()
        assert (closed.value.code, closed.value.reason) == (4001, "done")
        assert (websocket.close_code, websocket.close_reason) == (4001, "done")


def test_a_message_of_the_other_type_says_so(client: Client) -> None:
    with client.websocket("/echo") as websocket:
        websocket.send("text")
        with pytest.raises(LifecycleError, match="text of 4 characters where bytes were asked for"):
            websocket.receive_bytes()
        websocket.send(b"data!")
        with pytest.raises(LifecycleError, match="5 bytes where text was asked for"):
            websocket.receive_text()
        with pytest.raises(UsageProblem, match=r"this is a dict\. Use send_json"):
            websocket.send({"a": 1})  # type: ignore[arg-type]


def test_the_trace_is_there_after_the_block(client: Client) -> None:
    with client.websocket("/echo") as websocket:
        with pytest.raises(LifecycleError, match=r"read `websocket.trace` after the `with` block"):
            _ = websocket.trace
        assert (websocket.is_accepted, websocket.status) == (True, 101)
        assert websocket.headers["x-connection-id"] == "7"
    assert websocket.trace.protocol == "websocket"


def test_a_wsgi_app_has_none() -> None:
    with (
        Client(Flask("shop")) as client,
        pytest.raises(UsageProblem, match="A WSGI app has no WebSockets"),
        client.websocket("/"),
    ):
        pass


# -- deadlines


def test_a_receive_that_waits_too_long_says_where_the_app_is(client: Client) -> None:
    with client.websocket("/v1/rooms/7", headers=ANN) as websocket:
        with pytest.raises(DeadlineExceeded, match=r"within 0.05 s: the app waits for a message in 'handler talk'"):
            websocket.receive(timeout=0.05)
        websocket.send("wait")
        with pytest.raises(DeadlineExceeded, match=r"the app is in 'handler talk'"):
            websocket.receive(timeout=0.05)
    assert "the app did not end after its client had left, and was cancelled" in websocket.trace.warnings


def test_a_handshake_that_is_never_answered_ends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await forever()

    with (
        observe() as traces,
        Client(app, lifespan=False, timeout=0.05) as client,
        pytest.raises(DeadlineExceeded, match=r"ws://testserver/ was not answered within 0.05 s.*'handler .*app'"),
        client.websocket("/"),
    ):
        pass
    assert [(trace.status, trace.outcome) for trace in traces] == [(None, "no_response")]


# -- the trace


def test_a_conversation_that_the_app_ends(client: Client) -> None:
    with client.websocket("/v1/rooms/7", headers=ANN) as websocket:
        websocket.send("hi")
        assert websocket.receive_json() == {"room": 7, "user": "ann", "said": "hi"}
        websocket.send("bye")
        with pytest.raises(WebSocketClosed, match=r"the app closed it with 4000 \(said bye\)"):
            websocket.receive()
    trace = websocket.trace
    assert trace.path == [
        *TALK,
        "dependency not_banned",
        "dependency current_user",
        "validation passed",
        "handler talk",
        "response 101",
    ]
    assert trace.middleware_out == ["Gate", "CORSMiddleware", "ConnectionID"]
    assert (trace.route, trace.path_params) == ("WEBSOCKET /v1/rooms/{room}", {"room": "7"})
    assert (trace.outcome, trace.refusal, trace.closed_by, trace.close_code) == ("handled", None, "app", 4000)
    setter = trace.header_set_by("x-connection-id")
    assert setter is not None
    assert setter.name == "ConnectionID"
    assert trace.span("ConnectionID").scope_added == ["state.connection_id"]
    assert trace.warnings == []


def test_a_handler_that_learns_of_the_end_by_an_exception_is_no_crash(client: Client) -> None:
    trace = visited(client, "/echo")
    assert (trace.outcome, trace.closed_by, trace.close_code) == ("handled", "client", 1000)
    (raised,) = trace.exceptions
    assert (raised.type, raised.raised_in, raised.handled_by) == ("WebSocketDisconnect", "echo", None)


def test_a_crash_is_an_error_and_the_receive_says_so(client: Client) -> None:
    with client.websocket("/v1/rooms/7", headers=ANN) as websocket:
        websocket.send("crash")
        with pytest.raises(WebSocketClosed, match="the app ended with LookupError"):
            websocket.receive()
    trace = websocket.trace
    assert (trace.outcome, trace.status, trace.close_code) == ("error", 101, 1006)
    assert trace.exceptions[0].crossed == ("Gate", "CORSMiddleware", "ConnectionID")


def test_the_app_s_exception_can_be_raised() -> None:
    with (
        Client(chat_app.build(), raise_app_exceptions=True) as client,
        pytest.raises(LookupError, match="crash"),
        client.websocket("/v1/rooms/7", headers=ANN) as websocket,
    ):
        websocket.send("crash")
        with pytest.raises(WebSocketClosed):
            websocket.receive()


REFUSALS = {
    "/v1/rooms/7": (
        [*TALK, "dependency not_banned", "dependency current_user", "response 401"],
        ("rejected", "authentication", "current_user", None),
    ),
    "/v1/rooms/13": ([*TALK, "dependency not_banned", "response 403"], ("rejected", "other", "not_banned", 1008)),
    "/v1/rooms/x": (  # `not_banned` takes the room itself: FastAPI does not call it
        [*TALK, "dependency current_user", "response 401"],
        ("rejected", "authentication", "current_user", None),
    ),
    "/closed": (
        [*LAYERS, "route WEBSOCKET /closed", "handler closed", "response 403"],
        ("handled", None, None, 1000),
    ),
    "/nowhere": ([*LAYERS, "response 403"], ("not_found", "not_found", "not_found", 1000)),
    "/echo?ticket=stolen": ([*LAYERS, "response 403"], ("short_circuited", "middleware", "Gate", 4401)),
}


@pytest.mark.parametrize("url", REFUSALS)
def test_a_refused_handshake_raises_nothing_and_says_who_refused(client: Client, url: str) -> None:
    path, (outcome, refusal, refused_by, code) = REFUSALS[url]
    with client.websocket(url) as websocket:
        assert not websocket.is_accepted
        with pytest.raises(WebSocketClosed, match="the app refused it with 40"):
            websocket.receive()
    trace = websocket.trace
    assert trace.path == path
    assert (trace.outcome, trace.refusal, trace.refused_by, trace.close_code) == (outcome, refusal, refused_by, code)


def test_a_refusal_by_an_http_response_has_its_headers_and_body(client: Client) -> None:
    trace = visited(client, "/v1/rooms/7")
    assert trace.headers["www-authenticate"] == "Bearer"
    assert trace.json() == {"detail": "who are you?"}


def test_validation_refuses_before_the_handler(client: Client) -> None:
    trace = visited(client, "/v1/rooms/x", headers=ANN)
    assert (trace.outcome, trace.status, trace.close_code) == ("invalid", 403, 1008)
    assert [issue.loc for issue in trace.validation_errors][-1] == ("path", "room")
    assert trace.handler is None


def test_a_404_names_what_comes_near(client: Client) -> None:
    trace = visited(client, "/v1/room/7")
    assert {candidate.pattern for candidate in trace.candidates} >= {"/v1/rooms/{room}", "/echo"}
    assert trace.route is None


def test_an_endpoint_class_on_a_mount_is_named_by_its_class(client: Client) -> None:
    with client.websocket("/birds/parrot") as websocket:
        websocket.send("a")
        assert [websocket.receive(), websocket.receive()] == ["a", "a"]
    trace = websocket.trace
    assert (trace.route, trace.handler) == ("WEBSOCKET /birds/parrot", "Parrot")


def test_an_app_that_returns_without_a_close_is_told(client: Client) -> None:
    with client.websocket("/short") as websocket:
        assert websocket.receive_bytes() == b"\x00\x01"
        with pytest.raises(WebSocketClosed, match="the app ended without closing it"):
            websocket.receive()
    trace = websocket.trace
    assert (trace.close_code, trace.closed_by, trace.outcome) == (1006, "app", "handled")
    assert trace.warnings == [
        "the app returned without closing the WebSocket: its client is told of an abnormal end (1006)"
    ]


FAULTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "text before the accept": (
        [{"type": "websocket.send", "text": "x"}],
        "the app sent websocket.send before it accepted the WebSocket",
    ),
    "two accepts": (
        [{"type": "websocket.accept"}, {"type": "websocket.accept"}],
        "the app sent websocket.accept over a WebSocket that was accepted",
    ),
    "text after the close": (
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.send", "text": "x"}],
        "the app sent websocket.send over a WebSocket that it had closed",
    ),
    "an empty message": (
        [{"type": "websocket.accept"}, {"type": "websocket.send"}],
        "the app sent a WebSocket message with neither text nor bytes",
    ),
    "a message of HTTP": (
        [{"type": "http.response.start", "status": 200}],
        "the app sent a message of the unknown type 'http.response.start'",
    ),
    "a subprotocol of its own": (
        [{"type": "websocket.accept", "subprotocol": "soap"}],
        "the app accepted the subprotocol 'soap', which was not offered",
    ),
    "no answer": ([], "the app returned without accepting or closing the WebSocket"),
    "half a refusal": (
        [{"type": "websocket.http.response.start", "status": 418, "headers": []}],
        "the app started the response and never ended it",
    ),
    "a refusal and an accept": (
        [{"type": "websocket.http.response.start", "status": 418, "headers": []}, {"type": "websocket.accept"}],
        "the app started the response twice",
    ),
    "a refusal's body that is text": (
        [
            {"type": "websocket.http.response.start", "status": 418, "headers": []},
            {"type": "websocket.http.response.body", "body": "no"},
        ],
        "the app sent a body of type str instead of bytes",
    ),
    "a refusal's body that is a number": (
        [
            {"type": "websocket.http.response.start", "status": 418, "headers": []},
            {"type": "websocket.http.response.body", "body": 10**9},
        ],
        "the app sent a body of type int instead of bytes",
    ),
    "a refusal's body that is nothing": (
        [
            {"type": "websocket.http.response.start", "status": 418, "headers": []},
            {"type": "websocket.http.response.body", "body": Unspeakable(), "more_body": Unspeakable()},
        ],
        "the app sent a body of type Unspeakable instead of bytes",
    ),
    "data that is nothing": (
        [{"type": "websocket.accept"}, {"type": "websocket.send", "bytes": Unspeakable()}],
        "the app sent a WebSocket message with neither text nor bytes",
    ),
    "a close with a code as text": (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "code": "4000"}],
        "the app closed the WebSocket with the code '4000', which is none that may be sent (RFC 6455, 7.4)",
    ),
    "a close with the code of no close": (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1006}],
        "the app closed the WebSocket with the code 1006, which is none that may be sent (RFC 6455, 7.4)",
    ),
    "a close with a code that is too large": (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 5000}],
        "the app closed the WebSocket with the code 5000, which is none that may be sent (RFC 6455, 7.4)",
    ),
    "a close with a reason that is nothing": (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "reason": Unspeakable()}],
        "the app closed the WebSocket with a reason of type Unspeakable instead of str",
    ),
    "a status that is none": (
        [{"type": "websocket.http.response.start", "status": "no", "headers": []}],
        "the app sent the status 'no', which is no number from 100 to 599",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_app_does_wrong_is_a_warning(fault: str) -> None:
    messages, warning = FAULTS[fault]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    with Client(app, lifespan=False) as client:
        trace = visited(client, "/")
    assert warning in trace.warnings
    assert trace.exceptions == []


def test_what_the_app_does_after_the_client_has_left_reaches_nobody(client: Client) -> None:
    with client.websocket("/v1/rooms/7", headers=ANN) as websocket:
        websocket.send("hi")
        websocket.send("bye")
    trace = websocket.trace
    assert (trace.closed_by, trace.close_code, trace.outcome) == ("client", 1000, "handled")
    assert [message.type for message in trace.messages if message.direction == "out"] == ["websocket.accept"]


def test_whoever_closes_first_is_who_closed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await send({"type": "websocket.close", "code": 4999})

    with Client(app, lifespan=False) as client:
        trace = visited(client, "/")
    assert (trace.closed_by, trace.close_code, trace.warnings) == ("client", 1000, [])


# -- how it is shown


def test_the_tree_counts_the_messages(client: Client) -> None:
    with client.websocket("/v1/rooms/7", headers=ANN) as websocket:
        websocket.send("hi")
        websocket.receive()
        websocket.send("bye")
        with pytest.raises(WebSocketClosed):
            websocket.receive()
    text = str(websocket.trace)
    assert text.startswith("WEBSOCKET /v1/rooms/7 -> 101 handled ")
    assert "messages: 2 in, 1 out, closed by the app with 4000 (said bye)" in text


def test_its_data_say_how_it_was_closed(client: Client) -> None:
    data = visited(client, "/closed").to_dict(timings=False)
    assert [data[key] for key in ("protocol", "method", "status", "close_code", "closed_by")] == [
        "websocket",
        "WEBSOCKET",
        403,
        1000,
        "app",
    ]


# -- other clients


def test_starlette_s_client_is_seen_as_ours_is(client: Client) -> None:
    app = chat_app.build()
    with observe() as traces:
        other = TestClient(app)
        with other.websocket_connect("/v1/rooms/7", headers=ANN) as websocket:
            websocket.send_text("hi")
            websocket.receive_json()
    with client.websocket("/v1/rooms/7", headers=ANN) as ours:
        ours.send("hi")
        ours.receive()
    (trace,) = traces
    assert trace.path == ours.trace.path
    assert (trace.close_code, trace.closed_by, trace.outcome) == (1000, "client", "handled")
    assert trace.middleware_out == ours.trace.middleware_out
    assert [message[:3] for message in trace.messages] == [message[:3] for message in ours.trace.messages]


def test_a_close_before_the_accept_sends_neither_code_nor_reason_and_so_has_no_wrong_ones() -> None:
    app = FastAPI()

    @app.websocket("/rooms/{room}")
    async def talk(room: int) -> None: ...

    with Client(app) as client:
        trace = visited(client, "/rooms/x")  # FastAPI gives a list as the reason
    assert (trace.outcome, trace.close_code, trace.warnings) == ("invalid", 1008, [])
