"""Where an oracle says something that our trace does not, or nothing at all: who is right, and why.

What decides is the source of the two sites, `orders_api.py` and `shop_site.py`. Each entry names the requests, what
the oracle says of them, and what our trace says in its place; `*` stands for anything.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import NamedTuple


class Right(StrEnum):
    """Whose word is true."""

    OURS = "ours"
    BOTH = "both"


class Difference(NamedTuple):
    """One disagreement."""

    right: Right
    requests: str
    theirs: str
    ours: str
    why: str


wrong = partial(Difference, Right.OURS)  # it did not happen so
same = partial(Difference, Right.BOTH)  # the same thing in other words
part = partial(Difference, Right.BOTH)  # true, and a part of one step of ours

STOPPED = "a middleware answered: the router never ran"
METHOD = "the path fits and the method does not: there is no such route, as the 405 says"
MOUNT = "the mount is half of the route: what matched is inside the mounted app"
ERROR_VIEW = "Django's view for this error: in ours it is who handled the exception"
WAY_OUT = "in ours the framework's own layers are in the tree, and the way out has those that a user configured"
ROUTE_NAME = "it calls a view by the name of its route"
GUARDED = "`require_GET` answered in the place of the view, which did not run"
DISPATCH = "a class-based view is one step, called by the method that ran"
REFUSED_METHOD = "in ours the decision that no method fits is a step of the routing"
IN_CALL = "what `MiddlewareMixin.__call__` calls: the middleware is one step"
CLOSED = "`close()` of the response, after its body"

ON_405_IN_DJANGO = [
    wrong("wrong method for a decorated view", "route POST /catalogue/", "route none", METHOD),
    wrong("wrong method for a class-based view", "route PUT /box/{number}/", "route none", METHOD),
]

DIFFERENCES: dict[tuple[str, str], list[Difference]] = {
    # It matches the path by itself, before and apart from the router.
    ("opentelemetry", "orders_api"): [
        wrong("a middleware answers", "route GET /api/v1/orders/{number}", "route none", STOPPED),
        wrong("preflight", "route OPTIONS /api/v1/orders/{number}", "route none", STOPPED),
        wrong("wrong method", "route PATCH /api/v1/orders/{number}", "route none", METHOD),
        wrong("mounted app", "route GET /books", "route GET /books/reports/{year}", MOUNT),
        wrong("mounted app crashes", "route GET /books", "route GET /books/closed", MOUNT),
        wrong("mounted app, no such route", "route GET /books", "route none", MOUNT),
    ],
    ("opentelemetry", "shop_site"): [
        *ON_405_IN_DJANGO,
        wrong(
            "unknown host",
            "nothing",
            "step SecurityMiddleware",
            "the middleware it adds asks for the host first and fails, so that the site's own middleware never runs",
        ),
    ],
    ("sentry", "orders_api"): [
        wrong("preflight", "nothing", "status 200", "it leaves out OPTIONS and HEAD"),
        wrong("*", "step BaseHTTPMiddleware", "step timing", "that is what `@app.middleware` wraps the function in"),
        wrong("*", "out BaseHTTPMiddleware", "out timing", "that is what `@app.middleware` wraps the function in"),
        same("*", "out ServerErrorMiddleware", "step ServerErrorMiddleware", WAY_OUT),
        same("*", "out ExceptionTelemetryMiddleware", "step ExceptionTelemetryMiddleware", WAY_OUT),
        same("*", "out ExceptionMiddleware", "step ExceptionMiddleware", WAY_OUT),
        same("*", "out AsyncExitStackMiddleware", "step AsyncExitStackMiddleware", WAY_OUT),
        wrong("wrong method", "route PATCH /orders/{number}", "route none", METHOD + "; its prefix is lost, too"),
        wrong("mounted app", "route GET /generic Starlette request", "route GET /books/reports/{year}", MOUNT),
        wrong("mounted app crashes", "route GET /generic Starlette request", "route GET /books/closed", MOUNT),
        same(
            "the handler crashes",
            "raised ExceptionGroup",
            "raised OutOfStock",
            "a task group's group of one: ours reads its one member, and keeps the group as `exception`",
        ),
    ],
    # It resolves the path by itself, before and apart from Django.
    ("sentry", "shop_site"): [
        *ON_405_IN_DJANGO,
        wrong("a middleware answers", "route GET /orders/{number}/", "route none", STOPPED),
        wrong("unknown host", "route GET /orders/{number}/", "route none", STOPPED),
        wrong("wrong method for a decorated view", "step catalogue", "step require_http_methods", GUARDED),
        same("read", "step read", "step read_order", ROUTE_NAME),
        same("the view answers 404", "step read", "step read_order", ROUTE_NAME),
        same("*valid form", "step create", "step create_order", ROUTE_NAME),
        same("class-based view", "step box", "step Box.get", ROUTE_NAME),
        same("wrong method for a class-based view", "step box", "step routing (2)", REFUSED_METHOD),
    ],
    ("datadog", "orders_api"): [
        wrong("a background task crashes", "status 500", "status 202", "the client had its 202 before the task began"),
        wrong("create, with a background task", "step traced_task", "step send_mail", "Datadog's own wrapper"),
        wrong("a background task crashes", "step traced_task", "step print_label", "Datadog's own wrapper"),
        wrong("wrong method", "route PATCH /api/v1/orders/{number}", "route none", METHOD),
        wrong("mounted app, no such route", "route GET /books", "route none", MOUNT),
    ],
    ("datadog", "shop_site"): [
        *ON_405_IN_DJANGO,
        wrong("a middleware answers", "route GET /orders/{number}/", "route none", STOPPED),
        wrong("unknown host", "route GET /orders/{number}/", "route none", STOPPED),
        wrong("wrong method for a decorated view", "step catalogue", "step require_http_methods", GUARDED),
        part("*", "step *Middleware.process_re*", "step *Middleware", IN_CALL),
        part("*", "step Gate.process_request", "step Gate", IN_CALL),
        part("class-based view", "step Box", "step Box.get", DISPATCH),
        part("class-based view", "step View*", "step Box.get", DISPATCH),
        part("wrong method for a class-based view", "step Box", "step routing (2)", REFUSED_METHOD),
        part("wrong method for a class-based view", "step View*", "step routing (2)", REFUSED_METHOD),
        part("*", "step _EnsureCsrfToken.*", "handled by response_for_exception", "a decorator of " + ERROR_VIEW),
    ],
    ("newrelic", "orders_api"): [
        part(
            "*crashes",
            "step ServerErrorMiddleware.error_response",
            "step ServerErrorMiddleware",
            "a method of the layer; the response that it makes is a step of ours",
        ),
    ],
    ("newrelic", "shop_site"): [
        wrong("wrong method for a decorated view", "step catalogue", "step require_http_methods", GUARDED),
        same("*", "step middleware", "step timing", "the function that `timing` returned; the settings say `timing`"),
        same("*", "step WSGIHandler._get_response", "step _get_response", "the same function"),
        same("*", "step URLResolver.resolve", "step routing", "the same function"),
        part(
            "slash missing",
            "step URLResolver.resolve (?)",
            "step CommonMiddleware",
            "it asks the resolver whether a slash more would help: it decides, and no route is chosen",
        ),
        part("class-based view", "step Box", "step Box.get", DISPATCH),
        part("wrong method for a class-based view", "step Box", "step routing (2)", REFUSED_METHOD),
        same(
            "wrong method for a class-based view",
            "step Box.http_method_not_allowed",
            "step routing (2)",
            REFUSED_METHOD,
        ),
        part("*", "step URLResolver.resolve_error_handler", "handled by *", "how Django finds who handles it"),
        same("*", "step lost", "handled by lost", "the site's `handler404`: in ours it is who handled the exception"),
        same("permission denied", "step permission_denied", "handled by response_for_exception", ERROR_VIEW),
        same("unknown host", "step bad_request", "handled by response_for_exception", ERROR_VIEW),
        same("the view crashes", "step server_error", "handled by response_for_exception", ERROR_VIEW),
        same("the view crashes", "step handle_uncaught_exception", "handled by response_for_exception", ERROR_VIEW),
        part("*", "step *Response*.close", "status *", CLOSED),
    ],
}

WHO_ELSE = {
    "orders_api": {
        "Envelope": "",  # put around the app by hand
        "Tag": "sentry newrelic",
        "Tag (2)": "sentry newrelic",  # the other instance
        "CORSMiddleware": "sentry newrelic",
        "timing": "newrelic",
        "Gate": "sentry newrelic",
        "Audit": "sentry newrelic",  # of the mounted app
        "Seal": "sentry",  # of a route
        "current_user": "",
        "get_db": "",
        "passed": "",  # a validation
        "failed": "",
        "read_order": "newrelic",
        "sold_out": "newrelic",  # an exception handler
        "send_mail": "opentelemetry datadog newrelic",  # a background task
    },
    "shop_site": {
        "Envelope": "",
        "SecurityMiddleware": "sentry datadog newrelic",
        "timing": "sentry datadog",
        "Gate": "sentry datadog newrelic",
        "Gate.process_view": "sentry datadog newrelic",
        "csrf_exempt": "",  # decorators
        "require_http_methods": "",
        "read_order": "datadog newrelic",
        "Box.get": "datadog newrelic",
        "passed": "",
        "failed": "",
    },
}
"""Steps that our trace has, and who else shows each under its name."""
