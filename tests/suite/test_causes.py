"""What is said of a request that is not what it was: its main cause first, what followed from it, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_lifecycle._suite.causes import ASPECTS, COMPARED, Nearby
from pytest_lifecycle._suite.changes import CHANGED, NEW, VANISHED, Comparison, Finding, grouped
from pytest_lifecycle._suite.layers import moved, without
from pytest_lifecycle._suite.lines import lines_of
from pytest_lifecycle._suite.patterns import fits
from pytest_lifecycle._suite.record import Record

COMPARISON = Comparison(frozenset(COMPARED))


def request(path: str = "/orders/42", route: str | None = "/orders/{order_id}", **facts: Any) -> Record:
    method = facts.pop("method", "GET")
    values = {"status": 200, "outcome": "handled", "handler": "read_order", "middleware": ("Cors", "Auth"), **facts}
    return Record("http", method, path, route=None if route is None else f"{method} {route}", **values)


def lost(path: str = "/orders/42", **facts: Any) -> Record:
    return request(path, None, **{"status": 404, "outcome": "not_found", "handler": None, **facts})


REFUSED = {"status": 401, "outcome": "short_circuited", "handler": None, "refusal": "authentication"}
BY_AUTH = {**REFUSED, "refused_by": "Auth", "stopped_by": ("Auth",)}
REJECTED = {**REFUSED, "outcome": "rejected", "refused_by": "current_user"}
TO_LOGIN = {"status": 303, "outcome": "short_circuited", "handler": None, "redirect": "/login", "answered_by": "guard"}
INVALID = {"status": 422, "outcome": "invalid", "handler": None, "refusal": "validation", "refused_by": "validation"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(request(), request(status=201), "status 200 to 201", id="status"),
        pytest.param(request(), request(outcome="error"), "outcome handled to error", id="outcome"),
        pytest.param(
            request(),
            request(status=None, outcome="no_response"),
            "status 200 to none (handled to no_response)",
            id="none",
        ),
        pytest.param(
            request(dependencies=("db",)),
            lost(refusal="not_found", refused_by="not_found", exception="HTTPException"),
            "no route matches any more; status 200 to 404 (handled to not_found)",
            id="route lost",
        ),
        pytest.param(
            lost(),
            request(),
            "the route GET /orders/{order_id} takes it now; status 404 to 200 (not_found to handled)",
            id="route gained",
        ),
        pytest.param(
            request(),
            lost(status=405, outcome="method_not_allowed"),
            "no route takes the method any more; status 200 to 405 (handled to method_not_allowed)",
            id="method lost",
        ),
        pytest.param(
            request(),
            request(route="/orders/{id}"),
            "its route is GET /orders/{id} now",
            id="pattern",
        ),
        pytest.param(
            request(),
            lost(status=307, outcome="redirected", redirect="/orders/42/"),
            "the router redirects it to /orders/{int}/ now; status 200 to 307 (handled to redirected)",
            id="router redirects",
        ),
        pytest.param(
            request(),
            request(status=302, redirect="/login"),
            "redirects to /login now; status 200 to 302",
            id="handler redirects",
        ),
        pytest.param(
            request(dependencies=("db",)),
            request(**INVALID, invalid=("body.price", "body.sku"), exception="RequestValidationError"),
            "newly invalid: body.price and body.sku; status 200 to 422 (handled to invalid)",
            id="invalid",
        ),
        pytest.param(
            request(**INVALID, invalid=("body.price",)),
            request(),
            "no longer invalid: body.price; status 422 to 200 (invalid to handled)",
            id="valid",
        ),
        pytest.param(
            request(),
            request(status=500, outcome="error", exception="KeyError", raised_in="get_db"),
            "KeyError raised in get_db; status 200 to 500 (handled to error)",
            id="exception",
        ),
        pytest.param(request(), request(middleware=("Auth",)), "middleware Cors removed", id="middleware removed"),
        pytest.param(
            request(), request(middleware=("Cors", "Auth", "Gzip")), "middleware Gzip added", id="middleware added"
        ),
        pytest.param(
            request(), request(middleware=("Auth", "Cors")), "middleware Cors no longer runs before Auth", id="swapped"
        ),
        pytest.param(
            request(),
            request(route=None, **BY_AUTH),
            "now refused by Auth (authentication); status 200 to 401 (handled to short_circuited)",
            id="refused by the innermost middleware",
        ),
        pytest.param(
            request(),
            request(route=None, middleware=("Cors",), **{**BY_AUTH, "refused_by": "Cors", "stopped_by": ("Cors",)}),
            "middleware Auth is not reached; now refused by Cors (authentication),"
            " status 200 to 401 (handled to short_circuited)",
            id="refused by an outer middleware",
        ),
        pytest.param(
            request(route=None, **BY_AUTH),
            request(middleware=("Cors",)),
            "middleware Auth removed; status 401 to 200 (short_circuited to handled)",
            id="the middleware that refused is removed",
        ),
        pytest.param(
            request(),
            request(route=None, middleware=("Gate",), **{**BY_AUTH, "refused_by": "Gate", "stopped_by": ("Gate",)}),
            "middleware Gate added; now refused by Gate (authentication),"
            " status 200 to 401 (handled to short_circuited)",
            id="a new outer middleware refuses",
        ),
        pytest.param(
            request(route=None, **BY_AUTH),
            request(route=None, middleware=("Auth",), **BY_AUTH),
            "middleware Cors no longer runs before Auth",
            id="removed or moved inside what refuses",
        ),
        pytest.param(
            request(middleware=("Cors", "Auth", "Gzip")),
            request(route=None, middleware=("Auth",), **BY_AUTH),
            "middleware Cors no longer runs before Auth; now refused by Auth (authentication),"
            " status 200 to 401 (handled to short_circuited)",
            id="removed outside of what refuses",
        ),
        pytest.param(
            request(route=None, **BY_AUTH),
            request(route=None, middleware=("Cors",), **{**BY_AUTH, "refused_by": "Cors", "stopped_by": ("Cors",)}),
            "refused by Cors (authentication), was by Auth (authentication)",
            id="refused further outside",
        ),
        pytest.param(
            request(route=None, middleware=("Auth",), **BY_AUTH),
            request(route=None, **BY_AUTH),
            "middleware Cors now runs before Auth",
            id="added or moved outside what refuses",
        ),
        pytest.param(
            request(dependencies=("db", "current_user"), **REJECTED),
            request(dependencies=("db",)),
            "`current_user` no longer runs; status 401 to 200 (rejected to handled)",
            id="the dependency that refused is gone",
        ),
        pytest.param(
            request(dependencies=("db", "current_user", "audit")),
            request(dependencies=("db", "current_user"), **REJECTED),
            "now refused by current_user (authentication); status 200 to 401 (handled to rejected)",
            id="a dependency refuses",
        ),
        pytest.param(
            request(dependencies=("db",)),
            request(dependencies=("db", "current_user"), **REJECTED),
            "`current_user` now runs; now refused by current_user (authentication),"
            " status 200 to 401 (handled to rejected)",
            id="a new dependency refuses",
        ),
        pytest.param(
            request(dependencies=("db", "current_user"), **REJECTED),
            request(dependencies=("db", "current_user", "audit")),
            "no longer refused by current_user (authentication); status 401 to 200 (rejected to handled)",
            id="a dependency refuses no more",
        ),
        pytest.param(
            request(**REJECTED, dependencies=("current_user",)),
            request(**{**REJECTED, "refusal": "permission", "status": 403}, dependencies=("current_user",)),
            "refused by current_user (permission), was by current_user (authentication); status 401 to 403",
            id="another refusal",
        ),
        pytest.param(
            request(**TO_LOGIN),
            request(),
            "no longer answered by guard;"
            " no longer redirects to /login, status 303 to 200 (short_circuited to handled)",
            id="who redirected is gone",
        ),
        pytest.param(
            request(),
            request(**TO_LOGIN),
            "answered by guard now; redirects to /login now, status 200 to 303 (handled to short_circuited)",
            id="somebody redirects",
        ),
        pytest.param(
            request(**TO_LOGIN),
            request(**{**TO_LOGIN, "answered_by": "gate"}),
            "answered by gate now",
            id="another one redirects",
        ),
        pytest.param(
            request(**TO_LOGIN),
            lost(),
            "no route matches any more; status 303 to 404 (short_circuited to not_found)",
            id="route lost in front of a redirect",
        ),
        pytest.param(
            request(**{**TO_LOGIN, "answered_by": "Cors"}),
            request(middleware=("Auth",)),
            "middleware Cors removed; no longer redirects to /login, status 303 to 200 (short_circuited to handled)",
            id="middleware that answered removed",
        ),
        pytest.param(
            request(status=303, redirect="/welcome"),
            request(**INVALID, invalid=("form.email",)),
            "newly invalid: form.email; no longer redirects to /welcome, status 303 to 422 (handled to invalid)",
            id="invalid instead of a redirect",
        ),
        pytest.param(
            lost(status=307, outcome="redirected", redirect="/orders/42/"),
            lost(),
            "no route matches any more; status 307 to 404 (redirected to not_found)",
            id="route lost that was redirected to",
        ),
        pytest.param(
            lost(status=405, outcome="method_not_allowed"),
            lost(),
            "no route matches any more; status 405 to 404 (method_not_allowed to not_found)",
            id="route lost that did not take the method",
        ),
        pytest.param(
            request(status=400, exception="KeyError"),
            request(status=500, exception="KeyError", outcome="error"),
            "KeyError is no longer handled; status 400 to 500 (handled to error)",
            id="an error handler is gone",
        ),
        pytest.param(
            request(**REFUSED, refused_by="roles"),
            request(),
            "no longer refused by roles (authentication); status 401 to 200 (short_circuited to handled)",
            id="a decorator that refused is gone",
        ),
        pytest.param(
            request(**TO_LOGIN),
            request(status=500, outcome="error", exception="TypeError", raised_in="stamp"),
            "TypeError raised in stamp; no longer answered by guard,"
            " no longer redirects to /login, status 303 to 500 (short_circuited to error)",
            id="a crash of what answered itself",
        ),
        pytest.param(
            request(route=None, middleware=("Cors",), status=204, outcome="short_circuited", answered_by="Cors"),
            request(route=None, middleware=("Gzip", "Cors"), status=204, outcome="short_circuited", answered_by="Cors"),
            "middleware Gzip now runs before Cors",
            id="middleware outside of what answers itself",
        ),
    ],
)
def test_the_cause_comes_first(before: Record, after: Record, told: str) -> None:
    (finding,) = COMPARISON.findings("test", lines_of([before]), [after])
    assert (finding.kind, finding.told, finding.fails) == (CHANGED, told, True)


@pytest.mark.parametrize(
    ("nearby", "told"),
    [
        (
            Nearby("/order/{order_id} (is spelled differently)"),
            "the nearest is /order/{order_id} (is spelled differently)",
        ),
        (Nearby(None, {"read_order": "/goods/{order_id}"}), "its handler read_order is at /goods/{order_id} now"),
        (Nearby("/x (is spelled differently)", {"read_order": "/y"}), "its handler read_order is at /y now"),
        (Nearby("/x (is spelled differently)", {"read_goods": "/y"}), None),
    ],
)
def test_where_a_lost_route_may_have_gone(nearby: Nearby, told: str | None) -> None:
    (finding,) = COMPARISON.findings("test", lines_of([request()]), [lost()], nearby={"GET /orders/42": nearby})
    ended = "status 200 to 404 (handled to not_found)"
    assert finding.consequences == (ended,) if told is None else (told, ended)


@pytest.mark.parametrize(("handler", "name"), [("Shop.read_order", "read_order"), ("Order.get", "Order")])
def test_where_a_method_that_answered_may_have_gone(handler: str, name: str) -> None:
    nearby = {"GET /orders/42": Nearby(None, {name: "/goods/{order_id}", "get": "/other"})}
    (finding,) = COMPARISON.findings("test", lines_of([request(handler=handler)]), [lost()], nearby=nearby)
    assert finding.consequences[0] == f"its handler {handler} is at /goods/{{order_id}} now"


def test_a_request_that_no_route_took_before_is_told_no_other_route_by_name() -> None:
    before, after = (lost(status=405, outcome="method_not_allowed", dependencies=names) for names in (("user",), ()))
    nearby = {"GET /orders/42": Nearby("/orders/{order_id} (takes PUT)")}
    (finding,) = COMPARISON.findings("test", lines_of([before]), [after], nearby=nearby)
    assert (finding.told, finding.fails) == ("`user` no longer runs", False)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"handler": "read_order"}, {"handler": "read"}, "handler read, was read_order"),
        ({"dependencies": ("a", "b")}, {"dependencies": ("b", "a")}, "dependencies in another order: b, a"),
        ({"dependencies": ("a", "b")}, {}, "`a` and `b` no longer run"),
        ({"redirect": "/login"}, {"redirect": "/welcome"}, "redirects to /welcome, was to /login"),
        (
            {**INVALID, "invalid": ("body.price",)},
            {**INVALID, "invalid": ("body.sku",)},
            "invalid is now body.sku, was body.price",
        ),
    ],
)
def test_what_is_not_compared_fails_nothing(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    (finding,) = COMPARISON.findings("test", lines_of([request(**before)]), [request(**after)])
    assert (finding.told, finding.fails) == (told, False)


# -- which request is which


def findings(before: list[Record], after: list[Record]) -> list[tuple[str, str]]:
    return [(finding.kind, str(finding)) for finding in COMPARISON.findings("test", lines_of(before), after)]


def test_two_requests_that_end_alike_now_are_told_once() -> None:
    before = [request(), request("/orders/7", status=404)]
    assert findings(before, [lost(), lost("/orders/7")]) == [
        (CHANGED, "GET /orders/{order_id}: no route matches any more; status 200 to 404 (handled to not_found)")
    ]


def test_one_line_that_ends_in_two_ways_now_is_told_twice_as_it_is_two_requests() -> None:
    after = [request(status=500, outcome="error"), request("/orders/7", status=404)]
    assert findings([request()], after) == [
        (CHANGED, "GET /orders/{order_id}: status 200 to 404"),
        (CHANGED, "GET /orders/{order_id}: status 200 to 500 (handled to error)"),
    ]


def test_a_further_request_of_a_route_is_new_while_the_recorded_one_is_as_it_was() -> None:
    assert findings([request()], [request(), request("/orders/999", status=404)]) == [
        (NEW, "GET /orders/{order_id}: 404 handled")
    ]


def test_the_likelier_pair_is_taken() -> None:
    before = [request(), request(status=404)]
    after = [request(middleware=("Auth",)), request(status=404, middleware=("Auth",))]
    assert findings(before, after) == [(CHANGED, "GET /orders/{order_id}: middleware Cors removed")] * 2


def test_a_field_that_is_newly_invalid_is_told_of_the_request_that_was_valid() -> None:
    both, owner = (request(**INVALID, invalid=names) for names in (("owner", "title"), ("owner",)))
    assert findings([request(), request(**INVALID, invalid=("title",))], [both, owner]) == [
        (CHANGED, "GET /orders/{order_id}: newly invalid: owner; status 200 to 422 (handled to invalid)"),
        (CHANGED, "GET /orders/{order_id}: invalid is now owner and title, was title"),
    ]


REFUSED_ONCE = [request(), request(**REFUSED, refused_by="roles")]


def test_a_request_that_ends_as_a_recorded_one_does_has_changed() -> None:
    """A test asks with a user and without: where the guard is gone, both end as the one with a user did."""
    assert findings(REFUSED_ONCE, [request(), request()]) == [
        (
            CHANGED,
            "GET /orders/{order_id}: no longer refused by roles (authentication);"
            " status 401 to 200 (short_circuited to handled)",
        )
    ]


def test_each_guard_that_is_gone_is_told_where_all_requests_end_alike() -> None:
    before = [*REFUSED_ONCE, request(**TO_LOGIN)]
    assert [text.partition(";")[0] for _, text in findings(before, [request()] * 3)] == [
        "GET /orders/{order_id}: no longer answered by guard",
        "GET /orders/{order_id}: no longer refused by roles (authentication)",
    ]
    assert [kind for kind, _ in findings(before, [request()] * 2)] == [CHANGED, VANISHED]


def test_a_route_that_another_one_hides_in_the_same_test_has_changed() -> None:
    export = request("/orders/export", "/orders/export", handler="export_orders")
    found = findings([request(), export], [request(), request("/orders/export")])
    assert found == [
        (
            CHANGED,
            "GET /orders/export: the route GET /orders/{order_id} takes it now; handler read_order, was export_orders",
        )
    ]


def test_a_request_that_is_made_once_is_not_two() -> None:
    assert findings(REFUSED_ONCE, [request()]) == [(VANISHED, "GET /orders/{order_id}: 401 short_circuited")]


def test_a_request_that_may_yet_come_has_not_become_another_one() -> None:
    expected = lines_of(REFUSED_ONCE)
    (found,) = COMPARISON.findings("test", expected, [request(), request()], awaited=expected)
    assert found.kind == VANISHED


def test_another_method_or_path_is_another_request() -> None:
    assert findings([request()], [request(method="POST"), lost("/users/7")]) == [
        (NEW, "POST /orders/{order_id}: 200 handled"),
        (NEW, "GET /users/{int}: 404 not_found"),
        (VANISHED, "GET /orders/{order_id}: 200 handled"),
    ]


def test_a_route_that_moved_with_the_tests_is_known_by_its_handler() -> None:
    assert findings([request()], [request("/v2/orders/42", "/v2/orders/{order_id}")]) == [
        (CHANGED, "GET /orders/{order_id}: its route is GET /v2/orders/{order_id} now")
    ]


def test_a_name_in_a_path_that_no_route_tells_is_no_change() -> None:
    """Bare apps have no routes: a random name is known by the handler that is asked for by it."""
    assert findings([request("/users/ada-x3f", None)], [request("/users/ada-k9q", None)]) == []


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/orders/{order_id}", "/orders/42", True),
        ("/orders/{order_id:int}", "/orders/42", True),
        ("/orders/{order_id}", "/orders/42/lines", False),
        ("/files/{path:path}", "/files/a/b", True),
        ("/orders/<int:order_id>/", "/orders/42/", True),
        ("/users/<name>", "/users/caf%C3%A9", True),
        ("/files/<path:name>", "/files/a/b", True),
        ("/^articles/(?P<year>[0-9]{4})/$", "/articles/2024/", True),
        ("/^articles/(?P<year>[0-9]{4})/$", "/articles/24/", False),
        ("/a.b", "/axb", False),
        ("/broken/(?P<x>[", "/broken/1", False),
    ],
)
def test_a_path_is_one_of_a_pattern_s(pattern: str, path: str, expected: bool) -> None:
    assert fits(pattern, path) is expected


# -- names and groups


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("A B C", "A B C", None),
        ("A B C", "B A C", "layer A no longer runs before B"),
        ("A B C D", "B C D A", "layer A moved inside D"),
        ("A B C D", "D A B C", "layer D moved outside A"),
        ("A B C", "C B A", "layer A and C changed places"),
        ("A B C D", "D C A B", "layer in another order: D > C > A > B, was A > B > C > D"),
        ("A B C", "C A", "layer A no longer runs before C"),
        ("A A B", "A B A", "layer A no longer runs before B"),
        ("A B", "", None),
    ],
)
def test_what_stands_elsewhere_is_told(before: str, after: str, said: str | None) -> None:
    assert moved(before.split(), after.split(), "layer") == said


def test_a_name_is_missing_as_often_as_it_is_missing() -> None:
    assert without(["A", "B", "A"], ["A"]) == ["B", "A"]


def test_findings_of_one_cause_are_one_line() -> None:
    gone = [
        Finding(CHANGED, f"test_{number}", route, "middleware Auth removed", fails=number == 1, count=number)
        for number in (1, 2)
        for route in ("GET /orders", "POST /orders")
    ]
    fixture = Finding(CHANGED, "token", "GET /orders", "middleware Auth removed", is_fixture=True)
    new = [Finding(NEW, "test_1", request, "200 handled") for request in ("GET /b", "GET /a", "GET /a")]
    assert [(str(group), group.fails) for group in grouped([*gone, fixture, *new])] == [
        ("middleware Auth removed: 7 requests of 2 tests and 1 fixture: GET /orders and POST /orders", True),
        ("GET /a: 200 handled: 2 requests of 1 test", False),
        ("GET /b: 200 handled: 1 request of 1 test", False),
    ]


def changes(*pairs: tuple[Record, Record]) -> list[Finding]:
    """Compare tests, each of which makes one request."""
    return [
        finding
        for number, (before, after) in enumerate(pairs)
        for finding in COMPARISON.findings(f"test_{number}", lines_of([before]), [after])
    ]


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_layer_that_comes_or_goes_is_one_cause_also_where_another_one_answers(is_removed: bool) -> None:
    stopped = {**BY_AUTH, "route": None}
    without, around = {"middleware": ("Cors", "Auth")}, {"middleware": ("Cors", "Gzip", "Auth")}
    pairs = [(request(**facts, **around), request(**facts, **without)) for facts in ({}, stopped)]
    groups = grouped(changes(*(pair if is_removed else pair[::-1] for pair in pairs)))
    assert [group.cause for group in groups] == [f"middleware Gzip {'removed' if is_removed else 'added'}"]
    assert groups[0].count == 2


def test_what_only_some_requests_show_besides_a_cause_is_told_with_it() -> None:
    """Several regressions at once: none hides behind one that all requests show."""
    gone = {"middleware": ("Auth",)}
    (group,) = grouped(
        changes(
            (request(), request(**gone)),
            (request(method="POST", status=201), request(method="POST", **gone)),
            (request("/users/7", "/users/{id}"), lost("/users/7", **gone)),
            (request("/users/8", "/users/{id}"), lost("/users/8", **gone)),
        )
    )
    assert str(group).startswith("middleware Cors removed: 4 requests of 4 tests: ")
    assert list(map(str, group.parts)) == [
        "GET /users/{id}: no route matches any more: 2 requests of 2 tests",
        "POST /orders/{order_id}: status 201 to 200: 1 request of 1 test",
    ]


def test_what_all_requests_of_a_cause_show_has_followed_from_it() -> None:
    (group,) = grouped(changes((request(), lost()), (request("/orders/7", status=202), lost("/orders/7"))))
    assert (group.cause, group.parts) == ("no route matches any more", [])


def test_a_finding_comes_back_from_another_process() -> None:
    finding = Finding(CHANGED, "test", "GET /", "cause", ("then",), tuple(ASPECTS), True, 3, "/shop.py:1", True, "line")
    assert Finding.from_json(finding.to_json()) == finding
