"""The shop's routes: users, orders and what happens to them, and invoices inside orders."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, WebSocket
from pydantic import BaseModel, Field

from .dependencies import CurrentUser, Database, admin_only, current_listener
from .store import Order, User

users = APIRouter(prefix="/users", tags=["users"])
orders = APIRouter(prefix="/orders", tags=["orders"])
invoices = APIRouter(prefix="/{order_id}/invoice", tags=["invoices"])


class NewOrder(BaseModel):
    sku: str = Field(min_length=1)
    quantity: int = Field(ge=1)


@users.get("/me")
async def read_me(user: CurrentUser) -> User:
    return user


@orders.get("")
async def list_orders(db: Database, user: CurrentUser) -> list[Order]:
    return db.orders_of(user)


@orders.post("", status_code=201)
async def create_order(new: NewOrder, db: Database, user: CurrentUser) -> Order:
    return db.add(user, new.sku, new.quantity)


@orders.get("/{order_id}", name="order")
def read_order(order_id: int, db: Database, user: CurrentUser) -> Order:
    order = db.order_of(user, order_id)
    if order is None:
        raise HTTPException(404, "No such order.")
    return order


@orders.delete("/{order_id}", status_code=204, response_model=None, dependencies=[Depends(admin_only)])
async def delete_order(order_id: int, db: Database) -> None:
    db.orders.pop(order_id, None)


@orders.websocket("/{order_id}/events")
async def push_events(websocket: WebSocket, order_id: int, user: Annotated[User, Depends(current_listener)]) -> None:
    await websocket.accept()
    await websocket.send_json({"order": order_id, "status": "packed"})
    await websocket.close()


@invoices.get("/unit-price")
async def read_unit_price(order_id: int, db: Database, user: CurrentUser) -> int:
    order = db.orders[order_id]
    return order.total // order.quantity


orders.include_router(invoices)
