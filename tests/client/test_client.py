"""`Client` asks as httpx does, and gives a trace."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import threading
import time
import zlib
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask, redirect, request, session

from pytest_lifecycle import AsyncClient, Client, DeadlineExceeded, LifecycleError, Trace, UsageProblem, observe
from tests.client.django_app import django
from tests.drive.bare import (
    AsgiApp,
    Environ,
    Receive,
    Scope,
    Send,
    StartResponse,
    WsgiApp,
    hello,
    read,
    respond,
    wsgi_hello,
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked."""
    said = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": (await read(receive)).decode("latin-1"),
    }
    await respond(send, body=json.dumps(said).encode(), headers=[(b"content-type", b"application/json")])


def asked(method: str = "GET", url: str = "/", options: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """Ask `echo` and give what it was asked, headers as a dict."""
    with Client(echo, lifespan=False, **options or {}) as client:
        said = client.request(method, url, **arguments).json()
    said["headers"] = dict(said["headers"])
    return said


# -- what is sent


@pytest.mark.parametrize("verb", ["get", "options", "head", "post", "put", "patch", "delete"])
def test_each_verb_asks_with_its_method(verb: str) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await respond(send)

    with Client(app, lifespan=False) as client:
        trace = getattr(client, verb)("/")
    assert (seen, trace.method) == ([verb.upper()], verb.upper())


def test_params_are_the_query() -> None:
    assert asked(params={"a": "1 2", "b": ["x", "y"]})["query"] == "a=1+2&b=x&b=y"
    assert asked(url="/?a=1")["query"] == "a=1"


def test_json_data_and_content_are_bodies_of_their_types() -> None:
    said = asked("POST", json={"ü": [1, None]})
    assert (said["body"], said["headers"]["content-type"]) == (
        '{"ü":[1,null]}'.encode().decode("latin-1"),
        "application/json",
    )
    said = asked("POST", data={"a": "1 2", "b": ["x", "y"]})
    assert (said["body"], said["headers"]["content-type"]) == (
        "a=1+2&b=x&b=y",
        "application/x-www-form-urlencoded",
    )
    said = asked("POST", content="täxt")
    assert (said["body"], "content-type" in said["headers"]) == ("täxt".encode().decode("latin-1"), False)


def test_falsy_bodies_are_sent() -> None:
    assert asked("POST", json={})["body"] == "{}"
    assert asked("POST", json=0)["body"] == "0"
    assert asked("POST", content=b"")["headers"]["content-length"] == "0"


def test_files_are_a_multipart_body_that_frameworks_can_read() -> None:
    app = Flask(__name__)

    @app.post("/")
    def upload() -> dict[str, Any]:
        file = request.files["file"]
        return {"name": file.filename, "type": file.mimetype, "content": file.read().decode(), "form": request.form}

    with Client(app) as client:
        trace = client.post("/", files={"file": ("a.txt", b"content", "text/plain")}, data={"field": "value"})
    assert trace.json() == {"name": "a.txt", "type": "text/plain", "content": "content", "form": {"field": "value"}}


def test_headers_of_a_request_come_on_top_of_the_client_s() -> None:
    options = {"headers": {"x-a": "client", "x-b": "client"}}
    headers = asked(options=options, headers={"X-A": "request"})["headers"]
    assert (headers["x-a"], headers["x-b"]) == ("request", "client")


def test_the_user_agent_can_be_changed() -> None:
    assert asked()["headers"]["user-agent"] == "pytest-lifecycle"
    assert asked(headers={"User-Agent": "mine"})["headers"]["user-agent"] == "mine"


@pytest.mark.parametrize(
    ("base_url", "url", "full"),
    [
        ("http://testserver", "/a?b", "http://testserver/a?b"),
        ("http://testserver", "a", "http://testserver/a"),
        ("http://testserver", "", "http://testserver/"),
        ("http://testserver", "//a/b:x", "http://testserver//a/b:x"),
        ("https://shop.example/api", "//a", "https://shop.example/api//a"),
        ("https://shop.example/api", "/orders", "https://shop.example/api/orders"),
        ("https://shop.example/api/", "orders?x=1", "https://shop.example/api/orders?x=1"),
        ("http://testserver", "https://other.example:81/x", "https://other.example:81/x"),
        ("", "http://other.example/x", "http://other.example/x"),
    ],
)
def test_urls_are_relative_to_the_base_url(base_url: str, url: str, full: str) -> None:
    with Client(hello, base_url=base_url) as client:
        assert client.get(url).url == full
        assert client.get(httpx.URL(url)).url == full


def test_two_slashes_are_a_path() -> None:
    with Client(hello) as client:
        assert client.get("//").url == "http://testserver//"


def test_extensions_and_timeout_are_taken() -> None:
    with Client(hello) as client:
        assert client.get("/", extensions={"trace": None}, timeout=None).text == "hello"


# -- cookies


async def cookies(scope: Scope, receive: Receive, send: Send) -> None:
    """Set a cookie on /set, drop it on /drop, and say which cookies came."""
    said = dict(scope["headers"]).get(b"cookie", b"")
    lines = {
        "/set": [(b"set-cookie", b"id=1; Path=/"), (b"set-cookie", b"only=here; Path=/deep")],
        "/drop": [(b"set-cookie", b"id=; Max-Age=0; Path=/")],
    }.get(scope["path"], [])
    await respond(send, body=said, headers=lines)


def test_cookies_persist_over_a_client_s_life() -> None:
    with Client(cookies, cookies={"mine": "0"}, lifespan=False) as client:
        said = [client.get(path).text for path in ("/set", "/", "/deep/er", "/drop", "/")]
    assert said == ["mine=0", "mine=0; id=1", "only=here; mine=0; id=1", "mine=0; id=1", "mine=0"]


def test_cookies_of_one_request_are_not_remembered() -> None:
    with Client(cookies, lifespan=False) as client:
        client.get("/set")
        assert client.get("/", cookies={"once": "1"}).text == "id=1; once=1"
        assert client.get("/").text == "id=1"


def test_cookies_of_a_streamed_response_persist_too() -> None:
    with Client(cookies, lifespan=False) as client:
        with client.stream("GET", "/set"):
            pass
        assert client.get("/").text == "id=1"


def test_a_session_of_flask_s_lives_on_in_the_client() -> None:
    app = Flask(__name__)
    app.secret_key = "tests"

    @app.get("/")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    with Client(app) as client:
        assert [client.get("/").text for _ in range(3)] == ["1", "2", "3"]


def test_a_cookie_on_a_body_that_cannot_be_decoded_is_remembered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines = [(b"set-cookie", b"id=1"), (b"content-encoding", b"gzip")]
        await respond(send, body=b"no gzip", headers=lines)

    with Client(app, lifespan=False) as client:
        client.get("/")
        assert dict(client.cookies) == {"id": "1"}


# -- auth


def authorization(auth: Any = None, url: str = "/") -> str | None:
    found: str | None = asked(url=url, auth=auth)["headers"].get("authorization")
    return found


BASIC = "Basic dTpw"


def test_auth_is_a_pair_an_auth_a_function_or_in_the_url() -> None:
    assert authorization() is None
    assert authorization(("u", "p")) == BASIC
    assert authorization(httpx.BasicAuth("u", "p")) == BASIC
    assert authorization(url="http://u:p@testserver/") == BASIC

    def bearer(request: httpx.Request) -> httpx.Request:
        request.headers["authorization"] = "Bearer t"
        return request

    assert authorization(bearer) == "Bearer t"


def test_userinfo_of_the_base_url_authenticates() -> None:
    assert asked(options={"base_url": "http://u:p@testserver"})["headers"]["authorization"] == BASIC


async def guarded_by_digest(scope: Scope, receive: Receive, send: Send) -> None:
    said = dict(scope["headers"]).get(b"authorization", b"")
    if said.startswith(b"Digest ") and b'username="u"' in said:
        return await respond(send, body=await read(receive))
    await respond(send, 401, headers=[(b"www-authenticate", b'Digest realm="r", nonce="n", qop="auth"')])


def test_a_digest_flow_asks_twice_and_gives_the_last_trace() -> None:
    with Client(guarded_by_digest, lifespan=False) as client, observe() as traces:
        trace = client.post("/", content=b"body", auth=httpx.DigestAuth("u", "p"))
        assert client.post("/", content=b"body").status == 401
    assert (trace.status, trace.text) == (200, "body")
    assert [seen.status for seen in traces] == [401, 200, 401]


def test_a_flow_of_one_s_own_sees_the_responses() -> None:
    class Refreshing(httpx.Auth):
        requires_response_body = True

        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            token = yield httpx.Request("POST", "http://testserver/token", content=b"refresh")
            request.headers["authorization"] = f"Bearer {token.json()['body']}"
            yield request

    assert authorization(Refreshing()) == "Bearer refresh"


# -- redirects


class Redirecting:
    """Sends what asks for /from to the target, with the status, and says what came there."""

    def __init__(self, status: int, target: str = "/to") -> None:
        self.status = status
        self.target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/from":
            await respond(send, self.status, headers=[(b"location", self.target.encode())])
        else:
            await echo(scope, receive, send)


def followed(app: AsgiApp, method: str = "GET", **arguments: Any) -> Trace:
    with Client(app, lifespan=False) as client:
        return client.request(method, "/from", follow_redirects=True, **arguments)


def test_redirects_are_followed_only_when_asked_for() -> None:
    with Client(Redirecting(302), lifespan=False) as client:
        assert client.get("/from").status == 302
        assert client.get("/from", follow_redirects=True).status == 200
    with Client(Redirecting(302), lifespan=False, follow_redirects=True) as client:
        assert client.get("/from").status == 200
        assert client.get("/from", follow_redirects=False).status == 302


@pytest.mark.parametrize(
    ("status", "method", "then", "keeps_body"),
    [
        (301, "GET", "GET", True),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (302, "POST", "GET", False),
        (302, "PUT", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (307, "POST", "POST", True),
        (307, "GET", "GET", True),
        (308, "PUT", "PUT", True),
    ],
)
def test_method_and_body_after_a_redirect_are_those_of_the_rfc(
    status: int, method: str, then: str, keeps_body: bool
) -> None:
    trace = followed(Redirecting(status), method, json={"a": 1})
    said = trace.json()
    headers = dict(said["headers"])
    assert (said["method"], said["path"], said["body"]) == (then, "/to", '{"a":1}' if keeps_body else "")
    assert headers.get("content-length") == ("7" if keeps_body else None)
    assert ("content-type" in headers) is keeps_body
    assert "transfer-encoding" not in headers
    assert [(step.method, step.status, step.url) for step in trace.history] == [
        (method, status, "http://testserver/from")
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_head_stays_head(status: int) -> None:
    trace = followed(Redirecting(status), "HEAD")
    assert (trace.method, trace.url, trace.status) == ("HEAD", "http://testserver/to", 200)


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_request_without_a_body_gets_none_by_a_redirect(method: str) -> None:
    said = followed(Redirecting(307), method).json()
    headers = dict(said["headers"])
    assert (said["body"], "transfer-encoding" in headers) == ("", False)
    assert headers.get("content-length") == ("0" if method == "POST" else None)


def test_a_body_survives_several_redirects() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        step = int(scope["path"][1:] or 0)
        if step < 3:
            await read(receive)
            return await respond(send, 307, headers=[(b"location", f"/{step + 1}".encode())])
        await echo(scope, receive, send)

    with Client(app, lifespan=False) as client:
        trace = client.post("/", data={"a": "1"}, files={"f": b"file"}, follow_redirects=True)
    assert [step.url for step in trace.history] == [f"http://testserver/{step}" for step in ("", 1, 2)]
    assert b"file" in trace.json()["body"].encode()


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/to", True),
        ("http://testserver/to", True),
        ("http://testserver:80/to", True),
        ("https://testserver/to", True),
        ("http://testserver:81/to", False),
        ("http://evil.example/to", False),
        ("//evil.example/to", False),
    ],
)
@pytest.mark.parametrize("how", ["header", "client's header", "auth", "url", "function"])
def test_credentials_go_to_their_own_server_only(target: str, kept: bool, how: str) -> None:
    def bearer(request: httpx.Request) -> httpx.Request:
        request.headers["authorization"] = "Basic dTpw"
        return request

    options: dict[str, Any] = {"headers": {"authorization": BASIC}} if how == "client's header" else {}
    ways: dict[str, dict[str, Any]] = {
        "header": {"headers": {"authorization": BASIC}},
        "auth": {"auth": ("u", "p")},
        "function": {"auth": bearer},
    }
    arguments = ways.get(how, {})
    url = "http://u:p@testserver/from" if how == "url" else "/from"
    with Client(Redirecting(307, target), lifespan=False, **options) as client:
        trace = client.get(url, follow_redirects=True, **arguments)
    headers = dict(trace.json()["headers"])
    assert headers.get("authorization") == (BASIC if kept else None)


def test_the_host_is_that_of_the_server_redirected_to() -> None:
    assert dict(followed(Redirecting(302, "http://other.example/to")).json()["headers"])["host"] == "other.example"
    assert (
        dict(followed(Redirecting(302), headers={"host": "shop.example"}).json()["headers"])["host"] == "shop.example"
    )


def test_cookies_set_by_a_redirect_are_sent_to_its_target() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/from":
            return await respond(send, 303, headers=[(b"location", b"/to"), (b"set-cookie", b"id=1")])
        await echo(scope, receive, send)

    assert dict(followed(app, "POST").json()["headers"])["cookie"] == "id=1"


def test_relative_targets_are_relative_to_what_was_asked() -> None:
    with Client(Redirecting(302, "../to?a=1"), lifespan=False, base_url="http://testserver") as client:
        assert client.get("/from", follow_redirects=True).url == "http://testserver/to?a=1"


def test_a_target_beyond_ascii_is_read_as_utf_8() -> None:
    assert followed(Redirecting(302, "/café")).url == "http://testserver/caf%C3%A9"


def test_a_redirect_without_a_location_is_an_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 302)

    trace = followed(app)
    assert (trace.status, trace.history) == (302, [])


