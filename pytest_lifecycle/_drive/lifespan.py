"""Runs an app's startup and shutdown in one task of its own.

Source of the rules: the ASGI specification, Lifespan Protocol, version 2.0.
"""

from __future__ import annotations

from typing import Any, final

from .._errors import LifespanFailed
from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .._trace.lifespan import started
from .asgi import AsgiApp, Event, Loop, Message


class _NotLifespan(Exception):
    """Ends an app that answers a lifespan scope with messages of another protocol."""


@final
class Lifespan:
    """One app's lifespan.

    Args:
        app: The ASGI app.
        loop: The loop that the app's requests run on.

    Attributes:
        exchange: What is seen of it.
        state: What the app put into its state while it started.
        is_supported: Whether the app said that its startup is complete.
    """

    def __init__(self, app: AsgiApp, loop: Loop) -> None:
        self._app = app
        self._started: Event = loop.event()
        self._ended: Event = loop.event()
        self._leaving: Event = loop.event()
        self._returned: Event = loop.event()
        self._received = 0
        self._failure: str | None = None
        self._error: BaseException | None = None
        self.exchange = Exchange("asgi", "LIFESPAN", "", protocol="lifespan")
        self.exchange.captures = False
        self.state: dict[str, Any] = {}
        self.is_supported = False

    async def run(self) -> None:
        """Call the app with a lifespan scope; this is the task. What it raises is kept for who waits for it."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        CURRENT.set(self.exchange.root)  # this task's context is its own
        try:
            await self._app(scope, self._receive, self._send)
        except _NotLifespan:
            pass
        except BaseException as error:
            self._error = self.exchange.root.exception = error
        finally:
            self._started.set()
            self._ended.set()
            self._returned.set()

    async def startup(self) -> None:
        """Wait until the app has started.

        Raises:
            Exception: The app's own, where its startup raised one.
            LifespanFailed: The app reported a failure and raised nothing.
        """
        await self._started.wait()
        is_exit = self._error is not None and not isinstance(self._error, Exception)
        if self._failure is None and not is_exit and (self.is_supported or not self._received):
            return  # started, or an app without lifespan: it raised or returned on seeing the scope
        self._raise("startup")

    async def returned(self) -> None:
        """Wait until the app has returned: one that is done may wait for ever, until it is cancelled."""
        await self._returned.wait()

    async def shutdown(self) -> None:
        """Tell the app to shut down and wait until it has.

        Raises:
            Exception: The app's own, where its shutdown raised one.
            LifespanFailed: The app reported a failure and raised nothing.
        """
        self._leaving.set()
        await self._ended.wait()
        if self.is_supported:
            self._raise("shutdown")

    def _raise(self, phase: str) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
        if self._failure is not None:
            said = f": {self._failure}" if self._failure else ""
            raise LifespanFailed(f"The app reported that its {phase} failed{said}", slug="lifespan-failed")

    async def _receive(self) -> Message:
        message = await self._next()
        self.exchange.log("in", message["type"], 0, CURRENT.get())
        return message

    async def _next(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        if self._failure is not None or self._received > 2:  # it is done, and waits instead of returning
            self._started.set()
            self._ended.set()
            await self._returned.wait()
        await self._leaving.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message.get("type")
        self.exchange.log("out", str(kind)[:80], 0, CURRENT.get())
        if kind == "lifespan.startup.complete":
            self.is_supported = True
            started(self.exchange, self.state)
            self._started.set()
        elif kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            self._failure = str(message.get("message", ""))
        elif kind != "lifespan.shutdown.complete":
            self._received = 0
            raise _NotLifespan
