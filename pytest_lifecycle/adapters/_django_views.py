"""Django's views and forms: decorators, class-based views, methods that are not allowed, validation.

Read from django/views/generic/base.py, django/utils/decorators.py, django/contrib/auth/mixins.py and
django/forms/forms.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, code_of, decorator_name, handler_chain, name_of, nested_code, plain_name
from .._trace.facts import Validation, ValidationIssue, Verdict
from .._trace.span import Kind


@final
class DjangoViewsAdapter(Adapter):
    """Class-based views that refuse a method."""

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.views.generic.base"

    def probes(self) -> Iterable[Probe]:
        from django.views.generic.base import View

        yield Probe(
            View.http_method_not_allowed,
            Kind.ROUTING,
            name="method_not_allowed",
            builtin=True,
            entering=lambda call: _decide(call, Verdict.METHOD_NOT_ALLOWED),
        )


@final
class DjangoFormsAdapter(Adapter):
    """Validation by forms."""

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.forms.forms"

    def probes(self) -> Iterable[Probe]:
        from django.forms.forms import BaseForm

        yield Probe(
            BaseForm.full_clean,
            Kind.VALIDATION,
            name=Validation.PASSED.value,
            applies=lambda call: call.owner.is_bound,
            leaving=_cleaned,
        )


def view_chain(view: Any, method: str) -> list[Probe]:
    """Give the probes of a view as the resolver holds it: its decorators, then the function or the class's method.

    Args:
        view: The resolver's `ResolverMatch.func`.
        method: The request's method in lower case.
    """
    from django.views.generic.base import View

    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return [_refusing(probe) for probe in handler_chain(view)]
    (made_by_class,) = nested_code(View.as_view, "view")
    probes = []
    while view is not None and (code := code_of(view)) is not None and code is not made_by_class:
        probes.append(_refusing(Probe(view, Kind.DECORATOR, name=decorator_name(code))))
        view = getattr(view, "__wrapped__", None)
    return [*probes, *_dispatch_chain(view_class), *_method_chain(view_class, method)]


def _dispatch_chain(view_class: Any) -> Iterable[Probe]:
    """Give what stands around the method: `method_decorator`s on `dispatch`, and the access mixins."""
    from django.utils import decorators

    decorating = nested_code(vars(decorators)["_multi_decorate"], "_wrapper")
    for cls in view_class.__mro__:
        dispatch = cls.__dict__.get("dispatch")
        if dispatch is None:
            continue
        if cls.__module__ == "django.contrib.auth.mixins":
            yield _refusing(Probe(dispatch, Kind.DECORATOR, name=cls.__name__))
        while dispatch is not None:
            if code_of(dispatch) in decorating:
                yield _refusing(Probe(dispatch, Kind.DECORATOR, name=_method_decorators))
            dispatch = getattr(dispatch, "__wrapped__", None)


def _method_chain(view_class: Any, method: str) -> list[Probe]:
    verb = "get" if method == "head" and not hasattr(view_class, "head") else method
    function = getattr(view_class, verb, None) if verb in view_class.http_method_names else None
    if function is None:
        return []
    return [_refusing(probe) for probe in handler_chain(function, name=f"{plain_name(view_class.__qualname__)}.{verb}")]


def _method_decorators(call: Call) -> str:
    """Name what `method_decorator` was given: one decorator or several."""
    given = call.values.get("decorators", ())
    return ", ".join(
        getattr(decorator, "__qualname__", name_of(decorator)).partition(".<locals>")[0] for decorator in given
    )


def _refusing(probe: Probe) -> Probe:
    """Let a decorator's refusal of the method be told: `require_http_methods` and its like."""
    if probe.kind is Kind.DECORATOR:
        probe.leaving = _decorator_left
    return probe


def _decorator_left(call: Call) -> None:
    span = call.span
    if span is not None and call.error is None and not span.reached_inner:
        span.short_circuited = True
        if getattr(call.result, "status_code", None) == 405:
            _decide(call, Verdict.METHOD_NOT_ALLOWED)


def _decide(call: Call, verdict: Verdict) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = verdict


def _cleaned(call: Call) -> None:
    errors = call.owner._errors
    if call.span is not None and errors:
        call.span.name = Validation.FAILED.value
        call.span.attributes["errors"] = tuple(
            ValidationIssue((field,), message, str(error.code or ""))
            for field, found in errors.as_data().items()
            for error in found
            for message in error.messages
        )