def test_a_circle_of_redirects_is_an_error_that_says_where() -> None:
    with pytest.raises(UsageProblem) as caught:
        followed(Redirecting(302, "/from?token=secret"))
    assert caught.value.slug == "too-many-redirects"
    assert str(caught.value).startswith("GET http://testserver/from was redirected 20 times, lastly to '/from?token=")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("target", ["http://\x7f/", "mailto:me@example.org"])
def test_a_redirect_to_no_server_is_an_error(target: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        followed(Redirecting(302, target))
    assert caught.value.slug == "unusable-url"


def test_flask_s_redirects_are_followed_with_their_traces() -> None:
    app = Flask(__name__)

    @app.post("/orders")
    def create() -> Any:
        return redirect("/orders/1", 303)

    @app.get("/orders/<int:number>")
    def read_order(number: int) -> str:
        return str(number)

    with Client(app, follow_redirects=True) as client:
        trace = client.post("/orders", data={"a": "1"})
    assert (trace.handler, trace.text) == ("read_order", "1")
    assert [step.handler for step in trace.history] == ["create"]


# -- what comes back


def test_the_response_is_httpx_s() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 404, b'{"a": 1}', [(b"content-type", b"application/json"), (b"set-cookie", b"id=1")])

    with Client(app, lifespan=False) as client:
        trace = client.get("/missing?a=1")
    response = trace.response
    assert isinstance(response, httpx.Response)
    assert (response.status_code, response.json(), str(response.url)) == (
        404,
        {"a": 1},
        "http://testserver/missing?a=1",
    )
    assert (response.is_client_error, dict(response.cookies)) == (True, {"id": "1"})
    assert trace.response is response
    with pytest.raises(httpx.HTTPStatusError):
        response.raise_for_status()


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_decoded(encoding: str, compress: Any) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = compress(b'{"a": "plain"}')
        start_response("200 OK", [("Content-Encoding", encoding), ("Content-Length", str(len(body)))])
        return [body]

    with Client(app) as client:
        trace = client.get("/")
    assert (trace.content, trace.json(), trace.warnings) == (b'{"a": "plain"}', {"a": "plain"}, [])


