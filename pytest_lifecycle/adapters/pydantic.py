"""pydantic where user code calls it: in a view, a hook, a middleware.

Read from pydantic/{main,root_model,type_adapter}.py and pydantic/_internal/{_dataclasses,_validate_call}.py, versions
2.0 to 2.13. What FastAPI validates itself is told by its own adapter; a model that is made inside another validation
is part of that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Probe, nested_code
from .._trace.facts import Validation, issue
from .._trace.span import Kind, Span
from ._validating import add_failure, is_in_user_code, left, note_failure


@final
class PydanticAdapter(Adapter):
    """Validation by pydantic models, dataclasses, type adapters and functions."""

    name = "pydantic"
    distribution = "pydantic"
    supports = ">=2"
    module = "pydantic"

    def probes(self) -> Iterable[Probe]:
        from pydantic._internal import _dataclasses, _validate_call
        from pydantic.main import BaseModel
        from pydantic.root_model import RootModel
        from pydantic.type_adapter import TypeAdapter

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
                applies=is_in_user_code,
                leaving=left,
                raising=_failed,
            )
        # What user code makes of the request's data: only its refusal tells it from any other object that it makes.
        for maker in (
            BaseModel.__init__,
            RootModel.__init__,
            _validate_call.ValidateCallWrapper.__call__,
            *nested_code(_dataclasses.complete_dataclass, "__init__"),
        ):
            yield Probe(maker, span=False, applies=is_in_user_code, raising=_refused)


def _failed(span: Span, error: BaseException) -> None:
    from pydantic_core import ValidationError

    if isinstance(error, ValidationError):
        note_failure(span, [issue(dict(found)) for found in error.errors(include_url=False)], error.title)


def _refused(around: Span, error: BaseException) -> None:
    from pydantic_core import ValidationError

    if isinstance(error, ValidationError) and not _is_told(around, error):
        add_failure(around, [issue(dict(found)) for found in error.errors(include_url=False)], error.title)


def _is_told(around: Span, error: BaseException) -> bool:
    """Whether a validated function passes on what a validation inside it has refused already."""
    return any(span.exception is error for span in around.children)
