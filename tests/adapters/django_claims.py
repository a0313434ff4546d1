"""What the Django shop has to say to each of some sixty requests, read off `tests/apps/django_shop*.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS = [
    "SecurityMiddleware",
    "stamp",
    "GZipMiddleware",
    "SessionMiddleware",
    "CommonMiddleware",
    "CsrfViewMiddleware",
    "AuthenticationMiddleware",
    "TokenMiddleware",
    "Till",
]
HOOKS = ["hook CsrfViewMiddleware.process_view", "hook Till.process_view"]
FAILING = "hook Till.process_exception"
RENDERING = "hook Till.process_template_response"

ADA, BOB, ROOT, EVE = ({"Authorization": name} for name in ("ada", "bob", "root", "eve"))
TOKEN = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}

ORDERS = "/api/v1/orders/"
NUMBER = f"{ORDERS}<int:number>/"
KEY = "8f14e45f-ceea-467f-a8e9-6b5a1d0f3c11"


@dataclass(frozen=True)
class Row:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    steps: list[str]
    """What stands in `path` between the middleware and the response."""
    headers: dict[str, str] = field(default_factory=dict)
    token: bool = False
    data: dict[str, Any] | None = None
    file: bytes | None = None
    refusal: str | None = None
    refused_by: str | None = None
    route: str | None = None
    handler: str | None = None
    stopped_at: str | None = None
    validation: str | None = None
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    depth: int = len(LAYERS)
    """How many of the middleware were entered."""
    passed: int | None = None
    """How many of them the response left; None: as many as were entered."""
    nearest: list[str] | None = None
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status} {self.refused_by or ''}".strip()


def handled(method: str, url: str, route: str, *inside: str, status: int = 200, **more: Any) -> Row:
    """Claim that the last handler inside answered."""
    handler = next(step for step in inside if step.startswith("handler ")).removeprefix("handler ")
    steps = [f"route {method} {route}", *HOOKS, *inside]
    return Row(method, url, status, "handled", steps, route=f"{method} {route}", handler=handler, **more)


def invalid(url: str, route: str, *inside: str, refused_by: str, status: int = 400, **more: Any) -> Row:
    """Claim that a validation inside of a POST's handler refused it."""
    row = handled("POST", url, route, *inside, status=status)
    return Row(
        "POST",
        url,
        status,
        "invalid",
        row.steps,
        route=row.route,
        handler=row.handler,
        refusal="validation",
        refused_by=refused_by,
        validation="failed",
        **more,
    )


def refused(
    method: str, url: str, status: int, kind: str, by: str, *inside: str, route: str, hooks: list[str] = HOOKS, **m: Any
) -> Row:
    """Claim that a check refused the request after it was routed, before its handler."""
    steps = [f"route {method} {route}", *hooks, *inside]
    inward = [step for step in steps if step not in (FAILING, RENDERING)]
    return Row(
        method,
        url,
        status,
        "rejected",
        steps,
        route=f"{method} {route}",
        refusal=kind,
        refused_by=by,
        stopped_at=inward[-1],
        **m,
    )


LOGIN = "decorator LoginRequiredMixin"
CLERK = "decorator PermissionRequiredMixin"
PERMITTED = "decorator permission_required"
POSTED = ["decorator csrf_exempt", "decorator require_http_methods"]
MANAGER = "decorator user_passes_test"
STAFF = "decorator UserPassesTestMixin"
BULK = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}