def test_text_is_in_the_charset_that_the_app_named() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, body="ü".encode("latin-1"), headers=[(b"content-type", b"text/plain; charset=latin-1")])

    with Client(app, lifespan=False) as client:
        assert client.get("/").text == "ü"


def test_where_the_app_sent_none_there_is_no_response() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("broken")

    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    with pytest.raises(LifecycleError) as caught:
        _ = trace.response
    assert caught.value.slug == "no-response"


# -- the app's exceptions


def crashing(interface: str, error: Exception) -> AsgiApp | WsgiApp:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    def wsgi(environ: Environ, start_response: StartResponse) -> list[bytes]:
        raise error

    return asgi if interface == "asgi" else wsgi


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_an_exception_is_raised_when_that_is_asked_for(interface: str) -> None:
    error = ValueError("broken")
    app: Any = crashing(interface, error)
    with Client(app, lifespan=False) as client:
        trace = client.get("/")
    assert (trace.status, trace.outcome, [raised.exception for raised in trace.exceptions]) == (None, "error", [error])
    with Client(app, lifespan=False, raise_app_exceptions=True) as client, observe() as traces:
        with pytest.raises(ValueError) as caught:
            client.get("/")
    assert caught.value is error
    assert [trace.outcome for trace in traces] == ["error"]


