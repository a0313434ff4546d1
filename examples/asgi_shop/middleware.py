"""Layers around the shop: some are classes, some are closures."""

from __future__ import annotations

import gzip
import logging
from uuid import uuid4

from .http import ASGIApp, Message, Receive, Scope, Send, answer, header

log = logging.getLogger(__name__)


class RequestIDMiddleware:
    """Gives every request an id, or keeps the one that the proxy sent, and returns it to the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = header(scope, "x-request-id") or uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        await self.app(scope, receive, send_with_id)


def cors(app: ASGIApp, *, origin: str) -> ASGIApp:
    """Answer a browser's preflight, and let the pages of one origin read all other answers."""

    async def with_cors(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or header(scope, "origin") != origin:
            await app(scope, receive, send)
            return
        allowed = {"access-control-allow-origin": origin}
        if scope["method"] == "OPTIONS":
            await answer(send, 204, headers={**allowed, "access-control-allow-methods": "GET, POST"})
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                raw = [(name.encode(), value.encode()) for name, value in allowed.items()]
                message["headers"] = [*message["headers"], *raw]
            await send(message)

        await app(scope, receive, send_allowed)

    return with_cors


def catch_errors(app: ASGIApp) -> ASGIApp:
    """Answer 500 for an exception that nobody caught, and log it."""

    async def catching(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await answer(send, 500, {"error": "Something broke, on our side."})

    return catching


class GzipMiddleware:
    """Compresses answers for clients that accept gzip."""

    def __init__(self, app: ASGIApp, minimum_size: int = 500) -> None:
        self.app = app
        self.minimum_size = minimum_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "gzip" not in (header(scope, "accept-encoding") or ""):
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                start, *parts = held
                body = b"".join(part.get("body", b"") for part in parts)
                if len(body) >= self.minimum_size:
                    body = gzip.compress(body)
                    kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                    length = str(len(body)).encode()
                    start["headers"] = [*kept, (b"content-encoding", b"gzip"), (b"content-length", length)]
                await send(start)
                await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, hold)


class AuthMiddleware:
    """Answers 401 to whoever sends no token that the shop knows."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["user"] = scope["state"]["store"].user_of(header(scope, "authorization"))
            if scope["user"] is None:
                await answer(send, 401, {"error": "Send a token."}, {"www-authenticate": "Bearer"})
                return
        await self.app(scope, receive, send)


def admin_only(app: ASGIApp) -> ASGIApp:
    """Guard one handler."""

    async def admin_gate(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["user"].is_admin:
            await answer(send, 403, {"error": "For admins only."})
            return
        await app(scope, receive, send)

    return admin_gate
