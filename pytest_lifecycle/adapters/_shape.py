"""What a callable of a known shape is: a middleware, a part of one, or the app at the end.

Shared by the generic ASGI and WSGI adapters, which find such callables by their parameters alone.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from .._observe.contract import Inside
from .._observe.probe import Call, Step, attribute_of, code_of, location_of, name_of, plain_name, unwrapped
from .._trace.declared import ANY, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.span import Kind, Span
from .._trace.story import handler_of

INNER_NAMES = frozenset({"app", "application", "asgi", "asgi_app", "inner", "next", "wrapped", "wsgi", "wsgi_app"})
"""What middleware by custom calls the app that it wraps; its parameters may then have any names."""

PARTS = frozenset({"__init__", "__new__", "__init_subclass__"})
"""Methods that take the parameters of an app without being one."""

CARRIERS = sys.stdlib_module_names - {"wsgiref"} | {"asgiref"}
"""The packages whose functions with ``*args`` carry any call elsewhere: what is called through them is no layer."""

MOST_DECORATORS = 100
"""How far `__wrapped__` is followed: it might lead back."""

OWNER = "<owner>"
"""Where `Shape.unpacked` puts the object whose method a call is; None for a function's."""


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
        self._steps: dict[tuple[int, type], Step] = {}

    def forget(self) -> None:
        """Drop what was found out about the classes of apps."""
        self._steps.clear()

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

    def takes_any(self, code: types.CodeType) -> bool:
        """Whether a function takes the parameters only as ``*args``."""
        return bool(code.co_flags & inspect.CO_VARARGS) and code.co_name not in PARTS and not self.fits(code)

    def unpacked(self, code: types.CodeType, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give the variables of a call that takes its arguments as ``*args``, with these by the interface's names.

        None where it has more or fewer: the call of a method has its object, too.
        """
        names = code.co_varnames
        given = [values[name] for name in names[: code.co_argcount]]
        given += values[names[code.co_argcount + code.co_kwonlyargcount]]
        owner = None
        if len(given) == self._count + 1 and _has_method(given[0], code):
            owner, *given = given
        if len(given) != self._count:
            return None
        return {**values, OWNER: owner, **dict(zip(self.parameters, given, strict=True))}

    def owner_in(self, frame: types.FrameType) -> tuple[Any, Mapping[str, Any]] | None:
        """Give the object whose method a layer's call is, and the call's variables; None for what is no layer."""
        code = frame.f_code
        if self.takes_any(code):
            unpacked = self.unpacked(code, frame.f_locals)
            return None if unpacked is None else (unpacked[OWNER], unpacked)
        if not self.fits(code):
            return None
        values = frame.f_locals
        return (values[code.co_varnames[0]] if code.co_argcount > self._count else None), values

    def is_asked(self, frame: types.FrameType, is_request: Callable[..., bool]) -> bool:
        """Whether this call of a function that takes ``*args`` is one of an app's."""
        if str(frame.f_globals.get("__name__")).partition(".")[0] in CARRIERS:
            return False
        return self._request_in(frame.f_code, frame.f_locals, is_request) is not None

    def unpacking(self, code: types.CodeType, is_request: Callable[..., bool]) -> Callable[[Call], bool]:
        """Give what says whether a call is one of an app's, and gives its arguments their names."""

        def applies(call: Call) -> bool:
            values = self._request_in(code, call.values, is_request)
            if values is not None:
                call.values = values
            return values is not None

        return applies

    def _request_in(
        self, code: types.CodeType, values: Mapping[str, Any], is_request: Callable[..., bool]
    ) -> dict[str, Any] | None:
        """Give the variables as `unpacked` does; None where they are no request's."""
        unpacked = self.unpacked(code, values)
        is_one = unpacked is not None and is_request(*(unpacked[name] for name in self.parameters))
        return unpacked if is_one else None

    def names_in(self, code: types.CodeType) -> tuple[str, ...]:
        """Give the names that the interface's own parameters have in this code."""
        if self.takes_any(code):
            return self.parameters
        return code.co_varnames[code.co_argcount - self._count : code.co_argcount]

    def describer(self, code: types.CodeType) -> Callable[[Call], Step]:
        """Give what says what a call of this code is.

        It is worked out once for each class that has the method; of a class that holds no app, the next object may.
        """
        if self.takes_any(code):
            return lambda call: self._classify(code, call.values[OWNER], call)
        first = code.co_varnames[0] if code.co_argcount > self._count else None
        key, steps = id(code), self._steps

        def describe(call: Call) -> Step:
            owner = None if first is None else call.values[first]
            step = steps.get((key, type(owner)))
            if step is None:
                step = self._classify(code, owner, call)
                if step.kind is not Kind.APP:
                    steps[key, type(owner)] = step
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
            held += [(name, values.get(name)) for name in code.co_varnames[: max(0, code.co_argcount - self._count)]]
        for name, value in held:
            if owner is not None and (value is owner or attribute_of(value, "__self__") is owner):
                continue
            is_its_like = code_of(value) is code  # which is called as an app right now
            is_called_one = name in INNER_NAMES and self._takes_as_many(value)
            if is_its_like or is_called_one or self.is_app(value) or self._is_app_class(value):
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
    """Whether the code is that of a method which the owner's class has or inherits, beneath what decorates it."""
    name = code.co_name
    return any(code in _codes_of(cls.__dict__[name]) for cls in type(owner).__mro__ if name in cls.__dict__)


def _codes_of(function: object) -> list[types.CodeType | None]:
    """Give the code of a function, and of what its decorators wrap (`functools.wraps`)."""
    codes: list[types.CodeType | None] = []
    while function is not None and len(codes) < MOST_DECORATORS:
        codes.append(code_of(function))
        function = attribute_of(unwrapped(function), "__wrapped__")
    return codes


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
        found = shape.owner_in(frame) if frame is not None and span.kind is not Kind.INTERNAL else None
        if frame is not None and found is not None:
            code, (owner, values) = frame.f_code, found
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
