"""An app that runs in a task of its own while the test talks with it: streams and WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, final

from .._drive.loop import GRACE, AsyncBackend, OwnLoop, TimedOut
from .._observe.recorder import CURRENT
from .._trace.span import Span

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

AppCall = Coroutine[Any, Any, Exception | None]
"""A call of an app; it gives the exception that the app raised, if any."""


@final
class AppTask:
    """In a sync test: the app runs whenever the client's own loop does.

    Args:
        loop: The client's loop.
        call: The call of the app.
        root: The span that it belongs to.
    """

    def __init__(self, loop: OwnLoop, call: AppCall, root: Span) -> None:
        self._loop = loop
        token = CURRENT.set(root)
        try:
            self._task = loop.spawn(call)
        finally:
            CURRENT.reset(token)

    @property
    def is_over(self) -> bool:
        """Whether the app has ended."""
        return self._task.done()

    @property
    def error(self) -> BaseException | None:
        """What the app raised, once it has ended by itself."""
        task = self._task
        return None if not task.done() or task.cancelled() else task.exception() or task.result()

    def end(self, patience: float | None) -> bool:
        """Let the app end, for so many seconds, then cancel it; whether it had to be cancelled."""
        return False if self.is_over else self._loop.run(_join(self._task, patience), None)


async def _join(task: asyncio.Task[Any], patience: float | None) -> bool:
    await asyncio.wait({task}, timeout=patience)
    if task.done():
        return False
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE)
    return True


@final
class AsyncAppTask:
    """In an async test: the app runs on the test's own loop.

    Args:
        backend: The library whose loop runs.
        call: Makes the call of the app.
        root: The span that it belongs to.
    """

    def __init__(self, backend: AsyncBackend, call: Callable[[], AppCall], root: Span) -> None:
        self._backend = backend
        self._ended = backend.event()
        self.is_over = False
        self.error: BaseException | None = None

        async def run() -> None:
            try:
                self.error = await call()
            except BaseException as error:
                self.error = error
            finally:
                self.is_over = True
                self._ended.set()

        token = CURRENT.set(root)
        try:
            self.cancel = backend.spawn(run)
        finally:
            CURRENT.reset(token)

    async def end(self, patience: float | None) -> bool:
        """Let the app end, for so many seconds, then cancel it; whether it had to be cancelled."""
        if await self._has_ended(patience):
            return False
        self.cancel()
        await self._has_ended(GRACE)
        return True

    async def _has_ended(self, seconds: float | None) -> bool:
        try:
            await self._backend.limited(self._ended.wait, seconds)
        except TimedOut:
            return False
        return True
