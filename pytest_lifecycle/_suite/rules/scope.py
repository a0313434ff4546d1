"""Which requests a rule is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

from .words import quoted

if TYPE_CHECKING:
    from ..._trace.trace import Trace


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Some routes.

    Attributes:
        pattern: The route's pattern as the framework writes it, or a path; ``*`` stands for anything.
        method: The method asked for; None for every one.
        is_tree: Whether all beneath it is meant, too.
    """

    pattern: str
    method: str | None = None
    is_tree: bool = False

    def holds(self, trace: Trace) -> bool:
        """Whether a request is for one of these routes: its route's pattern fits, or the path that was asked for."""
        if self.method is not None and trace.method != self.method:
            return False
        return self.takes(urlsplit(trace.url).path or "/") or self.takes((trace.route or "").partition(" ")[2])

    def takes(self, path: str) -> bool:
        """Whether the pattern fits."""
        return _compiled(self.pattern, self.is_tree).fullmatch(path) is not None

    def __str__(self) -> str:
        words = [self.method or "", "under" if self.is_tree else "", quoted(self.pattern)]
        return " ".join(filter(None, words))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, is_tree: bool) -> re.Pattern[str]:
    if is_tree:
        pattern = pattern.rstrip("/")
    regex = ".*".join(map(re.escape, pattern.split("*")))
    return re.compile(f"{regex}(/.*)?" if is_tree else regex, re.DOTALL)


@final
@dataclass(frozen=True, slots=True)
class Scope:
    """The requests that a rule is for.

    Attributes:
        on: The routes; none for all of them.
        excepted: The routes that it is not for.
        is_anonymous: Whether it is only for requests without credentials (see `Trace.is_anonymous`).
    """

    on: tuple[Place, ...] = ()
    excepted: tuple[Place, ...] = ()
    is_anonymous: bool = False

    def holds(self, trace: Trace) -> bool:
        """Whether the rule is for this request."""
        if self.is_anonymous and not trace.is_anonymous:
            return False
        if self.on and not any(place.holds(trace) for place in self.on):
            return False
        return not any(place.holds(trace) for place in self.excepted)

    def takes(self, path: str) -> bool:
        """Whether the rule is for what lies at this path, where there is no request."""
        wanted = not self.on or any(place.takes(path) for place in self.on)
        return wanted and not any(place.takes(path) for place in self.excepted)

    @property
    def places(self) -> str:
        """The routes as a rule names them."""
        return ", ".join(map(str, self.on))

    def __str__(self) -> str:
        on = "" if not self.on else f" {self.places}" if self.places.startswith("under ") else f" on {self.places}"
        return on + self.limits

    @property
    def limits(self) -> str:
        """What follows the routes in a rule."""
        text = f" except {', '.join(map(str, self.excepted))}" if self.excepted else ""
        return text + (" when anonymous" if self.is_anonymous else "")


EVERYWHERE: Final = Scope()
"""All requests."""
