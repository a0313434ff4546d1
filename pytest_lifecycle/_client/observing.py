"""Observation of a block of code, whatever client makes the requests in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import _session as session
from .._trace.trace import Trace


@contextmanager
def observe() -> Iterator[list[Trace]]:
    """Collect the trace of every request and WebSocket that any client makes in the block, in any thread or task.

    Raises:
        LifecycleError: No event source is free.

    Example:
        >>> from pytest_lifecycle import observe
        >>> with observe() as traces:
        ...     pass  # requests, by any client
        >>> traces
        []
    """
    traces: list[Trace] = []

    def add(trace: Trace) -> None:
        if trace.protocol != "lifespan":
            traces.append(trace)

    session.acquire()
    session.subscribe(add)
    try:
        yield traces
    finally:
        session.release()
        session.unsubscribe(add)
