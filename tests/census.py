"""What is there of all that observing and driving might leave behind: counted before a test and after it."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from pytest_lifecycle._observe.recorder import CURRENT
from pytest_lifecycle._session import _session as session

GRACE = 1.0
"""How many seconds a thread that was told to end has for it; most tests need none."""


POOLS = re.compile(r"Trio thread |WSGI_|ThreadPoolExecutor-|.*\(run_forever\)$")
"""The names of threads that trio, a2wsgi and asgiref keep for later; nobody can tell them to end."""


def threads() -> list[str]:
    """Name the threads that run, without those that a library keeps for later."""
    return [thread.name for thread in threading.enumerate() if not POOLS.match(thread.name)]


def tasks() -> list[str]:
    """Name the tasks that are not done, of whatever loop."""
    known: Any = getattr(asyncio.tasks, "_scheduled_tasks", None) or getattr(asyncio.tasks, "_all_tasks", ())
    return [task.get_name() for task in list(known) if not task.done()]


def descriptors() -> list[str]:
    """Say which sockets and pipes are open, other than the process was started with; files are pytest's own."""
    kept = {str(number) for thread in threading.enumerate() for number in _of_kept_loop(thread)}
    return [target for number, target in _open().items() if target not in GIVEN and number not in kept]


def _open() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one that the listing itself had open
            continue
        if target.startswith(("socket:", "pipe:", "anon_inode:[eventpoll]")):
            found[number] = target
    return found


def _of_kept_loop(thread: threading.Thread) -> set[int]:
    """Give the descriptors of the loop that a thread of a2wsgi keeps running."""
    if not thread.name.endswith("(run_forever)"):
        return set()
    loop: Any = thread._target.__self__  # type: ignore[attr-defined]
    return {loop._selector.fileno(), loop._csock.fileno(), *loop._selector.get_map()}


GIVEN = frozenset(_open().values())


def monitoring() -> list[str]:
    """Say who holds which tool id of `sys.monitoring`, and which global events are on."""
    if sys.version_info < (3, 12):
        return []
    return [
        f"{tool}: {name}, events {sys.monitoring.get_events(tool)}"
        for tool in range(6)
        if (name := sys.monitoring.get_tool(tool)) is not None
    ]


def profiling() -> list[str]:
    """Say which functions are called for each call of the process."""
    found = {"profile": sys.getprofile(), "trace": sys.gettrace()}
    if sys.version_info >= (3, 12) or hasattr(threading, "getprofile"):
        found["threads' profile"] = threading.getprofile()
    return [f"{name}: {function!r:.80}" for name, function in found.items() if function is not None]


def observer() -> list[str]:
    """Say what the observer holds: its engine, who is told of traces, which steps are open in this context."""
    held = [f"engine {session.engine}"] if session.engine is not None else []
    held += [f"subscriber {subscriber!r:.80}" for subscriber in session._subscribers]
    recorder = session._recorder
    if recorder is not None:
        held += [f"open step {span.name}" for span in list(recorder.open.values())]
    current = CURRENT.get()
    return held if current is None else [*held, f"current step {current.name}"]


@dataclass
class Census:
    """All of it at one moment."""

    threads: list[str] = field(default_factory=threads)
    tasks: list[str] = field(default_factory=tasks)
    descriptors: list[str] = field(default_factory=descriptors)
    monitoring: list[str] = field(default_factory=monitoring)
    profiling: list[str] = field(default_factory=profiling)
    observer: list[str] = field(default_factory=observer)

    def added(self, before: Census) -> list[str]:
        """Name what was not there before."""
        return [
            f"{field.name}: {entry}"
            for field in fields(self)
            for entry in _without(getattr(self, field.name), getattr(before, field.name))
        ]


def _without(now: list[str], then: list[str]) -> Iterator[str]:
    left = list(then)
    for entry in now:
        if entry in left:
            left.remove(entry)
        else:
            yield entry


def left_behind(before: Census, patience: float = GRACE, collect: Callable[[], object] = gc.collect) -> list[str]:
    """Name what a test left behind: what is still there once garbage is collected and threads had time to end."""
    until = time.monotonic() + patience
    while found := Census().added(before):
        collect()
        found = Census().added(before)
        if not found or time.monotonic() >= until:
            return found
        time.sleep(0.01)
    return []
