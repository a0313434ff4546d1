"""Django's middleware: what each is called, what it puts on the request, what it does to the response.

Read from django/core/handlers/{base,exception}.py and django/http/response.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from .._observe.probe import Call, Expected, Probe, Step, code_of, location_of, name_of, plain_name
from .._trace.changes import Head
from .._trace.facts import Refusal, Verdict
from .._trace.span import Kind, Span
from ._shape import owner_name

# -- the layers that `convert_exception_to_response` makes


@final
class Layers:
    """The layers that were seen, each with what it is."""

    def __init__(self) -> None:
        self._steps: dict[int, tuple[object, Step]] = {}  # ids are keys: what is wrapped is kept alive

    def forget(self) -> None:
        """Drop what was seen."""
        self._steps.clear()

    def step(self, call: Call) -> Step:
        """Say what `convert_exception_to_response` wraps here: a middleware, or the innermost `_get_response`."""
        wrapped = call["get_response"]
        owner = getattr(wrapped, "__self__", wrapped)  # a method is made anew each time
        known = self._steps.get(id(owner))
        if known is None:
            known = self._steps[id(owner)] = (owner, _layer_of(wrapped))
        return known[1]


def _layer_of(wrapped: Any) -> Step:
    from django.core.handlers.base import BaseHandler

    if isinstance(getattr(wrapped, "__self__", None), BaseHandler):
        return Step(Kind.INTERNAL, wrapped.__name__, location_of(wrapped), True)
    return Step(Kind.MIDDLEWARE, _middleware_name(wrapped), location_of(wrapped))


def _middleware_name(middleware: Any) -> str:
    """Name a middleware: by its class, or a function as its entry in the settings names it."""
    if not hasattr(middleware, "__qualname__"):
        return name_of(middleware)
    from django.conf import settings

    factory = middleware.__qualname__.partition(".<locals>")[0]
    for entry in settings.MIDDLEWARE:
        if entry == f"{middleware.__module__}.{factory}" or entry.rpartition(".")[2] == factory:
            return str(entry.rpartition(".")[2])
    return plain_name(middleware.__qualname__)


def entered(call: Call) -> None:
    """Note what the layer around set on the request since it began: what was set there stands behind the rest."""
    span, request = call.span, call["request"]
    if span is None:
        return
    held: dict[str, object] = vars(request)
    around = span.parent
    while around is not None and around._scope is None:
        around = around.parent
    if around is not None and held is around._scope and around.kind is Kind.MIDDLEWARE:
        _note_added(around, held, type(request))
    span._scope, span._scope_size = held, (len(held), 0)


def _note_added(around: Span, held: Mapping[str, object], cls: type) -> None:
    """Note the new attributes; what the request works out for itself, and what is private, is none."""
    new = [*held][around._scope_size[0] :]
    added = [name for name in new if not name.startswith("_") and not hasattr(cls, name)]
    if added:
        known = around.attributes.setdefault("scope_added", [])
        known += [name for name in added if name not in known]


def left(call: Call) -> None:
    """The response leaves a layer; one that a layer made of an exception did not pass the middleware inside it."""
    span, exchange = call.span, call.exchange
    if span is None or call.error is not None:
        return
    head = head_of(call.result)
    converted = span.attributes.pop("converted", False)
    if span.kind is Kind.MIDDLEWARE and not converted:
        exchange.cross(span, head, exchange.head)
        span.short_circuited = not span.reached_inner
    exchange.head = head


def head_of(response: Any) -> Head | None:
    """Write down the head of a response, and its body where it is at hand: nothing is read from a stream."""
    held = getattr(getattr(response, "headers", None), "_store", None)
    if type(held) is not dict:
        return None  # not one of Django's
    lines = [*held.values()]
    if response.cookies:
        lines += [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    return Head(response.status_code, lines, body_of(response))


def body_of(response: Any) -> bytes | None:
    """Give a response's body where it is at hand; None for a stream and for a template that is still to be rendered."""
    held = None if response.streaming else vars(response).get("_container")
    if type(held) is not list or not getattr(response, "is_rendered", True):
        return None
    if len(held) == 1 and type(held[0]) is bytes:
        return held[0]
    return b"".join(held) if all(type(piece) is bytes for piece in held) else None


# -- redirects of the framework's own


def redirected(span: Span | None, reason: str) -> None:
    """The nearest middleware sends the client elsewhere: to a slash, to HTTPS, to another host."""
    while span is not None and span.kind is not Kind.MIDDLEWARE:
        span = span.parent
    if span is not None:
        span.attributes.update(verdict=Verdict.REDIRECTED, reason=reason)


# -- hooks


def hooks_of(handler: Any) -> Expected:
    """Give what Django calls before and after a view: the `process_*` methods that a handler holds."""
    before = [_original(method) for method in handler._view_middleware]
    rendering = [_original(method) for method in handler._template_response_middleware]
    failing = [_original(method) for method in handler._exception_middleware]
    # The same code runs elsewhere on objects of Django's own: `csrf_protect`, `requires_csrf_token`.
    owners = {id(getattr(method, "__self__", None)): method for method in (*before, *rendering, *failing)}

    def probe(method: Any, **callbacks: Any) -> Probe:
        return Probe(method, Kind.HOOK, name=_hook_name, applies=lambda call: id(call.owner) in owners, **callbacks)

    return Expected(
        [
            *[probe(method, leaving=_view_hook_left) for method in before if code_of(method) is not None],
            *[
                probe(method, entering=_given_response, leaving=_gave_response)
                for method in rendering
                if code_of(method) is not None
            ],
            *[
                probe(method, entering=_is_on_the_way_out, leaving=_exception_hook_left)
                for method in failing
                if code_of(method) is not None
            ],
        ]
    )


def _original(method: Any) -> Any:
    """Give a `process_*` method that the handler holds adapted to sync or async."""
    from asgiref.sync import AsyncToSync, SyncToAsync

    while isinstance(method, SyncToAsync | AsyncToSync):
        method = method.func if isinstance(method, SyncToAsync) else method.awaitable
    return method


def _hook_name(call: Call) -> str:
    return f"{owner_name(call)}.{call.frame.f_code.co_name}"


def _view_hook_left(call: Call) -> None:
    if call.span is None or call.error is not None or call.result is None:
        return
    call.span.short_circuited = True
    if any(cls.__name__ == "LoginRequiredMiddleware" for cls in type(call.owner).__mro__):  # Django 5.1 and newer
        call.span.attributes.update(rejected=True, refusal=Refusal.AUTHENTICATION, refused_by=owner_name(call))


def _is_on_the_way_out(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["after"] = True


def _given_response(call: Call) -> None:
    _is_on_the_way_out(call)
    code = call.frame.f_code
    if call.span is not None and code.co_argcount > 2:
        call.span._inner_head = head_of(call[code.co_varnames[2]])


def _gave_response(call: Call) -> None:
    if call.span is not None and call.error is None:
        call.span._outer_head = head_of(call.result)
        call.exchange.cross(call.span)


def _exception_hook_left(call: Call) -> None:
    """A `process_exception` that answers is the one that caught."""
    names = call.frame.f_code.co_varnames
    error = call.values.get(names[2]) if call.frame.f_code.co_argcount > 2 else None
    if isinstance(error, BaseException) and call.error is None and call.result is not None:
        call.exchange.caught[id(error)] = _hook_name(call)
