"""What is known of a request only once it is over."""

from __future__ import annotations

from . import answer, websocket
from .exchange import Exchange
from .lifespan import part_phases
from .routing import shadowed


def conclude(exchange: Exchange) -> None:
    """Note what its protocol says of its end, and routes that hid others from it."""
    answer.conclude(exchange)
    if exchange.protocol == "lifespan":
        part_phases(exchange.root)
    elif exchange.protocol == "websocket":
        websocket.concluded(exchange)
    for decision in exchange.routing:
        later = shadowed(decision)
        if later is not None and decision.chosen is not None:
            exchange.warn(
                f"{decision.method} {decision.routes[decision.chosen].pattern} took this request, which"
                f" {later.pattern} further down would have matched exactly: declare that one first."
            )
