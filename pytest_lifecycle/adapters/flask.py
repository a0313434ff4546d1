"""Flask: routing, hooks, views of every kind, error handlers. Builds on the WSGI adapter and on Werkzeug's.

Read from flask/{app,ctx,views}.py and flask/sansio/app.py; Flask 2.3 to 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from .._observe.contract import Adapter, Inside
from .._observe.probe import (
    Call,
    Expected,
    Probe,
    Step,
    code_of,
    location_of,
    name_of,
)
from .._trace.declared import Declared
from .._trace.facts import Refusal, Verdict
from .._trace.span import Kind
from ._flask_declared import declared
from ._flask_errors import answers, crashed
from ._flask_hooks import after, before, teardown
from ._flask_reading import note_unreadable, running_context, running_request
from ._flask_routes import Maps
from ._flask_views import view_chain
from ._shape import owner_name, prefix_of
from .checks import note_check
from .wsgi import SHAPE, WsgiAdapter


@final
class FlaskAdapter(Adapter):
    """Flask apps.

    Args:
        wsgi: The adapter for the layers around the app.
    """

    name = "flask"
    distribution = "flask"
    supports = ">=2.3"
    module = "flask.app"

    def __init__(self, wsgi: WsgiAdapter) -> None:
        self.wsgi = wsgi
        self._maps = Maps()
        self._views: dict[tuple[int, str], tuple[object, Expected]] = {}
        self._hooks: dict[tuple[int, str], tuple[object, int, Expected]] = {}

    def forget(self) -> None:
        self._maps.forget()
        self._views.clear()
        self._hooks.clear()

    def probes(self) -> Iterable[Probe]:
        yield from self._app_probes()
        yield from self._hook_probes()
        yield from self._error_probes()

    def declared(self, app: object, inside: Inside) -> Declared | None:
        return declared(app, inside, view_chain)

    def state_of(self, app: object) -> object:
        from flask import Flask

        return len(app.url_map._rules) if isinstance(app, Flask) else None

    # -- the app, its routing and its views

    def _app_probes(self) -> Iterable[Probe]:
        from flask import Flask, ctx

        SHAPE.claim(Flask.__call__, Step(Kind.APP, "Flask", location_of(Flask), True))
        yield self.wsgi.layer(Flask.__call__, Kind.APP, name=owner_name, builtin=True, entering=_recognise)
        yield self.wsgi.layer(Flask.wsgi_app, Kind.INTERNAL, name="wsgi_app", builtin=True, entering=_recognise)
        for name in ("RequestContext", "AppContext"):  # which of the two matches depends on the version
            match = vars(vars(ctx).get(name, object)).get("match_request")
            if match is not None:
                yield Probe(
                    match, Kind.ROUTING, name="route", builtin=True, applies=_is_first_match, leaving=self._routed
                )
        yield Probe(Flask.dispatch_request, Kind.INTERNAL, builtin=True, entering=self._dispatching)

    def _dispatching(self, call: Call) -> None:
        request = running_request()
        if request.routing_exception is not None:
            _refuse_by_routing(call, request.routing_exception)
        elif call.span is not None:
            rule = request.url_rule
            view = call.owner.view_functions[rule.endpoint]
            self.watcher.expect(call.span, self._view(view, rule.endpoint, request.method.lower()))

    def _view(self, view: Any, endpoint: str, method: str) -> Expected:
        key = (id(view), method)
        known = self._views.get(key)
        if known is None:
            known = self._views[key] = (view, Expected(view_chain(view, endpoint, method)))
        return known[1]

    def _routed(self, call: Call) -> None:
        """Read what the URL map said: Flask keeps its refusal for later, so that hooks run first."""
        from werkzeug.routing import RequestRedirect

        span, context = call.span, call.owner
        if span is None:
            return
        request, adapter = context.request, context.url_adapter
        refusal, rule = request.routing_exception, request.url_rule
        self._maps.note(call.exchange, adapter, request.method, rule, prefix_of(span))
        if refusal is None:
            span.builtin = False
            span.name = f"{request.method} {prefix_of(span)}{rule.rule}"
            span.attributes.update(
                verdict=Verdict.MATCHED, route_name=rule.endpoint, path_params=dict(request.view_args or {})
            )
            return
        span.attributes["asked_map"] = True
        if isinstance(refusal, RequestRedirect):
            span.attributes["reason"] = self._maps.why_redirected(adapter, refusal.new_url)

    # -- hooks

    def _hook_probes(self) -> Iterable[Probe]:
        from flask import Flask

        yield Probe(Flask.preprocess_request, Kind.INTERNAL, builtin=True, entering=self._preprocessing)
        yield Probe(Flask.process_response, Kind.INTERNAL, builtin=True, entering=self._processing)
        yield Probe(Flask.do_teardown_request, Kind.INTERNAL, builtin=True, entering=self._tearing_down)
        yield Probe(Flask.do_teardown_appcontext, span=False, entering=self._closing)

    def _preprocessing(self, call: Call) -> None:
        self._expect_hooks(call, "url_value_preprocessors", before)
        self._expect_hooks(call, "before_request_funcs", before)

    def _processing(self, call: Call) -> None:
        self._expect_hooks(call, "after_request_funcs", after)
        once = getattr(running_context(), "_after_request_functions", None)
        if once and call.span is not None:
            self.watcher.expect(call.span, Expected(map(after, once)))

    def _tearing_down(self, call: Call) -> None:
        self._expect_hooks(call, "teardown_request_funcs", teardown)

    def _closing(self, call: Call) -> None:
        functions = call.owner.teardown_appcontext_funcs
        if functions and call.parent is not None:
            self.watcher.expect(call.parent, self._hooks_among(call.owner, "teardown_appcontext", functions, teardown))

    def _expect_hooks(self, call: Call, registry: str, probe: Callable[[Any], Probe]) -> None:
        """Expect the app's and its blueprints' functions of one kind."""
        app = call.owner
        groups = getattr(app, registry).values()
        functions = [function for group in groups for function in group]
        if functions and call.span is not None:
            self.watcher.expect(call.span, self._hooks_among(app, registry, functions, probe))

    def _hooks_among(
        self, app: object, registry: str, functions: Sequence[Any], probe: Callable[[Any], Probe]
    ) -> Expected:
        known = self._hooks.get((id(app), registry))
        if known is None or known[1] != len(functions):
            expected = Expected(probe(function) for function in functions if code_of(function) is not None)
            known = self._hooks[id(app), registry] = (app, len(functions), expected)
        return known[2]

    # -- exceptions

    def _error_probes(self) -> Iterable[Probe]:
        from flask import Flask

        yield Probe(Flask._find_error_handler, span=False, leaving=self._found)
        yield Probe(Flask.handle_http_exception, span=False, entering=lambda call: answers(call, running_request()))
        yield Probe(Flask.handle_exception, span=False, entering=crashed)

    def _found(self, call: Call) -> None:
        """An error handler was looked up: if there is one, it is the one that catches."""
        handler = call.result
        if handler is None or call.parent is None or code_of(handler) is None:
            return
        error = call["e"]
        note_check(call.exchange, error)
        for caught in (error, getattr(error, "original_exception", None)):
            if caught is not None:
                if id(caught) not in call.exchange.caught:
                    note_unreadable(call, caught, running_request())
                call.exchange.caught[id(caught)] = name_of(handler)
        self.watcher.expect(call.parent, Expected([Probe(handler, Kind.INTERNAL)]))


def _recognise(call: Call) -> None:
    call.exchange.belong_to(call.owner)
    if call.exchange.framework is None:
        call.exchange.framework = "flask"


def _is_first_match(call: Call) -> bool:
    """Whether the map was not asked before: a stream brings the request's context back, and that asks it again."""
    request = call.owner.request
    return request.url_rule is None and request.routing_exception is None


def _refuse_by_routing(call: Call, refusal: Exception) -> None:
    """Take what the URL map said for what became of the request: no hook answered before."""
    from werkzeug.exceptions import MethodNotAllowed, SecurityError
    from werkzeug.routing import RequestRedirect

    if isinstance(refusal, SecurityError) and call.span is not None:  # `TRUSTED_HOSTS`: no map was asked
        call.span.attributes.update(refusal=Refusal.HOST, refused_by="Flask")
        return
    verdict = Verdict.NOT_FOUND
    if isinstance(refusal, RequestRedirect):
        verdict = Verdict.REDIRECTED
    elif isinstance(refusal, MethodNotAllowed):
        verdict = Verdict.METHOD_NOT_ALLOWED
    routers = [span for span in call.exchange.root.walk() if span.fact("asked_map")]
    if routers:
        routers[-1].name = verdict.value
        routers[-1].attributes["verdict"] = verdict
