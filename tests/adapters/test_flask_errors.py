"""Flask: exceptions that it raises itself, answers without a status, and the end of the app's context."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, abort

from pytest_lifecycle import Client, Trace


def build() -> Flask:
    app = Flask("failing")

    @app.get("/nothing")
    def nothing() -> Any:
        return None

    @app.get("/object")
    def unserialisable() -> Any:
        return {"it": object()}

    @app.get("/handled")
    def handled() -> Any:
        raise KeyError("it")

    @app.errorhandler(KeyError)
    def forgets_to_answer(error: KeyError) -> Any:
        return None

    @app.get("/custom")
    def custom() -> Any:
        abort(Response("not for you", 403))

    @app.get("/fine")
    def fine() -> str:
        return "fine"

    return app


def ask(app: Flask, url: str) -> Trace:
    with Client(app) as client:
        return client.get(url)


@pytest.mark.parametrize(
    ("url", "handler", "raised"),
    [
        ("/nothing", "nothing", [("TypeError", "Flask.make_response")]),
        ("/object", "unserialisable", [("TypeError", "Flask.make_response")]),
        ("/handled", "handled", [("KeyError", "handled"), ("TypeError", "Flask.make_response")]),
    ],
)
def test_a_crash_in_flask_itself_is_told_with_where_it_was_raised(
    url: str, handler: str, raised: list[tuple[str, str]]
) -> None:
    trace = ask(build(), url)
    assert (trace.status, trace.outcome, trace.handler) == (500, "error", handler)
    assert [(error.type, error.raised_in) for error in trace.exceptions] == raised
    assert trace.exceptions[-1].handled_by == "Flask.handle_exception"


def test_a_crash_in_flask_itself_that_is_propagated_is_told_with_where_it_was_raised() -> None:
    app = build()
    app.testing = True
    (error,) = ask(app, "/nothing").exceptions
    assert (error.type, error.raised_in, error.handled_by) == ("TypeError", "Flask.make_response", None)


def test_a_response_that_the_view_aborts_with_is_an_answer() -> None:
    trace = ask(build(), "/custom")
    (error,) = trace.exceptions
    assert (trace.status, trace.outcome) == (403, "handled")
    assert (error.raised_in, error.is_answer) == ("custom", True)


def test_what_closes_the_app_s_context_is_a_hook_after_the_response() -> None:
    app = build()

    @app.teardown_appcontext
    def close_database(error: BaseException | None) -> None:
        """Close it."""

    trace = ask(app, "/fine")
    assert trace.span("close_database").kind == "hook"
    assert trace.path == ["route GET /fine", "handler fine", "response 200"]


def test_what_closes_the_app_s_context_and_fails_is_told_after_the_response() -> None:
    app = build()

    @app.teardown_appcontext
    def close_database(error: BaseException | None) -> None:
        raise ConnectionError("already closed")

    trace = ask(app, "/fine")
    assert (trace.status, trace.outcome) == (200, "error")
    assert [(error.type, error.raised_in) for error in trace.exceptions] == [("ConnectionError", "close_database")]
