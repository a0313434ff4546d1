"""Runs an app's startup and shutdown in one task of its own.

Source of the rules: the ASGI specification, Lifespan Protocol, version 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from .._errors import LifespanFailed
from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .._trace.faults import Fault, shown
from .._trace.lifespan import started
from .asgi import AsgiApp, Event, Loop, Message

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

DUE = {0: "lifespan.startup.complete", 1: "lifespan.startup.complete", 2: "lifespan.shutdown.complete"}
"""What completes the phase that the app is in, by how many messages it has received."""


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
        self._is_waiting = False
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
            if self._is_waiting and not isinstance(error, Exception):
                self.exchange.gave_up = True  # it was over, and was cancelled
            else:
                self._error = self.exchange.root.exception = error
        else:
            if self.is_supported and self._failure is None and self._received < 2:
                self.exchange.warn(Fault.LIFESPAN_ENDED.say())
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
            said = f"{phase} failed: {self._failure}" if self._failure else f"{phase} failed"
            self.exchange.fail(Fault.LIFESPAN_FAILED.say(said))
            raise LifespanFailed(f"The app reported that its {said}", slug="lifespan-failed")

    def expire(self) -> None:
        """Note that the client waits no longer."""
        phase = "shutdown" if self._received > 1 else "startup"
        self.exchange.fail(Fault.LIFESPAN_LATE.say(phase))
        self.exchange.gave_up = True

    async def _receive(self) -> Message:
        message = await self._next()
        self.exchange.log("in", message["type"], 0, CURRENT.get())
        return message

    async def _next(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        if self._failure is not None or self._received > 2:  # it is done, and waits instead of returning
            self._is_waiting = True
            self._started.set()
            self._ended.set()
            await self._returned.wait()
        await self._leaving.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message.get("type") if isinstance(message, Mapping) else None
        self.exchange.log("out", str(kind)[:80], 0, CURRENT.get())
        if kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            self._failure = str(message.get("message") or "")
        elif kind == DUE.get(self._received, "") and (self._received > 1 or not self.is_supported):
            self._complete()
        elif not self.is_supported and kind not in DUE.values() and isinstance(message, Mapping):
            self._received = 0
            raise _NotLifespan
        else:
            self.exchange.warn(self._fault_of(message, kind))

    def _complete(self) -> None:
        if self._received < 2:
            self.is_supported = True
            started(self.exchange, self.state)
            self._started.set()

    @staticmethod
    def _fault_of(message: object, kind: object) -> str:
        if not isinstance(message, Mapping):
            return Fault.NO_MESSAGE.say(shown(message))
        if kind in DUE.values():
            return Fault.LIFESPAN_ORDER.say(kind)
        return Fault.UNKNOWN_MESSAGE.say(shown(kind))
