"""Events of watched code become spans: nesting, tasks, threads, generators.

The parent of a span is what `CURRENT` holds, never the top of a stack: tasks and threads copy the context,
so a step that middleware runs in another task still knows the request it belongs to.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, final

from .._trace.span import Kind, Span
from .probe import Call, Probe, Step, arguments_of
from .watching import frame_to_come, is_exhaustion, said
from .watchlist import Watched, Watchlist

if TYPE_CHECKING:
    from .._trace.exchange import Exchange

CURRENT: ContextVar[Span | None] = ContextVar("pytest_lifecycle_current", default=None)
"""The step that is running in this context; None outside any request."""

GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
SUSPENDABLE = GENERATOR | inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
OPAQUE = frozenset({Kind.HANDLER, Kind.DEPENDENCY, Kind.VALIDATION, Kind.HOOK})
"""Steps of the user's own: what they call is their business, not a step that the framework runs next."""

INNER = frozenset({Kind.APP, Kind.MIDDLEWARE, Kind.DECORATOR, Kind.ROUTING, Kind.HANDLER})
"""Steps that a layer hands the request on to: one that began none of these answered itself."""


class UnseenError(BaseException):
    """Stands for an exception that was seen to pass, but not which one it was (profiling, CPython 3.11)."""


@final
class Recorder:
    """Turns the events of one observation into spans.

    Args:
        watchlist: The code that is watched.
        publish: Called with each exchange that the observer itself opened, once it is over.
        failed: Called with the span of a handler and the exception that left it.
        pending: Where a fault is noted that no request is known for: the next one that ends tells of it.
        keeps_arguments: Whether the arguments of handlers are noted.

    Attributes:
        has_recorded: Whether a step was seen since `let_go`.
    """

    def __init__(
        self,
        watchlist: Watchlist,
        publish: Callable[[Exchange], object],
        failed: Callable[[Span, BaseException], None],
        pending: list[str],
        *,
        keeps_arguments: bool = False,
    ) -> None:
        self.watchlist = watchlist
        self.open: dict[int, Span] = {}
        self.carried: dict[int, tuple[list[Span], types.FrameType]] = {}
        self.has_recorded = False
        self._publish = publish
        self._failed = failed
        self._pending = pending
        self._keeps_arguments = keeps_arguments

    # -- events, in the order of a call's life

    def started(self, watched: Watched, frame: types.FrameType) -> None:
        """A watched function begins."""
        if self.carried:
            self._enter_carriers(frame)
        parent = CURRENT.get()
        if parent is not None:
            if (exchange := parent.exchange) is not None and exchange.is_over:
                parent = None  # a task that outlived the request it was started in
            elif watched.expectable and (expected := self._expectation(parent, id(watched.code))) is not None:
                if not expected.is_off:
                    self._begin(expected, frame, parent)
                return
        for probe in watched.probes:
            self._begin(probe, frame, parent)

    @staticmethod
    def _expectation(span: Span | None, key: int) -> Probe | None:
        while span is not None:
            if span.expected is not None and key in span.expected:
                found: Probe = span.expected[key]
                return found
            if span.kind in OPAQUE:
                return None
            span = span.parent
        return None

    def _begin(self, probe: Probe, frame: types.FrameType, parent: Span | None) -> None:
        """Open the span of a call. Each layer of each request comes by here: look-ups and calls are spared."""
        if parent is None and not probe.begins_requests:
            return
        if probe.constant is not None and probe.reads_no_start:
            assert parent is not None
            self._enter(probe, probe.constant, frame, parent, parent)
            return
        previous = parent
        opened = None
        try:
            if probe.passing is not None:
                if parent is not None:
                    probe.passing(frame, parent)
                return
            call = Call(probe, frame, parent)
            if probe.inherits is not None:
                if parent is None:
                    self._inherit(probe, call)
                return
            if probe.applies is not None and not probe.applies(call):
                return
            if probe.opens is not None:
                opened = probe.opens(call)
                if opened is not None:
                    parent = call.parent = opened.root
                elif parent is None or not call.is_step:
                    return
                else:
                    parent = call.parent
            if not probe.span:
                self._begin_silently(probe, call)
                return
            step = probe.constant or (probe.describe or probe.step)(call)
        except Exception as fault:
            self._fault(probe, fault, previous)  # what was opened for this call never was: an inner one opens it
            return
        if step is None:
            return
        assert parent is not None
        call.span = span = self._enter(probe, step, frame, parent, previous)
        if opened is not None:
            opened.outermost = span
        if probe.entering is not None:
            try:
                probe.entering(call)
            except Exception as fault:
                self._fault(probe, fault, span)

    def _enter(self, probe: Probe, step: Step, frame: types.FrameType, parent: Span, previous: Span | None) -> Span:
        """Add the span of a call, and let what it calls be inside it."""
        kind, name, target, builtin = step
        span = Span(kind, name, target, builtin, parent, get_ident(), parent.exchange)
        span._frame = frame
        span._previous = previous
        span._probe = probe
        parent.children.append(span)
        self.open[id(frame)] = span
        self.has_recorded = True
        CURRENT.set(span)
        if not parent.reached_inner and kind in INNER:
            around: Span | None = parent
            while around is not None and not around.reached_inner:
                around.reached_inner = True
                around = around.parent
        if kind is Kind.HANDLER and self._keeps_arguments:
            span.attributes["arguments"] = arguments_of(frame)
        return span

    def _inherit(self, probe: Probe, call: Call) -> None:
        """Let a call in a thread of its own belong to the step that started it, until it returns."""
        span = probe.inherits(call) if probe.inherits is not None else None
        if span is not None and span.exchange is not None and not span.exchange.is_over:
            call.parent = span
            CURRENT.set(span)
            self._begin_silently(probe, call)

    def _begin_silently(self, probe: Probe, call: Call) -> None:
        if not probe.starts_only:
            around = call.parent
            hidden = Span(Kind.INTERNAL, "", parent=around, exchange=around.exchange if around is not None else None)
            hidden._frame = call.frame
            hidden._probe = probe
            self.open[id(call.frame)] = hidden
        if probe.entering is not None:
            probe.entering(call)

    def ended(self, frame: types.FrameType, result: object, error: BaseException | None) -> None:
        """A watched function returns, or an exception leaves it.

        The exception is an `UnseenError` where the event source cannot tell which one it is.
        """
        span = self.open.pop(id(frame), None)
        if span is not None:
            if type(result) is span._probe.carries and self._carry(span, result):
                return
            self._leave(span, result, error)
        if self.carried and (carried := self.carried.pop(id(frame), None)) is not None:
            for carrier in carried[0]:
                self._leave(carrier, result, error)

    def _leave(self, span: Span, result: object, error: BaseException | None) -> None:
        """Close the span of a call. As `_begin`, it is made for speed."""
        probe: Probe = span._probe
        previous = span._previous
        if error is not None and not isinstance(error, UnseenError):
            self.raised(span, probe, error)
        if probe.answering is not None and not span.reached_inner:
            try:
                probe.answering(span, error)
            except Exception as fault:
                self._fault(probe, fault, span)
        if probe.leaving is not None and span._frame is not None:
            call = Call(probe, span._frame, span.parent)
            call.span = span if probe.span else None
            call.result, call.error = result, error
            try:
                probe.leaving(call)
            except Exception as fault:
                self._fault(probe, fault, span)
        if span.kind is Kind.HANDLER and span._frame is not None:
            span.source = (span._frame.f_code.co_filename, span._frame.f_code.co_firstlineno)
        span.close()
        if not probe.span:
            if probe.inherits is not None:
                CURRENT.set(None)
            return
        if CURRENT.get() is span:
            CURRENT.set(previous)
        else:
            self._restore(span, previous)
        exchange = span.exchange
        if exchange is not None and exchange.outermost is span:
            exchange.broke_off = error is not None
            self._publish(exchange)

    def raised(self, span: Span, probe: Probe, error: BaseException) -> None:
        """Note which exception left the span; with profiling that is known only once something caught it."""
        if probe.span and span._thrown is not error:
            span.exception = error
            if span.exchange is not None:
                span.exchange.raised.append((error, span))
                if span.kind is Kind.HANDLER:
                    self._failed(span, error)
        around = span if probe.span else span.parent
        if probe.raising is not None and around is not None:
            try:
                probe.raising(around, error)
            except Exception as fault:
                self._fault(probe, fault, around)

    def _restore(self, span: Span, previous: Span | None) -> None:
        current = CURRENT.get()
        if current is span or (current is not None and span in current.ancestors()):
            CURRENT.set(previous)

    def _carry(self, span: Span, result: object) -> bool:
        """Let the span go on in the coroutine or generator that its call returned; it ends when that does."""
        frame = frame_to_come(result)
        if frame is None or span._frame is None or span._frame.f_code.co_flags & SUSPENDABLE:
            return False
        if id(frame) not in self.carried:
            if self.watchlist.discovered(frame.f_code, frame) is None:
                self.watchlist.add(Watched(frame.f_code, expectable=True))
            self.carried[id(frame)] = ([], frame)
        self.carried[id(frame)][0].append(span)
        span.pause()
        self._restore(span, span._previous)
        return True

    def settle(self, exchange: Exchange) -> None:
        """End the spans of a request that is over whose coroutine or generator nobody has begun."""
        for key, (spans, _) in list(self.carried.items()):
            if spans[0].exchange is exchange:
                del self.carried[key]
                for span in spans:
                    self._leave(span, None, None)

    def _enter_carriers(self, frame: types.FrameType) -> None:
        """Go on with the spans that this frame carries, the outermost first."""
        for span in reversed(self.carried.get(id(frame), ((), frame))[0]):
            span._previous = CURRENT.get()
            span.unpause()
            CURRENT.set(span)

    def yielded(self, frame: types.FrameType) -> None:
        """A watched generator hands control back: its span is left until it is resumed."""
        span = self.open.get(id(frame))
        if span is not None and span._probe.span:
            span.pause()
            self._restore(span, span._previous)
        for carrier in self.carried.get(id(frame), ((), frame))[0]:
            carrier.pause()
            self._restore(carrier, carrier._previous)

    def resumed(self, frame: types.FrameType, thrown: BaseException | None = None) -> None:
        """A watched generator goes on, perhaps in another context than it was left in.

        An exception that is thrown into it was raised elsewhere: it is not this step's when it passes.
        """
        if self.carried:
            self._enter_carriers(frame)
        span = self.open.get(id(frame))
        if span is not None and span._probe.span:
            if thrown is not None:  # it stays: a generator that awaits something before it ends is resumed once more
                span._thrown = thrown
            span._previous = CURRENT.get()
            span.unpause()
            CURRENT.set(span)

    # -- faults

    def _fault(self, probe: Probe, fault: Exception, span: Span | None) -> None:
        """Switch off a probe that raised and name it once; the request goes on."""
        probe.is_off = not is_exhaustion(fault)
        if probe.is_off:
            self.watchlist.drop(probe)
        rest = "that probe is off, the rest of the trace stands" if probe.is_off else "the rest of the trace stands"
        sentence = (
            f"the {probe.adapter or 'generic'} adapter failed in its probe on {probe.target.replace(':', '.')}"
            f" ({said(fault)}); {rest}."
        )
        if span is not None and span.exchange is not None:
            span.exchange.warn(sentence)
        elif sentence not in self._pending:
            self._pending.append(sentence)

    def broke(self, fault: Exception) -> None:
        """Note on the running request that the observer itself failed."""
        span = CURRENT.get()
        if span is not None and span.exchange is not None:
            span.exchange.warn(f"the observer failed ({said(fault)}): steps of this request may be missing.")

    def let_go(self) -> None:
        """Drop the steps that are still open."""
        self.has_recorded = False
        for span in self.open.values():
            span.close()
            if span.exchange is not None:
                span.exchange.is_over = True  # what it goes on with belongs to nobody
        self.open.clear()
        self.carried.clear()
        current = CURRENT.get()
        if current is not None and current.exchange is not None and current.exchange.is_over:
            CURRENT.set(None)