def test_what_a_framework_answered_itself_is_no_exception_to_raise() -> None:
    app = Flask(__name__)

    @app.get("/")
    def boom() -> str:
        raise ValueError("broken")

    with Client(app, raise_app_exceptions=True) as client:
        trace = client.get("/")
    assert (trace.status, [error.type for error in trace.exceptions]) == (500, ["ValueError"])


# -- its life


def test_a_closed_client_says_so() -> None:
    for app in (hello, wsgi_hello):
        client = Client(app)
        client.get("/")
        client.close()
        with pytest.raises(UsageProblem) as caught:
            client.get("/")
        assert (caught.value.slug, str(caught.value)) == (
            "client-closed",
            "This client is closed. Make a new one for further requests.",
        )


def test_a_client_that_is_closed_unused_is_closed() -> None:
    client = Client(hello)
    client.close()
    with pytest.raises(UsageProblem, match="closed"), client:
        pass


def test_two_clients_ask_two_apps_at_once() -> None:
    with Client(hello) as one, Client(wsgi_hello) as two:
        assert [one.get("/").interface, two.get("/").interface, one.get("/").interface] == ["asgi", "wsgi", "asgi"]


def test_a_client_asks_from_inside_an_app() -> None:
    def outer(environ: Environ, start_response: StartResponse) -> list[bytes]:
        with Client(wsgi_hello) as client:
            trace = client.get("/inner")
        start_response("200 OK", [])
        return [trace.content]

    with Client(outer) as client, observe() as traces:
        trace = client.get("/outer")
    assert trace.text == "hello"
    assert [seen.url.rpartition("/")[2] for seen in traces] == ["inner", "outer"]
    assert traces[0].parent is not None
    assert traces[0].parent.exchange is trace.root.exchange


