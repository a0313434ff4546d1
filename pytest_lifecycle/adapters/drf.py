"""Django REST framework: who checks a request, who parses it, who renders the response.

Read from rest_framework/{views,request,permissions,throttling,negotiation,response}.py, versions 3.15 to 3.18. Its
views are told by Django's adapter with `_drf_views`, its exceptions and serializers by `_drf_refusals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Expected, Probe, code_of
from .._trace.facts import Refusal, Verdict
from .._trace.span import Kind, Span
from ._django_routes import refuse_method
from ._drf_refusals import handling, not_acceptable, unreadable
from ._shape import owner_name
from ._validating import class_name


@final
class DRFAdapter(Adapter):
    """API views."""

    name = "django"
    distribution = "djangorestframework"
    supports = ">=3.15"
    module = "rest_framework.views"

    def probes(self) -> Iterable[Probe]:
        from rest_framework.request import Request
        from rest_framework.response import Response
        from rest_framework.views import APIView

        yield Probe(Request._authenticate, span=False, entering=self._authenticating)
        yield Probe(APIView.get_permissions, span=False, leaving=self._permissions_made)
        yield Probe(APIView.get_throttles, span=False, leaving=self._throttles_made)
        yield Probe(APIView.permission_denied, span=False, entering=_denied)
        yield Probe(
            APIView.http_method_not_allowed,
            Kind.ROUTING,
            name="method_not_allowed",
            builtin=True,
            entering=_method_not_allowed,
        )
        yield Probe(APIView.perform_content_negotiation, span=False, raising=not_acceptable)
        yield Probe(APIView.handle_exception, span=False, entering=handling)
        yield Probe(Request._parse, span=False, raising=unreadable)
        yield Probe(
            Response.rendered_content.fget, Kind.RESPONSE, builtin=True, name=_renderer_name, entering=_rendering
        )

    # -- checks: each is a dependency of the view

    def _authenticating(self, call: Call) -> None:
        self._expect(call, (_check(one.authenticate, raising=_not_authenticated) for one in call.owner.authenticators))

    def _permissions_made(self, call: Call) -> None:
        from rest_framework.permissions import BasePermission

        if call.error is not None:
            return
        unsaid = {code_of(BasePermission.has_permission), code_of(BasePermission.has_object_permission)}
        methods = (
            method
            for permission in call.result
            for one in _operands(permission)
            for method in (one.has_permission, one.has_object_permission)
        )
        self._expect(call, (_check(method, leaving=_answered) for method in methods if code_of(method) not in unsaid))

    def _throttles_made(self, call: Call) -> None:
        if call.error is None:
            self._expect(call, (_check(one.allow_request, leaving=_throttled) for one in call.result))

    def _expect(self, call: Call, checks: Iterable[Probe | None]) -> None:
        if call.parent is not None:
            self.watcher.expect(call.parent, Expected([check for check in checks if check is not None]))


def _check(method: Any, **callbacks: Any) -> Probe | None:
    """Give the probe of a check; None where it is compiled."""
    if code_of(method) is None:
        return None
    return Probe(method, Kind.DEPENDENCY, name=owner_name, applies=_is_asked_of_the_request, **callbacks)


def _is_asked_of_the_request(call: Call) -> bool:
    """Whether it is not the browsable API that asks, to find out which forms to show."""
    parent = call.parent
    return parent is not None and not any(span.fact("hides_steps") for span in (parent, *parent.ancestors()))


def _operands(permission: Any) -> Iterator[Any]:
    """Give the permissions that one is made of with ``&``, ``|`` and ``~``."""
    parts = [vars(permission)[name] for name in ("op1", "op2") if name in vars(permission)]
    if not parts:
        yield permission
    for part in parts:
        yield from _operands(part)


def _not_authenticated(span: Span, error: BaseException) -> None:
    from rest_framework.exceptions import APIException, PermissionDenied

    if isinstance(error, APIException):
        is_csrf = isinstance(error, PermissionDenied) and str(error).startswith("CSRF Failed")
        span.attributes.update(rejected=True, refusal=Refusal.CSRF if is_csrf else Refusal.AUTHENTICATION)


def _answered(call: Call) -> None:
    if call.span is not None and call.error is None and not call.result:
        call.span.attributes["said_no"] = True


def _throttled(call: Call) -> None:
    if call.span is not None and call.error is None and not call.result:
        call.span.attributes.update(rejected=True, refusal=Refusal.THROTTLE)


def _denied(call: Call) -> None:
    """The view takes the no of the permission that was asked last."""
    request, around = call["request"], call.parent
    if around is None:
        return
    is_unknown = bool(request.authenticators) and request._authenticator is None
    for span in reversed(list(around.walk())):
        if span.fact("said_no"):
            refusal = Refusal.AUTHENTICATION if is_unknown else Refusal.PERMISSION
            span.attributes.update(rejected=True, refusal=refusal)
            return


def _method_not_allowed(call: Call) -> None:
    if call.span is not None:
        call.span.attributes["verdict"] = Verdict.METHOD_NOT_ALLOWED
        refuse_method(call.exchange)


# -- renderers


def _renderer_name(call: Call) -> str:
    renderer = getattr(call.owner, "accepted_renderer", None)
    return "renderer" if renderer is None else class_name(type(renderer))


def _rendering(call: Call) -> None:
    """The browsable API is made of many templates and checks, which are nobody's but the framework's."""
    from rest_framework.renderers import BrowsableAPIRenderer

    if call.span is not None and isinstance(getattr(call.owner, "accepted_renderer", None), BrowsableAPIRenderer):
        call.span.attributes["hides_steps"] = True
