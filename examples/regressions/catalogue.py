"""The regressions: which shop, what is edited, and which parts of the plugin tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Edit(NamedTuple):
    """One edit of a shop's file: what stands there, and what then does."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Regression:
    """What somebody does to a shop.

    Attributes:
        title: What happens.
        shop: The shop's framework.
        edits: How it comes about.
        told_by: The parts of the plugin that tell of it: baseline, rules, coverage.
        compare: What the baseline is asked to compare, where its default does not tell.
    """

    title: str
    shop: str
    edits: tuple[Edit, ...]
    told_by: frozenset[str]
    compare: str = ""


EXPORT = """@orders.get("/export")
async def export_orders(db: Database, user: CurrentUser) -> list[Order]:
    return db.orders_of(user)


"""
READ = '@orders.get("/{order_id}", name="order")\n'
CORS = """        Middleware(
            CORSMiddleware,
            allow_origins=["https://shop.example"],
            allow_methods=["GET", "POST"],
            allow_headers=["authorization"],
        ),
"""
MAINTENANCE = "        Middleware(MaintenanceMiddleware),\n"

FIRST = {"fastapi": (Edit("routes.py", READ, EXPORT + READ),)}
"""What is added to a shop before anything is recorded."""

RULES = {
    "asgi": ("GzipMiddleware before AuthMiddleware",),
    "django": ("no 5xx",),
    "fastapi": (
        "CORSMiddleware before MaintenanceMiddleware",
        "DELETE /orders/* is refused by authentication when anonymous",
        "NoStoreMiddleware runs under /admin",
    ),
    "flask": ("no 5xx", "no redirected"),
}
"""The rules that each shop has."""

BASELINE = frozenset({"baseline"})
WITH_RULES = frozenset({"baseline", "rules"})
WITH_COVERAGE = frozenset({"baseline", "coverage"})
ALL = frozenset({"baseline", "coverage", "rules"})

REGRESSIONS = {
    "shadowed-route": Regression(
        "a route is shadowed by another one that now comes first",
        "fastapi",
        (Edit("routes.py", EXPORT, ""), Edit("routes.py", "orders.include_router", f"{EXPORT}orders.include_router")),
        WITH_COVERAGE,
    ),
    "changed-prefix": Regression(
        "a prefix is changed",
        "flask",
        (Edit("views.py", 'url_prefix="/orders"', 'url_prefix="/order"'),),
        WITH_COVERAGE,
    ),
    "swapped-middleware": Regression(
        "two middleware are swapped",
        "asgi",
        (Edit("app.py", "GzipMiddleware(AuthMiddleware(", "AuthMiddleware(GzipMiddleware("),),
        WITH_RULES,
    ),
    "dropped-dependency": Regression(
        "a dependency that authenticates is dropped",
        "fastapi",
        (Edit("routes.py", ", dependencies=[Depends(admin_only)]", ""),),
        ALL,
    ),
    "required-field": Regression(
        "a field is required",
        "fastapi",
        (Edit("routes.py", "    sku: str = Field(min_length=1)\n", "    sku: str\n    note: str\n"),),
        WITH_COVERAGE,
    ),
    "lost-slash": Regression(
        "a trailing slash is lost",
        "django",
        (Edit("urls.py", '"users/me/"', '"users/me"'),),
        WITH_COVERAGE,
    ),
    "added-slash": Regression(
        "a trailing slash is added",
        "flask",
        (Edit("views.py", '@users.get("/me")', '@users.get("/me/")'),),
        ALL,
    ),
    "renamed-handler": Regression(
        "a handler is renamed",
        "flask",
        (Edit("views.py", "def read_me(", "def read_user("),),
        BASELINE,
        compare="handler",
    ),
    "moved-cors": Regression(
        "CORS is moved inside",
        "fastapi",
        (Edit("main.py", CORS, ""), Edit("main.py", MAINTENANCE, MAINTENANCE + CORS)),
        WITH_RULES,
    ),
    "renamed-column": Regression(
        "a migration renames a column that a handler reads",
        "flask",
        (Edit("store.py", "    total: int", "    total_cents: int"),),
        ALL,
    ),
    "lost-mount": Regression(
        "a mount is lost",
        "fastapi",
        (Edit("main.py", 'app.mount("/admin", admin)\n', ""),),
        ALL,
    ),
}
