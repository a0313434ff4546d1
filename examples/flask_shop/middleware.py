"""WSGI middleware, put around the whole application."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class RequestIDMiddleware:
    """Gives every request an id, or keeps the one that the proxy sent, and returns it to the caller."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = environ.setdefault("HTTP_X_REQUEST_ID", uuid4().hex)

        def start_with_id(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., object]:
            return start_response(status, [*headers, ("X-Request-ID", request_id)], exc_info)

        return self.app(environ, start_with_id)


class GzipMiddleware:
    """Compresses whole answers for clients that accept gzip."""

    def __init__(self, app: WSGIApplication, minimum_size: int = 500) -> None:
        self.app = app
        self.minimum_size = minimum_size

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", ""):
            return self.app(environ, start_response)
        started: list[tuple[str, Headers, Any]] = []
        written: list[bytes] = []

        def hold(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            started[:] = [(status, Headers(headers), exc_info)]
            return written.append

        parts = self.app(environ, hold)
        try:
            written.extend(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        body = b"".join(written)
        status, headers, exc_info = started[0]
        headers.add("Vary", "Accept-Encoding")
        if len(body) >= self.minimum_size:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(body))
        start_response(status, headers.to_wsgi_list(), exc_info)
        return [body]
