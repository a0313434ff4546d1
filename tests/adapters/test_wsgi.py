"""Bare WSGI apps: layers are found by their shape alone, with no framework."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import create_environ, run_wsgi_app

from pytest_lifecycle import Client, Trace, observe

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def hello(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello ", environ["PATH_INFO"].encode()]


def lazy(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"la"
    yield b"zy"


def boom(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    raise ValueError("broken")


class Passing:
    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start_response)


class Stamping(Passing):
    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        def stamp(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Stamp", "1")])

        return self.app(dict(environ), stamp)


class Catching(Passing):
    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return super().__call__(environ, start_response)
        except ValueError:
            start_response("500 Internal Server Error", [])
            return [b"sorry"]


class Gate(Passing):
    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/closed":
            start_response("401 Unauthorized", [])
            return []
        return self.app(environ, start_response)


def generating(app: App) -> App:
    def generator(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
        yield from app(environ, start_response)

    return generator


class InThread(Passing):
    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        results: list[Iterable[bytes]] = []
        thread = threading.Thread(target=lambda: results.append(self.app(environ, start_response)))
        thread.start()
        thread.join()
        return results[0]


class InPool(Passing):
    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.app, environ, start_response).result()


def through_ours(app: App, path: str) -> Trace:
    with Client(app) as client:
        return client.get(path)


def through_werkzeug(app: App, path: str) -> Trace:
    with observe() as traces:
        WerkzeugClient(app).get(path).get_data()
    return traces[-1]


def through_a_raw_call(app: App, path: str) -> Trace:
    environ: Environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    with observe() as traces:
        b"".join(app(environ, lambda status, headers, exc_info=None: None))
    return traces[-1]


@pytest.mark.parametrize("ask", [through_ours, through_werkzeug, through_a_raw_call])
def test_every_kind_of_layer_is_found_in_order_and_named(ask: Callable[[App, str], Trace]) -> None:
    trace = ask(Passing(Stamping(generating(InThread(InPool(Passing(hello)))))), "/")
    names = ["Passing", "Stamping", "generator", "InThread", "InPool", "Passing"]
    assert trace.path == [*[f"middleware {name}" for name in names], "handler hello", "response 200"]
    assert sorted(trace.middleware_out) == sorted(names)
    assert (trace.interface, trace.framework, trace.warnings) == ("wsgi", None, [])


@pytest.mark.parametrize("ask", [through_ours, through_werkzeug])
def test_layers_return_from_the_inside_out(ask: Callable[[App, str], Trace]) -> None:
    trace = ask(Passing(Stamping(Gate(hello))), "/x")
    assert trace.middleware_out == ["Gate", "Stamping", "Passing"]
    assert (trace.headers["x-stamp"], trace.text) == ("1", "hello /x")


@pytest.mark.parametrize("ask", [through_ours, through_werkzeug])
def test_a_generator_is_followed_to_its_end(ask: Callable[[App, str], Trace]) -> None:
    trace = ask(Passing(lazy), "/")
    assert trace.path == ["middleware Passing", "handler lazy", "response 200"]
    assert trace.outcome == "handled"


def test_a_layer_that_answers_itself_hides_the_inner_ones() -> None:
    trace = through_ours(Passing(Gate(Passing(hello))), "/closed")
    assert (trace.path, trace.outcome) == (["middleware Passing", "middleware Gate", "response 401"], "short_circuited")


def test_a_layer_that_an_exception_flew_past_is_not_on_the_way_out() -> None:
    trace = through_ours(Passing(Catching(Stamping(boom))), "/")
    assert trace.middleware_out == ["Catching", "Passing"]
    (error,) = trace.exceptions
    assert (error.raised_in, error.handled_by, error.crossed) == ("boom", "Catching", ("Stamping",))


def test_an_exception_that_nobody_catches_is_part_of_the_trace() -> None:
    trace = through_ours(Passing(boom), "/")
    assert (trace.status, trace.outcome) == (None, "error")
    assert isinstance(trace.exceptions[0].exception, ValueError)


def test_requests_in_many_threads_never_mix_their_steps() -> None:
    app = Passing(Stamping(hello))

    def ask(number: int) -> None:
        environ: Environ = {"PATH_INFO": f"/{number}"}
        setup_testing_defaults(environ)
        b"".join(app(environ, lambda status, headers, exc_info=None: None))

    with observe() as traces:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(trace.text for trace in traces) == sorted(f"hello /{number}" for number in range(40))
    assert {tuple(trace.path) for trace in traces} == {
        ("middleware Passing", "middleware Stamping", "handler hello", "response 200")
    }


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ({}, "http://shop.example/a?b=c"),
        ({"SERVER_PORT": "8000"}, "http://shop.example:8000/a?b=c"),
        ({"SERVER_PORT": "443", "wsgi.url_scheme": "https"}, "https://shop.example/a?b=c"),
        ({"HTTP_HOST": "other.example:80"}, "http://other.example:80/a?b=c"),
    ],
)
def test_the_url_names_no_port_that_goes_without_saying(server: dict[str, str], url: str) -> None:
    environ = create_environ("/a?b=c", environ_overrides={"SERVER_NAME": "shop.example", **server})
    if "HTTP_HOST" not in server:
        del environ["HTTP_HOST"]
    with observe() as traces:
        run_wsgi_app(hello, environ)
    assert traces[0].url == url


class Greeting:
    """The class that is an app in PEP 3333."""

    def __init__(self, environ: Environ, start_response: Callable[..., Any]) -> None:
        self.start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", [("content-type", "text/plain")])
        yield b"hello"


def test_a_class_whose_objects_are_the_body_is_the_handler() -> None:
    with Client(Greeting) as client:
        trace = client.get("/")
    assert (trace.path, trace.text, trace.warnings) == (["handler Greeting", "response 200"], "hello", [])
    assert (trace.outcome, trace.handler) == ("handled", "Greeting")


def test_what_is_put_around_such_a_class_is_a_middleware() -> None:
    def around(app: Any) -> Any:
        def inside(environ: Environ, start_response: Callable[..., Any]) -> Any:
            return app(environ, start_response)

        return inside

    with Client(around(Greeting)) as client:
        trace = client.get("/")
        assert [layer.name for layer in client.stack()] == ["inside"]
    assert trace.path == ["middleware inside", "handler Greeting", "response 200"]
