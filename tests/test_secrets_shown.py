"""No secret in a whole run's output, nor in what stands outside of a report: our errors, warnings and reprs."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import RedirectResponse
from flask import Flask, request
from pydantic import BaseModel, field_validator
from pydantic_core import PydanticCustomError

from pytest_lifecycle import Client, LifecycleError, LifespanFailed, Message, ResponseChanges, ValidationIssue, observe
from pytest_lifecycle._show.named import REDACTED

from .properties.deeds import fastapi_app, flask_app
from .properties.outputs import recorded, reprs, stored, texts

SECRET = "Zq7vK9 wX'ß/Jb4hR2"
PARTS = ("Zq7vK9", "Jb4hR2", base64.b64encode(f"me:{SECRET}".encode()).decode()[8:-4], "5a7137764b39")

SHOP = """
from fastapi import FastAPI, HTTPException, Header, WebSocket
from pydantic import BaseModel

class Login(BaseModel):
    user: int
    password: str

app = FastAPI()

@app.post("/login")
def login(login: Login): ...

@app.get("/reset/{token}")
def reset(token: str):
    try:
        raise KeyError(token)
    except KeyError as error:
        raise RuntimeError(f"no such token: {token!r}") from error

@app.get("/me")
def me(x_api_key: str = Header()):
    raise HTTPException(401, f"{x_api_key} is unknown", headers={"set-cookie": "sid=" + x_api_key.encode().hex()})

@app.websocket("/ws")
async def talk(websocket: WebSocket):
    await websocket.accept()
    said = await websocket.receive_json()
    await websocket.close(4000, f"no: {said['token']}")
"""

TESTS = """
import os
from urllib.parse import quote
import pytest
from shop import app

SECRET = bytes.fromhex(os.environ["SHOP_KEY"]).decode()

@pytest.fixture
def lifecycle_app():
    return app

@pytest.fixture
def asked(lifecycle, request):
    return requests(lifecycle)[request.node.callspec.params["which"]]()

def requests(lifecycle):
    key = {b"x-api-key": SECRET.encode(), b"cookie": b"theme=" + quote(SECRET).encode()}
    return {
        "invalid": lambda: lifecycle.post("/login", json={"user": "x", "nested": {"apiKey": SECRET}}),
        "missing": lambda: lifecycle.post("/login", json={"password": SECRET}),
        "crash": lambda: lifecycle.get("/reset/" + quote(SECRET, safe=""), auth=("me", SECRET)),
        "param": lambda: lifecycle.get("/reset/" + quote(SECRET.replace("/", ""), safe="")),
        "refused": lambda: lifecycle.get("/me", headers=key, params={"access_token": SECRET}),
        "nowhere": lambda: lifecycle.get("http://me:" + quote(SECRET, safe="") + "@testserver/nowhere"),
    }

WHICH = ["invalid", "missing", "crash", "param", "refused", "nowhere"]

@pytest.mark.parametrize("which", WHICH)
def test_status(which, asked):
    assert asked.status == 200

@pytest.mark.parametrize("which", WHICH)
def test_nothing_was_raised(which, asked):
    assert asked.exceptions == [] and asked.validation_errors == [] and asked.candidates == []

@pytest.mark.parametrize("which", WHICH)
def test_headers(which, asked):
    assert asked.headers == {}

@pytest.mark.parametrize("which", WHICH)
def test_passes(which, asked):
    print(asked, repr(asked), asked.to_dict(), asked.spans(), asked.messages)

def test_websocket(lifecycle):
    with lifecycle.websocket("/ws") as websocket:
        websocket.send_json({"token": SECRET})
        websocket.receive()
