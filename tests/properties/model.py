"""What the trace of a planned app must be: the plan is walked through, with neither the app nor the observer.

What both interfaces share; `asgi_model` and `wsgi_model` walk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_lifecycle import Kind, Trace

from .plans import Cause, Deed, Form, Plan

Lines = list[tuple[str, str]]
Changes = tuple[dict[str, str], dict[str, tuple[str, str]], list[str]]
FIXED = frozenset({"x-answer", "x-echo"})
"""The headers that say who answered and what was asked; no layer's deed is about them."""

LAYER_NAMES: dict[Form, list[str]] = {
    Form.CLOSURE: ["closure_layer"],
    Form.CLASS: ["ClassLayer"],
    Form.SLOTS: ["SlotsLayer"],
    Form.SUBCLASS: ["SubLayer", "-SubLayer"],
    Form.METHOD: ["MethodLayer.handle"],
    Form.PARTIAL: ["partial_layer"],
    Form.DECORATED: ["wrapper", "closure_layer"],
    Form.WRAPPED: ["wrapper", "closure_layer"],
    Form.RENAMED: ["renamed_layer"],
    Form.RETURNING: ["returning_layer"],
    Form.GENERATOR: ["generator_layer"],
}
"""The steps that a layer of this form is, the outermost first; what a class inherits is marked, and no middleware."""

HANDLER_NAMES: dict[Form, list[str]] = {
    Form.CLOSURE: ["closure_handler"],
    Form.CLASS: ["ClassHandler"],
    Form.SLOTS: ["ClassHandler"],
    Form.SUBCLASS: ["SubHandler", "-SubHandler"],
    Form.METHOD: ["ClassHandler.serve"],
    Form.PARTIAL: ["partial_handler"],
    Form.DECORATED: ["+wrapper", "closure_handler"],
    Form.WRAPPED: ["closure_handler"],
    Form.RENAMED: ["renamed_handler"],
    Form.RETURNING: ["returning_handler"],
    Form.GENERATOR: ["generator_handler"],
}
"""The steps that a handler of this form is; what is around it is marked, and a middleware."""


@dataclass(eq=False)
class Step:
    """A step of the model's trace.

    Attributes:
        name: Its name.
        parent: The step around it.
        is_part: Whether it is only a part of the step around it.
        is_handler: Whether it is the app at the end.
        is_over: Whether it has returned, or raised.
        answered: Whether a middleware answered itself.
        answers: Whether it will have, once it has returned.
        crossed: Whether a response has left it.
        changes: What it did to the response: what it added, changed and removed.
        would_change: What it will have done, once it has returned.
    """

    name: str
    parent: Step | None
    is_part: bool = False
    is_handler: bool = False
    is_over: bool = False
    answered: bool = False
    answers: bool = False
    crossed: bool = False
    changes: Changes = ({}, {}, [])
    would_change: Changes = ({}, {}, [])

    @property
    def word(self) -> str:
        return f"handler {self.name}" if self.is_handler else f"middleware {self.name}"


@dataclass(eq=False)
class Raised(Exception):
    """An exception of the modelled app.

    Attributes:
        type: The name of its class.
        message: Its `str`.
        causes: What led to it.
        left: The steps that it has left.
        handled_by: The step that got it then.
    """

    type: str
    message: str
    causes: tuple[str, ...] = ()
    left: list[Step] = field(default_factory=list)
    handled_by: str | None = None

    def leave(self, steps: list[Step]) -> None:
        """It leaves these steps, the innermost last."""
        for step in reversed(steps):
            step.is_over = True
            self.left.append(step)
            around = step.parent
            while around is not None and around.is_over:
                around = around.parent
            self.handled_by = None if around is None else around.name

    @property
    def crossed(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.left[1:] if not (step.is_part or step.is_handler))


def causes_of(cause: Cause) -> tuple[str, ...]:
    return () if cause is Cause.NONE else ("KeyError: 'why'",)


