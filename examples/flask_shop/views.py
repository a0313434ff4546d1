"""The shop's blueprints: users, orders, and what only admins see."""

from __future__ import annotations

from typing import ClassVar

from flask import Blueprint, Response, abort, g, jsonify, request, url_for
from flask.views import MethodView
from pydantic import BaseModel, Field

from .hooks import login_required, require_admin

users = Blueprint("users", __name__, url_prefix="/users")
orders = Blueprint("orders", __name__, url_prefix="/orders")
admin = Blueprint("admin", __name__, url_prefix="/admin")
admin.before_request(require_admin)


class NewOrder(BaseModel):
    sku: str = Field(min_length=1)
    quantity: int = Field(ge=1)


@users.get("/me")
@login_required
def read_me() -> Response:
    return jsonify(g.user)


@orders.get("/")
@login_required
def list_orders() -> Response:
    return jsonify(g.store.orders_of(g.user))


@orders.post("/")
@login_required
def create_order() -> tuple[Response, int, dict[str, str]]:
    new = NewOrder.model_validate(request.get_json())
    order = g.store.add(g.user, new.sku, new.quantity)
    return jsonify(order), 201, {"Location": url_for("orders.order", order_id=order.id)}


class OrderView(MethodView):
    decorators: ClassVar = [login_required]

    def get(self, order_id: int) -> Response:
        order = g.store.order_of(g.user, order_id)
        if order is None:
            abort(404, "No such order.")
        return jsonify(order)

    def delete(self, order_id: int) -> tuple[str, int]:
        if not g.user.is_admin:
            abort(403, "For admins only.")
        g.store.orders.pop(order_id, None)
        return "", 204


orders.add_url_rule("/<int:order_id>", view_func=OrderView.as_view("order"))


@orders.get("/<int:order_id>/unit-price")
@login_required
def read_unit_price(order_id: int) -> Response:
    order = g.store.orders[order_id]
    return jsonify(order.total // order.quantity)


@admin.get("/stats")
def read_stats() -> Response:
    return jsonify(orders=len(g.store.orders))
