"""The response that an ASGI app sends, message by message, and what is wrong with it.

Source of the rules: the ASGI specification, HTTP Connection Scope, version 2.5.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, final

from .blame import heads_from, holder_of, sender_of, told
from .faults import BODILESS, Fault, Header, as_piece, beginning, check_length, checked_headers, checked_status, shown

if TYPE_CHECKING:
    from .exchange import Exchange
    from .span import Span


@final
class Answer:
    """An ASGI app's response: takes its messages, notes what is wrong with them, and lets the app go on.

    Args:
        exchange: Where the messages are noted.
        extensions: The names of the messages that the server offers besides those of the specification.
        may_use_up: Whether an iterator of header lines is ours: it gives them once.

    Attributes:
        status: The status; None until the response is started, or where it is no status.
        headers: The header lines.
        faults: What the app did wrong, as sentences.
        is_started: Whether the response was started.
        is_complete: Whether its end was sent.
    """

    __slots__ = (
        "_carries_body",
        "_exchange",
        "_extensions",
        "_is_extended",
        "_length",
        "_may_use_up",
        "faults",
        "headers",
        "is_complete",
        "is_started",
        "status",
    )

    def __init__(self, exchange: Exchange, extensions: Container[str] = (), *, may_use_up: bool = True) -> None:
        self._exchange = exchange
        self._may_use_up = may_use_up
        self._extensions = extensions
        self._is_extended = False
        self._carries_body = True
        self._length = 0
        self.status: int | None = None
        self.headers: list[Header] = []
        self.faults: list[str] = []
        self.is_started: bool = False
        self.is_complete: bool = False

    def take(self, message: Any, step: Span | None) -> bytes:
        """Take a message that a step sends, and give the piece of the body that the client is to have of it."""
        if not issubclass(type(message), (dict, Mapping)):
            self._note(Fault.NO_MESSAGE.say(shown(message)), sender_of(step))
            return b""
        kind = message.get("type")
        if kind == "http.response.body":
            return self._take_piece(message, step)
        self._exchange.log("out", shown(kind) if not issubclass(type(kind), str) else beginning(kind), 0, step)
        if kind == "http.response.start":
            self._start(message, step)
        elif issubclass(type(kind), str) and kind in self._extensions:
            self._is_extended = True
        else:
            self._note(Fault.UNKNOWN_MESSAGE.say(shown(kind)), sender_of(step))
        return b""

    def _start(self, message: Mapping[str, Any], step: Span | None) -> None:
        if self.is_started:
            self._note(Fault.DOUBLE_START.say(), sender_of(step))
            return
        self.is_started = True
        faults: list[str] = []
        self.status = checked_status(message.get("status"), faults)
        self.headers = checked_headers(message.get("headers", ()), faults, as_bytes=True, may_use_up=self._may_use_up)
        self._carries_body = self._exchange.method != "HEAD" and self.status not in BODILESS
        if faults:
            self.faults += heads_from(faults, step, as_bytes=True)

    def _take_piece(self, message: Mapping[str, Any], step: Span | None) -> bytes:
        if self.is_complete:
            self._note(Fault.BODY_AFTER_END.say("http.response.body"), sender_of(step))
            return b""
        if not self.is_started:
            self._note(Fault.BODY_BEFORE_START.say("http.response.body"), holder_of(step))
            return b""
        faults: list[str] = []
        piece = as_piece(message.get("body", b""), faults)
        for fault in faults:
            self._note(fault, sender_of(step))
        self._exchange.log("out", "http.response.body", len(piece), step)
        self._length += len(piece)
        if not goes_on(message):
            self._complete()
        return piece if self._carries_body else b""

    def _complete(self) -> None:
        self.is_complete = True
        if self._exchange.method == "HEAD" or self._is_extended:
            return
        if self._carries_body:
            check_length(self.headers, self._length, self.faults)
        elif self._length:
            self._note(Fault.BODY_NOT_ALLOWED.say(self.status))

    def _note(self, fault: str, layer: str = "") -> None:
        self.faults.append(told(fault, layer))

    def end(self) -> None:
        """Note what is missing once the app has returned."""
        if not self.is_started:
            self._note(Fault.NO_RESPONSE.say())
        elif not (self.is_complete or self._is_extended):
            self._note(Fault.NO_END.say())


def goes_on(message: Mapping[str, Any]) -> bool:
    """Whether a piece of the body says that there is more; an object of the app's that will not say says no."""
    try:
        return bool(message.get("more_body", False))
    except Exception:
        return False


def conclude(exchange: Exchange) -> None:
    """Note the faults of a response that the observer took, once the app has ended.

    An app that raised, or whose client has left, is not blamed for a response that has no end.
    """
    answer = exchange.answer
    if answer is None:
        return
    exchange.answer = None
    if not (exchange.broke_off or _has_left(exchange)):
        answer.end()
    for fault in answer.faults:
        exchange.warn(fault)


def _has_left(exchange: Exchange) -> bool:
    return any(message.type == "http.disconnect" for message in exchange.messages)
