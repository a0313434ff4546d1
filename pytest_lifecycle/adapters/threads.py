"""Threads and thread pools that copy no context: what runs in them belongs to the step that started it.

Read from Lib/threading.py and Lib/concurrent/futures/thread.py. `asyncio.to_thread`, anyio and asgiref copy the
context themselves.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import final
from weakref import WeakKeyDictionary

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, code_of
from .._observe.watching import Once
from .._trace.span import Span

POOLS = frozenset({"anyio._backends._asyncio", "concurrent.futures.thread", "trio._core._thread_cache"})
"""Modules whose threads outlive the request that needs them first: each job that they run brings its own."""


@final
class ThreadsAdapter(Adapter):
    """`threading.Thread` and `concurrent.futures.ThreadPoolExecutor`."""

    name = "threads"
    supports = "CPython >=3.11"
    module = "threading"

    def __init__(self) -> None:
        self._started: WeakKeyDictionary[object, Span] = WeakKeyDictionary()
        self._runs = Once()

    def forget(self) -> None:
        self._started.clear()
        self._runs.forget()

    def probes(self) -> Iterable[Probe]:
        from threading import Thread

        yield Probe(Thread.start, span=False, entering=self._starts)
        pool = sys.modules.get("concurrent.futures.thread")
        if pool is None:
            return
        work = pool._WorkItem
        yield Probe(work.__init__, span=False, entering=lambda call: self._remember(call, call.owner))
        yield Probe(work.run, span=False, inherits=self._starter)

    def _starts(self, call: Call) -> None:
        """A thread is started: what its `run` does belongs to the step that started it."""
        if call.frame.f_back is not None and call.frame.f_back.f_globals.get("__name__") in POOLS:
            return
        run = code_of(type(call.owner).run)
        if call.parent is not None and run is not None:
            self._started[call.owner] = call.parent
            self._runs(run, self._watch_run)

    def _watch_run(self, run: types.CodeType) -> None:
        self.watcher.watch(Probe(run, span=False, inherits=self._starter))

    def _starter(self, call: Call) -> Span | None:
        """Give the step that a thread or a job was started in; it runs once."""
        return self._started.pop(call.owner, None)

    def _remember(self, call: Call, carrier: object) -> None:
        if call.parent is not None:
            self._started[carrier] = call.parent
