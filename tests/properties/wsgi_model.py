"""Walks through the plan of a WSGI app.

A body may be made as it is read. So the model's bodies are read as those of the app are, piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .model import HANDLER_NAMES, LAYER_NAMES, Lines, Model, Raised, Step, causes_of
from .plans import Body, Deed, Form, Plan, Point

Start = Callable[[int, Lines, Raised | None], None]


@dataclass
class Opaque:
    """A body that is an object of a class: nobody can tell when it has been read."""

    body: Pieces
    at_end: Callable[[], None]


class Generated:
    """A body that is a generator: the steps that gave it out as it was go on in it.

    Attributes:
        carriers: Those steps, the innermost first.
    """

    def __init__(self, walk: Walk, pieces: Iterator[None]) -> None:
        self.walk = walk
        self.pieces = pieces
        self.carriers: list[Step] = []
        self.is_begun = False

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        walk, self.is_begun = self.walk, True
        before = walk.current
        walk.current = self.carriers[0] if self.carriers else before
        try:
            next(self.pieces)
        except StopIteration:
            for step in self.carriers:
                walk.leave(step)
            raise
        except Raised as raised:
            raised.leave(self.carriers[::-1])
            raise
        finally:
            walk.current = before

    def close(self) -> None:
        self.pieces.close()  # type: ignore[attr-defined]


Pieces = list[None] | Opaque | Generated


def read(body: Pieces) -> Iterator[None]:
    return read(body.body) if isinstance(body, Opaque) else iter(body)


def close(body: Pieces) -> None:
    if isinstance(body, Opaque):
        close(body.body)
        body.at_end()
    elif isinstance(body, Generated):
        body.close()


def collected(body: Pieces) -> Pieces:
    try:
        return [*read(body)]
    finally:
        close(body)


def nothing() -> None:
    """Do nothing at the end."""


class Walk(Model):
    """One request's way through a plan.

    Attributes:
        current: The step that is running.
        sent: Whether a piece of the body has left the app.
        is_cut: Whether the app may have run on after its outermost call returned. Only a driver of ours sees that:
            for any other client, the request is over then (see docs/explanation/what-it-cannot-see.md).
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.current: Step | None = None
        self.sent = False
        self.is_cut = False
        try:
            body = self.run(0, self.edge)
            self.is_cut = isinstance(body, Opaque) and self.steps[0].is_over
            try:
                for _ in read(body):
                    self.sent = True
            finally:
                close(body)
        except Raised as raised:
            self.escaped = True
            if not raised.left:  # from a `close()` after all layers had returned
                raised.left.append(Step("wsgi", None))
        self.errors = [error for error in self.errors if error.left]  # none is known of the `close()` of a layer's own

    def edge(self, status: int, lines: Lines, error: Raised | None) -> None:
        if error is not None and self.sent:
            raise error
        if self.begun is None:
            self.begun = len(self.steps)
        self.status = status

    def leave(self, step: Step) -> None:
        """A step has returned."""
        step.is_over = True
        self.cross(step)
        step.answered = step.answers
        step.changes = step.would_change

    # -- layers

    def run(self, number: int, start: Start) -> Pieces:
        is_handler = number == len(self.plan.layers)
        form = self.plan.handler.form if is_handler else self.plan.layers[number].form
        names = (HANDLER_NAMES if is_handler else LAYER_NAMES)[form]

        def inside(steps: list[Step]) -> Pieces:
            return self.handle(start) if is_handler else self.act(number, start, steps)

        if form is Form.GENERATOR:
            return Generated(self, self.generate(names, is_handler, inside))
        before = self.current
        steps = self.begin(names, before, is_handler=is_handler)
        self.current = steps[-1]
        try:
            with self.leaving(steps):
                body = inside(steps)
        finally:
            self.current = before
        for step in reversed(steps):
            if isinstance(body, Generated) and not body.is_begun:
                body.carriers.append(step)
            else:
                self.leave(step)
        return body

    def generate(self, names: list[str], is_handler: bool, inside: Callable[[list[Step]], Pieces]) -> Iterator[None]:
        """Walk through a layer, or a handler, that is a generator function itself."""
        steps = self.begin(names, self.current, is_handler=is_handler)
        with self.leaving(steps):
            self.current = steps[-1]
            body = inside(steps)
            try:
                for piece in read(body):
                    yield piece
                    self.current = steps[-1]
            finally:
                close(body)
        for step in reversed(steps):
            self.leave(step)

    def act(self, number: int, start: Start, steps: list[Step]) -> Pieces:
        layer, own = self.plan.layers[number], next(step for step in reversed(steps) if not step.is_part)

        def run(start: Start) -> Pieces:
            return self.run(number + 1, start)

        match layer.deed:
            case Deed.ANSWER:
                own.answers = True
                start(403, [], None)
                return [None]
            case Deed.ADD | Deed.CHANGE | Deed.REMOVE:
                return run(self.changing(layer.deed, number, own, start))
            case Deed.BODY:
                return Generated(self, self.marked(run(start)))
            case Deed.LIST:
                return collected(run(start))
            case Deed.ITERABLE:
                return Opaque(run(start), nothing)
            case Deed.RAISE:
                if self.is_due(number, layer.times):
                    raise self.fail("AppError", str(number))
                return run(start)
            case Deed.RAISE_AFTER:
                body = collected(run(start))
                if self.is_due(number, layer.times):
                    raise self.fail("AppError", str(number))
                return body
            case Deed.TWICE:
                collected(run(lambda status, lines, error: None))
                return run(start)
            case Deed.RETRY | Deed.SWALLOW | Deed.EXC_INFO | Deed.TRANSLATE:
                return self.catch(layer.deed, number, run, start, own)
            case _:
                return run(start)

    def catch(self, deed: Deed, number: int, run: Callable[[Start], Pieces], start: Start, own: Step) -> Pieces:
        started: list[Lines] = []
        begun = len(self.steps)

        def noticing(status: int, lines: Lines, error: Raised | None) -> None:
            started.append(lines)
            start(status, lines, error)

        try:
            return collected(run(noticing))
        except Raised as raised:
            if deed is Deed.TRANSLATE:
                causes = (f"{raised.type}: {raised.message}", *raised.causes)
                raise self.fail("TranslatedError", str(number), causes) from None
            if deed is Deed.RETRY and started:
                raise
            if deed is Deed.EXC_INFO:
                if started and self.steps[begun].crossed:  # it was raised by the `close()` of what came from inside
                    own.would_change = ({}, {}, [name for name, _ in started[-1]])
                start(500, [], raised)
            elif deed is Deed.SWALLOW and not started:
                start(500, [], None)
        return run(start) if deed is Deed.RETRY else [None]

    def changing(self, deed: Deed, number: int, step: Step, start: Start) -> Start:
        """Give a `start_response` that changes the head, and notes what it changed."""

        def changed(status: int, lines: Lines, error: Raised | None) -> None:
            lines, changes = self.change(deed, number, lines)
            step.would_change = changes
            if step.crossed:
                step.changes = changes
            start(status, lines, error)

        return changed

    @staticmethod
    def marked(body: Pieces) -> Iterator[None]:
        try:
            yield from read(body)
        finally:
            close(body)

    # -- the handler

    def handle(self, start: Start) -> Pieces:
        handler = self.plan.handler
        fails = handler.fails if handler.fails is not None and self.is_due(-1, handler.times) else None

        def fail_at(point: Point) -> None:
            if fails is point:
                raise self.fail("AppError", str(("handler", point.value)), causes_of(handler.cause))

        def in_pieces() -> Iterator[None]:
            for _ in handler.pieces:
                yield
                fail_at(Point.MIDWAY)
            fail_at(Point.END)

        def late() -> Iterator[None]:
            start(handler.status, [("x-origin", "handler")], None)
            fail_at(Point.STARTED)
            yield from in_pieces()

        fail_at(Point.BEFORE)
        if handler.is_silent:
            return []
        if handler.body is Body.LATE_START:
            return Generated(self, late())
        start(handler.status, [("x-origin", "handler")], None)
        fail_at(Point.STARTED)
        pieces: list[None] = [None for _ in handler.pieces]
        if handler.body is Body.GENERATOR:
            return Generated(self, in_pieces())
        if handler.body is Body.ITERABLE:
            return Opaque(pieces, lambda: fail_at(Point.END))
        if handler.body is Body.WRITE:
            self.sent = self.sent or bool(pieces)
        fail_at(Point.MIDWAY)
        fail_at(Point.END)
        return [] if handler.body is Body.WRITE else pieces
