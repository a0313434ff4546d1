"""The requests, and a plain way to send one: httpx's own transports, which know of no oracle and of no trace."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

import httpx

BASE = "http://testserver"


class Ask(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str] | None = None
    json: object = None
    data: dict[str, str] | None = None

    @property
    def content(self) -> dict[str, Any]:
        return {"headers": self.headers, "json": self.json, "data": self.data}


def send(app: Any, ask: Ask) -> None:
    """Send one request to an app that holds as few surprises as a server: what it raises is not our concern."""
    if iscoroutinefunction(type(app).__call__):
        asyncio.run(_send(app, ask))
        return
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=BASE) as client:
        client.request(ask.method, ask.path, **ask.content)


async def _send(app: Any, ask: Ask) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        await client.request(ask.method, ask.path, **ask.content)
