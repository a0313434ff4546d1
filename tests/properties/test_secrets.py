"""A secret, wherever a request or an exception holds it, is in nothing that is shown or stored."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_lifecycle import Client, Trace

from .deeds import APPS, deed, serving
from .outputs import recorded, reprs, stored, texts

START, END = "Zq7vK9wX", "Jb4hR2yT"
"""What each secret begins and ends with: neither is anywhere else, so that a part of a secret is noticed as well."""

SECRETS = st.text(st.sampled_from("aB3 '\"\\%&=;,:/?#@+<>[](){}`|äß€🙂\u202e"), max_size=12).map(
    lambda text: START + text + END
)


def spellings(secret: str) -> set[str]:
    """Give all that must not be found."""
    literal, quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1]}, {quote(secret), quote_plus(secret)}
    coded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in (secret, f"me:{secret}")}
    return {START, END, secret, html.escape(secret), repr(secret.encode())[2:-1], *literal, *quoted, *coded}


def latin(text: str) -> str:
    """Write text as a header or a WSGI environ holds its UTF-8 bytes."""
    return text.encode().decode("latin-1")


# -- where a request has it: the path and the client's arguments

Asked = tuple[str, str, dict[str, Any]]
Place = Callable[[str], Asked]

PLACES: dict[str, Place] = {
    "bearer": lambda s: ("GET", "/orders", {"headers": {b"authorization": b"Bearer " + s.encode()}}),
    "unknown scheme": lambda s: ("GET", "/orders", {"headers": {b"Authorization": b"Odd " + s.encode()}}),
    "basic": lambda s: ("GET", "/orders", {"auth": ("me", s)}),
    "userinfo": lambda s: ("GET", f"http://me:{quote(s, safe='')}@testserver/orders", {}),
    "user alone": lambda s: ("GET", f"http://{quote(s, safe='')}@testserver/orders", {}),
    "x-api-key": lambda s: ("GET", "/orders", {"headers": {b"X-API-Key": s.encode()}}),
    "x-session-token": lambda s: ("POST", "/orders", {"headers": {b"X_Session-Token": s.encode()}}),
    "cookie": lambda s: ("GET", "/orders", {"cookies": {"theme": quote(s, safe="")}}),
    "referer": lambda s: ("GET", "/orders", {"headers": {"referer": f"http://a.test/?jwt={quote(s)}"}}),
    "query": lambda s: ("GET", "/orders", {"params": {"q": "1", "access_token": s}}),
    "query by hand": lambda s: ("GET", f"/orders?clientSecret={quote(s)}&q=1", {}),
    "nested query": lambda s: ("GET", "/orders", {"params": {"user[password]": s}}),
    "form": lambda s: ("POST", "/orders", {"data": {"user": "me", "newPassword": s}}),
    "multipart": lambda s: ("POST", "/orders", {"data": {"api_key": s}, "files": {"file": b"data"}}),
    "json": lambda s: ("POST", "/orders", {"json": {"login": [{"apiKey": s}]}}),
    "json below": lambda s: ("POST", "/orders", {"json": {"credentials": {"user": "me", "word": s}}}),
    "query list": lambda s: ("GET", "/orders", {"params": {"token[]": s, "user[jwt][0]": s}}),
    "form list": lambda s: ("POST", "/orders", {"data": {"token[]": [s, "other"]}}),
    "json in UTF-16": lambda s: ("POST", "/orders", {"content": json.dumps({"token": s}).encode("utf-16")}),
    "json lines": lambda s: (
        "POST",
        "/orders",
        {"content": '{"id": 1}\n' + json.dumps({"auth": {"word": [s]}}) + "\n"},
    ),
    "json cut short": lambda s: ("POST", "/orders", {"content": json.dumps({"token": s, "rows": [1, 2]})[:-2]}),
    "large json": lambda s: ("POST", "/orders", {"json": {"token": s, "rows": "x" * 100_000}}),
    "xml": lambda s: ("POST", "/orders", {"content": f"<login><a:token>{html.escape(s)}</a:token></login>"}),
    "path": lambda s: ("GET", f"/reset/{quote(s, safe='')}", {}),
    "longer path": lambda s: ("GET", f"/reset/{quote(s, safe='')}/nothing", {}),
    "mounted path": lambda s: ("GET", f"/tenants/{quote(s, safe='')}/orders", {}),
    "mounted path that leads nowhere": lambda s: ("GET", f"/tenants/{quote(s, safe='')}/nothing", {}),
    "other method": lambda s: ("DELETE", f"/reset/{quote(s, safe='')}", {}),
    "invalid json": lambda s: ("POST", "/login", {"json": {"user": "x", "password": s}}),
    "invalid key": lambda s: ("POST", "/login", {"json": {"user": 1, "password": s, "counts": {s: "x"}}}),
    "missing beside it": lambda s: ("POST", "/login", {"json": {"password": s, "nested": {"deep": [{"token": s}]}}}),
}
NEED_A_ROUTER = {"path", "longer path", "mounted path", "mounted path that leads nowhere", "other method"}
NEED_MOUNTS = {"mounted path", "mounted path that leads nowhere"}


# -- what the app does with it

Says = Callable[[str], str]

SAYINGS: dict[str, Says] = {
    "raw": lambda s: f"{s} is wrong",
    "within a word": lambda s: f"x{s}x",
    "repr": lambda s: f"got {s!r}",
    "repr of repr": lambda s: repr({"given": [repr(s)]}),
    "bytes": lambda s: f"got {s.encode()!r}",
    "json": lambda s: json.dumps({"a": s}),
    "quoted": lambda s: f"/next/{quote(s, safe='')}",
    "quoted for a form": quote_plus,
    "html": lambda s: f"<p>{html.escape(s)}</p>",
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "latin-1": latin,
    "cut": lambda s: f"'{s[: len(s) - 3]}...",
    "cut in the middle": lambda s: f"'{s[:10]}...{s[-5:]}'",
}
NAMINGS: dict[str, Says] = {
    "argument": lambda s: f"login(password={s!r}, user='me')",
    "dict": lambda s: repr({"id": 1, "api_key": s}),
    "list in a dict": lambda s: repr({"tokens": 1, "refresh_tokens_secret": [s, {"x": s}]}),
    "json": lambda s: json.dumps({"clientSecret": s}),
    "json in json": lambda s: json.dumps({"body": json.dumps({"token": s})}),
    "bytes": lambda s: f"password={s.encode()!r}",
    "url": lambda s: f"cannot reach postgres://me:{quote(s, safe='')}@db/shop",
    "query": lambda s: f"GET /x?a=1&sessionToken={quote(s, safe='')} failed",
    "header": lambda s: f"Authorization: Bearer {quote(s, safe='')}",
    "header line": lambda s: repr([(b"accept", b"*/*"), (b"x-api-key", s.encode())]),
    "pydantic": lambda s: f"1 error for Login\npassword\n  Value error, {s!r} is weak [input_value={s!r}]",
}


def raised(text: str) -> Mapping[str, str]:
    raise ValueError(text)


def raised_from(text: str) -> Mapping[str, str]:
    try:
        raise KeyError(text)
    except KeyError as error:
        raise RuntimeError("failed") from error


def raised_together(text: str) -> Mapping[str, str]:
    raise ExceptionGroup(text, [ValueError(text), TypeError("other")])


def answered(text: str) -> Mapping[str, str]:
    value = quote(text)
    return {"location": f"/next?token={value}", "set-cookie": f"theme={value}; Path=/", "x-note": value, "x-own": value}


DEEDS = [raised, raised_from, raised_together, answered]


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Flask and Django log what is raised: the app's own words, and none of ours."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def found_in(trace: Trace, secret: str) -> list[str]:
    """Give each output of a trace that holds the secret in some spelling."""
    outputs = [*texts(trace), *reprs(trace), *stored(trace), recorded(trace)]
    return [f"{spelling!r} in {text}" for text in outputs for spelling in spellings(secret) if spelling in text]


def traced(framework: str, method: str, url: str, arguments: dict[str, Any]) -> Trace:
    with serving(framework) as app, Client(app) as client:
        return client.request(method, url, **arguments)


def places(framework: str) -> list[str]:
    if framework in ("asgi", "wsgi"):
        return [name for name in PLACES if name not in NEED_A_ROUTER]
    return [name for name in PLACES if name not in NEED_MOUNTS or framework == "starlette"]


@pytest.mark.parametrize("framework", APPS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), secret=SECRETS)
def test_what_a_request_sends_by_a_telling_name_is_in_no_output(
    framework: str, data: st.DataObject, secret: str
) -> None:
    method, url, arguments = PLACES[data.draw(st.sampled_from(places(framework)))](secret)
    text = SAYINGS[data.draw(st.sampled_from(list(SAYINGS)))](secret)
    act = data.draw(st.sampled_from(DEEDS))
    deed.act = lambda: act(text)
    assert found_in(traced(framework, method, url, arguments), secret) == []


@pytest.mark.parametrize("framework", APPS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), secret=SECRETS)
def test_what_an_exception_names_is_in_no_output_though_no_request_held_it(
    framework: str, data: st.DataObject, secret: str
) -> None:
    text = NAMINGS[data.draw(st.sampled_from(list(NAMINGS)))](secret)
    act = data.draw(st.sampled_from([raised, raised_from, raised_together]))
    deed.act = lambda: act(text)
    assert found_in(traced(framework, "GET", "/orders", {}), secret) == []


@pytest.mark.parametrize("act", [raised, answered, dict])
@pytest.mark.parametrize("place", PLACES)
def test_each_place_of_a_request_is_redacted(place: str, act: Callable[..., Any]) -> None:
    """Each with each: an app that fails hides how the framework refused the request."""
    secret = f"{START}/ä 'plain' & {END}"
    method, url, arguments = PLACES[place](secret)
    deed.act = lambda: act() if act is dict else act(f"{secret} is wrong")
    for framework in ("starlette",) if place in NEED_MOUNTS else ("fastapi", "flask", "django"):
        assert found_in(traced(framework, method, url, arguments), secret) == []