def test_no_thread_is_started_and_no_loop_is_set() -> None:
    before = threading.enumerate()
    with Client(hello) as client:
        client.get("/")
        assert {*threading.enumerate()} <= {*before}
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()


# -- Django


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_django_s_sync_code_runs_on_the_test_s_own_thread(interface: str) -> None:
    own = str(threading.get_ident())
    with django(interface) as app, Client(app) as client:
        first, second = client.get("/thread"), client.get("/thread")
    assert [first.text, first.headers["x-middleware-thread"], second.text] == [own, own, own]


def test_django_s_asgi_handler_is_known_inside_other_apps() -> None:
    class Wrapper:
        def __init__(self, app: AsgiApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)

    with django("asgi") as app, Client(Wrapper(app)) as client:
        assert client.get("/thread").text == str(threading.get_ident())


def test_django_s_async_views_streams_and_crashes_come_through() -> None:
    with django("asgi") as app, Client(app) as client:
        assert client.get("/async-thread").status == 200
        assert client.get("/stream").content == b"onetwo"
        crash = client.get("/boom")
        assert client.get("/hello").text == "hello"
    assert (crash.status, crash.outcome) == (500, "error")


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # Django 5.2 leaves it open when it is cancelled
def test_django_s_asgi_handler_has_a_deadline() -> None:
    with django("asgi") as app, Client(app) as client:
        with pytest.raises(LifecycleError) as caught:
            client.get("/stuck", timeout=0.05)
        assert caught.value.slug == "deadline"
        assert client.get("/hello").text == "hello"
    del caught
    gc.collect()