"""


def test_a_whole_run_shows_no_secret(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SHOP_KEY", SECRET.encode().hex())
    project.makepyfile(shop=SHOP, test_shop=TESTS)
    project.syspathinsert()
    xml = tmp_path / "junit.xml"
    result = project.runpytest_subprocess("--lifecycle-show", "-rA", "-vv", f"--junitxml={xml}", "-ojunit_logging=all")
    result.assert_outcomes(failed=19, passed=6)
    output = result.stdout.str() + result.stderr.str() + xml.read_text()
    assert [part for part in PARTS if part in output] == []
    assert output.count(REDACTED) > 20
    assert ElementTree.parse(xml).getroot().tag == "testsuites"


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(LifecycleError) as caught:
        call()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


async def silent(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan" and scope.get("fails"):
        await send({"type": "lifespan.startup.failed", "message": "no"})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://me:Zq7vK9Jb4hR2@a.test/?token=Zq7vK9", "'ftp://[redacted]@a.test/?token=[redacted]' is no http or"),
        ("http://me:Zq7vK9#Jb4hR2@a.test/", "'http://[redacted]@a.test/' is no URL."),
        ("http://me:Zq7vK9@a.test:port/", "'http://[redacted]@a.test:port/' is no URL."),
        ("orders?api_key=Zq7vK9", "'orders?api_key=[redacted]' is a relative URL"),
    ],
)
def test_an_error_about_a_url_does_not_repeat_its_secrets(url: str, told: str) -> None:
    with Client(silent, base_url="") as client:
        assert refused(lambda: client.get(url)).startswith(told)


def test_an_error_about_a_body_does_not_repeat_its_secrets() -> None:
    data = {"password": {"deep": "Zq7vK9Jb4hR2"}}
    with Client(silent) as client:
        message = refused(lambda: client.post("/?jwt=Zq7vK9", data=data, files={"a": b"b"}))
    assert "Zq7vK9" not in message
    assert message.startswith("POST http://testserver/?jwt=[redacted] cannot be encoded")


def test_an_error_about_a_missing_response_names_the_request_without_its_secrets() -> None:
    with Client(silent) as client:
        trace = client.get("http://me:Zq7vK9@testserver/?token=Zq7vK9")
    message = refused(lambda: trace.response)
    assert message.startswith("GET http://[redacted]@testserver/?token=[redacted] got no response.")


def test_an_error_about_a_startup_holds_what_the_app_said_without_secrets() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "postgres://me:Zq7vK9@db\n\x1b[31m password=Jb4hR2"})

    with pytest.raises(LifespanFailed) as caught, Client(app):
        pass
    told = r"postgres://[redacted]@db\x0a\x1b[31m password=[redacted]"
    assert str(caught.value) == f"The app reported that its startup failed: {told}"


def test_a_deadline_names_the_request_without_its_secrets() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receive()
            await receive()

    with Client(app) as client:
        message = refused(lambda: client.get("/?token=Zq7vK9", timeout=0.01))
    assert message.startswith("GET http://testserver/?token=[redacted] was not answered")


def test_a_circle_of_redirects_names_no_secret() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("302 Found", [("location", "/?token=Zq7vK9")])
        return []

    with Client(app, follow_redirects=True) as client:
        message = refused(lambda: client.get("/?token=Zq7vK9"))
    assert "Zq7vK9" not in message
    assert "lastly to '/?token=[redacted]'" in message


def test_a_warning_about_a_header_does_not_repeat_its_value() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        lines = [(b"set-cookie", b"sid=Zq7vK9", 1), b"x-api-key: Jb4hR2\x1b"]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body"})

    with Client(app, lifespan=False) as client:
        assert client.get("/").warnings == [
            "the app sent (b'set-cookie', [redacted], 1), which is no pair of a header's name and value",
            "the app sent b'x-api-key: [redacted]', which is no pair of a header's name and value",
        ]


def test_a_warning_that_was_cut_shows_no_beginning_of_a_secret() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        key = dict(scope["headers"])[b"x-api-key"]
        await send({"type": "http.response.start", "status": 200, "headers": [b"x" * 60 + key]})
        await send({"type": "http.response.body"})

    with Client(app, lifespan=False, headers={"x-api-key": "Zq7vK9Jb4hR2" * 3}) as client:
        trace = client.get("/")
    assert len(trace.warnings) == 1
    assert "Zq7vK9" not in "".join([str(trace), *stored(trace)])


class Order(BaseModel):
    note: str

    @field_validator("note")
    @classmethod
    def check(cls, note: str) -> str:
        raise PydanticCustomError(f"note_{note}", "{note} is no note", {"note": note})  # type: ignore[arg-type]


def refusing_app() -> FastAPI:
    app = FastAPI()

    def admit(x_api_key: str = Header()) -> None:
        raise HTTPException(401, f"{x_api_key} is unknown")

    @app.get("/admitted", dependencies=[Depends(admit)])
    async def admitted() -> None: ...

    @app.get("/rows/{number:int}")
    async def row(number: int) -> None: ...

    @app.post("/orders")
    async def order(order: Order) -> None: ...

    @app.get("/moved")
    async def moved(x_api_key: str = Header()) -> RedirectResponse:
        return RedirectResponse(f"/to/{x_api_key}")

    return app


@pytest.mark.parametrize(
    ("method", "url", "json", "outcome"),
    [
        ("GET", "/admitted", None, "rejected"),
        ("GET", "/rows/Zq7vK9Jb4hR2", None, "not_found"),
        ("POST", "/orders", {"note": "Zq7vK9Jb4hR2"}, "invalid"),
        ("GET", "/moved", None, "handled"),
    ],
)
def test_what_a_framework_says_of_a_request_repeats_no_secret_of_it(
    method: str, url: str, json: object, outcome: str
) -> None:
    with Client(refusing_app(), headers={"x-api-key": "Zq7vK9Jb4hR2"}) as client:
        trace = client.request(method, url, json=json)
    assert trace.outcome == outcome
    assert "Zq7vK9" not in "".join([*texts(trace), *reprs(trace), *stored(trace), recorded(trace)])


def test_what_is_noted_on_a_step_is_stored_without_secrets() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return []

    with Client(app, headers={"x-api-key": "Zq7vK9Jb4hR2", "x-auth-token": "12345678"}) as client:
        trace = client.get("/")
    trace.root.attributes["given"] = {"Zq7vK9Jb4hR2": ["Zq7vK9Jb4hR2", 12345678, 1], "token": "Jb4hR2"}
    assert trace.to_dict()["spans"]["attributes"]["given"] == {REDACTED: [REDACTED, REDACTED, 1], "token": REDACTED}


def test_redirects_that_were_followed_name_no_secret() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        if "token" in environ["QUERY_STRING"]:
            start_response("302 Found", [("location", "/next/Zq7vK9Jb4hR2"), ("x-auth-token", "Zq7vK9Jb4hR2")])
        else:
            start_response("200 OK", [])
        return []

    with Client(app, follow_redirects=True) as client:
        trace = client.get("/?token=Zq7vK9Jb4hR2")
    assert trace.history[0].headers["location"] == "/next/Zq7vK9Jb4hR2"
    assert "Zq7vK9" not in "".join([*texts(trace), repr(trace), *stored(trace), recorded(trace)])


def test_a_request_that_an_app_makes_shows_no_secret_of_the_one_that_it_was_made_for() -> None:
    app = Flask("outer")

    @app.get("/outer")
    def outer() -> str:
        return app.test_client().get(f"/inner/{request.headers['x-api-key']}").text

    @app.get("/inner/<note>")
    def inner(note: str) -> str:
        return note

    with observe() as traces, Client(app) as client:
        client.get("/outer", headers={"x-api-key": "Zq7vK9Jb4hR2"})
    assert [trace.url for trace in traces] == ["http://localhost/inner/Zq7vK9Jb4hR2", "http://testserver/outer"]
    assert "Zq7vK9" not in "".join([*texts(traces[0]), *reprs(traces[0]), *stored(traces[0])])


def test_a_websocket_shows_no_token_offered_as_a_subprotocol_nor_one_that_was_sent() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "Zq7vK9.other"})
        token = json.loads((await receive())["text"])["access_token"]
        await send({"type": "websocket.close", "code": 4001, "reason": f"{token} {scope['subprotocols'][1]}"})

    with Client(app, lifespan=False) as client:
        with client.websocket("/", subprotocols=["access_token", "Zq7vK9.other"]) as websocket:
            websocket.send_json({"access_token": "Jb4hR2yT"})
            message = refused(websocket.receive)
        assert websocket.close_reason == "Jb4hR2yT Zq7vK9.other"
    outputs = "".join([message, *texts(websocket.trace), *reprs(websocket.trace), *stored(websocket.trace)])
    assert ("Zq7vK9" in outputs, "Jb4hR2" in outputs) == (False, False)
    assert f"closed it with 4001 ({REDACTED} {REDACTED})" in message


def test_what_another_client_sends_is_known_too() -> None:
    def fails() -> Any:
        raise ValueError("Zq7vK9 Jb4hR2yT")

    from .properties.deeds import deed

    deed.act = fails
    app = flask_app()
    with observe() as traces, pytest.raises(ValueError, match="Zq7vK9"):
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.test_client().get("/orders?token=Jb4hR2yT", headers={"x-api-key": "Zq7vK9"})
    assert "Zq7vK9" not in (text := "".join([*texts(traces[0]), *reprs(traces[0]), *stored(traces[0])]))
    assert "Jb4hR2" not in text


@pytest.mark.anyio
async def test_what_another_asgi_client_sends_is_known_too() -> None:
    def fails() -> Any:
        raise ValueError("Zq7vK9 Jb4hR2yT")

    from .properties.deeds import deed

    deed.act = fails
    transport = httpx.ASGITransport(fastapi_app(), raise_app_exceptions=False)
    with observe() as traces:
        async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as client:
            await client.post("/orders", json={"password": "Zq7vK9"}, headers={"authorization": "Bearer Jb4hR2yT"})
    assert "Zq7vK9" not in (text := "".join([*texts(traces[0]), *reprs(traces[0]), *stored(traces[0])]))
    assert "Jb4hR2" not in text


def test_what_is_compared_is_plain_and_what_is_shown_is_not() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Set-Cookie", "sid=Zq7vK9Jb4hR2; Path=/"), ("x-a", "password=Zq7vK9")])
        return []

    with Client(app, headers={"x-api-key": "Zq7vK9"}, base_url="http://me:Zq7vK9@a.test") as client:
        trace = client.get("/")
        assert "Zq7vK9" not in repr(client)
    assert trace.cookies == {"sid": "Zq7vK9Jb4hR2"}
    assert trace.headers["set-cookie"] == "sid=Zq7vK9Jb4hR2; Path=/"
    assert trace.url == "http://me:Zq7vK9@a.test/"
    assert repr(trace.headers) == "Headers({'set-cookie': '[redacted]', 'x-a': 'password=[redacted]'})"
    assert repr(trace) == "<Trace GET http://[redacted]@a.test/ 200 handled>"


def test_arguments_of_a_handler_and_what_fills_a_template_are_redacted(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nlifecycle_arguments = true\n")
    project.makepyfile(
        """
        import json
        import pytest
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        def read(session: str, note: str): ...

        @pytest.fixture
        def lifecycle_app():
            return app

        def test_one(lifecycle):
            stored = json.dumps(lifecycle.get("/?session=Zq7vK9&note=a+Zq7vK9").to_dict())
            assert "Zq7vK9" not in stored
            assert '"session": "[redacted]", "note": "\\'a [redacted]\\'"' in stored
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_a_secret_that_was_sent_as_a_messages_type_is_not_shown() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "Zq7vK9.Jb4hR2"})
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with Client(app) as client:
        trace = client.get("/", headers={"x-api-key": "Zq7vK9.Jb4hR2"})
    assert trace.messages[0].type == "Zq7vK9.Jb4hR2"
    assert "Zq7vK9" not in "".join([*texts(trace), *reprs(trace), *stored(trace)])
    copied = copy.deepcopy(trace.messages[0])
    assert (copied, type(copied)) == (trace.messages[0], Message)


def test_values_made_by_hand_hide_by_name_alone() -> None:
    issue = ValidationIssue(("body", "password"), "abc is too weak", "weak")
    changes = ResponseChanges(added={"x-api-key": "abc", "x-a": "b"})
    assert repr(issue) == "ValidationIssue(loc=('body', 'password'), message='[redacted]', type='weak')"
    assert "{'x-api-key': '[redacted]', 'x-a': 'b'}" in repr(changes)
