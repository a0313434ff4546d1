"""The shop on bare ASGI. Run it with ``uvicorn examples.asgi_shop.app:app``."""

from __future__ import annotations

import json
import re

from .http import ASGIApp, Receive, Scope, Send, answer, read_body
from .middleware import AuthMiddleware, GzipMiddleware, RequestIDMiddleware, admin_only, catch_errors, cors
from .store import Store


async def read_me(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, scope["user"])


async def list_orders(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, scope["state"]["store"].orders_of(scope["user"]))


async def create_order(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        new = json.loads(await read_body(receive))
        sku, quantity = str(new["sku"]), int(new["quantity"])
    except (ValueError, TypeError, LookupError) as error:
        await answer(send, 422, {"error": str(error)})
        return
    await answer(send, 201, scope["state"]["store"].add(scope["user"], sku, quantity))


async def read_order(scope: Scope, receive: Receive, send: Send) -> None:
    order = scope["state"]["store"].order_of(scope["user"], int(scope["path_params"]["order_id"]))
    if order is None:
        await answer(send, 404, {"error": "No such order."})
        return
    await answer(send, 200, order)


async def read_unit_price(scope: Scope, receive: Receive, send: Send) -> None:
    order = scope["state"]["store"].orders[int(scope["path_params"]["order_id"])]
    await answer(send, 200, order.total // order.quantity)


async def read_stats(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, {"orders": len(scope["state"]["store"].orders)})


ROUTES: list[tuple[str, str, ASGIApp]] = [
    ("GET", r"/users/me", read_me),
    ("GET", r"/orders", list_orders),
    ("POST", r"/orders", create_order),
    ("GET", r"/orders/(?P<order_id>\d+)", read_order),
    ("GET", r"/orders/(?P<order_id>\d+)/unit-price", read_unit_price),
    ("GET", r"/admin/stats", admin_only(read_stats)),
]


class Router:
    """Hands a request to the handler of its method and path, or says why there is none."""

    def __init__(self, routes: list[tuple[str, str, ASGIApp]]) -> None:
        self.routes = [(method, re.compile(pattern), handler) for method, pattern, handler in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(scope, receive, send)
            return
        path: str = scope["path"]
        found = [(method, match, to) for method, pattern, to in self.routes if (match := pattern.fullmatch(path))]
        for method, match, handler in found:
            if method == scope["method"]:
                scope["path_params"] = match.groupdict()
                await handler(scope, receive, send)
                return
        if found:
            await answer(send, 405, headers={"allow": ", ".join(method for method, _, _ in found)})
            return
        if any(pattern.fullmatch(path.rstrip("/")) for _, pattern, _ in self.routes):
            await answer(send, 307, headers={"location": path.rstrip("/")})
            return
        await answer(send, 404, {"error": "Nothing here."})


async def run_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["store"] = Store()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


app: ASGIApp = RequestIDMiddleware(
    cors(
        catch_errors(GzipMiddleware(AuthMiddleware(Router(ROUTES)))),
        origin="https://shop.example",
    )
)
