"""What a callable of a known shape is: a middleware, a part of one, or the app at the end.

Shared by the generic ASGI and WSGI adapters, which find such callables by their parameters alone.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from .._observe.contract import Inside
from .._observe.probe import Call, Step, attribute_of, code_of, location_of, name_of, plain_name
from .._trace.declared import ANY, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.span import Kind, Span
from .._trace.story import handler_of

INNER_NAMES = frozenset({"app", "application", "asgi", "asgi_app", "inner", "next", "wrapped", "wsgi", "wsgi_app"})
"""What middleware by custom calls the app that it wraps; its parameters may then have any names."""

PARTS = frozenset({"__init__", "__new__", "__init_subclass__"})
"""Methods that take the parameters of an app without being one."""


@final
class Shape:
    """Callables whose last positional parameters have these names.

    Args:
        parameters: The names, as the interface's specification writes them.
    """

    def __init__(self, *parameters: str) -> None:
        self.parameters = parameters
        self._count = len(parameters)
        self._claimed: dict[int, tuple[types.CodeType, Step]] = {}  # ids are keys: the code is kept alive

    def claim(self, function: object, step: Step) -> None:
        """Say what the calls of an app class's `__call__` are, for subclasses that override it."""
        code = code_of(function)
        if code is not None:
            self._claimed[id(code)] = (code, step)

    def fits(self, code: types.CodeType) -> bool:
        """Whether a function has the parameters, by name."""
        count = len(self.parameters)
        return (
            code.co_argcount >= count
            and code.co_varnames[code.co_argcount - count : code.co_argcount] == self.parameters
            and code.co_name not in PARTS
        )

    def _is_app_class(self, value: Any) -> bool:
        """Whether it is a class that takes a request and whose objects answer it: they are awaited, or iterated over.

        Starlette's `HTTPEndpoint` is one, and so is PEP 3333's `AppClass`.
        """
        code = code_of(value) if issubclass(type(value), type) else None
        if code is None or self.names_in(code) != self.parameters:
            return False
        return hasattr(value, "__await__") or hasattr(value, "__iter__")

    def is_app(self, value: object) -> bool:
        """Whether a value is a callable of this shape."""
        if value is None or issubclass(type(value), str | int | float | bytes | dict | list | tuple | set | type):
            return False
        code = code_of(value)
        return code is not None and self.fits(code)

    def names_in(self, code: types.CodeType) -> tuple[str, ...]:
        """Give the names that the interface's own parameters have in this code."""
        return code.co_varnames[code.co_argcount - self._count : code.co_argcount]

    def describer(self, code: types.CodeType) -> Callable[[Call], Step]:
        """Give what says what a call of this code is.

        It is worked out once for each class that has the method; of a class that holds no app, the next object may.
        """
        first = code.co_varnames[0] if code.co_argcount > self._count else None
        steps: dict[type, Step] = {}

        def describe(call: Call) -> Step:
            owner = None if first is None else call.values[first]
            step = steps.get(type(owner))
            if step is None:
                step = self._classify(code, owner, call)
                if step.kind is not Kind.APP:
                    steps[type(owner)] = step
            return step

        return describe

    def _classify(self, code: types.CodeType, owner: Any, call: Call) -> Step:
        is_method = owner is not None and _has_method(owner, code)
        owner = owner if is_method else None
        claimed = self._inherited(owner) if is_method else None
        if claimed is not None:
            return claimed
        module = str(call.frame.f_globals.get("__name__", ""))
        target = f"{module}:{code.co_qualname}"
        if is_method and code.co_name == "__call__":
            name = plain_name(type(owner).__qualname__)
        else:
            name = plain_name(code.co_qualname)
        around = _layer_around(call.parent, self)
        if is_method and around is not None and around[0] is owner:
            return Step(Kind.INTERNAL, name, target, True)
        inner = next(self._inner_apps(code, owner, call.values), None)
        if inner is None:
            return Step(Kind.APP, name, target, False)
        if around is not None and any(inner is other for other in around[1]):
            return Step(Kind.INTERNAL, name, target, True)  # a helper that a middleware made for itself
        return Step(Kind.MIDDLEWARE, name, target, False)

    def _inherited(self, owner: Any) -> Step | None:
        for cls in type(owner).__mro__:
            code = code_of(cls.__dict__.get("__call__"))
            if code is not None and id(code) in self._claimed:
                return self._claimed[id(code)][1]._replace(name=plain_name(type(owner).__qualname__))
        return None

    def _inner_apps(self, code: types.CodeType, owner: Any, values: Mapping[str, Any]) -> Iterator[object]:
        """Give the apps that this callable holds: in an attribute, its closure, or an argument before the others."""
        held = [(name, values.get(name)) for name in code.co_freevars]
        if owner is not None:
            held += _attributes(owner)
        else:
            held += [(name, values.get(name)) for name in code.co_varnames[: code.co_argcount - self._count]]
        for name, value in held:
            if owner is not None and (value is owner or attribute_of(value, "__self__") is owner):
                continue
            if self.is_app(value) or self._is_app_class(value) or (name in INNER_NAMES and self._takes_as_many(value)):
                yield value

    def opened(self, app: Any) -> list[object]:
        """Give the apps that a wrapper holds, without calling it; none where it is no wrapper."""
        if isinstance(app, type | types.MethodType) or not (self.is_app(app) or self._takes_as_many(app)):
            return []
        code = code_of(app)
        assert code is not None
        is_function = isinstance(app, types.FunctionType)
        return list(self._inner_apps(code, None if is_function else app, closure_of(app)))

    def _takes_as_many(self, value: object) -> bool:
        code = code_of(value)
        if code is None or issubclass(type(value), type):
            return False
        takes_self = type(value) is not types.FunctionType
        takes_any = bool(code.co_flags & inspect.CO_VARARGS)  # a decorator's wrapper
        return takes_any or code.co_argcount == len(self.parameters) + takes_self


