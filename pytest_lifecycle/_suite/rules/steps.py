"""The steps of a request by name, and which names a run has shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, final

from ..._show.escape import escape
from ..._trace.facts import Refusal
from .scope import Place
from .words import KINDS, nearest, quoted

if TYPE_CHECKING:
    from ..._trace.trace import Trace


class Ran(NamedTuple):
    """A step that ran.

    Attributes:
        kind: Its kind.
        names: Its name, and for a dependency that stands for another one, that one's.
        is_own_answer: Whether it answered itself instead of calling what it wraps.
    """

    kind: str
    names: tuple[str, ...]
    is_own_answer: bool


def steps_of(trace: Trace) -> list[Ran]:
    """Give the steps that a rule can name, in the order begun."""
    stands_for = {run.name: run.stands_for for run in trace.dependency_runs if run.stands_for is not None}
    return [
        Ran(
            span.kind.value,
            (span.name, stands_for[span.name]) if span.name in stands_for else (span.name,),
            span.short_circuited,
        )
        for span in trace.spans()
        if span.kind.value in KINDS and not span.builtin
    ]


class Mention(Protocol):
    """Something that a rule names, and that some request of a run has to show."""

    @property
    def noun(self) -> str:
        """What it is."""
        ...

    def shown_by(self, trace: Trace) -> bool:
        """Whether this request shows it."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Step:
    """A step that a rule names.

    Attributes:
        name: Its name as traces show it; a dependency may also go by the name of the one that it overrides.
        kind: Its kind; empty where any will do.
    """

    name: str
    kind: str = ""

    @property
    def noun(self) -> str:
        """What it is."""
        return self.kind or "step"

    def shown_by(self, trace: Trace) -> bool:
        """Whether it ran."""
        return self.place_in(steps_of(trace)) is not None

    def place_in(self, steps: Iterable[Ran]) -> int | None:
        """Give where it stands for the first time; None where it did not run."""
        return next((index for index, step in enumerate(steps) if self.fits(step)), None)

    def fits(self, step: Ran) -> bool:
        """Whether a step that ran is the one."""
        return self.name in step.names and self.kind in ("", step.kind)

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.name)}".lstrip()


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """Requests that a rule is for.

    Attributes:
        place: The routes.
        is_anonymous: Whether only requests without credentials count.
    """

    place: Place
    is_anonymous: bool

    @property
    def noun(self) -> str:
        """A route."""
        return "route"

    def shown_by(self, trace: Trace) -> bool:
        """Whether this request is one."""
        return self.place.holds(trace) and (trace.is_anonymous or not self.is_anonymous)

    def __str__(self) -> str:
        return f"{self.place}{' (when anonymous)' if self.is_anonymous else ''}"


@final
@dataclass(frozen=True, slots=True)
class Refuser:
    """Who refuses.

    Attributes:
        name: The name of the step, or of the class within it.
    """

    name: str

    @property
    def noun(self) -> str:
        """A step."""
        return "step"

    def shown_by(self, trace: Trace) -> bool:
        """Whether it ran, or refused."""
        return trace.refused_by == self.name or Step(self.name).shown_by(trace)

    def __str__(self) -> str:
        return quoted(self.name)


Sighting = tuple[str, str]
"""What was shown: a noun and a name; of a mention itself ``"mention"`` and its text."""

LIMIT: Final = 12
"""How many names a message lists."""


@final
class Sightings:
    """Which names the requests of a run have shown.

    Args:
        mentions: What the rules name.
    """

    def __init__(self, mentions: Iterable[Mention]) -> None:
        self._awaited = {_key(mention): mention for mention in mentions}
        self._seen: dict[str, set[str]] = {}
        self._fresh: list[Sighting] = []

    def look_at(self, trace: Trace) -> None:
        """Note what a request shows."""
        for key, mention in list(self._awaited.items()):
            if mention.shown_by(trace):
                del self._awaited[key]
                self._note("mention", key)
        for step in steps_of(trace):
            self._note(step.kind, step.names[-1])
        self._note("route", trace.route or "")

    def take_fresh(self) -> list[Sighting]:
        """Give what was not given before."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Add what was seen in another process."""
        for noun, name in sightings:
            self._note(noun, name)
            if noun == "mention":
                self._awaited.pop(name, None)

    def _note(self, noun: str, name: str) -> None:
        known = self._seen.setdefault(noun, set())
        if name not in known:
            known.add(name)
            self._fresh.append((noun, name))

    @property
    def has_requests(self) -> bool:
        """Whether any request was seen."""
        return bool(self._seen)

    def missing(self, mentions: Iterable[Mention]) -> Iterator[str]:
        """Say of each of these that no request has shown: what was shown instead, and what may have been meant."""
        for mention in mentions:
            if _key(mention) not in self._seen.get("mention", ()):
                yield self._says_missing(mention)

    def _says_missing(self, mention: Mention) -> str:
        nouns = KINDS if mention.noun == "step" else (mention.noun,)
        seen = {name for noun in nouns for name in self._seen.get(noun, ()) if name}
        if isinstance(mention, Asked):
            text, word = f"no request was ever made to {mention}", mention.place.pattern
            meant = nearest(word, {name.partition(" ")[2] for name in seen})
        else:
            word = getattr(mention, "name", "")
            known = {*seen, *map(str, Refusal)} if isinstance(mention, Refuser) else seen
            text, meant = f"no request ever showed a {mention.noun} {word!r}", nearest(word, known)
        listed = sorted(seen)
        there = ", ".join(listed[:LIMIT]) + (f" and {len(listed) - LIMIT} more" if len(listed) > LIMIT else "")
        text += f"; seen were: {there}" if there else "; none was seen"
        return escape(text + (f". Did you mean {meant!r}?" if meant and meant != word else ""))


def _key(mention: Mention) -> str:
    return f"{mention.noun} {mention}"