class Endless:
    """Yields for ever, and knows whether its body was closed."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/fine":
            return iter([b"fine"])
        return self.body()

    def body(self) -> Iterator[bytes]:
        try:
            while True:
                time.sleep(0.001)
                yield b"more"
        finally:
            self.is_closed.set()


ENDED = "was not answered within 0.05 s: the app waits in 'handler Endless'"


def test_a_wsgi_body_without_an_end_is_hung_up_on() -> None:
    app = Endless()
    with Client(app) as client:
        with observe() as traces, pytest.raises(DeadlineExceeded, match=ENDED):
            client.get("/", timeout=0.05)
        assert client.get("/fine").text == "fine"
    assert app.is_closed.is_set()
    assert [(trace.status, trace.handler) for trace in traces] == [(200, "Endless")]


def test_a_wsgi_body_without_an_end_ends_with_its_async_client_s_patience() -> None:
    app = Endless()

    async def main() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(DeadlineExceeded):
                await client.get("/", timeout=0.05)
            assert (await client.get("/fine")).text == "fine"

    asyncio.run(main())
    assert app.is_closed.wait(5)


def test_a_sync_client_in_a_running_loop_names_its_async_twin() -> None:
    client = Client(hello)
    client.get("/")

    async def ask() -> None:
        client.get("/")

    async def close() -> None:
        client.close()

    async def both() -> Iterator[UsageProblem]:
        for call in (ask, close):
            with pytest.raises(UsageProblem) as caught:
                await call()
            problems.append(caught.value)
        return iter(problems)

    problems: list[UsageProblem] = []
    asyncio.run(both())
    assert [(problem.slug, "AsyncClient" in str(problem)) for problem in problems] == [("sync-in-loop", True)] * 2
    assert client.get("/").text == "hello"
    client.close()


def test_sync_and_async_clients_have_the_same_verbs_and_options() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}
    twins = {name for name in dir(AsyncClient) if not name.startswith("_")}
    assert twins - public == {"aclose"}
    assert public - twins == {"close"}


@pytest.mark.parametrize(
    ("headers", "is_anonymous"),
    [
        ({}, True),
        ({"cookie": ""}, True),
        ({"Cookie": "sid=1"}, False),
        ({"x-api-key": "k"}, False),
        ({"Authentication-Token": "t"}, False),
        ({"x-csrf-token": "t", "idempotency-key": "k", "x-author": "ada"}, True),
    ],
)
@pytest.mark.parametrize("app", [hello, wsgi_hello])
def test_who_brings_no_credentials_is_anonymous(app: Any, headers: dict[str, str], is_anonymous: bool) -> None:
    with Client(app) as client:
        assert client.get("/", headers=headers).is_anonymous is is_anonymous
    with observe() as traces:
        if app is wsgi_hello:
            httpx.Client(transport=httpx.WSGITransport(app)).get("http://a.test/", headers=headers)
        else:
            asyncio.run(_ask_as_others_do(app, headers))
    assert traces[0].is_anonymous is is_anonymous


async def _ask_as_others_do(app: AsgiApp, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as other:
        await other.get("http://a.test/", headers=headers)
