"""marshmallow: what schemas load, and what webargs makes of it.

Read from marshmallow/schema.py, versions 3.20 to 4.4, and webargs/core.py, versions 8.3 to 8.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from json import JSONDecodeError
from types import TracebackType
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, code_of
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind, Span
from ._validating import add_failure, at_loc, class_name, is_in_user_code, issues_in, left, note_failure

WHOLE = "_schema"
"""Where marshmallow puts what is wrong with the data as a whole."""


@final
class MarshmallowAdapter(Adapter):
    """Validation by schemas; a schema inside another one is part of it."""

    name = "marshmallow"
    distribution = "marshmallow"
    supports = ">=3.20"
    module = "marshmallow.schema"

    def probes(self) -> Iterable[Probe]:
        from marshmallow import Schema

        yield Probe(
            Schema._do_load,
            Kind.VALIDATION,
            name=Validation.PASSED.value,
            applies=is_in_user_code,
            entering=_note_schema,
            leaving=_left,
            raising=_raised,
        )


@final
class WebargsAdapter(Adapter):
    """Where in the request webargs found the data."""

    name = "webargs"
    distribution = "webargs"
    supports = ">=8.3"
    module = "webargs.core"

    def probes(self) -> Iterable[Probe]:
        from webargs.core import Parser

        yield Probe(Parser.load_json, span=False, applies=is_in_user_code, raising=_unreadable)
        yield Probe(Parser._on_validation_error, span=False, entering=_locate)
        if hasattr(Parser, "_async_on_validation_error"):
            yield Probe(Parser._async_on_validation_error, span=False, entering=_locate)


def _note_schema(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = class_name(type(call.owner))


def _left(call: Call) -> None:
    """The refusal is in a variable of the call, also where the schema's `handle_error` raised something else."""
    left(call)
    from marshmallow import ValidationError

    refusal = None if call.error is None else call.values.get("exc")
    if call.span is not None and isinstance(refusal, ValidationError):
        _note(call.span, refusal)


def _raised(span: Span, error: BaseException) -> None:
    from marshmallow import ValidationError

    if isinstance(error, ValidationError) and not span.fact("errors"):
        _note(span, error)


def _note(span: Span, error: Any, *place: str) -> None:
    note_failure(
        span, [_whole(issue, error.data, place) for issue in issues_in(error.messages, error.data)], _schema(span)
    )


def _schema(span: Span) -> str:
    return str(span.fact("refused_by"))


def _whole(issue: ValidationIssue, data: object, place: tuple[str, ...]) -> ValidationIssue:
    """Say where the issue is: what is wrong with some data as a whole is wrong there, not one deeper."""
    if issue.loc[-1:] != (WHOLE,):
        return replace(issue, loc=(*place, *issue.loc))
    loc = issue.loc[:-1]
    return replace(issue, loc=(*place, *loc), input=shortened(at_loc(data, loc)))


def _locate(call: Call) -> None:
    """The validation that came last was of data from this place of the request.

    Where it had passed, the parser's own `validate` refused what the schema had loaded.
    """
    spans = [] if call.parent is None else [*call.parent.walk()]
    schema = class_name(type(call["schema"]))
    for span in reversed(spans):
        if span.kind is Kind.VALIDATION and _schema(span) == schema:
            _note(span, call["error"], call["location"])
            return


def _unreadable(around: Span, error: BaseException) -> None:
    """The body is no JSON at all: each framework's parser makes an answer of its own of what the decoder raised."""
    told: BaseException | None = error
    while told is not None and not isinstance(told, (JSONDecodeError, UnicodeDecodeError)):
        told = told.__cause__ or told.__context__
    parser = _parser_behind(error.__traceback__)
    if told is not None and parser is not None:
        found = ValidationIssue(("json",), str(told), type(told).__qualname__)
        add_failure(around, [found], class_name(type(parser)))


def _parser_behind(traceback: TracebackType | None) -> object:
    from webargs.core import Parser

    while traceback is not None:
        if traceback.tb_frame.f_code is code_of(Parser.load_json):
            return traceback.tb_frame.f_locals["self"]
        traceback = traceback.tb_next
    return None
