"""The WSGI driver keeps to the whole of PEP 3333, and what an app does wrong is a fact on the trace."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any
from urllib.parse import quote
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle import Client
from tests.drive.bare import Environ, StartResponse, WsgiApp, wsgi_hello

# -- what the app is given


def environ_of(url: str, method: str = "GET", options: dict[str, Any] | None = None, **arguments: Any) -> Environ:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append(dict(environ))
        return wsgi_hello(environ, start_response)

    with Client(app, **options or {}) as client:
        client.request(method, url, **arguments)
    return seen[0]


def test_the_environ_is_what_the_pep_says() -> None:
    environ = environ_of("/caf%C3%A9/Ü?q=1&q=%20#part", headers={"X-Trace": "a", "Accept": "b"})
    assert isinstance(environ.pop("wsgi.input"), io.BytesIO)
    assert b"".join(environ.pop("wsgi.file_wrapper")(io.BytesIO(b"abc"), 2)) == b"abc"
    assert environ.pop("wsgi.errors") is sys.stderr
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/café/Ü".encode().decode("latin-1"),
        "QUERY_STRING": "q=1&q=%20",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "REQUEST_URI": "/caf%C3%A9/%C3%9C?q=1&q=%20",
        "HTTP_HOST": "testserver",
        "HTTP_X_TRACE": "a",
        "HTTP_ACCEPT": "b",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate",
        "HTTP_USER_AGENT": "pytest-lifecycle",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_the_environ_is_a_plain_dict_of_native_strings() -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        return wsgi_hello(environ, start_response)

    with Client(app) as client:
        client.post("/%E2%82%AC?%C3%A9", headers={"x-name": "a"}, content=b"x")
    assert type(seen[0]) is dict
    assert {type(value) for key, value in seen[0].items() if not key.startswith("wsgi.")} == {str}
    seen[0]["PATH_INFO"].encode("latin-1").decode("utf-8")


@pytest.mark.parametrize(
    ("root_path", "url", "script_name", "path_info"),
    [
        ("/api", "/api/orders", "/api", "/orders"),
        ("/api", "/api", "/api", ""),
        ("/api", "/orders", "/api", "/orders"),
        ("/api", "/apiary/orders", "/api", "/apiary/orders"),
        ("/café", "/caf%C3%A9/x", "/caf\xc3\xa9", "/x"),
        ("", "/%ff%2Fx", "", "/\xff/x"),
        ("", "", "", "/"),
    ],
)
def test_the_root_path_is_the_script_name(root_path: str, url: str, script_name: str, path_info: str) -> None:
    environ = environ_of(url, options={"root_path": root_path})
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_repeated_header_lines_are_joined_and_cookies_by_semicolon() -> None:
    environ = environ_of("/", headers=[("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("cookie", "b=2")])
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_type_and_length_of_a_body_have_no_prefix() -> None:
    environ = environ_of("/", "POST", json={"a": 1})
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("application/json", "7")
    assert {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"}.isdisjoint(environ)


def test_server_and_client_are_those_of_the_request() -> None:
    environ = environ_of("https://shop.example:8443/", options={"client": ("10.0.0.7", 4711)})
    names = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "REMOTE_ADDR", "REMOTE_PORT")
    assert [environ[name] for name in names] == [
        "https",
        "shop.example",
        "8443",
        "shop.example:8443",
        "10.0.0.7",
        "4711",
    ]


# -- the request's body


def reading(read: Callable[[Any], bytes]) -> WsgiApp:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [read(environ["wsgi.input"])]

    return app


READS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda stream: stream.read(),
    "read in parts": lambda stream: stream.read(3) + stream.read(4) + stream.read(-1) + stream.read(5),
    "readline": lambda stream: stream.readline() + stream.readline(2) + stream.read(),
    "readlines": lambda stream: b"".join(stream.readlines()),
    "iteration": lambda stream: b"".join(stream),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("pieces", [[b"one\ntwo\nthree"], [b"o", b"ne\nt", b"", b"wo\nthr", b"ee"]])
def test_the_input_can_be_read_in_every_way_of_the_pep(read: Callable[[Any], bytes], pieces: list[bytes]) -> None:
    with Client(reading(read)) as client:
        assert client.post("/", content=b"".join(pieces)).content == b"one\ntwo\nthree"
        assert client.post("/", content=iter(pieces)).content == b"one\ntwo\nthree"


def test_input_that_is_not_asked_for_is_not_pulled() -> None:
    pulled: list[int] = []

    def upload() -> Iterator[bytes]:
        for number in range(3):
            pulled.append(number)
            yield b"x" * 100_000

    with Client(reading(lambda stream: b"")) as client:
        client.post("/", content=upload())
        assert pulled == []
    with Client(reading(lambda stream: bytes(stream.read(10)))) as client:
        client.post("/", content=upload())
        assert pulled == [0]


def test_no_body_is_an_empty_input() -> None:
    with Client(reading(lambda stream: stream.read() + stream.read())) as client:
        assert client.get("/").content == b""


# -- the response


def giving(result: Any, status: Any = "200 OK", headers: Any = ()) -> WsgiApp:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/fine":
            return wsgi_hello(environ, start_response)
        start_response(status, list(headers) if isinstance(headers, tuple) else headers)
        return result

    return app


def test_a_generator_app_starts_its_response_at_its_first_step() -> None:
    closed: list[str] = []

    def app(environ: Environ, start_response: StartResponse) -> Generator[bytes]:
        try:
            yield b""
            start_response("202 Accepted", [("X-Late", "1")])
            yield b"late"
        finally:
            closed.append("closed")

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.status, trace.headers["x-late"], trace.content, trace.warnings) == (202, "1", b"late", [])
    assert closed == ["closed"]


def test_what_is_written_comes_before_what_is_returned() -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", [("Content-Length", "15")])
        write(b"one-")
        write(b"two-")

        def rest() -> Iterator[bytes]:
            yield b"three-"
            write(b"!")

        return rest()

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.content, trace.warnings) == (b"one-two-three-!", [])


def test_the_file_wrapper_of_the_standard_library_works() -> None:
    with Client(giving(FileWrapper(io.BytesIO(b"file" * 5000)))) as client:
        assert client.get("/").content == b"file" * 5000


def failing(before: Callable[[Callable[[bytes], object]], Iterable[bytes]]) -> WsgiApp:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", [("X-First", "1")])
        yield from before(write)
        try:
            raise ValueError("broken")
        except ValueError:
            start_response("500 Internal Server Error", [("X-Second", "1")], sys.exc_info())
        yield b"error page"

    return app


def write_something(write: Callable[[bytes], object]) -> list[bytes]:
    write(b"out")
    return []


def test_exc_info_before_any_output_replaces_the_head() -> None:
    with Client(failing(lambda write: [b""])) as client:
        trace = client.get("/")
    assert (trace.status, trace.content, trace.warnings) == (500, b"error page", [])
    assert trace.headers.multi_items() == [("x-second", "1")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("before", [lambda write: [b"out"], write_something], ids=["yield", "write"])
def test_exc_info_after_output_raises_the_error(
    before: Callable[[Callable[[bytes], object]], Iterable[bytes]], method: str
) -> None:
    with Client(failing(before)) as client:
        trace = client.request(method, "/")
    assert (trace.status, trace.headers.multi_items()) == (200, [("x-first", "1")])
    assert isinstance(trace.root.exception, ValueError)
    assert trace.content == (b"out" if method == "GET" else b"")


def test_exc_info_inside_a_call_of_the_app_keeps_to_what_was_written() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])(b"out")
        try:
            raise ValueError("broken")
        except ValueError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return []

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.status, trace.content) == (200, b"out")
    assert isinstance(trace.root.exception, ValueError)


def test_a_validated_app_finds_nothing_wrong_with_the_driver() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH", 0)))
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    checked: Any = validator(app)
    with Client(checked, interface="wsgi") as client:
        trace = client.post("/a?b=c", content=b"body")
        assert (trace.content, trace.warnings, trace.exceptions) == (b"body", [], [])
        assert client.get("/").exceptions == []


# -- what is no fault; what is one is in tests/faults


def test_a_latin_1_header_is_kept() -> None:
    with Client(giving([], headers=[("X-Name", "café")])) as client:
        trace = client.get("/")
    assert (trace.headers["x-name"], trace.warnings) == ("café", [])


def test_a_body_for_head_is_dropped_as_servers_do_and_is_no_fault() -> None:
    with Client(giving([b"four"], headers=[("Content-Length", "4")])) as client:
        trace = client.head("/")
    assert (trace.content, trace.headers["content-length"], trace.warnings) == (b"", "4", [])


# -- the oracle: any request gives what a raw call gives


def echo(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Answer with what was asked: the body as it came, the rest in headers."""
    lines = [(key, value) for key, value in environ.items() if key.startswith("HTTP_X_")]
    lines += [(f"E-{key}", environ[key]) for key in ("REQUEST_METHOD", "QUERY_STRING", "SCRIPT_NAME")]
    lines += [("E-PATH", environ["PATH_INFO"].encode("latin-1").hex())]
    start_response("299 Echo", lines)
    return [environ["wsgi.input"].read()]


