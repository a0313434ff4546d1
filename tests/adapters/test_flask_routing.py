"""What Werkzeug's URL map decided: the rules in the order it tries them, why each did not match, and redirects."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, RequestRedirect

from pytest_lifecycle import Client, Trace


class Colour(BaseConverter):
    regex = "red|green"


def make(*rules: str, **options: Any) -> Flask:
    app = Flask("routed", **options)
    app.url_map.converters["colour"] = Colour
    for rule in rules:
        rule, _, methods = rule.partition(" ")
        app.add_url_rule(
            rule, f"{rule} {methods}", lambda **values: "ok", methods=methods.split(",") if methods else None
        )
    return app


def ask(app: Flask, url: str, method: str = "GET", **arguments: Any) -> Trace:
    with Client(app) as client:
        return client.request(method, url, **arguments)


def tried(trace: Trace) -> list[tuple[str, str]]:
    return [(candidate.pattern, candidate.verdict) for candidate in trace.candidates if "static" not in candidate.name]


RULES = (
    "/<path:page>",
    "/users/<name>",
    "/users/<int:number>",
    "/users/me",
    "/users/<name>/<colour:shade>",
    "/users/<uuid:key>/",
    "/v<int:version>/users",
    "/<lang>/users",
    "/",
)


def test_the_candidates_stand_in_the_order_that_the_map_tries_them() -> None:
    trace = ask(make(*RULES), "/users/7")
    assert trace.route == "GET /users/<int:number>"
    assert tried(trace) == [("/users/me", "path"), ("/users/<int:number>", "matched")]
    assert tried(ask(make(*RULES), "/nowhere/at/all")) == [
        ("/users/me", "path"),
        ("/users/<int:number>", "path"),
        ("/users/<name>", "path"),
        ("/users/<name>/<colour:shade>", "path"),
        ("/users/<uuid:key>/", "path"),
        ("/", "path"),
        ("/v<int:version>/users", "path"),
        ("/<lang>/users", "path"),
        ("/<path:page>", "matched"),
    ]


PATHS = ["/", "/users/7", "/users/me", "/users/x", "/users/x/red", "/users/x/blue", "/v3/users", "/en/users", "/a/b/c"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", [1, -1])
def test_the_first_candidate_that_fits_is_the_one_that_the_map_chose(path: str, order: int) -> None:
    """The oracle is the map itself: no rule that stands before the chosen one may fit."""
    trace = ask(make(*RULES[::order]), path)
    assert trace.status == 200
    assert [verdict for _, verdict in tried(trace)][-1] == "matched"
    assert "other" not in [verdict for _, verdict in tried(trace)]
    assert trace.warnings == []


@pytest.mark.parametrize(
    "path",
    ["/users/7", "/users/", "/users", "/users/x/", "/users/x/blue", "/v/users", "//users//7", "/7/users/", "/Users/me"],
)
def test_each_rule_fits_exactly_what_the_map_takes(path: str) -> None:
    """The oracle is a map with that rule alone."""
    for rule in RULES:
        adapter = make(rule).url_map.bind("testserver")
        try:
            taken = adapter.match(path) is not None
        except (HTTPException, RequestRedirect):
            taken = False
        candidates = {candidate.pattern: candidate for candidate in ask(make(rule), path).candidates}
        assert (candidates[rule].verdict == "matched") is taken, (rule, path)


@pytest.mark.parametrize(
    ("url", "method", "nearest"),
    [
        ("/users/me/", "GET", "/users/me (differs: trailing slash)"),
        ("/Users/Me", "GET", "/users/me (differs: upper and lower case)"),
        ("/users/x/blue", "GET", '/users/<name>/<colour:shade> ("blue" is no colour)'),
        ("/vx/users", "GET", '/v<int:version>/users ("x" is no int)'),
        ("/users/me", "POST", "/users/me (takes GET)"),
        ("/orders", "DELETE", "/orders (takes PATCH, POST)"),
    ],
)
def test_what_comes_nearest(url: str, method: str, nearest: str) -> None:
    rules = ["/users/me", "/users/<name>/<colour:shade>", "/v<int:version>/users", "/orders POST,PATCH"]
    trace = ask(make(*rules), url, method)
    assert trace.outcome == ("method_not_allowed" if method != "GET" else "not_found")
    assert trace.nearest[0] == nearest


def test_two_rules_with_one_path_are_told_apart_by_method() -> None:
    trace = ask(make("/orders GET", "/orders POST"), "/orders", "POST")
    assert [
        (found.pattern, found.methods, found.verdict) for found in trace.candidates if found.pattern == "/orders"
    ] == [
        ("/orders", ("GET",), "method"),
        ("/orders", ("POST",), "matched"),
    ]


def redirected(app: Flask, url: str) -> tuple[str, str, str]:
    trace = ask(app, url)
    (span,) = trace.spans("routing")
    return trace.outcome, span.attributes["reason"], trace.headers["location"]


def test_why_the_map_redirects() -> None:
    app = make("/orders/", "/a/b")
    app.add_url_rule("/old", endpoint="old", redirect_to="/orders/")
    app.add_url_rule("/list/", endpoint="list", defaults={"page": 1}, view_func=lambda page: "ok")
    app.add_url_rule("/list/<int:page>", endpoint="list")
    assert redirected(app, "/orders?a=1") == ("redirected", "strict_slashes", "http://testserver/orders/?a=1")
    assert redirected(app, "/a//b") == ("redirected", "merge_slashes", "http://testserver/a/b")
    assert redirected(app, "/old") == ("redirected", "redirect_to", "http://testserver/orders/")
    assert redirected(app, "/list/1") == ("redirected", "redirect_defaults", "http://testserver/list/")


def test_a_map_that_is_not_strict_about_slashes() -> None:
    app = make("/orders/", "/about")
    for rule in app.url_map.iter_rules():
        rule.strict_slashes = False
    assert (ask(app, "/orders").status, ask(app, "/about/").status) == (200, 200)
    assert [verdict for _, verdict in tried(ask(app, "/about/"))][-1] == "matched"


def test_hosts_are_a_reason_not_to_match() -> None:
    app = Flask("hosts", host_matching=True, static_folder=None)
    app.add_url_rule("/", "api", lambda: "api", host="api.example")
    app.add_url_rule("/", "tenant", lambda tenant: tenant, host="<tenant>.shop.example")
    shop = ask(app, "/", headers={"host": "ada.shop.example"})
    nobody = ask(app, "/", headers={"host": "other.example"})
    assert [(found.name, found.verdict) for found in shop.candidates] == [("api", "host"), ("tenant", "matched")]
    assert nobody.outcome == "not_found"
    assert (nobody.candidates[0].verdict, nobody.candidates[0].reason) == (
        "host",
        "'other.example' is not 'api.example'",
    )
    assert nobody.candidates[1].verdict == "host"
    assert nobody.nearest == ["/ (is for the host api.example)", "/ (is for the host {tenant}.shop.example)"]


def test_subdomains_are_a_reason_not_to_match() -> None:
    app = Flask("subdomains", subdomain_matching=True, static_folder=None)
    app.config["SERVER_NAME"] = "shop.example"
    app.add_url_rule("/", "api", lambda: "api", subdomain="api")
    app.add_url_rule("/", "index", lambda: "index")
    bare = ask(app, "/", headers={"host": "shop.example"})
    api = ask(app, "/", headers={"host": "api.shop.example"})
    assert {found.name: found.verdict for found in bare.candidates}["index"] == "matched"
    assert {found.name: found.verdict for found in api.candidates} == {"api": "matched"} | (
        {"index": "host"} if len(api.candidates) == 2 else {}
    )
    assert (bare.text, api.text) == ("index", "api")
    wrong = ask(app, "/x", headers={"host": "api.shop.example"})
    assert {found.name: found.verdict for found in wrong.candidates} == {"api": "path", "index": "host"}


def test_a_rule_that_is_added_later_is_a_candidate_from_then_on() -> None:
    app = make("/a")
    with Client(app) as client:
        assert tried(client.get("/b")) == [("/a", "path")]
        app._got_first_request = False
        app.add_url_rule("/b", "b", lambda: "b")
        assert tried(client.get("/b")) == [("/a", "path"), ("/b", "matched")]


def test_a_later_rule_that_is_more_exact_is_no_shadow_since_the_map_takes_it_first() -> None:
    trace = ask(make("/users/<name>", "/<path:page>", "/users/me"), "/users/me")
    assert (trace.route, trace.warnings) == ("GET /users/me", [])
