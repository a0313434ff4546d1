"""Values whose `repr` pytest prints when an assertion fails: it is shown, and so holds no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from .exchange import Exchange


class ToldValue:
    """A frozen dataclass, declared with ``repr=False``, that says less in its `repr` than it holds.

    What its request sent or got by telling names is taken out of it, too, where the request is known.
    """

    __slots__ = ("_exchange",)

    @property
    def exchange(self) -> Exchange | None:
        """The request that it is about; None for a value made by hand. It is no part of the value."""
        return getattr(self, "_exchange", None)

    def of(self, exchange: Exchange | None) -> Self:
        """Note the request that it is about."""
        object.__setattr__(self, "_exchange", exchange)
        return self

    def __repr__(self) -> str:
        from .._show.told import told_value

        return told_value(self)
