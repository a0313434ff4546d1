"""What is watched, and for which adapter; what a trace says where one failed."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from .._trace.story import message_of
from .contract import Adapter, Watcher
from .probe import Expected, Probe

if TYPE_CHECKING:
    from .._trace.span import Span


@final
class Watched:
    """A code object that is watched, with the probes on it.

    Attributes:
        code: The code object.
        probes: What its calls are.
        expectable: Whether a call of it may be expected beneath some step.
        named: Those that an adapter named for a library's own function; the others belong to some app.
    """

    __slots__ = ("code", "expectable", "named", "probes")

    def __init__(self, code: types.CodeType) -> None:
        self.code = code  # keeps it alive: ids are keys
        self.probes: list[Probe] = []
        self.expectable = False
        self.named: tuple[Probe, ...] | None = None

    @property
    def is_live(self) -> bool:
        """Whether a call of it may be a step; the code of a function that is passed over never is."""
        return self.expectable or bool(self.probes)


@final
class AdapterWatcher:
    """The observer, for one adapter: what it finds as requests run is known to be its own, should it fail.

    Args:
        watcher: The observer.
        adapter: The adapter's name.
    """

    __slots__ = ("_adapter", "_watcher")

    def __init__(self, watcher: Watcher, adapter: str) -> None:
        self._watcher = watcher
        self._adapter = adapter

    def watch(self, probe: Probe) -> None:
        """Watch a function that was just found."""
        probe.adapter = self._adapter
        self._watcher.watch(probe)

    def expect(self, span: Span, expected: Expected) -> None:
        """Take these functions for steps when they run beneath the span."""
        if expected.watcher is not self._watcher:
            for probe in expected.values():
                probe.adapter = self._adapter
        self._watcher.expect(span, expected)


def probes_of(adapter: Adapter) -> Iterable[Probe]:
    """Give an adapter's probes, each knowing whose it is."""
    for probe in adapter.probes():
        probe.adapter = adapter.name
        yield probe


def said(fault: BaseException) -> str:
    """Name an exception with what it says of itself."""
    return f"{type(fault).__name__}: {message_of(fault)}"


def is_exhaustion(fault: BaseException) -> bool:
    """Whether the app has used up what all share: that says nothing of who met it."""
    return isinstance(fault, RecursionError | MemoryError)
