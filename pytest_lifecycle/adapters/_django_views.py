"""Django's views: decorators, class-based views, methods that are not allowed.

Read from django/views/generic/base.py, django/utils/decorators.py and django/contrib/auth/{decorators,mixins}.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, code_of, decorator_name, handler_chain, nested_code, plain_name, unwrapped
from .._trace.facts import Verdict
from .._trace.span import Kind
from ._django_refusals import decorators_given, guard_name, held_in, middleware_decorator, name_given, turned_away
from ._django_routes import refuse_method
from ._drf_views import api_class, method_chain, wrappers_of
from ._ninja_views import operation_chain, path_view
from ._shape import is_call_of


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
            entering=_refuse_method,
        )


@final
class DjangoAdminAdapter(Adapter):
    """The check that a view of the admin site stands behind.

    What it makes claims to wrap the view itself, so no chain of `__wrapped__` leads to it.
    """

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.contrib.admin.sites"

    def probes(self) -> Iterable[Probe]:
        from django.contrib.admin.sites import AdminSite

        for code in nested_code(AdminSite.admin_view, "inner"):
            yield Probe(code, Kind.DECORATOR, name=decorator_name(code), leaving=_decorator_left)


def view_chain(view: Any, method: str) -> list[Probe]:
    """Give the probes of a view as the resolver holds it: its decorators, then the function or the class's method.

    Args:
        view: The resolver's `ResolverMatch.func`.
        method: The request's method in lower case.
    """
    from django.views.generic.base import View

    owner = path_view(view)
    if owner is not None:
        return operation_chain(owner, method, _named)
    api = api_class(view)
    if api is not None:
        return [*_decorators(wrappers_of(view)), *_dispatch_chain(api), *method_chain(view, api, method, _named)]
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return [_named(probe) for probe in handler_chain(view)]
    (made_by_class,) = nested_code(View.as_view, "view")
    wrappers = []
    while view is not None and (code := code_of(view)) is not None and code is not made_by_class:
        wrappers.append(view)
        view = getattr(view, "__wrapped__", None)
    return [*_decorators(wrappers), *_dispatch_chain(view_class), *_method_chain(view_class, method)]


def _decorators(wrappers: list[Any]) -> list[Probe]:
    """Give the probes of what stands around a class's view: the same code may run elsewhere, around another view."""
    probes = []
    for wrapper in wrappers:
        probe = _decorator(wrapper)
        probe.applies = _is_one_of([other for other in wrappers if code_of(other) is probe.code])
        probes.append(probe)
    return probes


def _is_one_of(wrappers: list[Any]) -> Callable[[Call], bool]:
    return lambda call: any(is_call_of(wrapper, call.frame.f_code, call.values) for wrapper in wrappers)


def _dispatch_chain(view_class: Any) -> Iterable[Probe]:
    """Give what stands around the method: `dispatch`, its decorators, and the access mixins'."""
    for cls in view_class.__mro__:
        dispatch = cls.__dict__.get("dispatch")
        while dispatch is not None and code_of(dispatch) is not None:
            inner = getattr(dispatch, "__wrapped__", None)
            if inner is not None:
                yield _decorator(dispatch)
            elif cls.__module__ == "django.contrib.auth.mixins":
                yield Probe(dispatch, Kind.DECORATOR, name=cls.__name__, leaving=_decorator_left)
            elif not _only_hands_on(dispatch):
                yield Probe(
                    dispatch,
                    Kind.DECORATOR,
                    name=f"{plain_name(cls.__qualname__)}.dispatch",
                    builtin=_module_of(dispatch).startswith("django."),
                    leaving=_dispatch_left,
                )
            dispatch = inner


def _only_hands_on(function: Any) -> bool:
    module = _module_of(function)
    return module == "django.views.generic.base" or module.startswith("rest_framework.")


def _module_of(function: Any) -> str:
    return str(getattr(unwrapped(function), "__globals__", {}).get("__name__", ""))


def _dispatch_left(call: Call) -> None:
    """Show Django's own, such as that of its login view, where it answers in the method's place."""
    if call.span is not None and not call.span.reached_inner:
        call.span.builtin = False
    _decorator_left(call)


def _method_chain(view_class: Any, method: str) -> list[Probe]:
    verb = "get" if method == "head" and not hasattr(view_class, "head") else method
    function = getattr(view_class, verb, None) if verb in view_class.http_method_names else None
    if function is None:
        return []
    return [_named(probe) for probe in handler_chain(function, name=f"{plain_name(view_class.__qualname__)}.{verb}")]


def _named(probe: Probe) -> Probe:
    """Give a decorator the name that it was written with, and let it tell whom it turned away."""
    return probe if probe.kind is not Kind.DECORATOR else _decorator(probe.code, probe.target)


def _decorator(wrapper: Any, target: str = "") -> Probe:
    probe = Probe(wrapper, Kind.DECORATOR, name=_decorator_name, leaving=_decorator_left)
    probe.target = target or probe.target
    return probe


def _decorator_name(call: Call) -> str:
    code = call.frame.f_code
    if call.frame.f_globals.get("__name__") == "django.utils.decorators":
        given = decorators_given(call)
        if given:
            return ", ".join(map(name_given, given))
        made_of = _middleware_behind(call)
        return decorator_name(code) if made_of is None else middleware_decorator(type(made_of))
    return guard_name(call) or decorator_name(code)


def _middleware_behind(call: Call) -> object:
    """Give the middleware that `decorator_from_middleware` made a decorator of."""
    middleware = call.values.get("middleware")
    checks = call.values.get("_pre_process_request")  # Django 5.0 and newer
    if middleware is None and checks is not None:
        middleware = held_in(checks).get("middleware")
    return middleware


def _decorator_left(call: Call) -> None:
    span = call.span
    if span is None or call.error is not None or span.reached_inner:
        return
    span.short_circuited = True
    if getattr(call.result, "status_code", None) == 405:
        _refuse_method(call)
    elif span.fact("refusal") is None:
        turned_away(call)


def _refuse_method(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = Verdict.METHOD_NOT_ALLOWED
        refuse_method(call.exchange)
