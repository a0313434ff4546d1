"""The adapter contract: what one library's functions mean."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, final

from .probe import Expected, Probe

if TYPE_CHECKING:
    from .._trace.declared import Declared
    from .._trace.span import Span

Inside = Callable[[object], "Declared | None"]
"""Gives what an app inside of another one declares, whatever its framework; None where no adapter knows it."""


class Watcher(Protocol):
    """What an adapter can ask of the observer while a request is under way."""

    def watch(self, probe: Probe, *, lasting: bool = False) -> None:
        """Watch a function that was just found: every call of it is a step from now on.

        Args:
            probe: What its calls are.
            lasting: Whether it stays watched after the test; the probe may then hold nothing of an app.
        """

    def expect(self, span: Span, expected: Expected) -> None:
        """Take these functions for steps when they run beneath the span (see `probe.expecting`)."""


class Adapter:
    """What one library's functions mean. Subclass it, set the attributes, and give the probes.

    Attributes:
        name: What `Trace.framework` says for its apps.
        distribution: The distribution it observes, as on PyPI.
        supports: The versions that its claims were tested against.
        module: The module that must have been imported for it to become active; an adapter imports its library
            only inside its methods. Empty: always active.
    """

    name: str = ""
    distribution: str = ""
    supports: str = ""
    module: str = ""
    watcher: Watcher

    def probes(self) -> Iterable[Probe]:
        """Give the library's own functions to watch. Called once, when the library is first seen to be imported."""
        return ()

    def discover(self, code: types.CodeType, frame: types.FrameType) -> Probe | None:
        """Look at code that runs for the first time: give a probe if its shape alone says what it is.

        It stays watched after the test: the probe may hold nothing of an app.
        """
        return None

    def failed(self, span: Span, error: BaseException) -> None:
        """Look at an exception that leaves a handler: for what only a refusal tells of. It may raise nothing."""

    def declared(self, app: object, inside: Inside) -> Declared | None:
        """Give what an app declares, without a request; None for an app that is not this library's.

        It names all exactly as the spans do. It may not call the app, change it, or have it build anything.

        Args:
            app: Any app.
            inside: Asks all adapters about an app inside of this one: a mounted one, or one that a wrapper holds.
        """
        return None

    def state_of(self, app: object) -> object:
        """Give what changes as the declared parts of an app do, at next to no cost: such as how many routes it has."""
        return None

    def attach(self, watcher: Watcher) -> None:
        """Take the observer to ask; called as the adapter becomes active."""
        self.watcher = watcher

    def forget(self) -> None:
        """Drop what was remembered of apps; called after each test with a request, and as observation ends."""

    def detach(self) -> None:
        """Let go of the observer, and of all that was remembered; called as observation ends."""
        self.forget()


@final
class Later(Adapter):
    """Stands for the adapters of a library until that has been imported.

    Args:
        library: The library's package.
        load: Gives the adapters.
    """

    def __init__(self, library: str, load: Callable[[], list[Adapter]]) -> None:
        self.name = self.module = library
        self.load = load
