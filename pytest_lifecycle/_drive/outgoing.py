"""A request as bytes, ready to be handed to an app."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import NamedTuple

from .._errors import UsageProblem

Body = bytes | Iterable[bytes] | AsyncIterable[bytes]


def check_upload(piece: object) -> None:
    """Refuse a piece of a request's body that is none.

    Raises:
        UsageProblem: It is not bytes.
    """
    if piece is not None and not isinstance(piece, bytes):
        raise UsageProblem(
            f"The request's body gave a piece of type {type(piece).__name__}. Give content= an iterable of bytes.",
            slug="body-not-encodable",
        )


class Outgoing(NamedTuple):
    """What a server knows of a request once it has read its head.

    Attributes:
        method: The HTTP method in upper case.
        scheme: ``"http"`` or ``"https"``.
        host: The name or address that the request was sent to.
        port: The port it was sent to.
        path: The path with percent-encodings resolved.
        raw_path: The path as sent.
        query: The query string as sent, without the ``?``.
        headers: The header lines in order, names in lower case.
        body: The body, whole or in pieces.
        root_path: What the app is mounted under (ASGI `root_path`, WSGI `SCRIPT_NAME`).
        client: The address that the request comes from.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: Body
    root_path: str
    client: tuple[str, int]
