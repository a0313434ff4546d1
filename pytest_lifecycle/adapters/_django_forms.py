"""Django's forms: plain ones, those of models, and whole sets of them.

Read from django/forms/{forms,formsets,models,utils}.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, plain_name
from .._trace.facts import Validation, ValidationIssue, shortened
from .._trace.span import Kind

NON_FIELD = "__all__"
"""Where Django puts what is wrong with a form, or with a set of forms, as a whole (`NON_FIELD_ERRORS`)."""


@final
class DjangoFormsAdapter(Adapter):
    """Validation by forms."""

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.forms.formsets"

    def probes(self) -> Iterable[Probe]:
        from django.forms.forms import BaseForm
        from django.forms.formsets import BaseFormSet

        for function, leaving in ((BaseForm.full_clean, _form_cleaned), (BaseFormSet.full_clean, _formset_cleaned)):
            yield Probe(
                function, Kind.VALIDATION, name=Validation.PASSED.value, applies=_is_a_validation, leaving=leaving
            )
        yield Probe(BaseForm.add_error, span=False, applies=_is_a_validation, leaving=_error_added)


def _is_a_validation(call: Call) -> bool:
    """Whether data is validated, and not as a part: a set of forms is one validation, with all its forms."""
    from django.forms.formsets import ManagementForm

    parent = call.parent
    if not call.owner.is_bound or isinstance(call.owner, ManagementForm) or parent is None:
        return False
    return all(span.kind is not Kind.VALIDATION for span in (parent, *parent.ancestors()))


def _form_cleaned(call: Call) -> None:
    if call.error is None:
        _note(call, tuple(_issues_of(call.owner, ())))


def _formset_cleaned(call: Call) -> None:
    if call.error is not None:
        return
    formset = call.owner
    issues = [
        issue
        for at, form in enumerate(vars(formset).get("forms", ()))
        if any(form._errors is counted for counted in formset._errors)  # one to be deleted may be wrong
        for issue in _issues_of(form, (at,))
    ]
    for error in formset._non_form_errors.as_data():
        issues += [ValidationIssue((NON_FIELD,), message, str(error.code or "")) for message in error.messages]
    _note(call, tuple(issues))


def _error_added(call: Call) -> None:
    """A view finds something wrong itself, after the form's own validation."""
    form, found = call.owner, call["error"]  # Django has sorted by field whatever it was given
    if call.error is not None or not isinstance(found, dict):
        return
    issues = tuple(
        ValidationIssue((field,), message, str(one.code or ""), _seen(form, field))
        for field, errors in found.items()
        for one in errors
        for message in one.messages
    )
    call.mark(Kind.VALIDATION, Validation.FAILED.value, errors=issues, refused_by=plain_name(type(form).__qualname__))


def _note(call: Call, issues: tuple[ValidationIssue, ...]) -> None:
    if call.span is not None and issues:
        call.span.name = Validation.FAILED.value
        call.span.attributes.update(errors=issues, refused_by=plain_name(type(call.owner).__qualname__))


def _issues_of(form: Any, where: tuple[int, ...]) -> Iterator[ValidationIssue]:
    for field, found in (form._errors or {}).items():
        seen = _seen(form, field)
        for error in found.as_data():
            for message in error.messages:
                yield ValidationIssue((*where, field), message, str(error.code or ""), seen)


def _seen(form: Any, field: str) -> str | None:
    """Write out what the form was given for a field, where it is at hand as it came."""
    from django.utils.datastructures import MultiValueDict

    if field == NON_FIELD:
        return None
    key = form.add_prefix(field)
    for source in (form.data, form.files):
        if isinstance(source, MultiValueDict) and key in source:
            values = source.getlist(key) or []
            return shortened(values[0] if len(values) == 1 else values)
        if type(source) is dict and key in source:
            return shortened(source[key])
    return None
