"""The language that rules are written in: one sentence a rule.

The forms are a table: each is a pattern of words and of places for names (in capitals), and what makes a rule of it.
A rule that fits none of them is told by the form that it fits furthest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from ..._errors import LifecycleError
from ..._trace.facts import Refusal
from .forms import (
    ALL_TRAPS,
    ENDS,
    Before,
    BodyReadOnce,
    Edge,
    Form,
    NeverAnswers,
    No,
    NoDowngrade,
    NoHandlerBeforeValidation,
    RefusedBy,
    Runs,
    SeesEveryResponse,
    Trap,
)
from .scope import EVERYWHERE, Place, Scope
from .steps import Mention, Step
from .traps import TRAPS
from .words import KINDS, RESERVED, Word, nearest, words_of

if TYPE_CHECKING:
    from ..._trace.trace import Trace


class RuleProblem(LifecycleError):
    """A rule that cannot be understood; the message quotes it and points at the word."""


@final
@dataclass(frozen=True, slots=True)
class Sentence:
    """A rule: what it says, and which requests it is for."""

    form: Form
    scope: Scope = EVERYWHERE

    def check(self, trace: Trace) -> str | None:
        """Say what was seen of a request that does not keep it; None for one that does, and for one it is not for."""
        return self.form.check(trace) if self.scope.holds(trace) else None

    def mentions(self) -> tuple[Mention, ...]:
        """Give what it names."""
        return tuple(self.form.mentions())

    def __str__(self) -> str:
        if isinstance(self.form, RefusedBy):
            return f"{self.scope.places} {self.form}{self.scope.limits}"
        return f"{self.form}{self.scope}"


@final
@dataclass(frozen=True, slots=True)
class Allowance:
    """``allow cors-skipped-on-errors on /internal/*``: where a trap does not count."""

    trap: Trap
    scope: Scope = EVERYWHERE

    def __str__(self) -> str:
        return f"allow {self.trap}{self.scope}"


class Pattern(NamedTuple):
    """A form of sentence.

    Attributes:
        text: Its words; in capitals what is read by `_Reader`'s method of that name, in brackets what can be left out.
        make: Makes a rule of what was read, without its scope.
        example: A rule of this form.
    """

    text: str
    make: Callable[..., Any]
    example: str


PATTERNS: Final = (
    Pattern("STEP before STEP", Before, "AuthenticationMiddleware before AuthorizationMiddleware"),
    Pattern("NAME [is] outermost", lambda name: Edge(name, "outermost"), "LoggingMiddleware outermost"),
    Pattern("NAME [is] innermost", lambda name: Edge(name, "innermost"), "GZipMiddleware innermost"),
    Pattern("NAME sees every response [,] [errors] [too]", SeesEveryResponse, "CORSMiddleware sees every response"),
    Pattern("STEP never short-circuits", NeverAnswers, "LoggingMiddleware never short-circuits"),
    Pattern("STEP runs", Runs, "dependency current_user runs on /orders/*"),
    Pattern(
        "PLACES [is] refused by REFUSER",
        lambda places, by: (by, places),
        "GET /admin/* refused by authentication when anonymous",
    ),
    Pattern(
        "every route PLACES [is] refused by REFUSER",
        lambda places, by: (by, places),
        "every route under /admin is refused by authentication when anonymous",
    ),
    Pattern("no END", No, "no 5xx"),
    Pattern("no redirect from https to http", NoDowngrade, "no redirect from https to http"),
    Pattern(
        "no handler [runs] before validation [has] [passed]",
        NoHandlerBeforeValidation,
        "no handler before validation",
    ),
    Pattern("[request] body [is] read once", BodyReadOnce, "body read once"),
    Pattern("TRAP", Trap, "cors-skipped-on-errors"),
    Pattern("allow TRAP", lambda id_: Allowance(Trap(id_)), "allow cors-skipped-on-errors on /internal/*"),
)


def parse(text: str) -> Sentence | Allowance:
    """Read a rule.

    Raises:
        RuleProblem: It is none.
    """
    words = words_of(text)
    misses = []
    for pattern in PATTERNS:
        reader = _Reader(words)
        try:
            return _read(pattern, reader)
        except _Miss as miss:
            misses.append((miss, pattern))
    raise _problem(text, words, misses)


def _read(pattern: Pattern, reader: _Reader) -> Sentence | Allowance:
    values = []
    for part in pattern.text.split():
        if part.startswith("["):
            reader.skip(part[1:-1])
        elif part.isupper():
            values.append(getattr(reader, part.lower())())
        else:
            reader.expect(part)
    made = pattern.make(*values)
    if isinstance(made, tuple):  # the routes stand in front
        form, places = made
        return Sentence(form, reader.scope(places))
    scope = reader.scope()
    return Allowance(made.trap, scope) if isinstance(made, Allowance) else Sentence(made, scope)


class _Miss(Exception):
    """A word is not what a form has there.

    Args:
        at: The word's number.
        expected: What it could have been: words of the language, or what names it could hold.
    """

    def __init__(self, at: int, *expected: str) -> None:
        self.at = at
        self.expected = expected


METHOD: Final = re.compile(r"[A-Za-z]+")
STATUS: Final = re.compile(r"[1-5]([0-9]{2}|xx)")
A_PATTERN: Final = "a route such as /orders/*"
A_NAME: Final = "a name"


@final
class _Reader:
    """Reads the parts of a form, word by word."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._at = 0

    def _next(self) -> Word | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _is(self, text: str) -> bool:
        word = self._next()
        return word is not None and word.says(text)

    def skip(self, text: str) -> bool:
        """Go past a word if it is there."""
        found = self._is(text)
        self._at += found
        return found

    def expect(self, text: str) -> None:
        """Go past a word that has to be there."""
        if not self.skip(text):
            raise _Miss(self._at, text)

    def name(self) -> str:
        """Read a name."""
        word = self._next()
        if word is None or word.text == "," or not word.text or _is_route(word):
            raise _Miss(self._at, A_NAME)
        if word.text.lower() in RESERVED and not word.is_quoted:
            raise _Miss(self._at, A_NAME)
        self._at += 1
        return word.text

    def step(self) -> Step:
        """Read a name that may have its kind before it."""
        kind = next((kind for kind in KINDS if self.skip(kind)), "")
        return Step(self.name(), kind)

    def places(self) -> tuple[Place, ...]:
        """Read routes, parted by commas."""
        places = [self._place()]
        while self.skip(","):
            places.append(self._place())
        return tuple(places)

    def _place(self) -> Place:
        word = self._next()
        method = None
        following = self._words[self._at + 1] if self._at + 1 < len(self._words) else None
        if word is not None and not word.says("under") and _begins_place(following) and METHOD.fullmatch(word.text):
            method = word.text.upper()
            self._at += 1
        is_tree = self.skip("under")
        word = self._next()
        if word is None or not _is_route(word):
            raise _Miss(self._at, A_PATTERN)
        self._at += 1
        return Place(word.text, method, is_tree)

    def refuser(self) -> RefusedBy:
        """Read a kind of refusal, or the name of who refuses."""
        word = self._next()
        kind = next((str(kind) for kind in Refusal if word is not None and word.says(kind)), None)
        if kind is None:
            return RefusedBy(self.name(), is_kind=False)
        self._at += 1
        return RefusedBy(kind, is_kind=True)

    def end(self) -> str:
        """Read how a request can end."""
        word = self._next()
        text = "" if word is None else word.text.lower()
        if not STATUS.fullmatch(text) and text not in ENDS:
            raise _Miss(self._at, "a status such as 5xx or 404", *sorted(ENDS))
        self._at += 1
        return text

    def trap(self) -> str:
        """Read the id of a rule that is built in."""
        word = self._next()
        text = "" if word is None else word.text.lower()
        if text not in TRAPS and text != ALL_TRAPS:
            raise _Miss(self._at, ALL_TRAPS, *TRAPS)
        self._at += 1
        return text

    def scope(self, places: tuple[Place, ...] = ()) -> Scope:
        """Read which requests the rule is for, up to its end."""
        more = ["except", "when", "the end of the rule"]
        if not places:
            more.insert(0, "on")
            places = self.places() if self.skip("on") or self._is("under") else ()
        excepted = self.places() if self.skip("except") else ()
        is_anonymous = self.skip("when")
        if is_anonymous:
            self.expect("anonymous")
        if self._next() is not None:
            raise _Miss(self._at, *more)
        return Scope(places, excepted, is_anonymous)


def _is_route(word: Word) -> bool:
    return word.text.startswith(("/", "*"))


def _begins_place(word: Word | None) -> bool:
    return word is not None and (_is_route(word) or word.says("under"))


def _problem(text: str, words: list[Word], misses: list[tuple[_Miss, Pattern]]) -> RuleProblem:
    """Say what is wrong with a rule: by the forms that it fits furthest."""
    furthest = max(miss.at for miss, _ in misses)
    near = [(miss, pattern) for miss, pattern in misses if miss.at == furthest]
    word = words[furthest] if furthest < len(words) else None
    expected = list(dict.fromkeys(said for miss, _ in near for said in miss.expected))
    meant = nearest(word.text, [said for said in expected if said not in (A_NAME, A_PATTERN)]) if word else None
    if word is None and len(words) == 1:  # a name alone
        meant = nearest(words[0].text, (*TRAPS, ALL_TRAPS))
    start, width = (word.start, word.end - word.start) if word else (len(text), 1)
    quoted = text.replace("\n", " ")
    lines = [
        f"The rule {quoted!r} cannot be understood.",
        f"    {quoted}",
        f"    {' ' * start}{'^' * width}",
        f"Expected {_either(expected, near)}{f', got {word.text!r}' if word else ' here'}.",
    ]
    if word is not None and A_NAME in expected and word.text.lower() in RESERVED and not word.is_quoted:
        lines.append(f"{word.text!r} is a word of the language: as a name, it has to stand in quotes.")
    if meant:
        examples = [pattern.example for miss, pattern in near if meant in miss.expected]
        examples = [example for example in examples if meant in example.split()]
        lines.append(f"Did you mean {meant}, as in '{examples[0]}'?" if examples else f"Did you mean {meant}?")
    return RuleProblem("\n".join(lines), slug="rule-not-understood")


def _either(expected: list[str], near: list[tuple[_Miss, Pattern]]) -> str:
    if len(near) == len(PATTERNS):  # not even the first word fits
        return "the name of a step, a route, 'no', 'body read once', 'every route under', the id of a built-in rule"
    return ", ".join(said if " " in said else f"'{said}'" for said in expected)