class Model:
    """One walk through a plan.

    Attributes:
        steps: The steps in the order begun.
        crossed: Those that a response left, in that order.
        errors: The exceptions in the order raised.
        status: The status of the response; None until it is started at the edge.
        begun: How many steps had begun by then.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps: list[Step] = []
        self.crossed: list[Step] = []
        self.errors: list[Raised] = []
        self.visits: Counter[int] = Counter()
        self.status: int | None = None
        self.begun: int | None = None
        self.escaped = False

    def is_due(self, number: int, times: int) -> bool:
        self.visits[number] += 1
        return self.visits[number] <= times

    def fail(self, kind: str, message: str, causes: tuple[str, ...] = ()) -> Raised:
        raised = Raised(kind, message, causes)
        self.errors.append(raised)
        return raised

    def begin(self, names: list[str], parent: Step | None, *, is_handler: bool = False) -> list[Step]:
        """Begin the steps of a layer or a handler, each inside the one before."""
        begun: list[Step] = []
        for name in names:
            is_part = name.startswith("-")
            is_end = is_handler and name[0] not in "+-"
            parent = Step(name.lstrip("+-"), parent, is_part=is_part, is_handler=is_end)
            begun.append(parent)
        self.steps += begun
        return begun

    @contextmanager
    def leaving(self, steps: list[Step]) -> Iterator[None]:
        """Note which exception leaves these steps."""
        try:
            yield
        except Raised as raised:
            raised.leave(steps)
            raise

    def start(self, status: int) -> None:
        """The response is started at the app's edge."""
        if self.status is None:
            self.status, self.begun = status, len(self.steps)

    def cross(self, step: Step) -> None:
        """The response leaves a step."""
        if not step.crossed:
            step.crossed = True
            self.crossed.append(step)

    @staticmethod
    def change(deed: Deed, number: int, lines: Lines) -> tuple[Lines, Changes]:
        """Do a layer's deed to a head; say what it changed."""
        held, name, by = dict(lines), "x-origin", f"by {number}"
        before = held.get(name)
        if deed is Deed.ADD:
            return [*lines, (f"x-{number}", "added")], ({f"x-{number}": "added"}, {}, [])
        if before is None:
            return lines, ({}, {}, [])
        if deed is Deed.CHANGE:
            return [*{**held, name: by}.items()], ({}, {name: (before, by)}, [])
        del held[name]
        return [*held.items()], ({}, {}, [name])

    def facts(self) -> dict[str, object]:
        """Say what the trace must be."""
        shown = [step for step in self.steps if not step.is_part]
        middleware = [step for step in shown if not step.is_handler]
        handlers = [step for step in shown if step.is_handler]
        inward = [step.word for step in self.steps[: self.begun] if not step.is_part]
        answering = [step.name for step in middleware if step.answered]
        outcome = self._outcome(bool(handlers))
        return {
            "path": [*inward, "no response" if self.status is None else f"response {self.status}"],
            "middleware": [step.name for step in middleware],
            "middleware_out": [step.name for step in self.crossed if not (step.is_part or step.is_handler)],
            "handler": handlers[-1].name if handlers else None,
            "status": self.status,
            "outcome": outcome,
            "answered": answering,
            "refused_by": answering[-1] if outcome == "short_circuited" else None,
            "changes": [(step.name, *step.changes) for step in middleware],
            "exceptions": [
                (
                    *(error.type, error.message, error.left[0].name, error.handled_by, error.crossed),
                    () if self.plan.has(Deed.GROUP) else error.causes,
                )
                for error in self.errors
            ],
        }

    def _outcome(self, is_handled: bool) -> str:
        if self.escaped or (self.status == 500 and self.errors):
            return "error"
        if self.status is None:
            return "no_response"
        return "handled" if is_handled else "short_circuited"


def facts_of(trace: Trace, plan: Plan) -> dict[str, object]:
    """Say what a trace is, in the model's terms."""
    middleware = [span for span in trace.spans(Kind.MIDDLEWARE) if not span.builtin]
    return {
        "path": trace.path,
        "middleware": trace.middleware,
        "middleware_out": trace.middleware_out,
        "handler": trace.handler,
        "status": trace.status,
        "outcome": trace.outcome.value,
        "answered": [span.name for span in middleware if span.short_circuited],
        "refused_by": trace.refused_by,
        "changes": [
            (
                span.name,
                {name: value for name, value in changes.added.items() if name not in FIXED},
                changes.changed,
                [name for name in changes.removed if name not in FIXED],
            )
            for span in middleware
            for changes in [span.response_changes]
        ],
        "exceptions": [
            (
                *(error.type, error.message, error.raised_in, error.handled_by, error.crossed),
                # The message of a task group, and what it was raised after, is asyncio's own.
                () if plan.has(Deed.GROUP) else error.causes,
            )
            for error in trace.exceptions
        ],
    }
