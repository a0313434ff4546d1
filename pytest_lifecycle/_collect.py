"""The traces of one test: who collects them, and how many are kept."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, final

import pytest

from ._settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._trace.trace import Trace

TRACE_LIMIT: Final = 1000
"""How many traces of a test are kept: the newest."""


@final
class ItemTraces:
    """What was observed while one test ran.

    Attributes:
        traces: The newest finished traces, oldest first; the list that `lifecycle_traces` hands out.
        failed_lifespans: The traces of startups and shutdowns that failed, until a report has shown them.
        dropped: How many older ones were dropped to stay within `TRACE_LIMIT`.
        undelivered: The traces that hooks were not told of yet; None where nobody implements the hook.
        at_start: What to do each time the test's function is called again, with another example.
        at_end: What to await at the end of the test's own coroutine, each time it is called.
    """

    __slots__ = ("_holders", "_reported", "at_end", "at_start", "dropped", "failed_lifespans", "traces", "undelivered")

    def __init__(self, *, delivers: bool) -> None:
        self.traces: list[Trace] = []
        self.failed_lifespans: list[Trace] = []
        self.dropped = 0
        self.undelivered: list[Trace] | None = [] if delivers else None
        self.at_start: list[Callable[[], object]] = []
        self.at_end: list[Callable[[], Awaitable[object]]] = []
        self._holders = 0
        self._reported = 0

    def add(self, trace: Trace) -> None:
        """Keep a trace. Called by the observer, in whatever thread the request ended: it must not raise or linger."""
        if trace.protocol == "lifespan":
            if trace.outcome == "error":
                self.failed_lifespans.append(trace)
            return
        self.traces.append(trace)
        if self.undelivered is not None:
            self.undelivered.append(trace)
        if len(self.traces) > TRACE_LIMIT:
            del self.traces[0]
            self.dropped += 1

    def hold(self) -> None:
        """Switch observation on for this test; each call wants one `release`.

        Raises:
            LifecycleError: Observation cannot be switched on.
        """
        from . import _session as session

        if self._holders == 0:
            session.acquire()
            session.subscribe(self.add)
        self._holders += 1

    def release(self) -> None:
        """Switch observation off once nobody in this test wants it any more."""
        from . import _session as session

        self._holders -= 1
        if self._holders == 0:
            session.release()
            session.unsubscribe(self.add)

    @property
    def is_held(self) -> bool:
        """Whether observation is on for this test."""
        return self._holders > 0

    def start_over(self) -> None:
        """Forget what was seen: the test's function is called with another example."""
        for renew in self.at_start:
            renew()
        self.traces.clear()
        self.dropped = 0
        self._reported = 0

    def unreported(self) -> tuple[list[Trace], int]:
        """Give the traces that no report has shown yet, and how many of them were dropped; then all count as shown."""
        seen = self.dropped + len(self.traces)
        fresh = min(seen - self._reported, len(self.traces))
        missed = seen - self._reported - fresh
        self._reported = seen
        failed, self.failed_lifespans = self.failed_lifespans, []
        return [*failed, *self.traces[len(self.traces) - fresh :]], missed


ITEM: Final = pytest.StashKey[ItemTraces]()
RUNNING: Final = pytest.StashKey[ItemTraces]()
"""The traces of the test that runs, on the configuration: for hooks that are told of no test."""


def traces_of(item: pytest.Item) -> ItemTraces:
    """Give the traces of this test, ready to collect."""
    if ITEM not in item.stash:
        delivers = bool(item.config.hook.pytest_lifecycle_trace.get_hookimpls())
        item.config.stash[RUNNING] = item.stash[ITEM] = ItemTraces(delivers=delivers)
    return item.stash[ITEM]


FIXTURES: Final = frozenset(
    {"lifecycle", "async_lifecycle", "lifecycle_client", "lifecycle_traces", "lifecycle_unused_overrides"}
)
"""A test that uses one of these is observed."""


def is_observed(item: pytest.Item) -> bool:
    """Whether this test is observed: it uses a fixture of ours, or every test is."""
    return item.config.stash[SETTINGS].observes_all or not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


PREPARED: Final = pytest.StashKey[bool]()

NEEDED: Final = ("._around", "._compared", "._show.report")
"""What a test and its report take: to import it then would be too late for a test that has patched `open`."""


def observe(item: pytest.Item) -> ItemTraces:
    """Observe this test until `release` is called on what is returned.

    Raises:
        LifecycleError: Observation cannot be switched on.
    """
    prepare(item.config)
    traces = traces_of(item)
    traces.hold()
    return traces


def prepare(config: pytest.Config) -> None:
    """Set the observer up as this run wants it, once."""
    if PREPARED in config.stash:
        return
    config.stash[PREPARED] = True
    from . import _session as session

    for module in NEEDED:
        import_module(module, __package__)
    session.keep_arguments(config.stash[SETTINGS].keeps_arguments)
    for adapters in config.hook.pytest_lifecycle_adapters(config=config):
        session.add_adapters(adapters)


def deliver(item: pytest.Item) -> None:
    """Tell the hooks of the traces they were not told of yet."""
    __tracebackhide__ = True
    traces = item.stash.get(ITEM, None)
    while traces is not None and traces.undelivered:
        item.ihook.pytest_lifecycle_trace(item=item, trace=traces.undelivered.pop(0))
