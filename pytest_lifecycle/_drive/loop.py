"""The loops that apps run on: one of our own for sync tests, or the test's own, asyncio or trio."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import sys
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar, final

from .._compat import loop_clock
from .._errors import UsageProblem
from .asgi import Event

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

T = TypeVar("T")

GRACE = 1.0
"""How many seconds a cancelled app has to end before it is left behind."""


class TimedOut(Exception):
    """The time for a call is over; the client says which call and where it stood."""


async def asyncio_limited(call: Callable[[], Awaitable[T]], seconds: float | None) -> T:
    """Await a call in this asyncio task, for so many seconds at most.

    Raises:
        TimedOut: The time is over, whatever the call made of its cancellation.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            result = await call()
    except BaseException as error:
        if limit.expired() and isinstance(error, Exception):
            raise TimedOut from error
        raise
    if limit.expired():
        raise TimedOut
    return result


class AsyncBackend(Protocol):
    """What differs between asyncio and trio."""

    def event(self) -> Event:
        """Make an event."""
        ...

    async def checkpoint(self) -> None:
        """Let others have a turn."""

    async def limited(self, call: Callable[[], Awaitable[T]], seconds: float | None) -> T:
        """Await a call, for so many seconds at most.

        Raises:
            TimedOut: The time is over.
        """
        ...

    def spawn(self, call: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        """Run a call in a task of its own, on this loop and in a copy of this context; give what cancels it.

        The call keeps what it raises to itself: nobody awaits the task, and trio does not survive it.
        """
        ...

    def is_cancelled(self) -> bool:
        """Whether somebody outside wants the running task to end."""
        ...

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run a sync call in a worker thread that carries the context."""
        ...


@final
class AsyncioBackend:
    """The asyncio loop that is running."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def event(self) -> Event:
        """Make an event."""
        return asyncio.Event()

    async def checkpoint(self) -> None:
        """Let others have a turn."""
        await asyncio.sleep(0)

    async def limited(self, call: Callable[[], Awaitable[T]], seconds: float | None) -> T:
        """Await a call, for so many seconds at most."""
        return await asyncio_limited(call, seconds)

    def spawn(self, call: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        """Run a call in a task of its own."""
        task = asyncio.get_running_loop().create_task(call())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    def is_cancelled(self) -> bool:
        """Whether somebody outside wants the running task to end."""
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run a sync call in a worker thread that carries the context."""
        return await asyncio.to_thread(call)


@final
class TrioBackend:
    """The trio run that this is part of."""

    def event(self) -> Event:
        """Make an event."""
        import trio

        return trio.Event()

    async def checkpoint(self) -> None:
        """Let others have a turn."""
        import trio

        await trio.lowlevel.checkpoint()

    async def limited(self, call: Callable[[], Awaitable[T]], seconds: float | None) -> T:
        """Await a call, for so many seconds at most."""
        import trio

        with trio.move_on_after(float("inf") if seconds is None else seconds) as scope:
            try:
                result = await call()
            except Exception as error:
                if scope.cancel_called:
                    raise TimedOut from error
                raise
            if not scope.cancel_called:
                return result
        raise TimedOut

    def spawn(self, call: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        """Run a call in a task of its own."""
        import trio

        scope = trio.CancelScope()

        async def cancellable() -> None:
            with scope:
                await call()

        trio.lowlevel.spawn_system_task(cancellable, context=contextvars.copy_context())
        return scope.cancel

    def is_cancelled(self) -> bool:
        """Whether somebody outside wants the running task to end."""
        import trio

        return trio.current_effective_deadline() == float("-inf")

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run a sync call in a worker thread that carries the context."""
        import trio

        return await trio.to_thread.run_sync(call)


def running_library() -> str | None:
    """Name the async library whose loop runs in this thread: ``"asyncio"``, ``"trio"``, or None."""
    if asyncio._get_running_loop() is not None:
        return "asyncio"
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return "trio"
    return None


def current_backend() -> AsyncBackend:
    """Give the backend for the loop that is running.

    Raises:
        UsageProblem: No loop runs.
    """
    library = running_library()
    if library is None:
        raise UsageProblem(
            "An AsyncClient was used where no asyncio or trio loop runs. Use it in an async test,"
            " or use Client in a sync one.",
            slug="no-loop",
        )
    return AsyncioBackend() if library == "asyncio" else TrioBackend()


@final
class OwnLoop:
    """An asyncio loop on the thread that calls it; it runs only while a call is made. No thread is started.

    It is never set as the thread's current loop.

    Args:
        loop: The asyncio loop, if there is one already.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.new_event_loop()
        with contextlib.suppress(AttributeError):  # not asyncio's own loop: it has a clock that nobody freezes
            self._loop.time = loop_clock  # type: ignore[method-assign]  # deadlines hold also where a test froze the time
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = threading.Lock()
        self._abandoned = weakref.finalize(self, ABANDONED.append, self._loop)
        self._abandoned.atexit = False
        OPEN.add(self)

    def event(self) -> Event:
        """Make an event."""
        return asyncio.Event()

    async def checkpoint(self) -> None:
        """Let others have a turn."""
        await asyncio.sleep(0)

    def spawn(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that goes on whenever the loop runs."""
        task = self._loop.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def run(self, call: Coroutine[Any, Any, T], seconds: float | None) -> T:
        """Run a call to its end, for so many seconds at most.

        Raises:
            TimedOut: The time is over; the call was cancelled, and left behind if it did not care.
            UsageProblem: Another thread runs the loop.
            BaseException: Whatever the call raises.
        """
        if not self._turn.acquire(blocking=False):
            call.close()
            raise UsageProblem(
                "A client of an ASGI app was used in two threads at once. Give each thread a client of its own, or"
                " use AsyncClient and make the requests in tasks.",
                slug="client-busy",
            )
        try:
            return self._run(call, seconds)
        finally:
            self._turn.release()

    def _run(self, call: Coroutine[Any, Any, T], seconds: float | None) -> T:
        task = self._loop.create_task(call)
        timers: list[asyncio.Handle] = []
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = task.cancel()
            timers.append(self._loop.call_later(GRACE, self._loop.stop))

        if seconds is not None:
            timers.append(self._loop.call_later(seconds, expire))
        try:
            result = self._loop.run_until_complete(task)
        except (Exception, asyncio.CancelledError) as error:
            if expired:
                if not task.done():  # it swallowed its cancellation, and the loop was stopped
                    self._tasks.add(task)
                raise TimedOut from error
            raise
        except BaseException:  # an interrupt or an exit
            self._break_off(task)
            raise
        else:
            if expired:
                raise TimedOut
            return result
        finally:
            for timer in timers:
                timer.cancel()

    def _break_off(self, task: asyncio.Task[Any]) -> None:
        """Let a call end that the loop was stopped in: it is cancelled, as by `asyncio.run`, and so are its threads."""
        task.cancel()
        self._loop.run_until_complete(asyncio.wait([task], timeout=GRACE))
        if not task.done():
            self._tasks.add(task)
        elif not task.cancelled():
            task.exception()  # it was raised here: asyncio need not report it again

    def close(self) -> None:
        """Cancel what is left, shut down generators and the default executor, and close the loop."""
        self._abandoned.detach()
        if self._loop.is_closed():
            return
        try:
            with contextlib.suppress(TimedOut):
                self.run(self._wind_up(), 2 * GRACE)
        finally:
            for task in asyncio.all_tasks(self._loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # it would not be cancelled
            self._join_workers()
            self._loop.close()

    def _join_workers(self) -> None:
        """Wait for anyio's worker threads, which were told to stop as their request ended and know their loop."""
        for thread in threading.enumerate():
            if getattr(thread, "loop", None) is self._loop:
                thread.join(GRACE)

    async def _wind_up(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


# -- loops that nobody closed

OPEN: Final[weakref.WeakSet[OwnLoop]] = weakref.WeakSet()
ABANDONED: Final[list[asyncio.AbstractEventLoop]] = []
"""Loops of clients that are gone. They wait here, with their tasks, for a moment when an app's code may run: garbage is
collected at any moment."""


def close_abandoned() -> None:
    """Close the loops of clients that nobody closed; what still waits there is cancelled."""
    while ABANDONED and asyncio._get_running_loop() is None:
        loop = ABANDONED.pop()
        is_unfinished = bool(asyncio.all_tasks(loop))
        OwnLoop(loop).close()
        if is_unfinished:
            warnings.warn(
                "A Client was never closed, and what its app had begun was cancelled, such as its lifespan. Use it as"
                " `with Client(app) as client:`, or call its close().",
                ResourceWarning,
                stacklevel=2,
            )


def _close_all() -> None:
    """Close all loops as the interpreter exits, but those that run in daemon threads."""
    ABANDONED.extend(own._loop for own in OPEN if not own._loop.is_running())
    with contextlib.suppress(Exception):  # no thread can be started any more
        close_abandoned()


atexit.register(_close_all)
