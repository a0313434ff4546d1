"""pydantic where user code calls it: in a view, a hook, a middleware.

Read from pydantic/main.py and pydantic/type_adapter.py, version 2. What FastAPI validates itself is told by its
own adapter; a model that is made inside another validation is part of that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.facts import Validation, issue
from .._trace.span import Kind, Span

USER_CODE = frozenset({Kind.HANDLER, Kind.DEPENDENCY, Kind.HOOK, Kind.DECORATOR, Kind.MIDDLEWARE})


@final
class PydanticAdapter(Adapter):
    """Validation by pydantic models and type adapters."""

    name = "pydantic"
    distribution = "pydantic"
    supports = ">=2"
    module = "pydantic"

    def probes(self) -> Iterable[Probe]:
        from pydantic import BaseModel, TypeAdapter

        for function in (
            BaseModel.model_validate,
            BaseModel.model_validate_json,
            BaseModel.model_validate_strings,
            TypeAdapter.validate_python,
            TypeAdapter.validate_json,
            TypeAdapter.validate_strings,
        ):
            yield Probe(
                function,
                Kind.VALIDATION,
                name=Validation.PASSED.value,
                applies=_is_in_user_code,
                raising=_failed,
            )
        yield Probe(BaseModel.__init__, span=False, applies=_is_in_user_code, raising=_refused_by_constructor)


def _is_in_user_code(call: Call) -> bool:
    """Whether user code validates, not the framework around it."""
    return call.parent is not None and call.parent.kind in USER_CODE and not call.parent.builtin


def _failed(span: Span, error: BaseException) -> None:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        span.name = Validation.FAILED.value
        span.attributes["errors"] = tuple(issue(dict(found)) for found in error.errors(include_url=False))


def _refused_by_constructor(span: Span, error: BaseException) -> None:
    """A model that user code makes of the request's data: only its refusal tells it from any other model it makes."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        failed = Span(
            Kind.VALIDATION,
            Validation.FAILED.value,
            parent=span,
            thread=span.thread,
            exchange=span.exchange,
        )
        failed.close()
        _failed(failed, error)
        span.children.append(failed)
