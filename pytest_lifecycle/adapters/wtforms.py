"""WTForms: forms that are validated with submitted data, by WTForms and by a `validate` of their own.

Read from wtforms/form.py and wtforms/fields/{core,form,list}.py, versions 3.0 to 3.3.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.facts import Validation
from .._trace.span import Kind
from ._validating import class_name, is_in_user_code, issues_in, left, note_failure


@final
class WTFormsAdapter(Adapter):
    """Validation by forms; a form inside another one is part of it."""

    name = "wtforms"
    distribution = "wtforms"
    supports = ">=3.0"
    module = "wtforms.form"

    def probes(self) -> Iterable[Probe]:
        from wtforms.form import BaseForm

        yield _validating(BaseForm.validate)

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        library = sys.modules.get(self.module)
        if code.co_name != "validate" or library is None or not code.co_argcount:
            return None
        form = frame.f_locals.get(code.co_varnames[0])
        return _validating(code) if isinstance(form, library.BaseForm) else None


def _validating(function: object) -> Probe:
    return Probe(
        function,
        Kind.VALIDATION,
        name=Validation.PASSED.value,
        applies=lambda call: is_in_user_code(call) and (_is_sent(call) or _is_submitted(call.owner)),
        leaving=_validated,
    )


def _is_sent(call: Call) -> bool:
    """Whether the request may carry a form at all: one that is empty is as good as any."""
    return call.exchange.method not in {"GET", "HEAD", "OPTIONS"}


def _is_submitted(form: Any) -> bool:
    """Whether the form was given data of a query: one that is shown for the first time was not."""
    return any(_has_data(field) for field in form._fields.values())


def _has_data(field: Any) -> bool:
    if getattr(field, "raw_data", None):
        return True
    if hasattr(field, "form"):  # a `FormField`
        return _is_submitted(field.form)
    return any(map(_has_data, getattr(field, "entries", None) or ()))


def _validated(call: Call) -> None:
    left(call)
    if call.span is None or call.error is not None or call.result:
        return
    form = call.owner
    found = {name: field.errors for name, field in form._fields.items() if field.errors}
    seen = {name: _seen(field) for name, field in form._fields.items()}
    whole = getattr(form, "form_errors", None)
    issues = [*issues_in(found, seen), *(issues_in(whole, None) if whole else ())]
    note_failure(call.span, issues, class_name(type(form)))


def _seen(field: Any) -> Any:
    """Give what a field was sent, as deep as its errors are."""
    if hasattr(field, "form"):
        return {name: _seen(inner) for name, inner in field.form._fields.items()}
    if hasattr(field, "entries"):
        return [_seen(entry) for entry in field.entries]
    sent = getattr(field, "raw_data", None) or [None]
    return sent[0] if len(sent) == 1 else list(sent)
