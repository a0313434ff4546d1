"""The shop's data, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class User:
    id: int
    name: str
    is_admin: bool = False


@dataclass(frozen=True)
class Order:
    id: int
    user_id: int
    sku: str
    quantity: int
    total: int  # in cents


ADA = User(1, "Ada")
ROOT = User(2, "Root", is_admin=True)


def seed() -> dict[int, Order]:
    """Give the orders that a new shop starts with; all of order 7 was sent back."""
    orders = [Order(7, 1, "pen", 0, 0), *(Order(number, 1, "notebook", 3, 1350) for number in range(40, 60))]
    return {order.id: order for order in orders}


@dataclass
class Store:
    orders: dict[int, Order] = field(default_factory=seed)
    tokens: dict[str, User] = field(default_factory=lambda: {"ada-token": ADA, "root-token": ROOT})

    def user_of(self, authorization: str | None) -> User | None:
        """Give the user whose token an ``Authorization: Bearer ...`` header holds."""
        scheme, _, token = (authorization or "").partition(" ")
        return self.tokens.get(token) if scheme.lower() == "bearer" else None

    def orders_of(self, user: User) -> list[Order]:
        return [order for order in self.orders.values() if order.user_id == user.id]

    def order_of(self, user: User, order_id: int) -> Order | None:
        order = self.orders.get(order_id)
        return order if order is not None and order.user_id == user.id else None

    def add(self, user: User, sku: str, quantity: int) -> Order:
        order = Order(max(self.orders) + 1, user.id, sku, quantity, 450 * quantity)
        self.orders[order.id] = order
        return order
