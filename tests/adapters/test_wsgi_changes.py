"""What WSGI layers do to the environ on the way in and to the head of the response on the way out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WerkzeugClient
from werkzeug.wrappers import Response

from pytest_lifecycle import Client, Span, Trace, observe

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, Start], Iterable[bytes]]
PLAIN = [("Content-Type", "text/plain"), ("Server", "bare")]


def hello(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", list(PLAIN))
    return [b"hello"]


def lazy(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", list(PLAIN))
    yield b"hello"


def writing(environ: Environ, start_response: Start) -> Iterable[bytes]:
    write = start_response("200 OK", list(PLAIN))
    write(b"hel")
    return [b"lo"]


def restarting(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Start a response, fail, and start another one (PEP 3333, "Error Handling")."""
    start_response("200 OK", list(PLAIN))
    try:
        raise LookupError("no such order")
    except LookupError:
        start_response("500 Internal Server Error", [("X-Sorry", "1")], sys.exc_info())
        return [b"sorry"]


def late_crash(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", list(PLAIN))
    raise LookupError("no such order")


class Layer:
    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        return self.app(environ, start_response)


class Stamp(Layer):
    """Adds a header line of its own."""

    def __init__(self, app: App, name: str, value: str) -> None:
        super().__init__(app)
        self.line = (name, value)

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        def stamping(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, self.line], exc_info)

        return self.app(environ, stamping)


class InPlace(Layer):
    """Adds to the very list that it was given, and hands its arguments on unnamed."""

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        def adding(*arguments: Any) -> Any:
            arguments[1].append(("X-In-Place", "1"))
            return start_response(*arguments)

        return self.app(environ, adding)


class Starter:
    """A `start_response` that is an object."""

    def __init__(self, start_response: Start) -> None:
        self.start_response = start_response

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        kept = [line for line in headers if line[0] != "Server"]
        return self.start_response("203 Non-Authoritative Information", [*kept, ("Set-Cookie", "seen=1")], exc_info)


class Editor(Layer):
    """Changes the status, takes a header away and sets a cookie."""

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        return self.app(environ, Starter(start_response))


class Buffer(Layer):
    """Takes the whole response before it starts its own."""

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        taken: list[Any] = []
        body = b"".join(
            self.app(environ, lambda status, headers, exc_info=None: taken.extend((status, headers)))
        ).upper()
        start_response(taken[0], [*taken[1], ("Content-Length", str(len(body)))])
        return [body]


class Sorry(Layer):
    """Answers a crash inside it."""

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        try:
            return self.app(environ, start_response)
        except LookupError:
            start_response("500 Internal Server Error", [("X-Sorry", "1")], sys.exc_info())
            return [b"sorry"]


class Closing(Layer):
    """Returns an iterator of its own around the response's."""

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        return iter(Pieces(self.app(environ, start_response)))


class Pieces:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        return next(self.pieces)


class User(Layer):
    """Says in the environ who asks, and copies it for those inside where it is told to."""

    def __init__(self, app: App, *, copies: bool) -> None:
        super().__init__(app)
        self.copies = copies

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        environ["shop.user"] = "ada"
        return self.app(dict(environ) if self.copies else environ, start_response)


def through_ours(app: App) -> Trace:
    with Client(app) as client:
        return client.get("/")


def through_werkzeug(app: App) -> Trace:
    with observe() as traces:
        WerkzeugClient(app).get("/").get_data()
    return traces[-1]


BOTH = pytest.mark.parametrize("ask", [through_ours, through_werkzeug])
Ask = Callable[[App], Trace]


def changed(trace: Trace) -> dict[str, list[Span]]:
    """Give the spans that changed the response, by name."""
    found: dict[str, list[Span]] = {}
    for span in trace.spans():
        if span.response_changes:
            found.setdefault(span.name, []).append(span)
    return found


@BOTH
def test_two_instances_of_one_class_are_told_apart(ask: Ask) -> None:
    trace = ask(Stamp(Layer(Stamp(hello, "X-Stamp", "inner")), "X-Stamp", "outer"))
    outer, inner = changed(trace)["Stamp"]
    assert (outer.response_changes.added, inner.response_changes.added) == ({"x-stamp": "outer"}, {"x-stamp": "inner"})
    assert set(changed(trace)) == {"Stamp"}
    assert trace.header_set_by("x-stamp") is outer


