"""Text that others wrote cannot steer a terminal, a CI service or a report, wherever it stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pytest_lifecycle import Client, Trace
from pytest_lifecycle import _session as session
from pytest_lifecycle._trace.exchange import Exchange
from pytest_lifecycle._trace.facts import ValidationIssue
from tests.conftest import sketched

from .deeds import APPS, deed, serving
from .outputs import reprs, stored, texts

COMMANDS = [
    *("::error::x", "  ::set-output name=a::b", "::add-mask::a", "##[error]x", "###[group]x", "##vso[task.x]y"),
    *("##teamcity[x]", "a##[b]", "\n::error::x", "\r\n::stop-commands::x", "\u200b::error::x", "\u2028::error::x"),
]
SEQUENCES = [
    *("\x1b[31m", "\x1b]8;;http://a.test\x07link\x1b]8;;\x07", "\x9b2J", "\x1b]0;title\x07", "\b\b\b", "\r", "\x7f"),
    *("\x00", "\x0b\x0c\x1c\x1d\x85", "\ufffe\uffff", "\ud800", "\udc80", "\U000e0041", "\u202eevil", "\u2066x\u2069"),
    *("\u200b\u200d\ufeff\xad", "<script>alert(1)</script>", "]]>", "&amp;", "| a | b |", "`x`", "[a](http://b.test)"),
    *("%s%(x)d{0}", "\\x1b[0m", "e\u0301", "\U0001f642", "\n\n", "\t", "x" * 700),
]
HOSTILE = st.lists(
    st.sampled_from([*COMMANDS, *SEQUENCES]) | st.text(st.characters(codec=None), max_size=5), min_size=1, max_size=3
).map("".join)

SETTINGS = settings(
    phases=[Phase.generate], max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def assert_harmless(trace: Trace) -> None:
    """Check all that is shown of a trace: printable characters, our own line breaks, nothing that CI would obey."""
    for text in (*texts(trace), *reprs(trace)):
        assert len(text) < 100_000
        for line in text.encode().decode().split("\n"):
            assert line.isprintable(), line
            assert not line.strip().startswith("::"), line
            assert not any(command in line for command in ("##[", "##vso[", "##teamcity[")), line
    for text in stored(trace):
        assert json.loads(text.encode())["schema"] == 1


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Flask and Django log what is raised: the app's own words, and none of ours."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@pytest.mark.parametrize("framework", APPS)
@SETTINGS
@given(path=HOSTILE, value=HOSTILE, message=HOSTILE, raises=st.booleans())
def test_what_a_request_and_an_exception_hold(
    framework: str, path: str, value: str, message: str, raises: bool
) -> None:
    def act() -> dict[str, str]:
        if raises:
            raise ValueError(message)
        header = message.encode("utf-8", "replace").decode("latin-1").translate({10: None, 13: None})
        return {"x-note": header, "set-cookie": f"{quoted(message)[:50]}=1"}

    deed.act = act
    headers = {b"x-name": value.encode("utf-8", "surrogatepass"), b"x-count": value.encode("utf-8", "surrogatepass")}
    with serving(framework) as app, Client(app) as client:
        for url in (f"/{quoted(path)}", "/orders", "/reset/" + quoted(path)):
            assert_harmless(client.get(f"{url}?{quoted(value)}={quoted(value)}", headers=headers))
        body = json.dumps({"user": value, path: value})
        assert_harmless(client.post("/login", content=body, headers={"content-type": "application/json"}))


def named_layer(name: str) -> type:
    """Make a middleware class of this name."""

    class Layer:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)

    Layer.__qualname__ = name
    return Layer


def named_function(function: Any, name: str) -> Any:
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
    function.__name__ = function.__qualname__ = name
    return function


def app_of(layer: str, handler: str, pattern: str, route_name: str, error: str) -> Any:
    async def answer(request: Any) -> PlainTextResponse:
        return PlainTextResponse("")

    async def fail(request: Any) -> PlainTextResponse:
        kind = type("Failure", (Exception,), {})
        kind.__qualname__ = error
        raise kind(error)

    literal = pattern.replace("{", "").replace("}", "").replace("/", "")
    routes = [
        Route("/own", named_function(answer, handler), name=route_name),
        Route("/fail", named_function(fail, handler), name=route_name),
        Mount(f"/at-{literal}", routes=[Route("/inner", answer)], name=route_name),
        Route(f"/{literal}", answer, name=route_name),
    ]
    return named_layer(layer)(named_layer(handler)(Starlette(routes=routes)))


@SETTINGS
@given(layer=HOSTILE, handler=HOSTILE, pattern=HOSTILE, route_name=HOSTILE, error=HOSTILE)
def test_what_an_app_is_made_of(layer: str, handler: str, pattern: str, route_name: str, error: str) -> None:
    with Client(app_of(layer, handler, pattern, route_name, error)) as client:
        for url in ("/own", "/fail", "/nowhere", "/own/", f"/{quoted(pattern)}"):
            assert_harmless(client.get(url))
        assert_harmless(client.post("/own"))


@SETTINGS
@given(text=HOSTILE, other=HOSTILE)
def test_what_an_app_does_wrong(text: str, other: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept", "subprotocol": text})
            await send({"type": text})
            await send({"type": "websocket.close", "code": 4000, "reason": other})
        elif scope["type"] == "http":
            await send({"type": text, "body": other})
            await send({"type": "http.response.start", "status": text, "headers": [(text, other), text, (text, 1, 2)]})
            await send({"type": other})

    with Client(app) as client:
        assert_harmless(client.get("/"))
        with client.websocket("/", subprotocols=["a"]) as websocket:
            pass
        assert_harmless(websocket.trace)


@SETTINGS
@given(method=HOSTILE, url=HOSTILE, name=HOSTILE, message=HOSTILE)
def test_what_no_client_of_ours_would_send(method: str, url: str, name: str, message: str) -> None:
    trace = sketched(
        (f"middleware {name}", [(f"route {name}", []), ("validation failed", []), (f"template {name}", [])]),
        (f"handler {name}", [], {"exception": ValueError(message)}),
        method=method,
        url=url,
        status=None,
    )
    exchange: Exchange = trace._exchange
    exchange.raised.append((ValueError(message), trace.root.children[1]))
    exchange.raw_headers = [(name.encode("utf-8", "surrogatepass"), message.encode("utf-8", "surrogatepass"))]
    exchange.warn(message)
    issue = ValidationIssue((name, 0), message, name, url)
    trace.root.children[0].children[1].attributes.update(errors=(issue,), refused_by=name, context=[name])
    trace.history.append(sketched(method=method, url=url))
    assert_harmless(session.publish(exchange))


PROJECT = """
import pytest
from tests.properties.test_hostile_text import SEQUENCES, COMMANDS, app_of

