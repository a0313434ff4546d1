"""One step of a request: what it was, when it ran, what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from .._compat import clock
from .changes import Head, ResponseChanges, changes_between

if TYPE_CHECKING:
    from types import FrameType

    from .exchange import Exchange


class Kind(StrEnum):
    """What a step is."""

    APP = "app"
    MIDDLEWARE = "middleware"
    HOOK = "hook"
    DECORATOR = "decorator"
    ROUTING = "routing"
    DEPENDENCY = "dependency"
    VALIDATION = "validation"
    HANDLER = "handler"
    RESPONSE = "response"
    BACKGROUND = "background"
    TEMPLATE = "template"
    QUERY = "query"
    OUTBOUND = "outbound"
    STARTUP = "startup"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"

    __hash__ = str.__hash__  # sets are asked for it at each step, and Enum's own is no C function


@final
class Span:
    """One step of a request, with the steps that ran inside it.

    Attributes:
        kind: What the step is.
        name: Its name, as `Trace` and `path` show it.
        target: Where its code is, as ``"module:qualname"``; empty for steps that have no code of their own.
        builtin: True for a part of the framework that no user configured. Such spans are in the tree only.
        start: When it began, in seconds of `time.perf_counter`.
        exception: The exception that left it, or None.
        children: The steps that began inside it, in the order begun.
        parent: The step it began in; None for the root.
        thread: `threading.get_ident` of the thread it began in.
        source: The file and the first line of its code; only of handlers.
        short_circuited: True where it answered itself instead of calling what it wraps.
        reached_inner: Whether the request was handed on to another layer, a router or a handler inside it.
        expected: What the observer expects to run beneath it, while it runs.
    """

    __slots__ = (
        "__weakref__",
        "_attributes",
        "_crossed",
        "_end",
        "_frame",
        "_inner_head",
        "_outer_head",
        "_pauses",
        "_previous",
        "_probe",
        "_scope",
        "_scope_size",
        "_send",
        "_send_code",
        "_thrown",
        "builtin",
        "children",
        "exception",
        "exchange",
        "expected",
        "kind",
        "name",
        "parent",
        "reached_inner",
        "short_circuited",
        "source",
        "start",
        "target",
        "thread",
    )

    def __init__(
        self,
        kind: Kind,
        name: str,
        target: str = "",
        builtin: bool = False,
        parent: Span | None = None,
        thread: int = 0,
        exchange: Exchange | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.name: str = name
        self.target: str = target
        self.builtin: bool = builtin
        self.parent: Span | None = parent
        self.thread: int = thread
        self.exchange: Exchange | None = exchange
        self.children: list[Span] = []
        self.exception: BaseException | None = None
        self.short_circuited: bool = False
        self.reached_inner: bool = False
        self.expected: Mapping[int, Any] | None = None
        self.source: tuple[str, int] | None = None
        self._attributes: dict[str, Any] | None = None
        self._frame: FrameType | None = None
        self._previous: Span | None = None
        self._probe: Any = None
        self._send: object = None
        self._send_code = 0
        self._scope: Mapping[str, Any] | None = None
        self._scope_size: tuple[int, int] = (0, 0)
        self._thrown: BaseException | None = None
        self._crossed = False
        self._inner_head: Head | None = None
        self._outer_head: Head | None = None
        self._pauses: list[float] | None = None
        self._end: float | None = None
        self.start: float = clock()

    @property
    def attributes(self) -> dict[str, Any]:
        """What its adapter read of it, by name."""
        if self._attributes is None:
            self._attributes = {}
        return self._attributes

    def fact(self, name: str) -> Any:
        """Give one of its attributes; None where its adapter noted none of that name."""
        return None if self._attributes is None else self._attributes.get(name)

    @property
    def duration(self) -> float:
        """How long it was running, in seconds; a generator's time between its steps does not count."""
        return sum(end - begin for begin, end in self.active_intervals())

    @property
    def self_time(self) -> float:
        """How long it was running and none of its inner steps was, in seconds."""
        from .timing import self_times

        root = self
        while root.parent is not None:
            root = root.parent
        return self_times(root).get(id(self), 0.0)

    @property
    def scope_added(self) -> list[str]:
        """The keys that this layer put into the scope, the environ or the request for those inside it, in order.

        What it put into the scope's `state` is written as ``"state.user"``, what it set on a request as ``"user"``.
        """
        return list(self.fact("scope_added") or ())

    @property
    def response_changes(self) -> ResponseChanges:
        """What this layer did to the response that came from inside it; nothing where it made the response itself."""
        return changes_between(self._inner_head, self._outer_head).of(self.exchange)

    @property
    def is_open(self) -> bool:
        """Whether the step has not ended yet."""
        return self._end is None

    @property
    def was_suspended(self) -> bool:
        """Whether it ran in steps, as generators do."""
        return self._pauses is not None

    def head_inside(self) -> Head | None:
        """Give the head with which the response left the nearest layer inside; None where none gave one, or it raised.

        What a middleware made for itself is a part of that middleware.
        """
        for child in reversed(self.children):
            if child._send_code and child.kind is not Kind.INTERNAL:
                return child._outer_head
            head = child.head_inside()
            if head is not None:
                return head
        return None

    def active_intervals(self) -> list[tuple[float, float]]:
        """Give the times between which it was running, in seconds of `time.perf_counter`."""
        end = self._end if self._end is not None else clock()
        if not self._pauses:
            return [(self.start, end)]
        edges = [self.start, *self._pauses, end]
        if len(edges) % 2:  # it ended while it was suspended
            edges.pop()
        return list(zip(edges[::2], edges[1::2], strict=True))

    def pause(self) -> None:
        """Note that a generator handed control back."""
        if self._pauses is None:
            self._pauses = []
        self._pauses.append(clock())

    def unpause(self) -> None:
        """Note that a generator was resumed."""
        if self._pauses is not None:
            self._pauses.append(clock())

    def close(self) -> None:
        """End the step and let go of all that only its observation needed."""
        if self._end is None:
            self._end = clock()
        self._frame = self._previous = self._probe = None
        self._send = self._scope = self.expected = self._thrown = None

    def ancestors(self) -> Iterator[Span]:
        """Give the steps around it, the nearest first."""
        span = self.parent
        while span is not None:
            yield span
            span = span.parent

    def walk(self) -> Iterator[Span]:
        """Give it and all steps inside it, in the order begun.

        They are collected at once: a generator would hand control over for each of them.
        """
        found: list[Span] = []
        pending: list[Span] = [self]
        while pending:
            span = pending.pop()
            found.append(span)
            if span.children:
                pending += span.children[::-1]
        return iter(found)

    def __repr__(self) -> str:
        from .._show.told import told_name

        return f"<Span {self.kind} {told_name(self.name)}>"
