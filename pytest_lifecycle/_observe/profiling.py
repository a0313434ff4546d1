"""Events from `sys.setprofile` (CPython 3.11; works on newer ones too).

One event serves return, suspension and unwinding, and the opcode that ran last tells them apart; a coroutine or
generator that something is thrown into resumes at another opcode than RESUME, and unwinds where it stood.
An exception is not part of an event: a span that unwound waits in `_unseen` until some frame handles the exception
that crossed it.
"""

from __future__ import annotations

import dis
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

from .._trace.span import Span
from .probe import Probe
from .recorder import GENERATOR, SUSPENDABLE, Recorder, UnseenError
from .watchlist import Watched

RETURNS = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)
RESUME = dis.opmap["RESUME"]
YIELDS = frozenset({dis.opmap["YIELD_VALUE"], RESUME})
KEPT_UNSEEN = 1000
"""How many unwound spans wait for their exception: as many as a stack is deep. The oldest give up."""

_UNSEEN = UnseenError()
_UNKNOWN: Any = object()


ProfileFunction = Callable[[types.FrameType, str, Any], object]


@final
class Threads:
    """The profile function of other threads, which each of them takes as it starts and never again.

    It hands on to the source that is active, if any. A thread that outlives the observation it was started in keeps
    it: the next observation is to see that thread, too.
    """

    def __init__(self) -> None:
        self._callback: ProfileFunction | None = None
        self._displaced: Any = None

    def watch(self, callback: ProfileFunction | None) -> None:
        """Hand the events of threads on to this function from now on; None to stop."""
        self._callback = callback
        if callback is not None:
            self._displaced = threading.getprofile()
            threading.setprofile(self._profile)
        elif threading.getprofile() == self._profile:
            threading.setprofile(self._displaced)
            self._displaced = None

    def watch_this(self) -> None:
        """Watch this thread again where it has lost its profile function.

        CPython drops one that raises, and there is no room for its call where an app has used up the stack.
        """
        if self._callback is not None and sys.getprofile() is None:
            sys.setprofile(self._profile)

    def _profile(self, frame: types.FrameType, event: str, argument: Any) -> None:
        if self._callback is not None:
            self._callback(frame, event, argument)

    @property
    def are_watched(self) -> bool:
        """Whether a thread that starts now would be watched."""
        return threading.getprofile() == self._profile

    @property
    def is_watching_this(self) -> bool:
        """Whether the profile function of this thread is the one that threads start with."""
        return sys.getprofile() == self._profile


THREADS = Threads()


class Attention(threading.local):
    """What a thread does for a client of ours: the client's own work, or the app's."""

    is_aside = False
    was_taken = False


