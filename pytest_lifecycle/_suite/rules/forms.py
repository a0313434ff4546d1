"""What a rule can say: one class a form, each of which looks at one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, final

from ..._show.explain import why
from ..._trace.facts import Outcome, Refusal
from ..._trace.span import Kind
from ..._trace.story import handler_of
from .steps import Mention, Ran, Refuser, Step, steps_of
from .traps import TRAPS, body_consumed_twice
from .words import RESERVED, quoted

if TYPE_CHECKING:
    from ..._trace.trace import Trace

ALL_TRAPS = "traps"
"""The word that stands for all rules that are built in."""


class Form(Protocol):
    """What a rule says, apart from which requests it is for. `str()` of it is the rule's text."""

    def check(self, trace: Trace) -> str | None:
        """Say what was seen of a request that does not keep it; None for one that does."""
        ...

    def mentions(self) -> Sequence[Mention]:
        """Give what it names."""
        ...


# -- the order of steps


@final
@dataclass(frozen=True, slots=True)
class Before:
    """``A before B``: where B runs, A has begun before.

    Attributes:
        first: A.
        then: B.
    """

    first: Step
    then: Step

    def check(self, trace: Trace) -> str | None:
        """Say what the order was."""
        steps = steps_of(trace)
        first, then = self.first.place_in(steps), self.then.place_in(steps)
        if then is None or (first is not None and first < then):
            return None
        order = _order(trace, [steps[index] for index in (first, then) if index is not None])
        return order if first is not None else f"{self.first.name} did not run; {order}"

    def mentions(self) -> Sequence[Mention]:
        """Give both."""
        return self.first, self.then

    def __str__(self) -> str:
        return f"{self.first} before {self.then}"


def _order(trace: Trace, steps: Sequence[Ran]) -> str:
    if all(step.kind == Kind.MIDDLEWARE for step in steps):
        return _middleware(trace)
    return f"the path was [{', '.join(trace.path)}]"


def _middleware(trace: Trace) -> str:
    return f"the middleware was [{', '.join(trace.middleware)}]"


@final
@dataclass(frozen=True, slots=True)
class Edge:
    """``A outermost``, ``A innermost``: no other middleware is around A, or inside it.

    Attributes:
        name: A.
        side: Which of the two.
    """

    name: str
    side: Literal["outermost", "innermost"]

    def check(self, trace: Trace) -> str | None:
        """Say what the order was."""
        if self.side == "outermost":
            is_kept = trace.middleware[:1] == [self.name]
        elif self.name in trace.middleware:
            is_kept = trace.middleware[-1] == self.name
        else:
            is_kept = trace.route is None and trace.handler is None  # it was stopped before
        return None if is_kept else _middleware(trace)

    def mentions(self) -> Sequence[Mention]:
        """Give the middleware."""
        return (Step(self.name, "middleware"),)

    def __str__(self) -> str:
        return f"{quoted(self.name)} {self.side}"


@final
@dataclass(frozen=True, slots=True)
class Runs:
    """``dependency A runs``: where the handler runs, A has run.

    Attributes:
        step: A.
    """

    step: Step

    def check(self, trace: Trace) -> str | None:
        """Say what ran."""
        if trace.handler is None or self.step.shown_by(trace):
            return None
        return f"the handler {trace.handler} ran without it; the path was [{', '.join(trace.path)}]"

    def mentions(self) -> Sequence[Mention]:
        """Give the step."""
        return (self.step,)

    def __str__(self) -> str:
        return f"{self.step} runs"


# -- what middleware does


@final
@dataclass(frozen=True, slots=True)
class SeesEveryResponse:
    """``A sees every response``: every response leaves through A, those to errors too.

    Attributes:
        name: A.
    """

    name: str

    def check(self, trace: Trace) -> str | None:
        """Say how the response left."""
        if self.name in trace.middleware_out or _status_of(trace) is None:
            return None
        out = f"left through [{', '.join(trace.middleware_out)}]" if trace.middleware_out else "left through none"
        entered = "it was entered" if self.name in trace.middleware else "it was not entered"
        return f"the response {out}; {entered}; {'; '.join(why(trace))}"

    def mentions(self) -> Sequence[Mention]:
        """Give the middleware."""
        return (Step(self.name, "middleware"),)

    def __str__(self) -> str:
        return f"{quoted(self.name)} sees every response"


@final
@dataclass(frozen=True, slots=True)
class NeverAnswers:
    """``A never short-circuits``: A hands every request on.

    Attributes:
        step: A.
    """

    step: Step

    def check(self, trace: Trace) -> str | None:
        """Say that it answered itself."""
        answered = any(step.is_own_answer and self.step.fits(step) for step in steps_of(trace))
        return f"{self.step.name} answered itself" if answered else None

    def mentions(self) -> Sequence[Mention]:
        """Give the step."""
        return (self.step,)

    def __str__(self) -> str:
        return f"{self.step} never short-circuits"


