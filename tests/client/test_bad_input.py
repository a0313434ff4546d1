"""What cannot be done is refused with an error of ours: a class, a slug, and a sentence that says the way out."""

from __future__ import annotations

import asyncio
import functools
import io
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import trio

from pytest_lifecycle import AsyncClient, Client, LifecycleError, UsageProblem, observe
from pytest_lifecycle._errors import SLUGS
from tests.drive.bare import (
    Environ,
    Receive,
    Scope,
    Send,
    StartResponse,
    hello,
    read,
    respond,
    wsgi_hello,
)

HOW = (
    'Say which it is by interface="asgi" or interface="wsgi", as in Client(app, interface="asgi") or'
    ' lifecycle_client(app, interface="asgi").'
)


def refused(act: Callable[[], object], kind: type[LifecycleError] = UsageProblem) -> tuple[str, str]:
    """Give the slug and the sentence of the error."""
    with pytest.raises(LifecycleError) as caught:
        act()
    assert type(caught.value) is kind
    assert caught.value.slug in SLUGS
    return caught.value.slug, str(caught.value)


# -- what is no app


def module(**attributes: object) -> types.ModuleType:
    made = types.ModuleType("shop.main")
    vars(made).update(attributes)
    return made


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (None, "None is no ASGI or WSGI app. Pass the application object."),
        (7, "7 is no ASGI or WSGI app. Pass the application object."),
        (
            "shop.main:app",
            "'shop.main:app' is no ASGI or WSGI app. Import the app and pass the object, or set the ini option"
            " lifecycle_app to this string.",
        ),
        (
            module(),
            "the module 'shop.main' is no ASGI or WSGI app. Pass the application object, not its module.",
        ),
        (
            module(app=hello, create_app=hello),
            "the module 'shop.main' is no ASGI or WSGI app. Pass the application object, not its module."
            " It has app, create_app.",
        ),
    ],
)
def test_what_cannot_be_called_is_no_app(app: Any, message: str) -> None:
    assert refused(lambda: Client(app)) == ("not-an-app", message)
    assert refused(lambda: AsyncClient(app)) == ("not-an-app", message)
    assert refused(lambda: Client(app, interface="asgi")) == ("not-an-app", message)


def test_a_long_repr_is_cut() -> None:
    slug, message = refused(lambda: Client(["x" * 1000]))  # type: ignore[arg-type]
    assert (slug, len(message) < 200) == ("not-an-app", True)


# -- which interface


class AsgiObject:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)


class WsgiObject:
    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return wsgi_hello(environ, start_response)

    def method(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        return wsgi_hello(environ, start_response)


class Old:
    def __init__(self, scope: Scope) -> None:
        pass

    async def __call__(self, receive: Receive, send: Send) -> None:
        await respond(send)


def returns_an_awaitable(scope: Scope, receive: Receive, send: Send) -> Any:
    return hello(scope, receive, send)


def extended(environ: Environ, start_response: StartResponse, option: str = "") -> list[bytes]:
    return wsgi_hello(environ, start_response)


def configured(config: object, environ: Environ, start_response: StartResponse) -> list[bytes]:
    return wsgi_hello(environ, start_response)


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (hello, "asgi"),
        (AsgiObject(), "asgi"),
        (AsgiObject().__call__, "asgi"),
        (functools.partial(hello), "asgi"),
        (returns_an_awaitable, "asgi"),
        (Old, "asgi"),
        (wsgi_hello, "wsgi"),
        (WsgiObject(), "wsgi"),
        (WsgiObject().method, "wsgi"),
        (extended, "wsgi"),
        (functools.partial(configured, None), "wsgi"),
    ],
)
def test_the_interface_is_told_from_the_app(app: Any, interface: str) -> None:
    assert Client(app).interface == AsyncClient(app).interface == interface


def anything(*arguments: Any) -> Any:
    return wsgi_hello(*arguments)


def one(request: object) -> object:
    return request