@final
class ProfilingSource:
    """Delivers events to a recorder through `sys.setprofile`."""

    name = "profiling"

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: dict[int, Watched | None] = {}
        self._alive: list[types.CodeType] = []  # ids are keys
        self._bytecode: dict[int, bytes] = {}  # `co_code` makes a copy each time
        self._thrown: dict[int, int] = {}
        self._unseen: list[tuple[Span, Probe, types.FrameType]] = []
        self._looked_at = (0, 0)
        self._callback = self._make_callback()
        self._displaced: Any = None
        self._here = Attention()

    def start(self) -> None:
        """Profile this thread, and every thread that starts from now on."""
        self._displaced = sys.getprofile()
        THREADS.watch(self._callback)
        sys.setprofile(self._callback)

    def stop(self) -> None:
        """Give back the profile function that was there before."""
        THREADS.watch(None)
        if self._is_watching_this():
            _give_back(self._displaced)
        self._known.clear()
        self._bytecode.clear()
        self._thrown.clear()
        self._unseen.clear()
        self._alive.clear()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave out what this thread does in the block: a client's own work, which no step is part of."""
        previous = sys.getprofile()
        sys.setprofile(None)
        self._here.is_aside, self._here.was_taken = True, False
        try:
            yield
        finally:
            self._here.is_aside = False
            _give_back(previous)

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Observe what this thread does in the block, inside of `aside`."""
        sys.setprofile(self._callback)
        try:
            yield
        finally:
            self._here.was_taken = sys.getprofile() is not self._callback
            sys.setprofile(None)

    @property
    def is_whole(self) -> bool:
        """Whether nobody else has taken the profile function away, as far as this thread can tell."""
        is_here = not self._here.was_taken if self._here.is_aside else self._is_watching_this()
        return is_here and THREADS.are_watched

    def has_lost(self, frame: types.FrameType, thread: int) -> bool:
        """Whether the end of this call, which began in that thread, went or will go unseen."""
        if not self.is_whole:
            return True
        return thread not in sys._current_frames() and self._instruction(frame)[0] not in YIELDS

    def _is_watching_this(self) -> bool:
        return sys.getprofile() is self._callback or THREADS.is_watching_this

    def attach(self, code: types.CodeType, *, discovered: bool, starts_only: bool) -> None:
        """Do nothing: the events of all code are delivered."""

    def look_again(self, code: types.CodeType) -> None:
        """Forget whether this code is watched: that has changed."""
        self._known.pop(id(code), None)

    def _make_callback(self) -> ProfileFunction:
        """Build the profile function: a closure, since each Python call of the process goes through it."""
        known, find, open_spans = self._known, self._find, self._recorder.open
        carried, unseen, resolve = self._recorder.carried, self._unseen, self._resolve
        lookup = known.get
        unknown = _UNKNOWN

        def callback(frame: types.FrameType, event: str, argument: Any) -> None:
            if unseen:
                resolve()
            if event == "call":
                watched = lookup(id(frame.f_code), unknown)
                if watched is None:
                    return
                if watched is unknown:
                    watched = find(frame)
                    if watched is None:
                        return
                self._call(watched, frame)
            elif event == "return" and (id(frame) in open_spans or (carried and id(frame) in carried)):
                self._return(frame, argument)

        return callback

    def _find(self, frame: types.FrameType) -> Watched | None:
        code = frame.f_code
        self._alive.append(code)
        watchlist = self._recorder.watchlist
        table = watchlist.table
        try:
            watched = table.get(id(code)) or watchlist.discovered(code, frame)
        except Exception as fault:  # of ours: the app goes on
            watched = None
            self._recorder.broke(fault)
        self._known[id(code)] = watched if watched is not None and watched.is_live else None
        if table.get(id(code)) is not watched:  # another thread was quicker
            self._known[id(code)] = watched = table[id(code)]
        return watched if watched is not None and watched.is_live else None

    def _call(self, watched: Watched, frame: types.FrameType) -> None:
        try:
            if not frame.f_code.co_flags & SUSPENDABLE:
                self._recorder.started(watched, frame)
                return
            opcode, argument = self._instruction(frame)
            if opcode == RESUME and argument == 0:
                self._recorder.started(watched, frame)
            elif id(frame) in self._recorder.open or id(frame) in self._recorder.carried:
                thrown = opcode != RESUME
                if thrown:
                    self._thrown[id(frame)] = frame.f_lasti
                if frame.f_code.co_flags & GENERATOR:
                    self._recorder.resumed(frame, sys.exc_info()[1] if thrown else None)
        except RecursionError:
            return  # the app's own; another call would raise it here
        except Exception as fault:  # of ours: the app goes on
            self._recorder.broke(fault)

    def _return(self, frame: types.FrameType, value: Any) -> None:
        try:
            opcode, _ = self._instruction(frame)
            thrown_at = self._thrown.pop(id(frame), None) if self._thrown else None
            if opcode in RETURNS:
                self._recorder.ended(frame, value, None)
            elif opcode in YIELDS and frame.f_code.co_flags & SUSPENDABLE and thrown_at != frame.f_lasti:
                if frame.f_code.co_flags & GENERATOR:
                    self._recorder.yielded(frame)
            else:
                self._unwound(frame)
        except RecursionError:
            return
        except Exception as fault:
            self._recorder.broke(fault)

    def _instruction(self, frame: types.FrameType) -> tuple[int, int]:
        """Give the opcode that ran last and, for RESUME, where it resumes (0: a first entry)."""
        code = self._bytecode.get(id(frame.f_code))
        if code is None:
            code = self._bytecode[id(frame.f_code)] = frame.f_code.co_code
        return code[frame.f_lasti], code[frame.f_lasti + 1] & 3

    def _unwound(self, frame: types.FrameType) -> None:
        span = self._recorder.open.get(id(frame))
        if span is not None:
            self._unseen.append((span, span._probe, frame))
        for carrier in self._recorder.carried.get(id(frame), ((), frame))[0]:
            self._unseen.append((carrier, carrier._probe, frame))
        del self._unseen[:-KEPT_UNSEEN]
        self._recorder.ended(frame, None, _UNSEEN)

    def _resolve(self) -> None:
        """Find which exception crossed the spans that unwound: the one being handled now, if it passed their frames."""
        error = sys.exc_info()[1]
        if error is not None and self._looked_at != (id(error), len(self._unseen)):
            self.resolve(error)
            self._looked_at = (id(error), len(self._unseen))

    def resolve(self, error: BaseException) -> None:
        """Give this exception, and those it came of, to the spans whose frames are in their tracebacks."""
        owners: dict[int, BaseException] = {}
        try:
            for related in _related(error):
                traceback = related.__traceback__
                while traceback is not None:
                    owners.setdefault(id(traceback.tb_frame), related)
                    traceback = traceback.tb_next
        except Exception:  # the exception's own attributes raise
            return
        found = [entry for entry in self._unseen if id(entry[2]) in owners]
        if found:
            self._unseen[:] = [entry for entry in self._unseen if id(entry[2]) not in owners]
            for span, probe, frame in found:
                self._recorder.raised(span, probe, owners[id(frame)])


def _related(error: BaseException) -> Iterator[BaseException]:
    """Give an exception, then what it is a group of or was raised after: they left frames that it did not."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        found = pending.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, BaseExceptionGroup):
            pending += found.exceptions
        pending += (found.__cause__, found.__context__)


def _give_back(displaced: Any) -> None:
    """Set the profile function that was there before; a `cProfile.Profile` is no function, but can be enabled."""
    if displaced is None or callable(displaced):
        sys.setprofile(displaced)
    else:
        sys.setprofile(None)
        displaced.enable()
