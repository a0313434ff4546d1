"""Readers of our own probes that raise: which there are, which a request hits, what then becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_lifecycle import Kind, Trace
from pytest_lifecycle._observe.contract import Adapter, Later
from pytest_lifecycle._observe.probe import Probe, location_of
from pytest_lifecycle._session import _session as session
from pytest_lifecycle.adapters import builtin_adapters


class Reader(NamedTuple):
    """One callable of one probe.

    Attributes:
        slot: What the probe calls it for.
        function: Where the callable is.
        target: The library's function that it reads; empty for functions of an app, which are found as they run.
    """

    slot: str
    function: str
    target: str

    def __str__(self) -> str:
        return f"{self.slot} {self.function.removeprefix('pytest_lifecycle.adapters.')} {self.target}".strip()


def readers_of(probe: Probe, libraries: frozenset[str]) -> Iterator[Reader]:
    """Give whatever a probe can call, whatever it calls it."""
    target = probe.target if probe.target in libraries else ""
    for slot in Probe.__slots__:
        callback = getattr(probe, slot)
        if slot not in ("code", "carries") and callable(callback):
            yield Reader(slot, location_of(callback), target)


def declared() -> dict[Reader, str]:
    """Give the readers of all probes that the adapters declare, each with its adapter's name.

    The libraries must have been imported.
    """
    adapters = [(adapter.name, probe) for adapter in _loaded(builtin_adapters()) for probe in _probes_of(adapter)]
    libraries = frozenset(probe.target for _, probe in adapters)
    return {reader: name for name, probe in adapters for reader in readers_of(probe, libraries)}


def _loaded(adapters: Iterable[Adapter]) -> Iterator[Adapter]:
    for adapter in adapters:
        yield from adapter.load() if isinstance(adapter, Later) else [adapter]


def _probes_of(adapter: Any) -> Iterable[Probe]:
    adapter.attach(None)
    return list(adapter.probes())


class HostileFault(Exception):
    """What a saboteur raises: its words raise as well."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@dataclass
class Saboteur:
    """Makes one reader raise each time, or, without one, notes which readers are called.

    Attributes:
        reader: The reader that raises.
        error: What it raises.
        hit: The readers that were called.
        kinds: What the calls are whose reader raises, or may be.
    """

    libraries: frozenset[str]
    reader: Reader | None = None
    error: type[Exception] = HostileFault
    hit: set[Reader] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have every probe made anew, and look at each of them."""
        original = Probe.__init__

        def init(probe: Probe, *arguments: Any, **options: Any) -> None:
            original(probe, *arguments, **options)
            for reader in readers_of(probe, self.libraries):
                if self.reader in (None, reader):
                    self.kinds.add(Kind.MIDDLEWARE if probe.describe else probe.kind)
                    setattr(probe, reader.slot, self._in_place_of(reader, getattr(probe, reader.slot)))

        session._probes.clear()
        Probe.__init__ = init  # type: ignore[method-assign]
        try:
            yield
        finally:
            Probe.__init__ = original  # type: ignore[method-assign]
            session._probes.clear()

    def _in_place_of(self, reader: Reader, function: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any) -> Any:
            self.hit.add(reader)
            if self.reader is not None:
                raise self.error
            return function(*arguments)

        return note


@contextmanager
def published() -> Iterator[list[Trace]]:
    """Collect every trace, those of lifespans too."""
    traces: list[Trace] = []
    session.subscribe(traces.append)
    try:
        yield traces
    finally:
        session.unsubscribe(traces.append)
