"""`wsgi.input`: the request's body as the app reads it, each read noted with the step that made it.

Source of the rules: PEP 3333, "Input and Error Streams".
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast, final

from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .outgoing import Body, check_upload

if TYPE_CHECKING:
    from collections.abc import Buffer


def input_of(body: Body, exchange: Exchange) -> WholeInput | PiecewiseInput:
    """Give the stream for a request's body."""
    if isinstance(body, bytes):
        return WholeInput(body, exchange)
    return PiecewiseInput(BodyReader(cast("Iterable[bytes]", body), exchange))


@final
class WholeInput(io.BytesIO):
    """A body that is there as a whole.

    Attributes:
        error: None: nothing can go wrong.
    """

    error: Exception | None = None

    def __init__(self, body: bytes, exchange: Exchange) -> None:
        super().__init__(body)
        self._exchange = exchange

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or all."""
        return self._noted(super().read(size))

    def read1(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or all."""
        return self._noted(super().read1(size))

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer."""
        size = super().readinto(buffer)
        with memoryview(buffer).cast("B") as view:
            self._exchange.read(bytes(view[:size]), CURRENT.get())
        return size

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line."""
        return self._noted(super().readline(size))

    def readlines(self, size: int | None = None, /) -> list[bytes]:
        """Read all lines."""
        lines = super().readlines(size)
        self._exchange.read(b"".join(lines), CURRENT.get())
        return lines

    def __next__(self) -> bytes:
        return self._noted(super().__next__())

    def _noted(self, data: bytes) -> bytes:
        self._exchange.read(data, CURRENT.get())
        return data


@final
class BodyReader(io.RawIOBase):
    """A body that comes in pieces.

    Args:
        pieces: The pieces.
        exchange: Where each read is noted.

    Attributes:
        error: What the body raised, instead of giving a piece.
    """

    def __init__(self, pieces: Iterable[bytes], exchange: Exchange) -> None:
        self._pieces = iter(pieces)
        self._exchange = exchange
        self._rest = memoryview(b"")
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer with what has come; 0 at the end."""
        while not self._rest:
            try:
                piece = next(self._pieces, None)
                check_upload(piece)
            except Exception as error:
                self.error = error
                raise
            if piece is None:
                break
            self._rest = memoryview(piece)
        with memoryview(buffer).cast("B") as view:
            size = min(len(view), len(self._rest))
            given, self._rest = bytes(self._rest[:size]), self._rest[size:]
            view[:size] = given
        self._exchange.read(given, CURRENT.get())
        return size


@final
class PiecewiseInput(io.BufferedReader):
    """The file around a `BodyReader`."""

    def __init__(self, reader: BodyReader) -> None:
        super().__init__(reader)
        self._reader = reader

    @property
    def error(self) -> Exception | None:
        """What the body raised, instead of giving a piece."""
        return self._reader.error
