"""The code that is watched, and what its calls are: what adapters named, what was found, what is expected."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, final

from .probe import Expected, Probe

if TYPE_CHECKING:
    from .._trace.span import Span


class Source(Protocol):
    """Where events come from."""

    def attach(self, code: types.CodeType, *, discovered: bool, starts_only: bool) -> None:
        """Deliver the events of this code from now on."""

    def look_again(self, code: types.CodeType) -> None:
        """Whether this code is watched has changed."""


@final
class Watched:
    """A code object that is watched, with the probes on it.

    Args:
        code: The code object.
        probes: What its calls are.
        expectable: Whether a call of it may be expected beneath some step, or go on with one.

    Attributes:
        lasting: The probes that hold nothing of an app, and stay; None where nothing of it stays.
    """

    __slots__ = ("code", "expectable", "lasting", "probes")

    def __init__(self, code: types.CodeType, probes: Iterable[Probe] = (), *, expectable: bool = False) -> None:
        self.code = code  # keeps it alive: ids are keys
        self.probes = [*probes]
        self.expectable = expectable
        self.lasting: tuple[Probe, ...] | None = None

    @property
    def is_live(self) -> bool:
        """Whether a call of it may be a step; the code of a function that is passed over never is."""
        return self.expectable or bool(self.probes)


@final
class Watchlist:
    """Which code is watched, while one observation lasts.

    Args:
        discover: Gives a probe for code that no adapter named but that is a step by its shape, else None.

    Attributes:
        table: What is watched, by the `id` of its code.
        source: Who delivers the events; None once observation is over.
    """

    def __init__(self, discover: Callable[[types.CodeType, types.FrameType], Probe | None]) -> None:
        self.table: dict[int, Watched] = {}
        self.source: Source | None = None
        self._discover = discover
        self._changed: dict[int, Watched] = {}

    @property
    def has_changed(self) -> bool:
        """Whether anything was added since `let_go`."""
        return bool(self._changed)

    def name(self, probes: Iterable[Probe]) -> None:
        """Watch a library's own functions, also after `let_go`."""
        for probe in probes:
            self.watch(probe, lasting=True)

    def watch(self, probe: Probe, *, discovered: bool = False, lasting: bool = False) -> None:
        """Watch the probe's code: every call of it is a step. A probe that reads nothing only keeps others away.

        What is lasting is watched after `let_go`, too.
        """
        if probe.reads_nothing:
            watched = self._put(Watched(probe.code))
        else:
            found = Watched(probe.code, [probe])
            watched = self.add(found, discovered=discovered, starts_only=probe.starts_only)
        if lasting:
            watched.lasting = (*(watched.lasting or ()), *(known for known in watched.probes if known is probe))

    def expect(self, span: Span, expected: Expected) -> None:
        """Watch these functions: a call beneath the span is a step, any other call is none."""
        if expected.watcher is not self:
            for probe in expected.values():
                self.add(Watched(probe.code, expectable=True))
            expected.watcher = self
        span.expected = {**span.expected, **expected} if span.expected else expected

    def add(self, found: Watched, *, discovered: bool = False, starts_only: bool = False) -> Watched:
        """Watch more code, or more of it. Other threads run it meanwhile: they see it once all is in place."""
        if self.source is not None:
            self.source.attach(found.code, discovered=discovered, starts_only=starts_only)
        watched = self._put(found)
        if watched is not found and not discovered:  # what is discovered twice is the same
            watched.probes += found.probes
            watched.expectable |= found.expectable
        if self.source is not None:
            self.source.look_again(found.code)
        return watched

    def _put(self, found: Watched) -> Watched:
        watched = self._changed[id(found.code)] = self.table.setdefault(id(found.code), found)
        return watched

    def discovered(self, code: types.CodeType, frame: types.FrameType) -> Watched | None:
        """Look at code that runs for the first time; give what watches it now, or None."""
        probe = self._discover(code, frame)
        if probe is not None and id(code) not in self.table:
            self.watch(probe, discovered=True, lasting=True)
        return self.table.get(id(code))

    def drop(self, probe: Probe) -> None:
        """Call this probe no more until `let_go`."""
        watched = self.table.get(id(probe.code))
        if watched is not None:  # a new list: the old one may be gone through right now
            watched.probes = [other for other in watched.probes if other is not probe]
            self._changed[id(probe.code)] = watched

    def let_go(self) -> None:
        """Drop what belongs to apps."""
        changed, self._changed = self._changed, {}
        for key, watched in changed.items():
            if watched.lasting is None:
                self.table.pop(key, None)
            else:
                watched.expectable = False
                watched.probes = [*watched.lasting]  # one that failed is tried again

    def forget(self) -> None:
        """Drop all that is watched."""
        self.source = None
        self.table.clear()
        self._changed.clear()
