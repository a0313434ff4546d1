"""What an app leaves in the world around it, and what a caller without any client sees of it."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from .plans import Cause

HERE = os.path.dirname(__file__)
VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("value", default="none")


class AppError(Exception):
    """What layers and handlers raise."""


class TranslatedError(Exception):
    """What a layer makes of what it catches."""


Lane = list[tuple[Any, ...]]


@dataclass
class World:
    """What one app may change: each build has its own.

    Attributes:
        lanes: What was written, in order: a label, the context variable, the thread, the other context variables.
            The steps share one lane; each task that runs beside them has its own.
        visits: How often each layer was called; -1 stands for the handler.
        spawned: The tasks that nobody waits for.
        pause: Lets other tasks run.
    """

    lanes: list[Lane] = field(default_factory=lambda: [[]])
    visits: Counter[int] = field(default_factory=Counter)
    spawned: list[asyncio.Task[None]] = field(default_factory=list)
    pause: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))
    home: int = field(default_factory=threading.get_ident)

    def lane(self) -> Lane:
        """Add a lane for a task that runs beside the steps."""
        self.lanes.append([])
        return self.lanes[-1]

    def note(self, *label: object, lane: Lane | None = None) -> None:
        """Write down that a step was here, and what it saw of its surroundings."""
        names = sorted(variable.name for variable in contextvars.copy_context())
        others = [name for name in names if not name.startswith("pytest_lifecycle")]
        (self.lanes[0] if lane is None else lane).append(
            (label, VALUE.get(), threading.get_ident() == self.home, others)
        )

    def is_due(self, number: int, times: int) -> bool:
        """Count a call of a step that raises so many times; say whether it does now."""
        self.visits[number] += 1
        return self.visits[number] <= times


def fail(error: Exception, cause: Cause) -> None:
    """Raise an exception that comes of another one, or of none."""
    if cause is Cause.FROM:
        raise error from KeyError("why")
    if cause is Cause.DURING:
        try:
            raise KeyError("why")
        except KeyError:
            raise error  # noqa: B904
    raise error


Told = tuple[object, ...]


def tell(error: BaseException | None) -> Told | None:
    """Write an exception down: what it is, where it has been, and all that it came of."""
    if error is None:
        return None
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return (
        type(error).__qualname__,
        repr(error.args),
        _been(error.__traceback__),
        tell(error.__cause__),
        tell(error.__context__),
        error.__suppress_context__,
        getattr(error, "__notes__", None),
        tuple(tell(member) for member in members),
    )


def _been(traceback: TracebackType | None) -> list[tuple[str, int]]:
    """Give the functions of a traceback; with the lines in these apps, since a thread's future may be done or not."""
    been = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        been.append((code.co_qualname, traceback.tb_lineno if HERE in code.co_filename else 0))
        traceback = traceback.tb_next
    return been


@dataclass(frozen=True)
class Seen:
    """All that a caller can see of one call of an app, its side effects included.

    Attributes:
        status: The status of the response that was started first.
        headers: Its header lines.
        pieces: The pieces of the body, as they came.
        others: Whatever else was sent, in order.
        error: What the call raised.
        lanes: What the app did besides (see `World`).
    """

    status: int | None
    headers: list[tuple[bytes, bytes]]
    pieces: list[bytes]
    others: list[object]
    error: Told | None
    lanes: list[Lane]
