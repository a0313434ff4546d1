"""A chat in FastAPI with every kind of WebSocket: dependencies, refusals, subprotocols, classes, mounts, broadcasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.exceptions import WebSocketException
from fastapi.middleware.cors import CORSMiddleware
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import Mount, WebSocketRoute

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ConnectionID:
    """Puts a number into the state and onto the handshake's response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] == "websocket.accept":
                message = {**message, "headers": [*message.get("headers", []), (b"x-connection-id", b"7")]}
            await send(message)

        scope.setdefault("state", {})["connection_id"] = 7
        await self.app(scope, receive, stamped)


class Gate:
    """Refuses what has no ticket, before any route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and b"ticket=stolen" in scope["query_string"]:
            await send({"type": "websocket.close", "code": 4401, "reason": "stolen ticket"})
        else:
            await self.app(scope, receive, send)


class Parrot(WebSocketEndpoint):
    """Says everything twice."""

    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data)
        await websocket.send_text(data)


@asynccontextmanager
async def parrot_lifespan(app: Starlette) -> AsyncIterator[None]:
    """Of a mounted app: Starlette never runs it."""
    yield


@asynccontextmanager
async def archive(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Of an included router: FastAPI merges it into the app's."""
    yield {"archive": "open"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """The app's own."""
    yield {"rooms": {}}


def current_user(authorization: Annotated[str, Header()] = "") -> str:
    """Name the user, or refuse with a plain HTTP response."""
    if authorization != "Bearer ann":
        raise HTTPException(401, "who are you?", {"www-authenticate": "Bearer"})
    return "ann"


def not_banned(room: int) -> None:
    """Refuse in the WebSocket's own way."""
    if room == 13:
        raise WebSocketException(1008, "banned")


def build() -> FastAPI:
    """Make the app anew."""
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(Gate)
    app.add_middleware(CORSMiddleware)
    app.add_middleware(ConnectionID)
    rooms = APIRouter(prefix="/rooms", lifespan=archive)

    @rooms.websocket("/{room}", dependencies=[Depends(not_banned)])
    async def talk(websocket: WebSocket, room: int, user: Annotated[str, Depends(current_user)]) -> None:
        """Answer each message until one says bye."""
        await websocket.accept()
        try:
            async for text in websocket.iter_text():
                if text == "bye":
                    await websocket.close(4000, "said bye")
                    return
                if text == "crash":
                    raise LookupError(text)
                if text == "wait":
                    await asyncio.sleep(60)
                await websocket.send_json({"room": room, "user": user, "said": text})
        except WebSocketDisconnect:
            pass

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        """Send back what comes, and let the end of it be an exception, as most do."""
        offered = websocket.scope["subprotocols"]
        await websocket.accept(subprotocol=offered[0] if offered else None)
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"], message.get("reason"))
            data = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
            await websocket.send({"type": "websocket.send", **data})

    @app.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        """Refuse without a word."""
        await websocket.close()

    @app.websocket("/short")
    async def short(websocket: WebSocket) -> None:
        """Forget to close."""
        await websocket.accept()
        await websocket.send_bytes(b"\x00\x01")

    app.include_router(rooms, prefix="/v1")
    parrots = Starlette(routes=[WebSocketRoute("/parrot", Parrot)], lifespan=parrot_lifespan)
    app.router.routes.append(Mount("/birds", parrots))
    return app
