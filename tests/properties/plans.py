"""Apps as plain data: what each layer of a stack does, how it is written, and what the handler at its end does.

`asgi_apps` and `wsgi_apps` make real apps of a plan, `model` says what their trace must be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from hypothesis import strategies as st


class Deed(StrEnum):
    """What a layer does."""

    PASS = "pass"
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    BODY = "body"
    COPY = "copy"
    ANSWER = "answer"
    RAISE = "raise"
    RAISE_AFTER = "raise after"
    RETRY = "retry"
    TWICE = "twice"
    SWALLOW = "swallow"
    TRANSLATE = "translate"
    RERAISE = "reraise"
    CONTEXT = "context"
    MANAGER = "manager"
    THREAD = "thread"
    EXECUTOR = "executor"
    # Only in ASGI
    HOLD = "hold"
    TO_THREAD = "to_thread"
    SIDE_TASK = "side task"
    LATE_TASK = "late task"
    OUTLIVING_TASK = "outliving task"
    INNER_TASK = "inner task"
    GROUP = "group"
    STEPS = "steps"
    # Only in WSGI
    LIST = "list"
    ITERABLE = "iterable"
    EXC_INFO = "exc_info"
    INNER_THREAD = "inner thread"


COMMON = [*Deed][: [*Deed].index(Deed.HOLD)]
ASYNC = [*Deed][[*Deed].index(Deed.HOLD) : [*Deed].index(Deed.LIST)]
SYNC = [*Deed][[*Deed].index(Deed.LIST) :]
NEEDS_ASYNCIO = frozenset({Deed.EXECUTOR, *ASYNC} - {Deed.HOLD, Deed.STEPS})


class Form(StrEnum):
    """How a layer, or a handler, is written."""

    CLOSURE = "closure"
    CLASS = "class"
    SLOTS = "slots"
    SUBCLASS = "subclass"
    METHOD = "method"
    PARTIAL = "partial"
    DECORATED = "decorated"
    WRAPPED = "wrapped"
    RENAMED = "renamed"
    RETURNING = "returning"  # a function that gives a coroutine; only in ASGI
    GENERATOR = "generator"  # a function that is a generator; only in WSGI


class Point(StrEnum):
    """When a handler raises."""

    BEFORE = "before the start"
    STARTED = "after the start"
    MIDWAY = "after the first piece"
    END = "after the end"


class Cause(StrEnum):
    """What an exception comes of."""

    NONE = "none"
    FROM = "from"
    DURING = "during"


class Reading(StrEnum):
    """How much of the request's body a handler reads."""

    NONE = "none"
    PART = "part"
    WHOLE = "whole"


class Body(StrEnum):
    """How a WSGI handler hands its body out."""

    LIST = "list"
    GENERATOR = "generator"
    LATE_START = "late start"  # a generator that starts the response itself
    ITERABLE = "iterable"
    WRITE = "write"


@dataclass(frozen=True)
class Layer:
    """A middleware.

    Attributes:
        deed: What it does.
        form: How it is written.
        times: At how many of its first calls it raises, if that is its deed.
    """

    deed: Deed
    form: Form = Form.CLOSURE
    times: int = 9


@dataclass(frozen=True)
class Handler:
    """The app at the end of the stack.

    Attributes:
        form: How it is written.
        status: What it answers.
        pieces: Its body; empty for an answer in one empty piece.
        fails: When it raises, if it does.
        times: At how many of its first calls it raises.
        cause: What its exception comes of.
        reading: How much of the body it reads.
        is_silent: Whether it sends nothing.
        body: How it hands out the body, in WSGI.
    """

    form: Form = Form.CLOSURE
    status: int = 200
    pieces: tuple[bytes, ...] = (b"hello",)
    fails: Point | None = None
    times: int = 9
    cause: Cause = Cause.NONE
    reading: Reading = Reading.NONE
    is_silent: bool = False
    body: Body = Body.LIST


@dataclass(frozen=True)
class Plan:
    """A stack of layers, the outermost first, around a handler."""

    layers: tuple[Layer, ...] = ()
    handler: Handler = Handler()

    def has(self, *deeds: Deed) -> bool:
        """Whether some layer does one of these."""
        return any(layer.deed in deeds for layer in self.layers)


@dataclass(frozen=True)
class Request:
    """A request as a client makes it; the body comes in pieces."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()

    def at(self, path: str) -> Request:
        """Give the same request for another path."""
        return replace(self, path=path)


TIMES = st.sampled_from([1, 2, 9])
PIECES = st.lists(st.binary(min_size=1, max_size=6), max_size=3).map(tuple)
ASGI_FORMS = [form for form in Form if form is not Form.GENERATOR]
WSGI_FORMS = [form for form in Form if form is not Form.RETURNING]


def stacks(deeds: list[Deed], forms: list[Form], depth: int) -> st.SearchStrategy[tuple[Layer, ...]]:
    """Stacks of layers that do a few of these: the same few deeds meet each other often."""

    def of(few: list[Deed]) -> st.SearchStrategy[tuple[Layer, ...]]:
        layer = st.builds(Layer, deed=st.sampled_from(few), form=st.sampled_from(forms), times=TIMES)
        return st.lists(layer, max_size=depth).map(tuple)

    return st.lists(st.sampled_from(deeds), min_size=1, max_size=4, unique=True).flatmap(of)


def handlers(forms: list[Form], bodies: list[Body]) -> st.SearchStrategy[Handler]:
    """Handlers of any kind."""
    return st.builds(
        Handler,
        form=st.sampled_from([form for form in forms if form is not Form.WRAPPED]),
        status=st.sampled_from([200, 201, 302, 404, 418]),
        pieces=PIECES,
        fails=st.none() | st.none() | st.sampled_from(Point),
        times=TIMES,
        cause=st.sampled_from(Cause),
        reading=st.sampled_from(Reading),
        is_silent=st.integers(0, 9).map(lambda number: number == 9),
        body=st.sampled_from(bodies),
    )


def plans(deeds: list[Deed], forms: list[Form], bodies: list[Body], depth: int = 6) -> st.SearchStrategy[Plan]:
    """Plans of stacks up to this depth."""
    return st.builds(Plan, layers=stacks(deeds, forms, depth), handler=handlers(forms, bodies))


asgi_plans = plans([*COMMON, *ASYNC], ASGI_FORMS, [Body.LIST])
portable_plans = plans([deed for deed in [*COMMON, *ASYNC] if deed not in NEEDS_ASYNCIO], ASGI_FORMS, [Body.LIST])
wsgi_plans = plans([*COMMON, *SYNC], WSGI_FORMS, [*Body])

requests = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.sampled_from(["/", "/a", "/a/b%20c", "/\N{LATIN SMALL LETTER E WITH ACUTE}"]),
    headers=st.lists(
        st.tuples(st.sampled_from(["x-one", "accept", "authorization"]), st.sampled_from(["", "a", "b, c"])), max_size=3
    ).map(tuple),
    pieces=PIECES,
)