ROWS = [
    # -- read
    handled("GET", "/", "/", "handler index"),
    handled("HEAD", "/", "/", "handler index"),
    handled("GET", f"{ORDERS}7/", NUMBER, "handler OrderView.get"),
    handled("GET", ORDERS, ORDERS, LOGIN, "handler OrderList.get", headers=ADA),
    handled("GET", "/slow/", "/slow/", "handler slow"),
    handled("GET", "/async/", "/async/", "handler AsyncView.get"),
    handled("GET", "/archive/2024/", "/^archive/(?P<year>[0-9]{4})/$", "handler archive"),
    handled("GET", "/pages/old/", "/pages/<slug:name>/", "handler page"),
    handled("GET", "/cart/", "/cart/", "handler cart"),
    handled("GET", "/sign/", "/sign/", "handler sign"),
    handled("GET", "/board/", "/board/", "handler board", RENDERING),
    handled("GET", "/about/", "/about/", "handler About.get", RENDERING),
    handled("OPTIONS", f"{ORDERS}7/", NUMBER, "handler OrderView.options"),
    handled(
        "GET", f"{ORDERS}{KEY}/invoice/", f"{ORDERS}<uuid:key>/invoice/",
        "decorator login_required", PERMITTED, "handler invoice", headers=ROOT,
    ),
    # -- write
    handled(
        "POST", ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation passed",
        status=201, headers=ADA, token=True, data={"quantity": "2"}, validation="passed",
    ),
    invalid(
        ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation failed",
        headers=ADA, token=True, data={"quantity": "0"},
        refused_by="OrderForm", errors=[(("quantity",), "min_value")],
    ),
    invalid(
        ORDERS, ORDERS, LOGIN, "handler OrderList.post", "validation failed",
        headers=ADA, token=True, data={"quantity": "1", "note": "none"},
        refused_by="OrderForm", errors=[(("__all__",), "empty")],
    ),
    handled("PUT", f"{ORDERS}7/", NUMBER, PERMITTED, "handler OrderView.put", headers=ADA, token=True),
    handled(
        "DELETE", f"{ORDERS}7/admin/", f"{NUMBER}admin/", CLERK, "handler OrderAdmin.delete",
        status=204, headers=ADA, token=True,
    ),
    handled(
        "POST", f"{ORDERS}7/photo/", f"{NUMBER}photo/", *POSTED, "handler photo", "validation passed",
        status=201, file=b"jpeg", validation="passed",
    ),
    invalid(
        f"{ORDERS}7/photo/", f"{NUMBER}photo/", *POSTED, "handler photo", "validation failed",
        status=422, data={"photo": "none"}, refused_by="PhotoForm", errors=[(("photo",), "required")],
    ),
    handled(
        "POST", f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation passed",
        status=201, token=True, data={**BULK, "form-0-quantity": "1", "form-1-quantity": "2"}, validation="passed",
    ),
    invalid(
        f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation failed",
        token=True, data={**BULK, "form-0-quantity": "1", "form-1-quantity": "0"},
        refused_by="BulkFormSet", errors=[((1, "quantity"), "min_value")],
    ),
    invalid(
        f"{ORDERS}bulk/", f"{ORDERS}bulk/", "handler bulk", "validation failed",
        token=True, data={"form-0-quantity": "1"},
        refused_by="BulkFormSet", errors=[(("__all__",), "missing_management_form")],
    ),
    handled(
        "POST", "/api/v1/products/", "/api/v1/products/", "handler product", "validation passed",
        status=201, token=True, data={"name": "tea", "price": "3"}, validation="passed",
    ),
    invalid(
        "/api/v1/products/", "/api/v1/products/", "handler product", "validation failed",
        token=True, data={"name": "too long", "price": "x"},
        refused_by="ProductForm", errors=[(("name",), "max_length"), (("price",), "invalid")],
    ),
    handled(
        "POST", "/contact/", "/contact/", "handler Contact.post", "validation failed", RENDERING,
        token=True, data={"email": "nobody"}, validation="failed", errors=[(("email",), "invalid")],
    ),
    handled(
        "POST", "/contact/", "/contact/", "handler Contact.post", "validation passed",
        status=302, token=True, data={"email": "a@b.example"}, validation="passed",
    ),
    handled("GET", "/contact/", "/contact/", "handler Contact.get", RENDERING, validation="none"),
    # -- who may ask
    refused("GET", ORDERS, 302, "authentication", "LoginRequiredMixin", LOGIN, route=ORDERS),
    refused(
        "GET", f"{ORDERS}{KEY}/invoice/", 302, "authentication", "login_required", "decorator login_required",
        route=f"{ORDERS}<uuid:key>/invoice/",
    ),
    refused(
        "GET", f"{ORDERS}{KEY}/invoice/", 403, "permission", "permission_required",
        "decorator login_required", PERMITTED, FAILING, route=f"{ORDERS}<uuid:key>/invoice/", headers=ADA,
    ),
    refused(
        "PUT", f"{ORDERS}7/", 302, "permission", "permission_required", PERMITTED,
        route=NUMBER, headers=BOB, token=True,
    ),
    refused("PUT", f"{ORDERS}7/", 302, "authentication", "permission_required", PERMITTED, route=NUMBER, token=True),
    refused(
        "DELETE", f"{ORDERS}7/admin/", 403, "permission", "PermissionRequiredMixin", CLERK, FAILING,
        route=f"{NUMBER}admin/", headers=BOB, token=True,
    ),
    refused(
        "DELETE", f"{ORDERS}7/admin/", 302, "authentication", "PermissionRequiredMixin", CLERK,
        route=f"{NUMBER}admin/", token=True,
    ),
    refused("GET", "/report/", 302, "permission", "user_passes_test", MANAGER, route="/report/", headers=ADA),
    refused("GET", "/report/", 302, "authentication", "user_passes_test", MANAGER, route="/report/"),
    handled("GET", "/staff/", "/staff/", STAFF, "handler Staff.get", headers=ROOT),
    refused("GET", "/staff/", 403, "permission", "UserPassesTestMixin", STAFF, FAILING, route="/staff/", headers=ADA),
    refused("GET", "/staff/", 302, "authentication", "UserPassesTestMixin", STAFF, route="/staff/"),
    handled("GET", "/vault/", "/vault/", "decorator Vault.dispatch", "handler Vault.get", headers={"X-Key": "1"}),
    Row(
        "GET", "/vault/", 403, "short_circuited",
        ["route GET /vault/", *HOOKS, "decorator Vault.dispatch", FAILING],
        route="GET /vault/", refusal="permission", refused_by="Vault.dispatch", stopped_at="decorator Vault.dispatch",
    ),
    Row(
        "GET", f"{ORDERS}7/", 401, "short_circuited", [],
        headers=EVE, depth=8, refusal="authentication", refused_by="TokenMiddleware",
        stopped_at="middleware TokenMiddleware",
    ),
    # -- forged and broken
    refused(
        "POST", ORDERS, 403, "csrf", "CsrfViewMiddleware",
        route=ORDERS, hooks=HOOKS[:1], headers=ADA, data={"quantity": "2"},
    ),
    refused(
        "POST", "/transfer/", 403, "csrf", "csrf_protect", "decorator csrf_exempt", "decorator csrf_protect",
        route="/transfer/",
    ),
    handled(
        "POST", "/transfer/", "/transfer/", "decorator csrf_exempt", "decorator csrf_protect", "handler transfer",
        token=True,
    ),
    Row(
        "GET", "/whoami/", 400, "short_circuited", [],
        headers={"Host": "evil.example"}, depth=5, passed=4, refusal="host", refused_by="CommonMiddleware",
        stopped_at="middleware CommonMiddleware",
    ),
    invalid(
        "/form/", "/form/", "decorator csrf_exempt", "handler read_form", "validation failed", FAILING,
        data={"text": "x" * 600}, refused_by="HttpRequest", errors=[(("body",), "RequestDataTooBig")],
    ),
    Row(
        "POST", ORDERS, 400, "invalid", [f"route POST {ORDERS}", HOOKS[0], "validation failed"],
        headers=ADA, token=True, data={"quantity": "1" * 600}, route=f"POST {ORDERS}",
        refusal="validation", refused_by="HttpRequest", stopped_at="validation failed",
        errors=[(("body",), "RequestDataTooBig")],
    ),
    Row(
        "GET", f"{ORDERS}7/", 503, "short_circuited", [f"route GET {NUMBER}", *HOOKS],
        headers={"X-Closed": "1"}, route=f"GET {NUMBER}", refusal="middleware", refused_by="Till.process_view",
        stopped_at="hook Till.process_view",
    ),
    # -- views that raise
    handled(
        "GET", f"{ORDERS}0/", NUMBER, "handler OrderView.get", FAILING,
        status=404, refusal="not_found", refused_by="OrderView.get",
    ),
    handled("GET", f"{ORDERS}13/", NUMBER, "handler OrderView.get", FAILING, status=409),
    handled(
        "GET", "/forbidden/", "/forbidden/", "handler forbidden", FAILING,
        status=403, refusal="permission", refused_by="forbidden",
    ),
    Row(
        "GET", "/crash/", 500, "error", ["route GET /crash/", *HOOKS, "handler crash", FAILING],
        route="GET /crash/", handler="crash",
    ),
    # -- routing
    handled(
        "GET", "/pages/new/", "/pages/<slug:name>/", "handler page",
        warnings=["/pages/new/"],
    ),
    Row("GET", "/about", 301, "redirected", [], nearest=["/about/ (differs: trailing slash)"]),
    Row(
        "GET", "/abuot/", 404, "not_found", [],
        refusal="not_found", refused_by="not_found", nearest=["/about/ (is spelled differently)"],
    ),
    Row(
        "GET", f"{ORDERS}seven/", 404, "not_found", [],
        refusal="not_found", refused_by="not_found", nearest=[f'{NUMBER} ("seven" is no int)'],
    ),
    Row(
        "PATCH", f"{ORDERS}7/", 405, "method_not_allowed", HOOKS, token=True,
        refusal="method", refused_by="method_not_allowed", nearest=[f"{NUMBER} (takes GET, PUT)"],
    ),
    Row(
        "GET", f"{ORDERS}7/photo/", 405, "method_not_allowed", [*HOOKS, *POSTED],
        refusal="method", refused_by="require_http_methods", nearest=[f"{NUMBER}photo/ (takes POST)"],
    ),
]  # fmt: skip