def closure_of(function: object) -> dict[str, object]:
    """Give what the closure of a function holds, by name; a cell that is empty is left out."""
    code = getattr(function, "__code__", None)
    held: dict[str, object] = {}
    for name, cell in zip(code.co_freevars if code else (), getattr(function, "__closure__", None) or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:
            continue
    return held


def declared_around(shape: Shape, app: object, inside: Inside) -> Declared | None:
    """Give what a wrapper declares that somebody put around an app by hand; what is no wrapper is a route's end."""
    held = shape.opened(app)
    if not held:
        if not shape.is_app(app) or isinstance(app, type):
            return None
        return Declared((DeclaredRoute(ANY, "", handler=name_of(app), source=source_of(app)),))
    # One of a Flask app that replaces its `wsgi_app` may hold the app that it is a part of, too.
    found = next((declared for declared in map(inside, held) if declared is not None), Declared())
    return found.within([DeclaredMiddleware(name_of(app), location_of(app))])


def source_of(function: object) -> tuple[str, int] | None:
    """Say where a function's code begins, as `Span.source` does; None where it is compiled."""
    code = code_of(function)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _has_method(owner: Any, code: types.CodeType) -> bool:
    """Whether the code is that of a method which the owner's class has or inherits."""
    return any(
        code_of(cls.__dict__.get(code.co_name)) is code for cls in type(owner).__mro__ if code.co_name in cls.__dict__
    )


def _attributes(owner: Any) -> list[tuple[str, object]]:
    held = list((attribute_of(owner, "__dict__") or {}).items())
    for cls in type(owner).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            held.append((slot, attribute_of(owner, slot)))
    return held


def _layer_around(span: Span | None, shape: Shape) -> tuple[object, list[object]] | None:
    """Give the owner of the nearest layer around and, if that is a middleware, the apps that it holds."""
    while span is not None:
        frame = span._frame
        if frame is not None and span.kind is not Kind.INTERNAL and shape.fits(frame.f_code):
            code = frame.f_code
            values = frame.f_locals
            owner = values[code.co_varnames[0]] if code.co_argcount > len(shape.parameters) else None
            if owner is None or not _has_method(owner, code):
                return None
            if span.kind is not Kind.MIDDLEWARE:
                return owner, []
            return owner, list(shape._inner_apps(code, owner, values))
        span = span.parent
    return None


def answered_itself(span: Span, error: BaseException | None) -> None:
    """Settle what a layer was that handed the request on to nobody: a refusal, the handler, or the response."""
    if span.kind is Kind.MIDDLEWARE:
        span.short_circuited = error is None
    elif span.kind is Kind.APP and not span.builtin and span.exchange is not None:
        # Beneath a framework's own handler, an app that it returned is its response.
        is_response = span.exchange.framework is not None and handler_of(span.exchange.root) is not None
        span.kind = Kind.RESPONSE if is_response else Kind.HANDLER
        span.builtin = is_response


def owner_name(call: Call) -> str:
    """Name a call by the class of its `self`."""
    name = type(call.owner).__qualname__
    return plain_name(name) if "<" in name else name


def prefix_of(span: Span) -> str:
    """Give what the mounts around this span add to the pattern of a route inside them."""
    prefix = ""
    around = span.parent
    while around is not None:
        if around._attributes is not None:
            prefix = (around.fact("prefix") or "") + prefix
        around = around.parent
    return prefix


def is_call_of(function: Any, code: types.CodeType, values: Mapping[str, Any]) -> bool:
    """Whether a call of this code, with these variables, is one of this very callable: others may share its code."""
    while issubclass(type(function), functools.partial):
        function = function.func
    if type(function) is types.FunctionType:
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                if cell.cell_contents is not values.get(name):
                    return False
            except ValueError:  # it is empty
                if values.get(name) is not None:
                    return False
        return True
    owner = function.__self__ if type(function) is types.MethodType else function
    return code.co_argcount == 0 or values[code.co_varnames[0]] is owner
