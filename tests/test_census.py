"""The census that is taken after every test names each kind of thing that can be left behind."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from pytest_lifecycle import observe
from pytest_lifecycle._observe.recorder import CURRENT
from pytest_lifecycle._session import _session as session
from pytest_lifecycle._trace.span import Kind, Span
from tests.census import Census, left_behind


@contextmanager
def a_thread() -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="straggler")
    thread.start()
    yield
    stop.set()
    thread.join()


@contextmanager
def a_task() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(100), name="straggler")
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


@contextmanager
def a_loop() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    yield
    loop.close()


@contextmanager
def a_socket() -> Iterator[None]:
    with socket.socket():
        yield


@contextmanager
def a_tool_id() -> Iterator[None]:
    sys.monitoring.use_tool_id(3, "straggler")
    yield
    sys.monitoring.free_tool_id(3)


@contextmanager
def an_event() -> Iterator[None]:
    with a_tool_id():
        sys.monitoring.set_events(3, sys.monitoring.events.PY_UNWIND)
        yield
        sys.monitoring.set_events(3, 0)


@contextmanager
def a_profile_function() -> Iterator[None]:
    before = threading.getprofile()

    def straggler(*_: Any) -> None:
        """Do nothing."""

    threading.setprofile(straggler)
    yield
    threading.setprofile(before)


@contextmanager
def a_subscriber() -> Iterator[None]:
    straggler: Callable[[Any], None] = print
    session.subscribe(straggler)
    yield
    session.unsubscribe(straggler)


@contextmanager
def a_step_in_the_context() -> Iterator[None]:
    token = CURRENT.set(Span(Kind.INTERNAL, "straggler"))
    yield
    CURRENT.reset(token)


def an_observation() -> AbstractContextManager[object]:
    return observe()


KINDS: dict[str, tuple[Callable[[], AbstractContextManager[object]], str]] = {
    "a thread": (a_thread, "threads: straggler"),
    "a task": (a_task, "tasks: straggler"),
    "a loop": (a_loop, "descriptors: anon_inode:[eventpoll]"),
    "a socket": (a_socket, "descriptors: socket:"),
    "a profile function": (a_profile_function, "profiling: threads' profile: "),
    "a subscriber": (a_subscriber, "observer: subscriber "),
    "a step in the context": (a_step_in_the_context, "observer: current step straggler"),
    "an observation": (an_observation, "observer: engine "),
}
if sys.version_info >= (3, 12):
    KINDS["a tool id"] = (a_tool_id, "monitoring: 3: straggler, ")
    KINDS["an event"] = (an_event, f"monitoring: 3: straggler, events {sys.monitoring.events.PY_UNWIND}")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_behind_is_named(kind: str) -> None:
    leave, expected = KINDS[kind]
    before = Census()
    with leave():
        found = left_behind(before, patience=0)
    assert any(entry.startswith(expected) for entry in found), found
    assert left_behind(before) == []


def test_a_thread_that_ends_soon_is_not_left_behind() -> None:
    before = Census()
    threading.Timer(0.05, lambda: None).start()
    assert left_behind(before) == []
