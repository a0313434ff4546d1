"""The routes of routers as data: made once for each router, and again once its routes are others."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from typing import Any, NamedTuple, final

from .._trace.routing import RouteTable

Lists = list[list[Any]]
"""The lists that hold a router's routes: its own, and those of the routers inside it."""


class Known(NamedTuple):
    """A router's table while requests run: all is kept alive, since an `id` is a key.

    Attributes:
        router: The router.
        live: Its lists.
        then: What was in them as the table was made.
        table: The routes as data.
    """

    router: Any
    live: Lists
    then: Lists
    table: RouteTable


class Resting(NamedTuple):
    """A router's table between tests: it keeps nothing of the app alive, and is of use while all of it lives on.

    Attributes:
        objects: The router, and all that was in its lists.
        table: The routes as data.
    """

    objects: list[weakref.ref[Any]]
    table: RouteTable

    def is_of(self, objects: Iterable[Any]) -> bool:
        """Whether it was made of these very objects."""
        found = list(objects)
        return len(found) == len(self.objects) and all(
            known() is there for known, there in zip(self.objects, found, strict=True)
        )


@final
class Tables:
    """The tables of the routers that were seen.

    Args:
        lists_of: Gives the lists that hold a router's routes.
        relist: Gives them anew where a router replaces its lists; None where it only ever changes them.
        limit: How many tables are kept.
    """

    def __init__(
        self,
        lists_of: Callable[[Any], Lists],
        *,
        relist: Callable[[Any, Lists], Lists] | None = None,
        limit: int = 1000,
    ) -> None:
        self._lists_of = lists_of
        self._relist = relist
        self._limit = limit
        self._known: dict[tuple[int, Hashable], Known] = {}
        self._resting: dict[tuple[int, Hashable], Resting] = {}

    def forget(self) -> None:
        """Keep no app alive."""
        for key, known in list(self._known.items()):  # other threads may be at work
            resting = self._resting.get(key)
            if resting is None or resting.table is not known.table:
                self._rest(key, known)
        self._known.clear()

    def of(self, router: Any, variant: Hashable, make: Callable[[], RouteTable]) -> RouteTable:
        """Give the table of a router.

        Args:
            router: The router.
            variant: What else the table depends on.
            make: Makes it.
        """
        key = (id(router), variant)
        known = self._known.get(key)
        if known is None or not self._is_current(known):
            if len(self._known) >= self._limit:
                self._known.clear()
            known = self._known[key] = self._look(key, router, make)
        return known.table

    def _is_current(self, known: Known) -> bool:
        live = known.live if self._relist is None else self._relist(known.router, known.live)
        return live == known.then

    def _look(self, key: tuple[int, Hashable], router: Any, make: Callable[[], RouteTable]) -> Known:
        live = self._lists_of(router)
        then = [[*held] for held in live]
        resting = self._resting.get(key)
        if resting is not None and resting.is_of(chain([router], *then)):
            return Known(router, live, then, resting.table)
        return Known(router, live, then, make())

    def _rest(self, key: tuple[int, Hashable], known: Known) -> None:
        try:
            router = weakref.ref(known.router, lambda _: self._resting.pop(key, None))
            objects = [router, *(weakref.ref(held) for held in chain(*known.then))]
        except TypeError:  # a class of the user's with slots
            return
        if len(self._resting) >= self._limit:
            self._resting.clear()
        self._resting[key] = Resting(objects, known.table)
