"""The response of a WSGI app, and what is wrong with it.

Source of the rules: PEP 3333.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .blame import heads_from, sender_of, told
from .faults import BODILESS, Fault, Header, announced_length, as_piece, checked_headers, checked_wsgi_status

if TYPE_CHECKING:
    from .exchange import Exchange
    from .span import Span


def read_head(
    status: Any, headers: Any, step: Span | None, *, may_use_up: bool = True
) -> tuple[int | None, list[Header], list[str]]:
    """Give the status and the header lines that a step calls `start_response` with, and what is wrong with them."""
    faults: list[str] = []
    number = checked_wsgi_status(status, faults)
    lines = checked_headers(headers, faults, as_bytes=False, may_use_up=may_use_up)
    return number, lines, heads_from(faults, step, as_bytes=False) if faults else faults


def second_start(step: Span | None) -> str:
    """Say that a step starts a response that was started."""
    return told(Fault.DOUBLE_START.say(), sender_of(step))


def fault_of_result(result: object) -> str | None:
    """Say what is wrong with what an app returned; None where it gives the body in pieces."""
    if issubclass(type(result), bytes | str):
        return Fault.RETURN_BODY.say(type(result).__name__)
    if issubclass(type(result), Iterable) or hasattr(type(result), "__getitem__"):
        return None
    return Fault.RETURN_TYPE.say("None" if result is None else f"a value of type {type(result).__name__}")


def see_result(exchange: Exchange, result: Any) -> None:
    """Keep the body that an app returned to another client, as far as it is there, and note what is wrong with it.

    What is made as it is asked for is left to the client, and so is what went through `write`.
    """
    faults = [fault for fault in [fault_of_result(result)] if fault is not None]
    pieces: Iterable[object] = ()
    if issubclass(type(result), list | tuple):
        pieces = result
    elif not faults:
        exchange.body = None
        return
    sent = 0
    for chunk in pieces:
        piece = as_piece(chunk, faults)
        exchange.log("out", "wsgi.body", len(piece), None)
        exchange.receive_body(piece)
        sent += len(piece)
    if exchange.responded_at is None:
        faults += [Fault.NOT_STARTED.say()] * bool(sent) + [Fault.NO_RESPONSE.say()]
    elif exchange.method != "HEAD":
        _check_size(exchange, sent, faults)
    for said in faults:
        exchange.warn(said)


def _check_size(exchange: Exchange, sent: int, faults: list[str]) -> None:
    if exchange.status in BODILESS:
        if sent:
            faults.append(Fault.BODY_NOT_ALLOWED.say(exchange.status))
        return
    announced = announced_length(exchange.raw_headers, faults)
    if announced is not None and announced < sent:
        faults.append(Fault.LENGTH.say(f"{announced} and sent {sent} bytes"))