class WsgiClass:
    """A WSGI app whose instances are the response: PEP 3333's own example."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        start_response("200 OK", [])

    def __iter__(self) -> Iterator[bytes]:
        yield b"hello"


class Needy:
    """Its instances are apps, and it needs one argument, as an ASGI 2 app does."""

    def __init__(self, settings: object) -> None: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@pytest.mark.parametrize(
    ("app", "meant"),
    [
        (anything, "If it makes the app, pass what it returns. "),
        (one, "If it makes the app, pass what it returns. "),
        (print, "If it makes the app, pass what it returns. "),
        (functools.partial(one), ""),
        (dict, "If its instances are apps, pass one of them. "),
        (AsgiObject, "If its instances are apps, pass one of them. "),
        (Needy, "If its instances are apps, pass one of them. "),
    ],
)
def test_an_interface_that_cannot_be_told_can_be_said(app: Any, meant: str) -> None:
    assert refused(lambda: Client(app)) == (
        "unknown-interface",
        f"It cannot be told whether {app!r} is an ASGI or a WSGI app. {meant}{HOW}",
    )


@pytest.mark.parametrize("app", [anything, WsgiClass])
def test_an_interface_that_is_said_is_believed(app: Any) -> None:
    with Client(app, interface="wsgi") as client:
        assert client.get("/").text == "hello"


@pytest.mark.parametrize("given", ["http", "ASGI", "", 3])
def test_an_unknown_interface_is_refused(given: Any) -> None:
    assert refused(lambda: Client(hello, interface=given)) == ("unknown-interface", f"interface is {given!r}. {HOW}")


# -- which URL


@pytest.mark.parametrize(
    ("url", "slug", "message"),
    [
        (
            "ftp://testserver/",
            "unusable-url",
            "'ftp://testserver/' is no http or https URL. Give a path, or a URL such as 'http://testserver/orders'.",
        ),
        (
            "ws://testserver/",
            "unusable-url",
            "'ws://testserver/' is no http or https URL. Give a path, or a URL such as 'http://testserver/orders'.",
        ),
        (
            "http://testserver:port/",
            "unusable-url",
            "'http://testserver:port/' is no URL: Invalid port: 'port'.",
        ),
        (None, "unusable-url", "None is no URL. Give a path, or a URL such as 'http://testserver/orders'."),
        (b"/x", "unusable-url", "b'/x' is no URL. Give a path, or a URL such as 'http://testserver/orders'."),
    ],
)
def test_an_unusable_url_is_refused(url: Any, slug: str, message: str) -> None:
    with Client(hello) as client:
        assert refused(lambda: client.get(url)) == (slug, message)
        assert refused(lambda: client.stream("GET", url).__enter__()) == (slug, message)
        assert client.get("/").text == "hello"


def test_a_relative_url_needs_a_base() -> None:
    with Client(hello, base_url="") as client:
        assert refused(lambda: client.get("/orders")) == (
            "relative-url",
            "'/orders' is a relative URL, and the client has no base_url. Give it one, such as"
            ' base_url="http://testserver", or ask for an absolute URL.',
        )
        assert client.get("http://testserver/orders").text == "hello"


# -- which body


WAY_OUT = " Give json= something that JSON can hold, data= a dict, content= bytes, text or an iterable of bytes."


@pytest.mark.parametrize(
    ("arguments", "error", "given"),
    [
        ({"json": object}, "TypeError: Object of type type is not JSON serializable", "json=<type>"),
        ({"json": float("nan")}, "ValueError", "json=<float>"),
        ({"content": 5}, "TypeError", "content=<int>"),
        ({"data": {"a": 1}, "files": {"f": 5}}, "AttributeError", "data=<dict>, files=<dict>"),
        ({"headers": {"x-a": 5}}, "TypeError", "headers=<dict>"),
        ({"headers": {"x-a": "\u20ac"}}, "UnicodeEncodeError", "headers=<dict>"),
        ({"headers": 5}, "TypeError", "headers=<int>"),
        ({"cookies": 5}, "TypeError", "cookies=<int>"),
        ({"files": {"f": io.StringIO("text")}}, "TypeError", "files=<dict>"),
        ({"params": 5}, "AttributeError", "params=<int>"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"headers": {"x-b": "1"}, "cookies": {"a": "1"}}])
def test_what_cannot_be_encoded_is_refused_by_its_type(
    options: dict[str, Any], arguments: dict[str, Any], error: str, given: str
) -> None:
    with Client(hello, **options) as client:
        slug, message = refused(lambda: client.post("/", **arguments))
        assert client.get("/").text == "hello"
    assert slug == "body-not-encodable"
    assert message.startswith(f"POST http://testserver/ cannot be encoded ({error}")
    assert f") from {given}." in message
    assert message.endswith(WAY_OUT)


@pytest.mark.parametrize("timeout", [0, -1, "3", True, float("nan"), [1]])
@pytest.mark.parametrize("app", [hello, wsgi_hello], ids=["asgi", "wsgi"])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(app: Any, timeout: Any) -> None:
    wanted = ("unusable-timeout", f"timeout is {timeout!r}. Give a number of seconds above 0, or None for no limit.")
    assert refused(lambda: Client(app, timeout=timeout)) == wanted
    with Client(app) as client:
        assert refused(lambda: client.get("/", timeout=timeout)) == wanted
        assert client.get("/", timeout=httpx.Timeout(3)).status == 200


def test_a_refusal_shows_no_secrets() -> None:
    with Client(hello) as client:
        _, message = refused(
            lambda: client.post(
                "/?token=s3cret", headers={"authorization": "Bearer s3cret"}, json={"password": "s3cret", "x": object()}
            )
        )
        _, auth = refused(lambda: client.get("/", auth=["u", "s3cret"]))
    assert "s3cret" not in message + auth
    assert auth == WHAT_AUTH_IS.format("list")


WHAT_AUTH_IS = (
    "auth is of type {}. Give a pair of user and password (texts), an httpx.Auth, or a function of the request."
)


@pytest.mark.parametrize("auth", [5, ("s3cret",), ("user", 7), ("user", "s3cret", "more")])
def test_what_signs_no_request_is_refused(auth: Any) -> None:
    with Client(wsgi_hello) as client:
        assert refused(lambda: client.get("/", auth=auth)) == (
            "body-not-encodable",
            WHAT_AUTH_IS.format(type(auth).__name__),
        )


def test_a_function_for_auth_gives_the_request_back() -> None:
    with Client(wsgi_hello) as client:
        assert refused(lambda: client.get("/", auth=lambda request: "s3cret")) == (
            "body-not-encodable",
            "The function given as auth returned <str>. Have it return the request that it was given.",
        )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"headers": {"x-token": 1}},
            "(TypeError: Header value must be str or bytes, not <class 'int'>) from headers=<dict>",
        ),
        ({"headers": 5}, "(TypeError: 'int' object is not iterable) from headers=<int>"),
        ({"cookies": 5}, "(TypeError: 'int' object is not iterable) from cookies=<int>"),
        (
            {"cookies": {"sid": 1}},
            "(TypeError: expected string or bytes-like object, got 'int') from cookies=<dict>",
        ),
    ],
)
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_clients_own_headers_and_cookies_are_looked_at_as_it_is_made(client: Any, given: Any, why: str) -> None:
    assert refused(lambda: client(wsgi_hello, **given)) == (
        "body-not-encodable",
        f"The client's headers and cookies cannot be sent {why}. Give each as a dict of texts.",
    )


async def async_pieces() -> AsyncIterator[bytes]:
    yield b"piece"


def test_a_wsgi_app_cannot_be_given_an_async_body() -> None:
    with Client(wsgi_hello) as client:
        slug, message = refused(lambda: client.post("/", content=async_pieces()))
    assert slug == "body-not-encodable"
    assert message == (
        "POST http://testserver/ cannot be encoded (TypeError: a WSGI app cannot be given an async iterable)"
        f" from content=<async_generator>.{WAY_OUT}"
    )


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, body=await read(receive))


def wsgi_reading(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


@pytest.mark.parametrize("app", [reading, wsgi_reading])
def test_a_body_of_pieces_that_are_no_bytes_is_refused_as_it_is_read(app: Any) -> None:
    with Client(app, lifespan=False) as client:
        assert refused(lambda: client.post("/", content=iter(["text"]))) == (
            "body-not-encodable",
            "The request's body gave a piece of type str. Give content= an iterable of bytes.",
        )
        assert client.post("/", content=b"bytes").text == "bytes"


@pytest.mark.parametrize("app", [reading, wsgi_reading])
def test_what_a_body_raises_is_raised_by_the_request(app: Any) -> None:
    error = ValueError("the test's own")

    def pieces() -> Iterator[bytes]:
        yield b"piece"
        raise error

    with Client(app, lifespan=False) as client, observe() as traces:
        with pytest.raises(ValueError) as caught:
            client.post("/", content=pieces())
        assert client.post("/", content=b"bytes").text == "bytes"
    assert caught.value is error
    assert len(traces) == 2


# -- which loop


@pytest.mark.parametrize(("library", "run"), [("asyncio", lambda main: asyncio.run(main())), ("trio", trio.run)])
@pytest.mark.parametrize("app", [hello, wsgi_hello])
def test_a_sync_client_is_refused_in_a_running_loop(library: str, run: Callable[..., Any], app: Any) -> None:
    client = Client(app)

    async def main() -> list[tuple[str, str]]:
        return [
            refused(lambda: client.get("/")),
            refused(lambda: client.__enter__()),
            refused(lambda: client.stream("GET", "/").__enter__()),
        ]

    problems = run(main)
    assert {slug for slug, _ in problems} == {"sync-in-loop"}
    for _, message in problems:
        assert library in message
        assert "AsyncClient" in message
        assert "async_lifecycle" in message
    with client:
        assert client.get("/").text == "hello"


def test_a_sync_client_works_in_a_thread_beside_a_loop() -> None:
    def ask() -> str:
        with Client(hello) as client:
            return client.get("/").text

    async def main() -> str:
        return await asyncio.to_thread(ask)

    assert asyncio.run(main()) == "hello"


# -- nothing is harmed


def test_after_a_refusal_the_client_is_as_before() -> None:
    with Client(hello) as client, observe() as traces:
        for arguments in ({"json": object()}, {"auth": 5}, {"headers": 5}):
            refused(lambda arguments=arguments: client.post("/", **arguments))  # type: ignore[misc]
        assert traces == []
        assert client.get("/").text == "hello"
    assert [trace.status for trace in traces] == [200]
