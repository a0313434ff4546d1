"""Whether the process is observed, and who is told of each finished trace.

Observation is one for the process, since code objects are: it is on while anybody has acquired it.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.machinery import ModuleSpec
from typing import final

from ._errors import LifecycleError
from ._observe.contract import Adapter, Later
from ._observe.importing import initializing_in, is_initializing, package_of
from ._observe.monitoring import MonitoringSource
from ._observe.probe import Probe
from ._observe.profiling import THREADS, ProfilingSource
from ._observe.recorder import CURRENT, Recorder
from ._observe.select import make_source
from ._observe.watching import AdapterWatcher, probes_of, said
from ._observe.watchlist import Watchlist
from ._show.told import told_text
from ._trace.conclusion import conclude
from ._trace.declared import Declared
from ._trace.exchange import Exchange
from ._trace.span import Span
from ._trace.trace import Trace

NOTHING = nullcontext()
DISTURBED = {
    MonitoringSource.name: "something in this process took sys.monitoring's tool ids from the plugin, or switched its"
    " events off: this trace may lack steps. The next test is observed anew.",
    ProfilingSource.name: "something in this process called sys.setprofile, as profilers do, or used up the stack: the"
    " plugin's own profile function was gone, and this trace may lack steps. The next test is observed anew.",
}
Subscriber = Callable[[Trace], None]


@final
class Session:
    """Switches observation on and off, activates adapters, hands out traces."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holders = 0
        self._adapters: list[Adapter] = []
        self._subscribers: list[Subscriber] = []
        self._recorder: Recorder | None = None
        self._source: MonitoringSource | ProfilingSource | None = None
        self._waiting: list[Adapter] = []
        self._discoverers: list[Adapter] = []
        self._forgetful: list[Adapter] = []
        self._probes: dict[Adapter, tuple[object, list[Probe]]] = {}
        self._modules = 0
        self._awaited: list[ModuleSpec] = []
        self._stale = False
        self._has_builtin = False
        self._refreshing = False
        self._keeps_arguments = False
        self._is_run_observed = False
        self._pending: list[str] = []
        self.notes: list[str] = []

    def add_adapters(self, adapters: Iterable[Adapter]) -> None:
        """Use these adapters too, from the next time observation is switched on."""
        self._adapters.extend(adapter for adapter in adapters if adapter not in self._adapters)

    def remove_adapters(self, adapters: Iterable[Adapter]) -> None:
        """Use these adapters no more, from the next time observation is switched on."""
        for adapter in adapters:
            self._adapters.remove(adapter)
            self._probes.pop(adapter, None)
        self.notes.clear()

    def keep_arguments(self, keeps: bool) -> None:
        """Say whether the arguments of handlers are noted, from the next time observation is switched on."""
        self._keeps_arguments = keeps

    def acquire(self) -> None:
        """Switch observation on, if it is not; each call wants one `release`.

        Raises:
            LifecycleError: No event source is free (see `select.make_source`).
        """
        with self._lock:
            if self._source is None:
                self._start()
            self._holders += 1

    def release(self) -> None:
        """Switch observation off once nobody wants it any more."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0 or (self._holders == 1 and self._is_run_observed):
                self._publish_lost()
            if self._holders == 0:
                self._stop()
            elif self._holders == 1 and self._is_run_observed:
                self._let_go()
                if self._source is not None and not self._source.is_whole:
                    self._stop()
                    with suppress(LifecycleError):  # the next who acquires it says so
                        self._start()

    @contextmanager
    def whole_run(self) -> Iterator[None]:
        """Keep `sys.monitoring` on between acquirers: to switch it on again makes each function look new to it.

        What an app leaves in adapters is dropped at each release all the same. With `sys.setprofile`, whose events
        cost all code that runs between, nothing is kept on.

        Raises:
            LifecycleError: No event source is free.
        """
        self.acquire()
        if not isinstance(self._source, MonitoringSource):
            self.release()
            yield
            return
        self._is_run_observed = True
        try:
            yield
        finally:
            self._is_run_observed = False
            self.release()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call this with every finished trace, in the thread that finished it."""
        self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop calling it."""
        self._subscribers.remove(subscriber)

    def publish(self, exchange: Exchange) -> Trace:
        """Finish the exchange, tell everybody who asked, and give its trace.

        One that is published again was reopened: its trace is known, and reads on.
        """
        if self._recorder is not None:
            self._recorder.settle(exchange)
        exchange.finish()
        if exchange.is_published:
            return Trace(exchange)
        exchange.is_published = True
        try:
            conclude(exchange)
        except Exception as fault:
            exchange.warn(f"the trace may lack what is known only at its end ({said(fault)}).")
        for note in (*self.notes, *self._pending):
            exchange.warn(note)
        self._pending.clear()
        self.check(exchange)
        exchange.warnings[:] = [told_text(warning, exchange) for warning in exchange.warnings]
        trace = Trace(exchange)
        for subscriber in tuple(self._subscribers):
            subscriber(trace)
        return trace

    def check(self, exchange: Exchange) -> None:
        """Note on a request that somebody has taken away what the plugin stands on, if so in this thread."""
        if self._source is not None and not self._source.is_whole:
            exchange.warn(DISTURBED[self._source.name])

    def _publish_lost(self) -> None:
        """Publish the requests whose end was not seen since somebody had taken away what the plugin stands on."""
        source, recorder = self._source, self._recorder
        if source is None or recorder is None:
            return
        for span in list(recorder.open.values()):
            exchange = span.exchange
            if exchange is None or exchange.outermost is not span or exchange.is_published or span._frame is None:
                continue
            if source.has_lost(span._frame, span.thread):
                exchange.warn(DISTURBED[source.name])
                exchange.answer = None  # what it lacks is not the app's fault
                self.publish(exchange)

    @property
    def engine(self) -> str | None:
        """The event source in use: ``"monitoring"`` or ``"profiling"``; None while observation is off."""
        return self._source.name if self._source is not None else None

    def aside(self) -> AbstractContextManager[None]:
        """Leave out a client's own work in this thread: with profiling each of its calls would cost an event."""
        source = self._source
        return source.aside() if isinstance(source, ProfilingSource) else NOTHING

    def attending(self) -> AbstractContextManager[None]:
        """Observe the app's work inside of `aside`."""
        source = self._source
        return source.attending() if isinstance(source, ProfilingSource) else NOTHING

    def watch_this_thread(self) -> None:
        """See to it that the app's work in this thread is observed, whatever was run there before."""
        if isinstance(self._source, ProfilingSource):
            THREADS.watch_this()

    def saw(self, error: BaseException) -> None:
        """Tell the event source of an exception that a driver received, in case it could not see it itself."""
        if isinstance(self._source, ProfilingSource):
            self._source.resolve(error)

    def declared(self, app: object) -> Declared | None:
        """Give what an app declares, without a request; None where no adapter knows it."""
        found = self._declared(app, ())
        return None if found is None else Declared(tuple(r for r in found.routes if r.pattern), found.middleware)

    def _declared(self, app: object, around: tuple[int, ...]) -> Declared | None:
        """Ask the most specific adapter first. An app that is inside of itself is asked once."""
        if id(app) in around:
            return None
        for adapter in self._able():
            found = adapter.declared(app, lambda inner: self._declared(inner, (*around, id(app))))
            if found is not None:
                return found
        return None

    def declared_state(self, app: object) -> object:
        """Give what changes as the declared parts of an app do."""
        states = (adapter.state_of(app) for adapter in self._able())
        return next((state for state in states if state is not None), None)

    def _able(self) -> Iterator[Adapter]:
        self._load_builtin()
        return (
            adapter
            for adapter in reversed(self._adapters)
            if type(adapter).declared is not Adapter.declared
            if not adapter.module or adapter.module in sys.modules
        )

    def _load_builtin(self) -> None:
        """Add the adapters that come with the plugin, those for a framework once it has been imported."""
        if not self._has_builtin:
            from .adapters import builtin_adapters

            self._adapters[:0] = builtin_adapters()
            self._has_builtin = True
        for later in [adapter for adapter in self._adapters if isinstance(adapter, Later)]:
            if later.module in sys.modules:
                at = self._adapters.index(later)
                self._adapters[at : at + 1] = loaded = later.load()
                if later in self._waiting:
                    self._waiting.remove(later)
                    self._waiting += loaded
                    self._enlist(loaded)

    def _enlist(self, adapters: Iterable[Adapter]) -> None:
        """Note which of these look at code, and which remember."""
        for adapter in adapters:
            if type(adapter).discover is not Adapter.discover:
                self._discoverers.append(adapter)
            if type(adapter).forget is not Adapter.forget:
                self._forgetful.append(adapter)

    def _start(self) -> None:
        self._load_builtin()
        recorder = Recorder(
            Watchlist(self._discover),
            self.publish,
            self._handler_failed,
            self._pending,
            keeps_arguments=self._keeps_arguments,
        )
        source = recorder.watchlist.source = make_source(recorder)
        self._recorder, self._source = recorder, source
        self._waiting, self._awaited = list(self._adapters), []
        self._discoverers, self._forgetful = [], []
        self._enlist(self._adapters)
        self._modules = 0
        source.start()
        self._refresh()

    def _stop(self) -> None:
        source, recorder = self._source, self._recorder
        self._source = self._recorder = None
        self._waiting = []
        if source is not None:
            source.stop()
        if recorder is not None:
            recorder.let_go()
            recorder.watchlist.forget()
        self._forget(self._adapters, whole=True)

    def _forget(self, adapters: Iterable[Adapter], *, whole: bool = False) -> None:
        for adapter in adapters:
            try:
                if whole:
                    adapter.detach()
                else:
                    adapter.forget()
            except Exception as fault:
                self._failed(adapter, "to forget what it remembers of apps", fault, None)

    def _let_go(self) -> None:
        """Drop all that belongs to apps, and go on observing."""
        if self._recorder is None:
            return
        if self._recorder.has_recorded or self._recorder.watchlist.has_changed:
            self._forget(self._forgetful)
            self._recorder.let_go()
            self._recorder.watchlist.let_go()
        for adapter in self._probes:
            if self._is_imported_anew(adapter) and adapter not in self._waiting:
                self._activate(adapter, self._recorder.watchlist)

    def _discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        if code.co_name == "<module>":
            self._stale = True
        elif self._stale:
            self._refresh()
        for adapter in self._discoverers:
            try:
                probe = adapter.discover(code, frame)
            except Exception as fault:
                self._failed(adapter, f"as it looked at {code.co_qualname}", fault, CURRENT.get())
                continue
            if probe is not None:
                self._refresh()  # what it found may be a framework's own, which that framework's adapter names
                probe.adapter = adapter.name
                return probe
        return None

    def _handler_failed(self, span: Span, error: BaseException) -> None:
        for adapter in self._adapters:
            try:
                adapter.failed(span, error)
            except Exception as fault:
                self._failed(adapter, f"as {type(error).__qualname__} left {span.name}", fault, span)

    def _failed(self, adapter: Adapter, place: str, fault: Exception, span: Span | None) -> None:
        """Note a fault of an adapter on the request it met, or on the next that ends."""
        sentence = f"the {adapter.name} adapter failed {place} ({said(fault)}); the rest of the trace stands."
        if span is not None and span.exchange is not None:
            span.exchange.warn(sentence)
        elif sentence not in self._pending:
            self._pending.append(sentence)

    def _refresh(self) -> None:
        """Activate the adapters whose library has been imported since the last look."""
        if self._recorder is None or self._refreshing:
            return
        if len(sys.modules) == self._modules and all(map(is_initializing, self._awaited)):
            return
        self._refreshing = True
        try:
            self._load_builtin()
            self._modules = len(sys.modules)
            imported = [adapter for adapter in self._waiting if not adapter.module or adapter.module in sys.modules]
            initializing = initializing_in({package_of(adapter.module) for adapter in imported})
            ready = [adapter for adapter in imported if package_of(adapter.module) not in initializing]
            self._awaited = list(initializing.values())
            self._waiting = [adapter for adapter in self._waiting if adapter not in ready]
            self._stale = bool(self._awaited)
            for adapter in ready:
                self._activate(adapter, self._recorder.watchlist)
        finally:
            self._refreshing = False

    def _activate(self, adapter: Adapter, watchlist: Watchlist) -> None:
        probes: list[Probe] = []
        try:
            adapter.attach(AdapterWatcher(watchlist, adapter.name))
            if self._is_imported_anew(adapter):
                probes = list(probes_of(adapter))
        except Exception as fault:
            self.notes.append(f"the {adapter.name} adapter is off ({said(fault)}).")
        if self._is_imported_anew(adapter):
            self._probes[adapter] = (sys.modules.get(adapter.module), probes)
        watchlist.name(self._probes[adapter][1])

    def _is_imported_anew(self, adapter: Adapter) -> bool:
        known = self._probes.get(adapter)
        return known is None or known[0] is not sys.modules.get(adapter.module)


_session = Session()

acquire = _session.acquire
release = _session.release
subscribe = _session.subscribe
unsubscribe = _session.unsubscribe
publish = _session.publish
declared = _session.declared
declared_state = _session.declared_state
add_adapters = _session.add_adapters
remove_adapters = _session.remove_adapters
keep_arguments = _session.keep_arguments
whole_run = _session.whole_run
saw = _session.saw
aside = _session.aside
attending = _session.attending
watch_this_thread = _session.watch_this_thread
check = _session.check