TEXTS = [text for text in [*COMMANDS, *SEQUENCES]]

@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_one(number, lifecycle_client):
    text = TEXTS[number]
    client = lifecycle_client(app_of(text, text, text, text, text))
    trace = client.get("/fail", headers={b"x-name": text.encode("utf-8", "replace")})
    client.get("/nowhere")
    assert trace.status == 200
"""


def test_a_whole_run_and_its_junit_file_are_clean(project: pytest.Pytester, tmp_path: Path) -> None:
    project.makepyfile(PROJECT)
    xml = tmp_path / "junit.xml"
    result = project.runpytest_inprocess("--tb=line", "-ojunit_logging=all", f"--junitxml={xml}", "--lifecycle-show")
    count = len([*COMMANDS, *SEQUENCES])
    result.assert_outcomes(failed=count)
    shown = "\n".join(result.outlines).rpartition("short test summary")[0]
    _, *sections = shown.split("-- lifecycle --")
    assert [line for line in shown.split("\n") if not line.isprintable() or line.strip().startswith("::")] == []
    assert not any(command in part for part in sections for command in ("##[", "##vso["))
    cases = ElementTree.parse(xml).getroot().iter("testcase")
    messages = [failure.get("message") for case in cases for failure in case.iter("failure")]
    assert len(messages) == count
    assert all(message is not None and "assert 500 == 200" in message for message in messages)
