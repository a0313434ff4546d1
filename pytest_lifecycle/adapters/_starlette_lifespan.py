"""Startup and shutdown of Starlette's and FastAPI's apps: the lifespan functions, nested ones, and those nobody runs.

Read from `Router.lifespan` and `_DefaultLifespan` in starlette/routing.py, and from `_merge_lifespan_context` and
`include_router` in fastapi/routing.py. Starlette runs the lifespan of the outermost app only.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Expected, Probe, code_of, name_of, unwrapped
from .._trace.span import Kind
from ._shape import closure_of
from .asgi import AsgiAdapter

FRAMEWORKS = ("starlette", "fastapi")


class MountedLifespan(NamedTuple):
    """What an app that is mounted somewhere would run.

    Attributes:
        path: What it is mounted under.
        name: The name of its lifespan function or handler.
        target: Where that is.
    """

    path: str
    name: str
    target: str


@final
class StarletteLifespanAdapter(Adapter):
    """Lifespans.

    Args:
        asgi: The adapter for the layers.
    """

    name = "starlette"
    distribution = "starlette"
    supports = ">=0.40"
    module = "starlette.routing"

    def __init__(self, asgi: AsgiAdapter) -> None:
        self.asgi = asgi

    def probes(self) -> Iterable[Probe]:
        from starlette.routing import Router

        yield self.asgi.layer(
            Router.lifespan, Kind.INTERNAL, name="lifespan", builtin=True, entering=self._begins, leaving=_ends
        )

    def _begins(self, call: Call) -> None:
        router, span = call.owner, call.span
        if span is None:
            return
        mounted = [(path, probe) for path, inner in _mounted(router, "") for probe in _steps_of(inner)]
        self.watcher.expect(span, Expected([*_steps_of(router), *(probe for _, probe in mounted)]))
        span.attributes["mounted"] = [
            MountedLifespan(path, probe.constant.name, probe.constant.target)
            for path, probe in mounted
            if probe.constant is not None and probe.kind is Kind.STARTUP and probe.applies is None
        ]


def _ends(call: Call) -> None:
    """Warn of a mounted app's lifespan that was not run."""
    span = call.span
    if span is None:
        return
    ran = {step.target for step in call.exchange.root.walk() if step.kind is Kind.STARTUP}
    for mounted in span.attributes.pop("mounted", ()):
        if mounted.target not in ran and call.error is None:
            call.exchange.warn(
                f"the lifespan {mounted.name} of the app mounted at {mounted.path} does not run: Starlette runs the"
                " outermost app's only. Enter it in that one's lifespan."
            )


def _mounted(router: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Give the routers of the apps that are mounted beneath a router, each with the path it is mounted under."""
    for route in getattr(router, "routes", ()):
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _mounted(included, prefix + route.include_context.prefix)
            continue
        app = getattr(route, "app", None)
        if app is None or not hasattr(route, "routes"):
            continue
        path = prefix + getattr(route, "path", "")
        inner = getattr(app, "router", app)
        if hasattr(inner, "lifespan_context"):
            yield path, inner
            yield from _mounted(inner, path)


def _steps_of(router: Any) -> list[Probe]:
    """Give the probes of what a router runs at startup and shutdown."""
    own = [*_lifespan_functions(router.lifespan_context)]
    steps = [_step(function, Kind.STARTUP) for function in own]
    steps += [Probe(function, Kind.STARTUP, applies=_is_given_an_app) for function in _entered_by(own)]
    steps += [_step(function, Kind.STARTUP) for function in getattr(router, "on_startup", ())]
    steps += [_step(function, Kind.SHUTDOWN) for function in getattr(router, "on_shutdown", ())]
    enter, leave = (getattr(router.lifespan_context, name, None) for name in ("__aenter__", "__aexit__"))
    if isinstance(router.lifespan_context, type) and not _is_framework_s(router.lifespan_context):
        steps += [_step(enter, Kind.STARTUP), _step(leave, Kind.SHUTDOWN)]
    return [step for step in steps if step is not None]


def _step(function: Any, kind: Kind) -> Probe | None:
    return None if code_of(function) is None else Probe(function, kind, name=name_of(function))


def _lifespan_functions(context: Any) -> Iterator[Callable[..., Any]]:
    """Give the generator functions behind a lifespan: the user's own, through what the framework puts around them."""
    while isinstance(context, functools.partial):
        context = context.func
    own = _generator_in(context)
    if own is not None:
        yield own
        return
    for cell in getattr(getattr(context, "__wrapped__", None) or context, "__closure__", None) or ():
        held = cell.cell_contents
        if callable(held) and held is not context:
            yield from _lifespan_functions(held)


def _generator_in(context: Any) -> Callable[..., Any] | None:
    """Give the generator function of the user's that `contextlib` made this of; None for anything else."""
    wrapped: Any = getattr(context, "__wrapped__", None) if isinstance(context, types.FunctionType) else None
    is_generator = inspect.isasyncgenfunction(wrapped) or inspect.isgeneratorfunction(wrapped)
    return wrapped if is_generator and not _is_framework_s(wrapped) else None


def _entered_by(functions: list[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Give the lifespan functions that these may enter: those that their code names, or holds, and so on inwards."""
    found = list(functions)
    for function in map(unwrapped, found):
        assert isinstance(function, types.FunctionType)
        held = [function.__globals__.get(name) for name in function.__code__.co_names]
        for value in closure_of(function).values():
            held += value if isinstance(value, list | tuple) else [value]
        entered = map(_generator_in, held)
        found += [inner for inner in entered if inner is not None and inner not in found]
    return found[len(functions) :]


def _is_given_an_app(call: Call) -> bool:
    """Whether a function of this shape is a lifespan: others are helpers that a lifespan uses."""
    from starlette.applications import Starlette

    return call.frame.f_code.co_argcount > 0 and isinstance(call.owner, Starlette)


def _is_framework_s(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] in FRAMEWORKS
