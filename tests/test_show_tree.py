"""The tree that a person reads."""

from __future__ import annotations

import pytest

from pytest_lifecycle._show.redact import Redactor
from pytest_lifecycle._show.report import REQUEST_LIMIT, section
from pytest_lifecycle._show.tree import DEPTH_LIMIT, STEP_LIMIT, render, time
from pytest_lifecycle._trace.facts import ValidationIssue, Verdict
from pytest_lifecycle._trace.trace import Trace

from .conftest import SketchTrace, Step, sketched


def text_of(trace: Trace, *, builtin: bool = False) -> list[str]:
    return render(trace, builtin=builtin).splitlines()


def handled() -> Trace:
    trace = sketched(
        (
            "middleware RequestIDMiddleware",
            [
                (
                    "middleware AuthMiddleware",
                    [
                        ("route GET /orders/{order_id}", []),
                        ("dependency get_db", []),
                        ("validation passed", []),
                        ("handler read_order", []),
                    ],
                )
            ],
        )
    )
    cross(trace, "AuthMiddleware", "RequestIDMiddleware")
    return trace


def cross(trace: Trace, *names: str) -> None:
    for name in names:
        trace._exchange.cross(trace.span(name))


def test_a_request_is_one_line_and_a_line_for_each_step() -> None:
    assert text_of(handled()) == [
        "GET /orders/42 -> 200 handled 7.0 ms",
        "└─ middleware RequestIDMiddleware       6.0 ms",
        "   └─ middleware AuthMiddleware         5.0 ms",
        "      ├─ route GET /orders/{order_id}   1.0 ms",
        "      ├─ dependency get_db              1.0 ms",
        "      ├─ validation passed              1.0 ms",
        "      └─ handler read_order             1.0 ms",
    ]


def test_str_of_a_trace_is_its_tree() -> None:
    trace = handled()
    assert str(trace) == render(trace)


def builtin_around() -> Trace:
    hidden = {"builtin": True}
    trace = sketched(
        (
            "middleware ServerErrorMiddleware",
            [
                ("middleware Own", [("middleware ExceptionMiddleware", [("handler home", [])], hidden)]),
                ("internal note", []),
            ],
            hidden,
        )
    )
    cross(trace, "Own")
    return trace


def test_steps_inside_a_hidden_part_of_the_framework_stand_where_it_would_have() -> None:
    assert text_of(builtin_around())[1:] == [
        "└─ middleware Own    3.0 ms",
        "   └─ handler home   1.0 ms",
    ]


def test_the_framework_s_own_parts_are_shown_when_asked_for() -> None:
    assert text_of(builtin_around(), builtin=True)[1:] == [
        "└─ middleware ServerErrorMiddleware       5.0 ms",
        "   ├─ middleware Own                      3.0 ms",
        "   │  └─ middleware ExceptionMiddleware   2.0 ms",
        "   │     └─ handler home                  1.0 ms",
        "   └─ internal note                       1.0 ms",
    ]


def test_a_layer_that_answers_itself_is_marked() -> None:
    trace = sketched(("middleware Auth", [], {"short_circuited": True}), status=401)
    cross(trace, "Auth")
    assert text_of(trace) == [
        "GET /orders/42 -> 401 short_circuited 2.0 ms",
        "└─ middleware Auth   1.0 ms  answered itself",
        "refused: by Auth (authentication)",
    ]


def test_a_router_that_found_nothing_says_so() -> None:
    trace = sketched(("routing ", [], {"attributes": {"verdict": Verdict.NOT_FOUND}}), status=404)
    assert text_of(trace) == ["GET /orders/42 -> 404 not_found 2.0 ms", "└─ routing not_found   1.0 ms"]


def test_an_exception_is_shown_where_it_was_raised_and_where_it_was_passed_on() -> None:
    error = ValueError("no order 42")
    trace = sketched(
        ("middleware Auth", [("handler read_order", [], {"exception": error})], {"exception": error}), status=None
    )
    exchange = trace._exchange
    exchange.raised = [(error, trace.span("read_order")), (error, trace.span("Auth"))]
    assert text_of(trace) == [
        "GET /orders/42 -> no response error 3.0 ms",
        "└─ middleware Auth         2.0 ms  passed on ValueError",
        "   └─ handler read_order   1.0 ms  raised ValueError(no order 42)",
        "exception: ValueError(no order 42) raised in read_order, past Auth, handled by nobody",
    ]


def test_an_exception_that_was_handled_names_who_did() -> None:
    error = PermissionError("no")
    trace = sketched(
        (
            "middleware Auth",
            [
                (
                    "middleware ExceptionMiddleware",
                    [("dependency current_user", [], {"exception": error})],
                    {"builtin": True},
                )
            ],
        ),
        status=403,
    )
    trace._exchange.raised = [(error, trace.span("current_user"))]
    cross(trace, "Auth")
    assert text_of(trace)[-1] == (
        "exception: PermissionError(no) raised in current_user, handled by ExceptionMiddleware"
    )


