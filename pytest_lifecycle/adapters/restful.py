"""Flask-RESTful and Flask-RESTX: what is around a resource's method, request parsers, models, error handling.

Builds on Flask's adapter. Read from flask_restful/{__init__,reqparse}.py, 0.3.10, and
flask_restx/{api,resource,reqparse,model}.py, 1.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Expected, Probe, name_of
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind
from ._flask_errors import answers
from ._flask_reading import running_request
from ._restful_views import decorators_for, wrapper_probes
from ._validating import class_name, left
from .checks import note_check

HANDLES = "Api.handle_error"
"""Who answers an exception that left a resource."""


@final
class RestfulAdapter(Adapter):
    """An `Api` and its resources.

    Args:
        library: The module of Flask-RESTful, or of Flask-RESTX, which began as a copy of it.
        distribution: Its name on PyPI.
        supports: The versions that the claims were tested against.
    """

    def __init__(self, library: str, distribution: str, supports: str) -> None:
        self.name: str = library
        self.module: str = library
        self.distribution: str = distribution
        self.supports: str = supports
        self._around: dict[tuple[type, str], tuple[list[Any], Expected]] = {}

    def forget(self) -> None:
        self._around.clear()

    def probes(self) -> Iterable[Probe]:
        library: Any = import_module(self.module)
        yield Probe(library.Resource.dispatch_request, span=False, entering=self._dispatching)
        yield Probe(library.Api.handle_error, span=False, entering=_handling, leaving=_handled)

    def _dispatching(self, call: Call) -> None:
        resource, method = call.owner, running_request().method
        decorators = decorators_for(resource, method)
        if not decorators or call.parent is None:
            return
        key = type(resource), method
        known = self._around.get(key)
        if known is None or known[0] != decorators:
            known = self._around[key] = decorators, Expected(wrapper_probes(decorators))
        self.watcher.expect(call.parent, known[1])


@final
class ParsersAdapter(Adapter):
    """Request parsers.

    Args:
        library: The module of the library.
        distribution: Its name on PyPI.
        supports: The versions that the claims were tested against.
    """

    def __init__(self, library: str, distribution: str, supports: str) -> None:
        self.name: str = library
        self.module: str = f"{library}.reqparse"
        self.distribution: str = distribution
        self.supports: str = supports

    def probes(self) -> Iterable[Probe]:
        reqparse: Any = import_module(self.module)
        parse = reqparse.RequestParser.parse_args
        yield Probe(parse, Kind.VALIDATION, name=Validation.PASSED.value, entering=_parsing, leaving=_parsed)
        yield Probe(reqparse.Argument.handle_validation_error, span=False, leaving=_argument_refused)


@final
class ModelsAdapter(Adapter):
    """The models of Flask-RESTX."""

    name = "flask_restx"
    distribution = "flask-restx"
    supports = ">=1.3"
    module = "flask_restx.model"

    def probes(self) -> Iterable[Probe]:
        from flask_restx.model import ModelBase

        yield Probe(
            ModelBase.validate, Kind.VALIDATION, name=Validation.PASSED.value, entering=_validating, leaving=left
        )
        yield Probe(ModelBase.format_error, span=False, leaving=_field_refused)


def restful_adapters() -> list[Adapter]:
    """Give the adapters for both libraries."""
    made: list[Adapter] = [ModelsAdapter()]
    for which in (("flask_restful", "Flask-RESTful", ">=0.3.10"), ("flask_restx", "flask-restx", ">=1.3")):
        made += [RestfulAdapter(*which), ParsersAdapter(*which)]
    return made


# -- errors


def _handling(call: Call) -> None:
    """An `Api` handles an exception in Flask's place."""
    from werkzeug.exceptions import HTTPException

    if isinstance(call["e"], HTTPException):
        answers(call, running_request(), who=HANDLES)


def _handled(call: Call) -> None:
    """It made a response of it, or a function of the user's own did, which Flask-RESTX lets one register."""
    if call.error is None:
        call.exchange.caught[id(call["e"])] = _handler_of(call["e"], call) or HANDLES


def _handler_of(error: BaseException, call: Call) -> str | None:
    handled = call.values.get("typecheck")
    if handled is not None and isinstance(error, handled):
        note_check(call.exchange, error)
        return name_of(call["handler"])
    return name_of(call.owner._default_error_handler) if "result" in call.values else None


# -- arguments


def _parsing(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = class_name(type(call.owner))


def _parsed(call: Call) -> None:
    """A parser that raised refused an argument, or what it knows no argument for; its source may have been no JSON."""
    span = call.span
    if span is None or call.error is None:
        return
    unknown = getattr(call.values.get("req"), "unparsed_arguments", None) or ()
    if not span.fact("errors") and unknown:
        span.attributes["errors"] = tuple(ValidationIssue((name,), "Unknown argument", "unknown") for name in unknown)
    if span.fact("errors"):
        left(call)
    else:
        span.kind, span.builtin = Kind.INTERNAL, True


def _argument_refused(call: Call) -> None:
    """An argument is not what it should be; its `help` is the message that the client gets."""
    argument, error = call.owner, call["error"]
    place = argument.location if isinstance(argument.location, str) else None
    loc = (argument.name,) if place is None else (place, argument.name)
    kind = type(error).__qualname__ if isinstance(error, Exception) else ""
    _add_issue(call, ValidationIssue(loc, str(call.values["error_msg"]), kind))


def _add_issue(call: Call, issue: ValidationIssue) -> None:
    span = call.parent
    if span is not None and span.kind is Kind.VALIDATION:
        span.attributes["errors"] = (*(span.fact("errors") or ()), issue)


# -- models


def _validating(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = str(call.owner.name)


def _field_refused(call: Call) -> None:
    """A model writes down one of the errors of its schema's validator."""
    error = call["error"]
    loc = tuple(error.path)
    if call.error is None and error.validator == "required":
        loc += (call.result[0].rpartition(".")[2],)
    _add_issue(call, ValidationIssue(loc, str(error.message), str(error.validator), shortened(error.instance)))
