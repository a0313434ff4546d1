"""WSGI middleware around the whole application."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import uuid4

from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

type_of_error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class RequestIDMiddleware:
    """Gives every request an id, or keeps the one that the proxy sent, and returns it to the caller."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = environ.setdefault("HTTP_X_REQUEST_ID", uuid4().hex)

        def start_with_id(status: str, headers: list[tuple[str, str]], exc_info=None):
            return start_response(status, [*headers, ("X-Request-ID", request_id)], exc_info)

        return self.app(environ, start_with_id)


class GzipMiddleware:
    """Compresses whole answers for clients that take gzip."""

    def __init__(self, app: WSGIApplication, minimum_size: int = 500) -> None:
        self.app = app
        self.minimum_size = minimum_size
