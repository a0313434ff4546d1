"""What is watched, and for which adapter; what a trace says where one failed."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from threading import RLock
from typing import TYPE_CHECKING, final

from .._trace.story import message_of
from .contract import Adapter, Watcher
from .probe import Expected, Probe

if TYPE_CHECKING:
    from .._trace.span import Span


@final
class Once:
    """The functions that were found as requests ran: each is watched once, and before any thread goes on with it."""

    __slots__ = ("_found", "_lock")

    def __init__(self) -> None:
        self._found: dict[int, types.CodeType] = {}  # ids are keys: the code is kept alive
        self._lock = RLock()

    def __contains__(self, code: types.CodeType) -> bool:
        return id(code) in self._found

    def __call__(self, code: types.CodeType, watch: Callable[[types.CodeType], object]) -> None:
        """Have this code watched, if it is not yet."""
        if code in self:
            return
        with self._lock:
            if code not in self:
                watch(code)
                self._found[id(code)] = code

    def forget(self) -> None:
        """Drop what was found."""
        self._found.clear()


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

    def watch(self, probe: Probe, *, lasting: bool = False) -> None:
        """Watch a function that was just found."""
        probe.adapter = self._adapter
        self._watcher.watch(probe, lasting=lasting)

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


def frame_to_come(result: object) -> types.FrameType | None:
    """Give the frame of a coroutine or generator that has not begun yet."""
    if isinstance(result, types.CoroutineType) and inspect.getcoroutinestate(result) == inspect.CORO_CREATED:
        return result.cr_frame
    if isinstance(result, types.GeneratorType) and inspect.getgeneratorstate(result) == inspect.GEN_CREATED:
        return result.gi_frame
    return None
