"""Django REST framework: its checks, parsers, serializers and renderers. Builds on Django's adapter.

Read from rest_framework/{views,request,response,serializers,permissions,throttling}.py; 3.15 to 3.18.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, plain_name
from .._trace.span import Kind
from ._drf_checks import Checks
from ._drf_refusals import handled, handling, unreadable
from ._drf_serializers import serializer_probes

OWN_TEMPLATES = "rest_framework/"
"""Where the templates are that renderers of the framework's own draw their pages with."""


@final
class DRFAdapter(Adapter):
    """API views; what they are made of is told by Django's adapter."""

    name = "drf"
    distribution = "djangorestframework"
    supports = ">=3.15"
    module = "rest_framework.views"

    def __init__(self) -> None:
        self._checks = Checks(lambda probe: self.watcher.watch(probe))
        self._classes: set[type] = set()

    def forget(self) -> None:
        self._checks.forget()
        self._classes.clear()

    def probes(self) -> Iterable[Probe]:
        from rest_framework.request import Request
        from rest_framework.response import Response
        from rest_framework.views import APIView

        yield Probe(APIView.dispatch, span=False, entering=self._dispatching)
        yield Probe(APIView.get_permissions, span=False, leaving=self._given)
        yield Probe(APIView.get_throttles, span=False, leaving=self._given)
        yield Probe(APIView.handle_exception, span=False, entering=handling, leaving=handled)
        yield Probe(Request._authenticate, span=False, entering=self._authenticating)
        yield Probe(Request._parse, span=False, raising=unreadable)
        yield Probe(
            Response.rendered_content,
            Kind.RESPONSE,
            name=_renderer_name,
            builtin=True,
            applies=_is_outermost,
            leaving=_rendered,
        )

    def _dispatching(self, call: Call) -> None:
        """Watch what a class of views overrides of the methods that tell who checks and who refused."""
        cls = type(call.owner)
        if cls in self._classes:
            return
        from rest_framework.views import APIView

        self._classes.add(cls)
        for name in ("get_permissions", "get_throttles"):
            if getattr(cls, name) is not getattr(APIView, name):
                self._checks.once(getattr(cls, name), lambda code: Probe(code, span=False, leaving=self._given))
        if cls.handle_exception is not APIView.handle_exception:
            self._checks.once(cls.handle_exception, lambda code: Probe(code, span=False, entering=handling))

    def _given(self, call: Call) -> None:
        if call.error is None:
            self._checks.found(call.result)

    def _authenticating(self, call: Call) -> None:
        from rest_framework.request import ForcedAuthentication

        self._checks.found(call.owner.authenticators)
        if any(isinstance(check, ForcedAuthentication) for check in call.owner.authenticators):
            call.exchange.is_vouched_for = True


@final
class SerializersAdapter(Adapter):
    """Validation by serializers."""

    name = "drf"
    distribution = "djangorestframework"
    supports = ">=3.15"
    module = "rest_framework.serializers"

    def probes(self) -> Iterable[Probe]:
        return serializer_probes()


def _renderer_name(call: Call) -> str:
    renderer: Any = vars(call.owner).get("accepted_renderer", call.owner)
    return plain_name(type(renderer).__qualname__)


def _is_outermost(call: Call) -> bool:
    parent = call.parent
    return parent is not None and all(span.kind is not Kind.RESPONSE for span in (parent, *parent.ancestors()))


def _rendered(call: Call) -> None:
    """Leave out the pieces that the browsable API draws its page of."""
    if call.span is not None:
        inner = call.span.children
        inner[:] = [span for span in inner if span.kind is not Kind.TEMPLATE or not span.name.startswith(OWN_TEMPLATES)]
