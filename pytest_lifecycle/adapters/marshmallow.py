"""marshmallow: what schemas load, and what webargs makes of it.

Read from marshmallow/schema.py, versions 3.20 to 4.4, and webargs/core.py, versions 8.3 to 8.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.facts import Validation
from .._trace.span import Kind, Span
from ._validating import class_name, is_in_user_code, issues_in, left, note_failure

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
            leaving=left,
            raising=_failed,
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

        yield Probe(Parser._on_validation_error, span=False, entering=_locate)
        if hasattr(Parser, "_async_on_validation_error"):
            yield Probe(Parser._async_on_validation_error, span=False, entering=_locate)


def _note_schema(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = class_name(type(call.owner))


def _failed(span: Span, error: BaseException) -> None:
    from marshmallow import ValidationError

    if isinstance(error, ValidationError):
        found: Any = error.messages
        issues = [
            replace(issue, loc=issue.loc[:-1]) if issue.loc[-1:] == (WHOLE,) else issue
            for issue in issues_in(found, error.data)
        ]
        note_failure(span, issues, span.fact("refused_by"))


def _locate(call: Call) -> None:
    """The validation that just failed was of data from this place of the request."""
    around = call.parent
    if around is None:
        return
    for span in reversed(list(around.walk())):
        if span.kind is Kind.VALIDATION and span.name == Validation.FAILED:
            errors = span.fact("errors") or ()
            span.attributes["errors"] = tuple(replace(issue, loc=(call["location"], *issue.loc)) for issue in errors)
            return
