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
        self._registered: list[tuple[int, int]] = []
        self._discoverer = self._watcher = -1
        events = sys.monitoring.events
        self._global_events = events.PY_START | events.PY_UNWIND | events.PY_THROW

    def start(self) -> None:
        """Take tool ids and switch events on."""
        monitoring, events = sys.monitoring, sys.monitoring.events
        free = free_tool_ids()
        self._discoverer, self._watcher = (free[0], free[1]) if len(free) > 1 else (free[0], free[0])
        for tool in {self._discoverer, self._watcher}:
            monitoring.use_tool_id(tool, TOOL_NAME)
        for tool, event, callback in self._callbacks(events):
            monitoring.register_callback(tool, event, callback)
            self._registered.append((tool, event))
        monitoring.set_events(self._discoverer, self._global_events)

    def stop(self) -> None:
        """Switch all events off and give the tool ids back; an id that somebody else has taken meanwhile is theirs."""
        monitoring = sys.monitoring
        for tool in {self._discoverer, self._watcher}:
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, TOOL_NAME)  # freed by somebody else, who left its events on
        ours = {tool for tool in (self._discoverer, self._watcher) if monitoring.get_tool(tool) == TOOL_NAME}
        if self._discoverer in ours:
            monitoring.set_events(self._discoverer, 0)
        for code, _ in self._events.values() if self._watcher in ours else ():
            monitoring.set_local_events(self._watcher, code, 0)
        self._events.clear()
        self._started_by_watcher.clear()
        for tool, event in self._registered:
            if tool in ours:
                monitoring.register_callback(tool, event, None)
        self._registered.clear()
        for tool in ours:
            monitoring.free_tool_id(tool)

    @property
    def is_whole(self) -> bool:
        """Whether nobody else has switched its events off or taken its tool ids."""
        get_tool = sys.monitoring.get_tool
        is_held = get_tool(self._discoverer) == TOOL_NAME and get_tool(self._watcher) == TOOL_NAME
        return is_held and sys.monitoring.get_events(self._discoverer) == self._global_events

    def has_lost(self, frame: types.FrameType, thread: int) -> bool:
        """Whether the end of this call, which began in that thread, went or will go unseen."""
        return not self.is_whole

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

    def look_again(self, code: types.CodeType) -> None:
        """Do nothing: it is asked at each event."""

    def _callbacks(self, events: Any) -> list[tuple[int, int, Any]]:
        """Build the callbacks, by tool and event: closures, since each event of a watched function goes through one.

        `getframe(1)` is the watched function's frame. Nothing may escape into the app: a fault of ours ends here.
        """
        recorder, by_watcher = self._recorder, self._started_by_watcher
        watched_code, discovered = recorder.watchlist.table.get, recorder.watchlist.discovered
        started, ended, broke = recorder.started, recorder.ended, recorder.broke
        getframe, disable = sys._getframe, sys.monitoring.DISABLE

        def on_first_start(code: types.CodeType, offset: int) -> object:
            key = id(code)
            try:
                watched = watched_code(key)
                if watched is not None and watched.is_live and key not in by_watcher:
                    started(watched, getframe(1))
                    return None
                if watched is None:
                    frame = getframe(1)
                    watched = discovered(code, frame)
                    if watched is not None:
                        started(watched, frame)
                if watched is None or not watched.is_live or key in by_watcher:
                    return disable
            except RecursionError:
                return None  # the app's own; another call would raise it here
            except Exception as fault:
                broke(fault)
            return None

        def on_start(code: types.CodeType, offset: int) -> None:
            try:
                watched = watched_code(id(code))
                if watched is not None:
                    started(watched, getframe(1))
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        def on_return(code: types.CodeType, offset: int, result: object) -> None:
            try:
                ended(getframe(1), result, None)
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        def on_yield(code: types.CodeType, offset: int, value: object) -> None:
            try:
                recorder.yielded(getframe(1))
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        def on_resume(code: types.CodeType, offset: int) -> None:
            try:
                recorder.resumed(getframe(1))
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        def on_unwind(code: types.CodeType, offset: int, error: BaseException) -> None:
            try:
                if watched_code(id(code)) is not None:
                    ended(getframe(1), None, error)
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        def on_throw(code: types.CodeType, offset: int, error: BaseException) -> None:
            try:
                if code.co_flags & GENERATOR and watched_code(id(code)) is not None:
                    recorder.resumed(getframe(1), error)
            except RecursionError:
                return
            except Exception as fault:
                broke(fault)

        discoverer, watcher = self._discoverer, self._watcher
        return [
            (watcher, events.PY_START, on_start),
            (watcher, events.PY_RETURN, on_return),
            (watcher, events.PY_YIELD, on_yield),
            (watcher, events.PY_RESUME, on_resume),
            (discoverer, events.PY_START, on_first_start),  # with one tool id for both, this one serves
            (discoverer, events.PY_UNWIND, on_unwind),
            (discoverer, events.PY_THROW, on_throw),
        ]
