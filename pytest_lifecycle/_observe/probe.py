"""A probe: one function to watch, and what its calls mean."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

from .._trace.facts import shortened
from .._trace.span import Kind, Span

if TYPE_CHECKING:
    from .._trace.exchange import Exchange


class Step(NamedTuple):
    """What a call is: the part of a span that is known before it runs."""

    kind: Kind
    name: str
    target: str = ""
    builtin: bool = False


@final
class Call:
    """One activation of a watched function; valid only inside the callback that receives it.

    Attributes:
        probe: What watches the function.
        frame: The running frame.
        values: The call's variables as they were when it was made: its arguments and what its closure holds, by name.
        parent: The span around it; None outside any request.
        span: Its own span; None for a probe that makes none.
        result: What it returned (in `leaving`; for a generator that ends, None).
        error: The exception that left it (in `leaving`), or None.
        is_step: Whether it counts; `opens` may find out that it does not.
    """

    __slots__ = ("error", "frame", "is_step", "parent", "probe", "result", "span", "values")

    def __init__(self, probe: Probe, frame: types.FrameType, parent: Span | None) -> None:
        self.probe: Probe = probe
        self.frame: types.FrameType = frame
        self.parent: Span | None = parent
        self.span: Span | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_step: bool = True
        self.values: Mapping[str, Any] = frame.f_locals

    def __getitem__(self, name: str) -> Any:
        """Give one variable; KeyError where the call has none of that name."""
        return self.values[name]

    @property
    def owner(self) -> Any:
        """The first argument: `self` of a method."""
        return self.values[self.probe.first]

    @property
    def exchange(self) -> Exchange:
        """The request that this call is part of.

        Raises:
            LookupError: The call is part of no request.
        """
        span = self.span or self.parent
        if span is None or span.exchange is None:
            raise LookupError("this call is part of no request")
        return span.exchange

    def mark(self, kind: Kind, name: str, **attributes: Any) -> Span:
        """Add a step without a duration inside the running one: something that was decided here."""
        around = self.span or self.parent
        span = Span(kind, name, parent=around, thread=around.thread if around else 0, exchange=self.exchange)
        if attributes:
            span.attributes.update(attributes)
        span.close()
        if around is not None:
            around.children.append(span)
        return span


Callback = Callable[[Call], None]


@final
class Probe:
    """A function to watch: what its calls are, and what to read as they start and end.

    Args:
        target: The function, method, class (its `__init__`) or callable object to watch, or its code object.
        kind: What a call of it is.
        name: The span's name, or a function of the call that gives it; by default the function's own name.
        builtin: Whether it is a part of the framework that no user configured.
        span: Whether a call becomes a span; without one, only `entering` and `leaving` are called. Without these
            too, the function is passed over although its shape may say that it is a step.
        applies: Says whether a call counts at all. Without it every call does.
        describe: Gives kind, name and the rest of a call at once, instead of `kind` and `name`;
            None for a call that is no step.
        opens: Gives a new `Exchange` where the call is the start of a request, else None.
        entering: Called as the call starts, with `Call.span` set.
        leaving: Called as it returns or unwinds, with `Call.result` or `Call.error` set. On CPython 3.11 the error
            is a placeholder: whatever needs the exception itself belongs in `raising`.
        answering: Called with the span, and the error as in `leaving`, as a call ends that handed the request on
            to no layer, router or handler inside it.
        passing: Called with the frame and the span around it, as a call inside a request starts, and nothing else is:
            for what is called so often that a `Call` costs too much.
        raising: Called with the span (without one: the span around it) and the exception that left the call.
        carries: The type of coroutine or generator that belongs to the call which returns it without running it:
            its span then ends with that.
        inherits: Gives the span that a call without one belongs to: a thread runs it for somebody else.
        adapter: The name of the adapter, for its faults; the observer sets it.
        is_off: Whether it failed; the observer sets it.

    Callbacks keep no frame, request or response. One that raises is switched off and named in `Trace.warnings`.

    Raises:
        ValueError: The target has no Python code to watch (it is compiled).
    """

    __slots__ = (
        "adapter",
        "answering",
        "applies",
        "begins_requests",
        "builtin",
        "carries",
        "code",
        "constant",
        "describe",
        "entering",
        "first",
        "inherits",
        "is_off",
        "kind",
        "leaving",
        "name",
        "opens",
        "passing",
        "raising",
        "reads_no_start",
        "span",
        "starts_only",
        "target",
    )

    def __init__(
        self,
        target: object,
        kind: Kind = Kind.INTERNAL,
        *,
        name: str | Callable[[Call], str] | None = None,
        builtin: bool = False,
        span: bool = True,
        applies: Callable[[Call], bool] | None = None,
        describe: Callable[[Call], Step | None] | None = None,
        opens: Callable[[Call], Exchange | None] | None = None,
        entering: Callback | None = None,
        leaving: Callback | None = None,
        raising: Callable[[Span, BaseException], None] | None = None,
        answering: Callable[[Span, BaseException | None], None] | None = None,
        passing: Callable[[types.FrameType, Span], None] | None = None,
        carries: type | None = None,
        inherits: Callable[[Call], Span | None] | None = None,
    ) -> None:
        code = code_of(target)
        if code is None:
            raise ValueError(f"{target!r} has no Python code to watch.")
        self.code: types.CodeType = code
        self.first: str = code.co_varnames[0] if code.co_varnames else ""
        self.kind: Kind = kind
        self.name: str | Callable[[Call], str] = name_of(target) if name is None else name
        self.target: str = location_of(target)
        self.builtin: bool = builtin
        self.span: bool = span
        self.applies: Callable[[Call], bool] | None = applies
        self.describe: Callable[[Call], Step | None] | None = describe
        self.opens: Callable[[Call], Exchange | None] | None = opens
        self.entering: Callback | None = entering
        self.leaving: Callback | None = leaving
        self.raising: Callable[[Span, BaseException], None] | None = raising
        self.answering: Callable[[Span, BaseException | None], None] | None = answering
        self.passing: Callable[[types.FrameType, Span], None] | None = passing
        self.carries: type | None = carries
        self.inherits: Callable[[Call], Span | None] | None = inherits
        self.begins_requests: bool = opens is not None or inherits is not None
        self.reads_no_start: bool = span and not (applies or opens or inherits or entering or passing)
        self.starts_only: bool = not span and leaving is None and raising is None and inherits is None
        is_constant = describe is None and isinstance(self.name, str)
        self.constant: Step | None = Step(kind, str(self.name), self.target, builtin) if is_constant else None
        self.adapter: str = ""
        self.is_off: bool = False

    @property
    def reads_nothing(self) -> bool:
        """Whether a call means nothing at all: a function that has the shape of a step without being one."""
        return self.starts_only and self.entering is None and self.passing is None

    def step(self, call: Call) -> Step | None:
        """Say what this call is; None where it is no step."""
        if self.describe is not None:
            return self.describe(call)
        if self.constant is not None:
            return self.constant
        name = self.name if isinstance(self.name, str) else self.name(call)
        return Step(self.kind, name, self.target, self.builtin)


@final
class Expected(dict[int, Probe]):
    """What is to run next beneath a span, by the `id` of its code: `Span.expected`.

    Attributes:
        watcher: Who watches these functions already.
    """

    __slots__ = ("watcher",)

    def __init__(self, probes: Iterable[Probe]) -> None:
        super().__init__((id(probe.code), probe) for probe in probes)
        self.watcher: object = None


def unwrapped(function: object) -> object:
    """Follow partials and bound methods to the function that holds the code."""
    kept: Any = function
    while True:
        kind = type(kept)
        if issubclass(kind, functools.partial | functools.partialmethod):
            kept = kept.func
        elif issubclass(kind, types.MethodType | staticmethod | classmethod):
            kept = kept.__func__
        else:
            return kept


def code_of(function: object) -> types.CodeType | None:
    """Give the code object that runs when this is called; None where it is compiled.

    Types are asked, never the object: a proxy outside its context raises for whatever it is asked.
    """
    if type(function) is types.FunctionType:
        return function.__code__
    if type(function) is types.MethodType and type(function.__func__) is types.FunctionType:
        return function.__func__.__code__
    inner: Any = unwrapped(function)
    kind = type(inner)
    if kind is types.FunctionType:
        return inner.__code__  # type: ignore[no-any-return]
    if kind is types.CodeType:
        return inner  # type: ignore[no-any-return]
    if issubclass(kind, property):
        return code_of(inner.fget)
    if issubclass(kind, type):
        return code_of(unwrapped(inner.__init__))
    call = unwrapped(getattr(kind, "__call__", None))
    return call.__code__ if type(call) is types.FunctionType else None


def attribute_of(held: object, name: str) -> Any:
    """Give an attribute of an app's object; None where it has none, and where it raises as it is asked."""
    try:
        return getattr(held, name, None)
    except Exception:
        return None