def test_each_validation_error_is_a_line() -> None:
    issues = [
        ValidationIssue(("body", "quantity"), "Input should be a valid integer", "int_parsing"),
        ValidationIssue(("body", "password"), "hunter2 is too short", "value_error"),
    ]
    trace = sketched(("validation failed", [], {"attributes": {"errors": issues}}), status=422)
    assert text_of(trace) == [
        "GET /orders/42 -> 422 invalid 2.0 ms",
        "└─ validation failed   1.0 ms",
        "invalid: body.quantity: Input should be a valid integer (int_parsing)",
        "invalid: body.password: [redacted] (value_error)",
    ]


def test_a_way_out_that_is_not_the_way_in_is_told() -> None:
    trace = sketched(("middleware CORS", [("middleware GZip", [("handler home", [])])]))
    cross(trace, "GZip")
    assert text_of(trace)[-1] == "the response left through GZip, past CORS"


def test_redirects_that_were_followed_stand_below() -> None:
    trace = handled()
    trace.history.append(sketched(("handler old", []), url="http://testserver/old?token=1", status=307))
    assert text_of(trace)[-1] == "after GET /old?token=[redacted] -> 307 handled 2.0 ms"


def test_warnings_stand_below() -> None:
    trace = handled()
    trace.warnings.append("content-length is 3, the body has 5 bytes")
    assert text_of(trace)[-1] == "warning: content-length is 3, the body has 5 bytes"


def test_an_address_that_no_test_client_made_up_is_kept() -> None:
    assert text_of(sketched(url="https://api.shop.test/a"))[0].startswith("GET https://api.shop.test/a ->")
    assert text_of(sketched(url="http://testserver"))[0].startswith("GET / ->")
    assert text_of(sketched(url="http://testserver.evil/a"))[0].startswith("GET http://testserver.evil/a ->")


def test_nothing_from_a_request_reaches_the_terminal_unescaped() -> None:
    evil = "\x1b]0;pwned\x07\u202e\ud800"
    error = ValueError(evil)
    trace = sketched(
        (f"middleware {evil}", [(f"handler {evil}", [], {"exception": error})]),
        method=evil,
        url=f"http://testserver/{evil}",
        status=None,
    )
    trace._exchange.raised = [(error, trace.root.children[0].children[0])]
    trace.warnings.append(evil)
    issue = ValidationIssue((evil,), evil, evil)
    trace.root.children[0].children[0].kind = trace.root.children[0].kind.VALIDATION
    trace.root.children[0].children[0].attributes["errors"] = [issue]
    assert all(line.isprintable() for line in text_of(trace, builtin=True))


def test_a_refusal_by_a_name_from_an_app_reaches_the_terminal_escaped() -> None:
    trace = sketched(("decorator \x1b[31m", []), status=403)
    trace.root.children[0].short_circuited = True
    trace.root.children[0].attributes.update(refusal="permission", refused_by="\x1b[31m")
    assert [line for line in text_of(trace) if "refused:" in line] == [r"refused: by \x1b[31m (permission)"]


def test_a_request_that_cannot_be_shown_is_told_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(trace: Trace, redactor: Redactor) -> str:
        raise ValueError("\x1b[31m::error::")

    monkeypatch.setattr("pytest_lifecycle._show.report.render", fails)
    told = r"a request that could not be shown (ValueError: \x1b[31m::error::)"
    assert section([handled(), handled()], redactor=Redactor()) == f"{told}\n\n{told}"


def test_a_long_name_is_cut() -> None:
    assert max(map(len, text_of(sketched((f"handler {'x' * 5000}", []))))) < 150


def test_a_very_long_tree_is_cut_with_a_notice() -> None:
    steps: list[Step] = [("dependency get_db", [])] * (STEP_LIMIT + 7)
    lines = text_of(sketched(*steps))
    assert len(lines) == STEP_LIMIT + 2
    assert lines[-1] == "... 7 more steps are not shown"


def test_a_very_deep_tree_is_shown_without_recursion_and_stays_within_the_screen() -> None:
    step: Step = ("handler home", [])
    for _ in range(250):
        step = ("middleware Pass", [step])
    lines = text_of(sketched(step))
    assert len([line for line in lines if "middleware Pass" in line]) == 250
    assert max(map(len, lines[1:252])) < 3 * DEPTH_LIMIT + 40


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 ms"),
        (0.000_123, "0.12 ms"),
        (0.0031, "3.1 ms"),
        (0.0316, "32 ms"),
        (0.00996, "10 ms"),
        (1.5, "1500 ms"),
        (12.34, "12.3 s"),
    ],
)
def test_times_have_the_digits_that_matter(seconds: float, text: str) -> None:
    assert time(seconds) == text


def test_a_report_shows_the_newest_requests_and_says_how_many_are_missing(sketch: SketchTrace) -> None:
    traces = [sketch(url=f"http://testserver/{number}") for number in range(REQUEST_LIMIT + 3)]
    text = section(traces, redactor=Redactor(), missed=2)
    assert text.startswith("... 5 earlier requests are not shown\n\nGET /3 ->")
    assert text.count("GET /") == REQUEST_LIMIT


def test_a_response_that_passed_no_layer_says_so() -> None:
    assert text_of(sketched(("middleware CORS", []), status=500))[-1] == ("the response left through no middleware")
