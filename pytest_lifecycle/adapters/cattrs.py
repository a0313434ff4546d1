"""cattrs and attrs: data that is structured into classes, and classes whose own validators refuse.

Read from cattrs/{converters,errors,v}.py, versions 23.2 to 26.2, and attr/_make.py and attr/validators.py, versions
23.2 to 26.1.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind, Span
from ._validating import Loc, add_failure, class_name, is_in_user_code, left, note_failure

CHECKING = ("__attr_validator_", "__attr_converter_", "__attrs_pre_init__", "__attrs_post_init__")
"""What a generated `__init__` calls, by how its name begins, where it may refuse: most classes check nothing."""


@final
class CattrsAdapter(Adapter):
    """Validation by converters."""

    name = "cattrs"
    distribution = "cattrs"
    supports = ">=23.2"
    module = "cattrs.converters"

    def probes(self) -> Iterable[Probe]:
        from cattrs.converters import BaseConverter

        yield Probe(
            BaseConverter.structure,
            Kind.VALIDATION,
            name=Validation.PASSED.value,
            applies=is_in_user_code,
            entering=_note_class,
            leaving=left,
            raising=_failed,
        )


@final
class AttrsAdapter(Adapter):
    """Classes that user code makes, and whose validators or converters refuse."""

    name = "attrs"
    distribution = "attrs"
    supports = ">=23.2"
    module = "attr"

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        if code.co_name != "__init__" or not code.co_filename.startswith("<attrs generated"):
            return None
        if not any(name.startswith(CHECKING) for name in code.co_names):
            return None
        culprit = class_name(type(frame.f_locals.get(code.co_varnames[0])))

        def refused(around: Span, error: BaseException) -> None:
            if isinstance(error, ValueError | TypeError):
                add_failure(around, [_issue((), error)], culprit)

        return Probe(code, span=False, applies=is_in_user_code, raising=refused)

    def probes(self) -> Iterable[Probe]:
        return ()


def _note_class(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["refused_by"] = class_name(call["cl"])


def _failed(span: Span, error: BaseException) -> None:
    note_failure(span, list(_issues_of(error, ())), span.fact("refused_by"))


def _issues_of(error: BaseException, loc: Loc) -> Iterator[ValidationIssue]:
    """Follow groups down to what is wrong; each member has a note that says where it belongs."""
    if not isinstance(error, BaseExceptionGroup):
        yield _issue(loc, error)
        return
    for member in error.exceptions:
        yield from _issues_of(member, (*loc, *_place_of(member)))


def _place_of(error: BaseException) -> Loc:
    for note in getattr(error, "__notes__", ()):
        place = getattr(note, "name", getattr(note, "index", None))
        if isinstance(place, str | int):
            return (place,)
    return ()


def _issue(loc: Loc, error: BaseException) -> ValidationIssue:
    """Make an issue of one exception; those of attrs' own validators have the attribute and the value in them."""
    message, attribute, value = str(error.args[0]) if error.args else type(error).__qualname__, None, None
    if len(error.args) > 3:
        attribute, value = getattr(error.args[1], "name", None), error.args[3]
    if isinstance(attribute, str):
        where = loc if loc[-1:] == (attribute,) else (*loc, attribute)
        return ValidationIssue(where, message, type(error).__qualname__, shortened(value))
    return ValidationIssue(loc, message, type(error).__qualname__)