def plain_name(qualname: str) -> str:
    """Drop the functions around a name: what follows its last ``<locals>.``."""
    return qualname.rpartition("<locals>.")[2]


def bound_arguments(function: object) -> int:
    """Say how many leading arguments of the code are bound already: `self`, and those of a partial."""
    count, inner = 0, cast("Any", function)
    while issubclass(type(inner), functools.partial):
        count += len(inner.args)
        inner = inner.func
    return count if type(inner) is types.FunctionType else count + 1


def arguments_of(frame: types.FrameType) -> dict[str, str]:
    """Write out the arguments of a call that begins, by name, shortened."""
    code = frame.f_code
    variadic = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + variadic]
    values = frame.f_locals
    return {name: shortened(values[name]) for name in names if name in values}


def name_of(function: object) -> str:
    """Name a callable as a trace shows it: a function by its own name, an object by its class."""
    function = unwrapped(function)
    if type(function) is types.CodeType:
        return plain_name(function.co_qualname)
    qualname = attribute_of(function, "__qualname__")
    return plain_name(qualname if type(qualname) is str else type(function).__qualname__)


def location_of(function: object) -> str:
    """Say where a callable is, as ``"module:qualname"``."""
    inner: Any = unwrapped(function)
    if type(inner) is types.CodeType:
        return f":{inner.co_qualname}"
    if not issubclass(type(inner), types.FunctionType | type):
        inner = type(inner)
    return f"{inner.__module__}:{inner.__qualname__}"


