"""What the routes ask for: the database of this request, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request, WebSocket

from .store import Store, User


async def get_db(request: Request) -> AsyncIterator[Store]:
    """Lend the store to one request; what a failed request wrote is undone."""
    store: Store = request.state.store
    before = dict(store.orders)
    try:
        yield store
    except Exception:
        store.orders = before
        raise


Database = Annotated[Store, Depends(get_db)]


def bearer(authorization: Annotated[str | None, Header()] = None) -> str:
    if authorization is None or not authorization.lower().startswith("bearer "):
        raise HTTPException(401, "Send a bearer token.", headers={"WWW-Authenticate": "Bearer"})
    return authorization


async def current_user(authorization: Annotated[str, Depends(bearer)], db: Database) -> User:
    user = db.user_of(authorization)
    if user is None:
        raise HTTPException(401, "Unknown token.", headers={"WWW-Authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(current_user)]


async def admin_only(user: CurrentUser) -> None:
    if not user.is_admin:
        raise HTTPException(403, "For admins only.")


def store_of(websocket: WebSocket) -> Store:
    """Lend the store to a WebSocket for as long as it is open."""
    store: Store = websocket.state.store
    return store


def current_listener(
    authorization: Annotated[str, Depends(bearer)], store: Annotated[Store, Depends(store_of)]
) -> User:
    user = store.user_of(authorization)
    if user is None:
        raise HTTPException(401, "Unknown token.")
    return user