def called_raw(app: WsgiApp, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
    """Call an app as simply as possible."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> Callable[[bytes], object]:
        heads.append((status, headers))
        return lambda piece: None

    body = b"".join(app(environ, start_response))
    return int(heads[0][0][:3]), [(name.lower(), value) for name, value in heads[0][1]], body


Name = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
Value = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=20)


@settings(deadline=None)
@given(
    # httpx resolves dot segments, as a browser does (RFC 3986, section 5.2.4): the app never gets them.
    path=st.binary(max_size=20).filter(lambda path: not {b".", b".."} & set(path.split(b"/"))),
    query=st.text(max_size=20),
    headers=st.dictionaries(Name, Value, max_size=5),
    body=st.binary(max_size=200),
    streamed=st.booleans(),
)
def test_any_request_comes_back_from_an_echo_as_from_a_raw_call(
    path: bytes, query: str, headers: dict[str, str], body: bytes, streamed: bool
) -> None:
    raw_query = quote(query, errors="replace")
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/" + path.decode("latin-1"),
        "QUERY_STRING": raw_query,
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_X_{name.upper()}": value for name, value in headers.items()},
    }
    expected = called_raw(echo, environ)
    url = "/" + quote(path, safe="") + (f"?{raw_query}" if raw_query else "")
    lines: Any = [(f"x-{name}".encode(), value.encode("latin-1")) for name, value in headers.items()]
    with Client(echo) as client:
        trace = client.post(url, content=iter([body[:7], body[7:]]) if streamed else body, headers=lines)
    assert (trace.status, trace.headers.multi_items(), trace.content) == expected
