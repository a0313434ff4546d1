"""FastAPI: its route tree, its dependencies one by one, and what its validation says. Builds on Starlette's adapter.

Read from fastapi/{applications,routing,exceptions}.py and fastapi/dependencies/utils.py, versions 0.115 to 0.165.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter, Inside
from .._observe.probe import Call, Probe, Step, location_of, nested_code
from .._trace.declared import Declared
from .._trace.facts import Validation, ValidationIssue, issue
from .._trace.span import Kind, Span
from ._fastapi_declared import FastAPIReader
from ._fastapi_dependencies import Dependencies
from ._shape import owner_name
from .asgi import SHAPE
from .starlette import StarletteAdapter


@final
class FastAPIAdapter(Adapter):
    """FastAPI, on top of Starlette.

    Args:
        starlette: The adapter for what FastAPI shares with Starlette.
    """

    name = "fastapi"
    distribution = "fastapi"
    supports = ">=0.115"
    module = "fastapi.routing"

    def __init__(self, starlette: StarletteAdapter) -> None:
        self.starlette = starlette
        self._dependencies = Dependencies()
        self._validates: dict[int, tuple[object, bool]] = {}

    def forget(self) -> None:
        self._dependencies.forget()
        self._validates.clear()

    def probes(self) -> Iterable[Probe]:
        yield from self._app_probes()
        yield from self._routing_probes()
        yield from self._dependency_probes()

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return FastAPIReader(inside).read(app)

    def _app_probes(self) -> Iterable[Probe]:
        from fastapi import FastAPI

        SHAPE.claim(FastAPI.__call__, Step(Kind.APP, "FastAPI", location_of(FastAPI), True))
        yield self.starlette.asgi.layer(
            FastAPI.__call__, Kind.APP, name=owner_name, builtin=True, entering=self._recognise
        )
        for layer in _builtin_layers():
            yield self.starlette.builtin_layer(layer)

    @staticmethod
    def _recognise(call: Call) -> None:
        call.exchange.belong_to(call.owner)
        if call.exchange.framework in (None, "starlette"):
            call.exchange.framework = "fastapi"

    # -- routing

    def _routing_probes(self) -> Iterable[Probe]:
        from fastapi import routing

        for code in self.starlette.endpoints.apps_of(routing):  # its own since 0.116
            yield Probe(code, span=False)
        if "app" in routing.APIRouter.__dict__:
            yield self.starlette.router(routing.APIRouter.app)
        if "handle" in routing.APIRouter.__dict__:
            yield Probe(routing.APIRouter.handle, span=False)
        included = getattr(routing, "_IncludedRouter", None)
        if included is not None:  # since 0.137 routers form a tree
            yield Probe(included.handle, span=False)
            yield Probe(included._handle_selected, span=False)
        if "handle" in routing.APIRoute.__dict__:
            yield self.starlette.asgi.layer(routing.APIRoute.handle, Kind.ROUTING, name="route", entering=self._chosen)

    def _chosen(self, call: Call) -> None:
        """Note the route; in an included router its context has the prefix that the route itself lacks."""
        context = call["scope"].get("fastapi", {}).get("effective_route_context")
        included = context is not None and context.original_route is call.owner
        self.starlette.chosen(call, context if included else call.owner)

    # -- dependencies and validation

    def _dependency_probes(self) -> Iterable[Probe]:
        from fastapi import routing
        from fastapi.dependencies import utils
        from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError

        yield Probe(
            utils.solve_dependencies,
            describe=self._solving,
            leaving=self._solved,
        )
        yield Probe(RequestValidationError.__init__, span=False, entering=_refused)
        yield Probe(
            ValidationException.__init__,  # the only one that a WebSocket's has in every version
            span=False,
            applies=lambda call: isinstance(call.owner, WebSocketRequestValidationError),
            entering=_refused,
        )
        for code in (
            *nested_code(routing.get_request_handler, "app"),
            *nested_code(routing.get_websocket_app, "app"),
        ):
            yield Probe(code, span=False, raising=_refusal_raised)
        yield Probe(routing.serialize_response, Kind.RESPONSE, builtin=True, raising=_response_refused)

    def _solving(self, call: Call) -> Step | None:
        return self._dependencies.solving(call, self.watcher)

    def _solved(self, call: Call) -> None:
        if call.error is None and not call.result.errors and self._has_fields(call["dependant"]):
            call.mark(Kind.VALIDATION, Validation.PASSED.value)

    def _has_fields(self, dependant: Any) -> bool:
        """Whether the route or a dependency of it takes anything from the request that is validated."""
        known = self._validates.get(id(dependant))
        if known is None:
            fields = ("path_params", "query_params", "header_params", "cookie_params", "body_params")
            has = any(getattr(dependant, name) for name in fields) or any(map(self._has_fields, dependant.dependencies))
            known = self._validates[id(dependant)] = (dependant, has)
        return known[1]


BUILTIN_LAYERS = (
    ("fastapi.middleware.asyncexitstack", "AsyncExitStackMiddleware"),
    ("fastapi._body_limit", "AppBodyLimitMiddleware"),
    ("fastapi._body_limit", "_BodyLimitExceptionMiddleware"),
    ("fastapi.telemetry._asgi", "ExceptionTelemetryMiddleware"),
)
"""What one version or another of FastAPI puts into every app; already imported by `fastapi.applications`."""


def _builtin_layers() -> Iterable[type]:
    for module, name in BUILTIN_LAYERS:
        layer = getattr(sys.modules.get(module), name, None)
        if isinstance(layer, type):
            yield layer


def _refused(call: Call) -> None:
    """A `RequestValidationError` is made: by FastAPI for a request that is not valid, or by the user's own code."""
    errors = tuple(issue(error) for error in call["errors"] if isinstance(error, dict))
    if call.parent is not None:
        call.mark(Kind.VALIDATION, Validation.FAILED.value, errors=errors)


def _response_refused(span: Span, error: BaseException) -> None:
    """The handler gave what its declared response does not allow: an error of the app's, not of the request."""
    if type(error).__name__ == "ResponseValidationError":
        errors: Any = vars(error).get("_errors", ())
        span.attributes["errors"] = tuple(issue(found) for found in errors if isinstance(found, dict))


def _refusal_raised(span: Span, error: BaseException) -> None:
    """The request handler raises what validation made: the failed validation is the step it was raised in."""
    from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
    from starlette.exceptions import HTTPException

    if span.exchange is None:
        return
    if isinstance(error, RequestValidationError | WebSocketRequestValidationError):
        failed = [inner for inner in span.walk() if inner.kind is Kind.VALIDATION]
        span.exchange.raised += [(error, inner) for inner in failed[-1:]]
    elif isinstance(error, HTTPException) and error.status_code == 400 and not span.children:
        _body_unreadable(span, error)


def _body_unreadable(span: Span, error: BaseException) -> None:
    """The body could not be taken apart, before any dependency ran: an `HTTPException` that validates nothing."""
    cause = error.__cause__ or error.__context__ or error
    failed = Span(
        Kind.VALIDATION, Validation.FAILED.value, builtin=False, parent=span, thread=span.thread, exchange=span.exchange
    )
    message = str(getattr(error, "detail", error))
    failed.attributes["errors"] = (ValidationIssue(("body",), message, type(cause).__name__),)
    failed.close()
    span.children.append(failed)
    assert span.exchange is not None
    span.exchange.raised.append((error, failed))
