"""Walks through the plan of an ASGI app."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .model import HANDLER_NAMES, LAYER_NAMES, Lines, Model, Raised, Step, causes_of
from .plans import Deed, Plan, Point


class Message(NamedTuple):
    """A message of the response: its start, with the head that matters, or a piece of the body."""

    status: int | None
    lines: Lines


Send = Callable[[Message], None]
BODY = Message(None, [])


class Walk(Model):
    """One request's way through a plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        try:
            self.run(0, self.edge, None)
        except Raised:
            self.escaped = True

    def edge(self, message: Message) -> None:
        if message.status is not None:
            self.start(message.status)

    def through(self, steps: list[Step], send: Send) -> Send:
        """Give the `send` that leads out of these steps, which were all given this one."""

        def sending(message: Message) -> None:
            if message.status is not None and self.status is None:
                for step in reversed(steps):
                    self.cross(step)
            send(message)

        return sending

    def run(self, number: int, send: Send, around: Step | None) -> None:
        if number == len(self.plan.layers):
            self.handle(send, around)
            return
        layer = self.plan.layers[number]
        steps = self.begin(LAYER_NAMES[layer.form], around)
        with self.leaving(steps):
            self.act(number, self.through(steps, send), steps)

    def act(self, number: int, send: Send, steps: list[Step]) -> None:
        layer, inside, own = self.plan.layers[number], steps[-1], next(s for s in reversed(steps) if not s.is_part)

        def run(send: Send) -> None:
            self.run(number + 1, send, inside)

        match layer.deed:
            case Deed.ANSWER:
                own.answered = True
                self.answer(send, 403)
            case Deed.ADD | Deed.CHANGE | Deed.REMOVE:
                run(self.changing(layer.deed, number, own, send))
            case Deed.HOLD:
                run(self.holding(send))
            case Deed.RAISE:
                if self.is_due(number, layer.times):
                    raise self.fail("AppError", str(number))
                run(send)
            case Deed.RAISE_AFTER:
                run(send)
                if self.is_due(number, layer.times):
                    raise self.fail("AppError", str(number))
            case Deed.RETRY:
                self.retry(run, send)
            case Deed.TWICE:
                run(lambda message: None)
                run(send)
            case Deed.SWALLOW:
                sent: list[Message] = []
                try:
                    run(self.noticing(send, sent))
                except Raised:
                    if not sent:
                        self.answer(send, 500)
            case Deed.TRANSLATE:
                try:
                    run(send)
                except Raised as raised:
                    causes = (f"{raised.type}: {raised.message}", *raised.causes)
                    raise self.fail("TranslatedError", str(number), causes) from None
            case _:
                run(send)

    def changing(self, deed: Deed, number: int, step: Step, send: Send) -> Send:
        """Give a `send` that changes the head, and notes what it changed."""

        def changed(message: Message) -> None:
            if message.status is not None:
                lines, step.changes = self.change(deed, number, message.lines)
                message = Message(message.status, lines)
            send(message)

        return changed

    @staticmethod
    def noticing(send: Send, sent: list[Message]) -> Send:
        def noticed(message: Message) -> None:
            sent.append(message)
            send(message)

        return noticed

    @staticmethod
    def holding(send: Send) -> Send:
        held: list[Message] = []

        def hold(message: Message) -> None:
            if message.status is not None:
                held.append(message)
                return
            while held:
                send(held.pop())
            send(message)

        return hold

    def retry(self, run: Callable[[Send], None], send: Send) -> None:
        sent: list[Message] = []
        try:
            run(self.noticing(send, sent))
        except Raised:
            if sent:
                raise
            run(send)

    def answer(self, send: Send, status: int) -> None:
        send(Message(status, [("x-answer", "")]))
        send(BODY)

    def handle(self, send: Send, around: Step | None) -> None:
        handler = self.plan.handler
        steps = self.begin(HANDLER_NAMES[handler.form], around, is_handler=True)
        send = self.through(steps, send)
        fails = handler.fails if handler.fails is not None and self.is_due(-1, handler.times) else None

        def fail_at(point: Point) -> None:
            if fails is point:
                raise self.fail("AppError", str(("handler", point.value)), causes_of(handler.cause))

        with self.leaving(steps):
            fail_at(Point.BEFORE)
            if handler.is_silent:
                return
            send(Message(handler.status, [("x-origin", "handler")]))
            fail_at(Point.STARTED)
            for _ in handler.pieces[:-1]:
                send(BODY)
                fail_at(Point.MIDWAY)
            send(BODY)
            fail_at(Point.END)