@BOTH
@pytest.mark.parametrize("handler", [hello, lazy, writing], ids=lambda handler: handler.__name__)
def test_each_layer_is_told_by_what_it_did_however_the_body_is_sent(ask: Ask, handler: App) -> None:
    trace = ask(Editor(InPlace(Layer(handler))))
    editor, in_place = trace.span("Editor").response_changes, trace.span("InPlace").response_changes
    assert (editor.status, editor.removed, editor.cookies) == ((200, 203), ["server"], ["seen"])
    assert editor.added == {"set-cookie": "seen=1"}
    assert (in_place.added, in_place.status) == ({"x-in-place": "1"}, None)
    assert set(changed(trace)) == {"Editor", "InPlace"}
    assert trace.status == 203


@BOTH
def test_a_layer_that_starts_the_response_after_the_inner_one_returned(ask: Ask) -> None:
    trace = ask(Stamp(Buffer(Stamp(hello, "X-Inner", "1")), "X-Outer", "1"))
    assert {name: [span.response_changes.added for span in spans] for name, spans in changed(trace).items()} == {
        "Stamp": [{"x-outer": "1"}, {"x-inner": "1"}],
        "Buffer": [{"content-length": "5"}],
    }
    assert trace.middleware_out == ["Stamp", "Buffer", "Stamp"]


def test_a_response_that_is_started_again_is_told_by_its_last_head() -> None:
    trace = through_ours(Stamp(Layer(restarting), "X-Stamp", "1"))
    assert (trace.status, trace.headers.get("server")) == (500, None)
    assert changed(trace)["Stamp"][0].response_changes.added == {"x-stamp": "1"}
    assert set(changed(trace)) == {"Stamp"}


def test_a_layer_that_answers_a_crash_made_that_response_itself() -> None:
    trace = through_ours(Stamp(Sorry(Stamp(late_crash, "X-Inner", "1")), "X-Outer", "1"))
    assert (trace.status, trace.middleware_out) == (500, ["Sorry", "Stamp"])
    assert [(name, span[0].response_changes.added) for name, span in changed(trace).items()] == [
        ("Stamp", {"x-outer": "1"})
    ]
    assert trace.header_set_by("x-inner") is None


def test_a_layer_that_returned_before_the_response_was_started() -> None:
    trace = through_ours(Stamp(Closing(Stamp(lazy, "X-Inner", "1")), "X-Outer", "1"))
    assert [span.response_changes.added for span in changed(trace)["Stamp"]] == [{"x-outer": "1"}, {"x-inner": "1"}]
    assert set(changed(trace)) == {"Stamp"}


@BOTH
def test_a_middleware_that_refuses_changed_nothing(ask: Ask) -> None:
    def gate(environ: Environ, start_response: Start) -> Iterable[bytes]:
        return Response("no", 403)(environ, start_response)

    trace = ask(Stamp(gate, "X-Stamp", "1"))
    assert (trace.status, set(changed(trace))) == (403, {"Stamp"})


@BOTH
@pytest.mark.parametrize("copies", [False, True])
def test_what_a_layer_put_into_the_environ(ask: Ask, copies: bool) -> None:
    trace = ask(Layer(User(Layer(hello), copies=copies)))
    assert {span.name: span.scope_added for span in trace.spans() if span.scope_added} == {"User": ["shop.user"]}


@BOTH
def test_a_header_that_no_server_can_read_is_no_fault_of_ours(ask: Ask) -> None:
    def odd(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("X-Name", "\N{SNOWMAN}")])
        return [b""]

    trace = ask(Stamp(odd, "X-Stamp", "1"))
    assert not [warning for warning in trace.warnings if "adapter failed" in warning]
    assert changed(trace)["Stamp"][0].response_changes.added == {"x-stamp": "1"}


def test_a_mounted_flask_app_names_its_routes_with_the_mount() -> None:
    from flask import Flask

    api = Flask("api")
    api.add_url_rule("/orders/<int:number>", view_func=lambda number: str(number), endpoint="order")
    with Client(Layer(DispatcherMiddleware(hello, {"/api": api}))) as client:
        mounted, other = client.get("/api/orders/7"), client.get("/orders/7")
    with Client(DispatcherMiddleware(hello, {"/api": api}), root_path="/root") as client:
        below_a_root = client.get("/root/api/orders/7")
    assert (mounted.route, other.route) == ("GET /api/orders/<int:number>", None)
    assert below_a_root.route == "GET /api/orders/<int:number>"