# -- how requests end


@final
@dataclass(frozen=True, slots=True)
class No:
    """``no 5xx``, ``no 404``, ``no error``, ``no throttle``: no request ends so.

    Attributes:
        what: A status, a class of them, an outcome, or a kind of refusal.
    """

    what: str

    def check(self, trace: Trace) -> str | None:
        """Say why it ended so."""
        status = _status_of(trace)
        pattern = str(status)[0] + "xx" if status is not None else ""
        if self.what not in (pattern, str(status), trace.outcome, trace.refusal):
            return None
        return "; ".join(why(trace))

    def mentions(self) -> Sequence[Mention]:
        """Give nothing."""
        return ()

    def __str__(self) -> str:
        return f"no {self.what}"


REFUSALS = frozenset(map(str, Refusal))
"""The kinds of refusal."""

ENDS = frozenset({*map(str, Outcome), *REFUSALS})
"""The words that can follow ``no``, apart from statuses."""


def _status_of(trace: Trace) -> int | None:
    """Give the status; of an exception that left the app what a server makes of it."""
    return 500 if trace.status is None and trace.outcome is Outcome.ERROR else trace.status


@final
@dataclass(frozen=True, slots=True)
class RefusedBy:
    """``GET /admin/* refused by authentication``: each of the requests is refused by that.

    What no route was found for has nothing to protect, and a browser's preflight never brings credentials: those are
    left out.

    Attributes:
        by: A kind of refusal, or the name of a step.
        is_kind: Which of the two.
    """

    by: str
    is_kind: bool

    def check(self, trace: Trace) -> str | None:
        """Say how it ended instead."""
        unprotected = (Outcome.NOT_FOUND, Outcome.METHOD_NOT_ALLOWED, Outcome.REDIRECTED)
        if self._refused(trace) or trace.is_preflight or trace.outcome in unprotected:
            return None
        return "; ".join(why(trace))

    def _refused(self, trace: Trace) -> bool:
        if self.is_kind:
            return trace.refusal == self.by
        sent_away = trace.outcome is Outcome.SHORT_CIRCUITED and trace.stopped_at.partition(" ")[2] == self.by
        return trace.refused_by == self.by or sent_away

    def mentions(self) -> Sequence[Mention]:
        """Give the step."""
        return () if self.is_kind else (Refuser(self.by),)

    def __str__(self) -> str:
        return f"refused by {self.by if self.is_kind else quoted(self.by, others=RESERVED | REFUSALS)}"


@final
@dataclass(frozen=True, slots=True)
class NoDowngrade:
    """``no redirect from https to http``."""

    def check(self, trace: Trace) -> str | None:
        """Say where it was sent to."""
        target = trace.headers.get("location", "")
        if not trace.url.lower().startswith("https://") or not target.lower().startswith("http://"):
            return None
        return f"it was sent to {target}"

    def mentions(self) -> Sequence[Mention]:
        """Give nothing."""
        return ()

    def __str__(self) -> str:
        return "no redirect from https to http"


@final
@dataclass(frozen=True, slots=True)
class NoHandlerBeforeValidation:
    """``no handler before validation``: no handler runs before all validation has passed."""

    def check(self, trace: Trace) -> str | None:
        """Say what validation said, and when."""
        handler = handler_of(trace.root)
        if handler is None:
            return None
        for span in trace.spans(Kind.VALIDATION):
            if span.name == "failed" and span.start < handler.start:
                return f"validation failed, and the handler {handler.name} ran"
            if span.start >= handler.start:
                return f"the handler {handler.name} was running when validation {span.name}"
        return None

    def mentions(self) -> Sequence[Mention]:
        """Give nothing."""
        return ()

    def __str__(self) -> str:
        return "no handler before validation"


@final
@dataclass(frozen=True, slots=True)
class BodyReadOnce:
    """``body read once``: nobody reads a request's body that another one has read already."""

    def check(self, trace: Trace) -> str | None:
        """Say who read it."""
        return body_consumed_twice(trace)

    def mentions(self) -> Sequence[Mention]:
        """Give nothing."""
        return ()

    def __str__(self) -> str:
        return "body read once"


@final
@dataclass(frozen=True, slots=True)
class Trap:
    """A rule that is built in.

    Attributes:
        id: Its id, or `ALL_TRAPS` for all of them.
    """

    id: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The rules that it stands for."""
        return tuple(TRAPS) if self.id == ALL_TRAPS else (self.id,)

    def check(self, trace: Trace) -> str | None:
        """Say what it fell into."""
        return next((said for id_ in self.ids if (said := TRAPS[id_](trace)) is not None), None)

    def mentions(self) -> Sequence[Mention]:
        """Give nothing."""
        return ()

    def __str__(self) -> str:
        return self.id
