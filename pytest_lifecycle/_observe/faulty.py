"""Probes that raised: each is named once, where a user reads it."""

from __future__ import annotations

from typing import final

from .._trace.exchange import Exchange
from .._trace.span import Span
from .._trace.story import message_of
from .probe import Probe


@final
class FaultyProbes:
    """Names the probes that raised.

    A request's trace says what failed while it was under way. What failed elsewhere (in a lifespan, before there was
    a request at all) is told by the next request's: that is where a step is missing.
    """

    def __init__(self) -> None:
        self._named: set[int] = set()
        self._untold: list[str] = []

    def name(self, probe: Probe, fault: Exception, span: Span | None) -> None:
        """Say that a probe raised and is off now, unless that was said before."""
        if id(probe) in self._named:
            return
        self._named.add(id(probe))
        exchange = span.exchange if span is not None else None
        said = (
            f"the {probe.adapter or 'generic'} adapter failed in its probe on {probe.target}"
            f" ({type(fault).__name__}: {message_of(fault)}); that probe is off, the rest of the trace stands."
        )
        if exchange is not None:
            exchange.warn(said)
        if exchange is None or exchange.protocol == "lifespan":
            self._untold.append(said)

    def tell(self, exchange: Exchange) -> None:
        """Tell a request what no request was told yet."""
        if self._untold and exchange.protocol != "lifespan":
            for said in self._untold:
                exchange.warn(said)
            self._untold.clear()

    def forget(self) -> None:
        """Begin anew: the probes are tried again."""
        self._named.clear()
        self._untold.clear()
