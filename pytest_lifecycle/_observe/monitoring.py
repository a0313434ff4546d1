"""Events from `sys.monitoring` (PEP 669, CPython 3.12 and newer).

Two tool ids: one discovers (global `PY_START`, switched off for each code object that is no step), the other watches
(local events). With one id for both, code that ran before it was named would stay switched off: see `attach`.
"""

from __future__ import annotations

import sys
import types
from typing import Any, final

from .recorder import GENERATOR, Recorder

TOOL_NAME = "pytest-lifecycle"
PREFERRED_IDS = (4, 5, 3, 0, 2, 1)
"""The least wanted ids first: debuggers take 0, coverage 1, profilers 2, hypothesis 3, and optimizers, if any, 5."""


def free_tool_ids() -> list[int]:
    """Give the tool ids that nobody holds, the ones without a conventional owner first."""
    return [tool for tool in PREFERRED_IDS if sys.monitoring.get_tool(tool) is None]


def tool_holders() -> str:
    """Say who holds which tool id."""
    held = {tool: sys.monitoring.get_tool(tool) for tool in range(6)}
    return ", ".join(f"{tool}: {name}" for tool, name in held.items() if name is not None)


@final
class MonitoringSource:
    """Delivers events to a recorder through `sys.monitoring`."""

    name = "monitoring"

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._events: dict[int, tuple[types.CodeType, int]] = {}
        self._started_by_watcher: set[int] = set()
        self._discoverer = self._watcher = -1

    def start(self) -> None:
        """Take tool ids and switch events on."""
        monitoring, events = sys.monitoring, sys.monitoring.events
        free = free_tool_ids()
        self._discoverer, self._watcher = (free[0], free[1]) if len(free) > 1 else (free[0], free[0])
        for tool in {self._discoverer, self._watcher}:
            monitoring.use_tool_id(tool, TOOL_NAME)
        for event, callback in self._callbacks(events):
            monitoring.register_callback(self._watcher, event, callback)
        monitoring.register_callback(self._discoverer, events.PY_START, self._first_start)
        monitoring.register_callback(self._discoverer, events.PY_UNWIND, self._unwind)
        monitoring.register_callback(self._discoverer, events.PY_THROW, self._throw)
        monitoring.set_events(self._discoverer, events.PY_START | events.PY_UNWIND | events.PY_THROW)

    def stop(self) -> None:
        """Switch all events off and give the tool ids back."""
        monitoring, events = sys.monitoring, sys.monitoring.events
        monitoring.set_events(self._discoverer, 0)
        for code, _ in self._events.values():
            monitoring.set_local_events(self._watcher, code, 0)
        self._events.clear()
        self._started_by_watcher.clear()
        for tool in {self._discoverer, self._watcher}:
            for event in (
                events.PY_START,
                events.PY_RETURN,
                events.PY_YIELD,
                events.PY_RESUME,
                events.PY_UNWIND,
                events.PY_THROW,
            ):
                monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)

    def attach(self, code: types.CodeType, *, discovered: bool, starts_only: bool) -> None:
        """Switch on the events that this code needs."""
        events = sys.monitoring.events
        wanted = 0 if discovered or self._discoverer == self._watcher else events.PY_START
        if not starts_only:
            wanted |= events.PY_RETURN
            if code.co_flags & GENERATOR:
                wanted |= events.PY_YIELD | events.PY_RESUME
        known = self._events.get(id(code), (code, 0))[1]
        if known | wanted != known:
            self._events[id(code)] = (code, known | wanted)
            sys.monitoring.set_local_events(self._watcher, code, known | wanted)
            if wanted & events.PY_START:
                self._started_by_watcher.add(id(code))
            if self._discoverer == self._watcher:
                sys.monitoring.restart_events()  # it may have been switched off before it was named

    def _callbacks(self, events: Any) -> list[tuple[int, Any]]:
        return [
            (events.PY_START, self._start),
            (events.PY_RETURN, self._return),
            (events.PY_YIELD, self._yield),
            (events.PY_RESUME, self._resume),
        ]

    # Callbacks. `sys._getframe(1)` is the watched function's frame. Nothing may escape into the app.

    def _first_start(self, code: types.CodeType, offset: int) -> object:
        key = id(code)
        try:
            recorder = self._recorder
            watched = recorder.table.get(key)
            if watched is not None and watched.is_live and key not in self._started_by_watcher:
                recorder.started(watched, sys._getframe(1))
                return None
            if watched is None:
                frame = sys._getframe(1)
                watched = recorder.discovered(code, frame)
                if watched is not None:
                    recorder.started(watched, frame)
            if watched is None or not watched.is_live or key in self._started_by_watcher:
                return sys.monitoring.DISABLE
        except Exception:  # a fault of ours: the app goes on
            return None
        return None

    def _start(self, code: types.CodeType, offset: int) -> None:
        try:
            watched = self._recorder.table.get(id(code))
            if watched is not None:
                self._recorder.started(watched, sys._getframe(1))
        except Exception:
            return

    def _return(self, code: types.CodeType, offset: int, result: object) -> None:
        try:
            self._recorder.returned(sys._getframe(1), result)
        except Exception:
            return

    def _yield(self, code: types.CodeType, offset: int, value: object) -> None:
        try:
            self._recorder.yielded(sys._getframe(1))
        except Exception:
            return

    def _resume(self, code: types.CodeType, offset: int) -> None:
        try:
            self._recorder.resumed(sys._getframe(1))
        except Exception:
            return

    def _unwind(self, code: types.CodeType, offset: int, error: BaseException) -> None:
        try:
            if id(code) in self._recorder.table:
                self._recorder.unwound(sys._getframe(1), error)
        except Exception:
            return

    def _throw(self, code: types.CodeType, offset: int, error: BaseException) -> None:
        try:
            if code.co_flags & GENERATOR and id(code) in self._recorder.table:
                self._recorder.resumed(sys._getframe(1), error)
        except Exception:
            return