def nested_code(function: object, *names: str) -> list[types.CodeType]:
    """Give the code of the functions that are defined inside this one under these names, at any depth."""
    code = code_of(function)
    pending = [code] if code is not None else []
    found = []
    while pending:
        inner = [const for const in pending.pop().co_consts if isinstance(const, types.CodeType)]
        found += [const for const in inner if const.co_name in names]
        pending += inner
    return found


def decorator_name(code: types.CodeType) -> str:
    """Name the decorator that made a wrapper: what stands before the first ``.<locals>.`` of the wrapper's code."""
    return code.co_qualname.partition(".<locals>.")[0].removesuffix(".__call__")


def handler_chain(
    function: object, *, name: str | None = None, entering: Callback | None = None, leaving: Callback | None = None
) -> list[Probe]:
    """Give the probes for a handler as the framework holds it: its decorators, outermost first, then the handler.

    Decorators are found through `__wrapped__` (see `functools.wraps`); `name` overrides the handler's.
    What is compiled is left out.
    """
    chain: list[object] = [function]
    while True:
        inner = attribute_of(unwrapped(chain[-1]), "__wrapped__")
        if inner is None or len(chain) > 100:
            break
        chain.append(inner)
    probes = []
    for wrapper in chain[:-1]:
        code = code_of(wrapper)
        if code is not None:
            probe = Probe(wrapper, Kind.DECORATOR, name=decorator_name(code), leaving=_decorator_left)
            probes.append(probe)
    handler = chain[-1]
    if code_of(handler) is not None:
        probes.append(Probe(handler, Kind.HANDLER, name=name, entering=entering, leaving=leaving))
    return probes


def _decorator_left(call: Call) -> None:
    span = call.span
    if span is not None and call.error is None and not span.children:
        span.short_circuited = True
