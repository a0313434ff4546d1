"""What a Django project declares: its URLconf, and the middleware in its settings.

Read from django/urls/resolvers.py and django/core/handlers/base.py; 4.2 to 6.1. The handler is not loaded, and the
resolvers' caches are left alone. The URLconf is imported where no request has done so yet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from .._observe.probe import Probe, name_of, unwrapped
from .._trace.declared import ANY, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.span import Kind
from ._django_routes import methods_of
from ._django_views import view_chain
from ._drf_declared import checks_of, is_for_suffix
from ._ninja_views import checks_of_operation, path_view
from ._shape import closure_of

NOT_USED = "it raised MiddlewareNotUsed as it was loaded"

Routes = tuple[DeclaredRoute, ...]
_KNOWN: WeakKeyDictionary[ModuleType, tuple[object, Routes]] = WeakKeyDictionary()
"""The routes of a URLconf, and the list of patterns they were read from: each test client has a handler of its own."""


def declared(app: object) -> Declared | None:
    """Give what the project declares as its settings are now; None for what is no handler of Django's."""
    from django.core.handlers.base import BaseHandler

    if not isinstance(app, BaseHandler):
        return None
    from django.conf import settings

    layers = tuple(_middleware(settings.MIDDLEWARE, app))
    return Declared(_routes(settings.ROOT_URLCONF)).within(layers)


def state_of(app: object) -> object:
    """Give what changes with the settings, and as the handler is loaded."""
    from django.conf import settings
    from django.core.handlers.base import BaseHandler

    if not isinstance(app, BaseHandler) or not settings.configured:
        return None
    urlconf = settings.ROOT_URLCONF
    return (
        urlconf if isinstance(urlconf, str) else id(urlconf),
        tuple(settings.MIDDLEWARE),
        getattr(app, "_middleware_chain", None) is None,
    )


# -- the URLconf


def _routes(urlconf: Any) -> Routes:
    from django.conf import settings

    module = import_module(urlconf) if isinstance(urlconf, str) else urlconf
    patterns: Any = getattr(module, "urlpatterns", module)
    state = (id(patterns), len(patterns), settings.LANGUAGE_CODE)
    known = _KNOWN.get(module) if isinstance(module, ModuleType) else None
    if known is None or known[0] != state:
        known = state, tuple(_within(patterns, "", (), ()))
        if isinstance(module, ModuleType):
            _KNOWN[module] = known
    return known[1]


def _within(patterns: Any, route: str, namespaces: tuple[str, ...], around: tuple[int, ...]) -> Iterator[DeclaredRoute]:
    """Give the routes of a list of patterns. A list that includes itself is followed once."""
    from django.urls import URLResolver

    if id(patterns) in around:
        return
    for pattern in patterns:
        text = _text(pattern.pattern)
        here = route + text.removeprefix("^") if route else text
        if isinstance(pattern, URLResolver):
            inner: Any = pattern.urlconf_name
            module = import_module(inner) if isinstance(inner, str) else inner
            named = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _within(getattr(module, "urlpatterns", module), here, named, (*around, id(patterns)))
        else:
            name = ":".join((*namespaces, pattern.name)) if pattern.name else None
            yield from _of_view(pattern.callback, f"/{here.lstrip('/')}", name)


def _text(pattern: Any) -> str:
    """Write a part of a route in the language of the settings, whichever the last request was in."""
    from django.conf import settings
    from django.urls.resolvers import LocalePrefixPattern
    from django.utils import translation

    if isinstance(pattern, LocalePrefixPattern):
        return f"{settings.LANGUAGE_CODE}/" if pattern.prefix_default_language else ""
    if isinstance(getattr(pattern, "_route", getattr(pattern, "_regex", "")), str):
        return str(pattern)
    with translation.override(settings.LANGUAGE_CODE):
        return str(pattern)


def _of_view(view: Any, pattern: str, name: str | None) -> Iterator[DeclaredRoute]:
    owner, is_added = path_view(view), is_for_suffix(view, pattern)
    for method in sorted(methods_of(view)) or [ANY]:
        asked = "get" if method == ANY else method.lower()
        chain = view_chain(view, asked)
        checks = checks_of(view) if owner is None else checks_of_operation(owner, asked)
        handlers: list[Probe] = [probe for probe in chain if probe.kind is Kind.HANDLER]
        if not handlers:
            yield DeclaredRoute(method, pattern, name, dependencies=checks, builtin=is_added)
            continue
        code = handlers[-1].code
        source = (code.co_filename, code.co_firstlineno)
        yield DeclaredRoute(method, pattern, name, str(handlers[-1].name), checks, source=source, builtin=is_added)


# -- the middleware


def _middleware(entries: list[str], handler: Any) -> Iterator[DeclaredMiddleware]:
    loaded = _loaded(handler)
    for entry in entries:
        module, _, name = entry.rpartition(".")
        found = getattr(sys.modules.get(module), name, None)
        layer = DeclaredMiddleware(name_of(found) if isinstance(found, type) else name, f"{module}:{name}")
        if loaded is not None and found is not None and all(unwrapped(found) is not made for made in loaded):
            layer = replace(layer, active=False, reason=NOT_USED)
        yield layer


def _loaded(handler: Any) -> list[object] | None:
    """Give what made each layer of a handler that is loaded; None where it is not, or cannot be looked through."""
    from django.core.handlers.base import BaseHandler

    pending: list[object] = [getattr(handler, "_middleware_chain", None)]
    made: list[object] = []
    seen: set[int] = set()
    is_whole = False
    while pending:
        layer: Any = pending.pop()
        if layer is None or id(layer) in seen or len(seen) > 1000:
            continue
        seen.add(id(layer))
        owner = getattr(layer, "__self__", layer)
        if isinstance(owner, BaseHandler):
            is_whole = True
            continue
        made.append(_maker(owner))
        held = {**closure_of(layer), **(getattr(owner, "__dict__", None) or {})}
        pending += [held.get(name) for name in ("get_response", "func", "awaitable", "__wrapped__")]
    return made if is_whole else None


def _maker(layer: Any) -> object:
    """Give the class of a layer, or the function that made it, as its module holds it."""
    qualname = getattr(layer, "__qualname__", None)
    if not isinstance(qualname, str):
        return type(layer)
    return getattr(sys.modules.get(layer.__module__), qualname.partition(".<locals>")[0], None)
