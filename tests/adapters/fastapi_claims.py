"""What the FastAPI app's source says of each request, written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS = ["Tag", "CORSMiddleware", "timing", "GZipMiddleware", "Gate", "Tag"]
IN = [f"middleware {name}" for name in LAYERS]
OUT = LAYERS[::-1]


@dataclass(frozen=True)
class Claim:
    """One request and what its trace must say."""

    method: str
    url: str
    status: int
    outcome: str
    path: list[str]
    arguments: dict[str, Any] = field(default_factory=dict)
    route: str | None = None
    route_name: str | None = None
    path_params: dict[str, str] = field(default_factory=dict)
    handler: str | None = None
    dependencies: list[str] = field(default_factory=list)
    validation: str = "not reached"
    errors: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    middleware: list[str] = field(default_factory=lambda: LAYERS)
    middleware_out: list[str] = field(default_factory=lambda: OUT)
    raised: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.status}"


ME = {"headers": {"authorization": "me"}}
READ = "route GET /v1/items/{item_id}"
READ_DEPENDENCIES = ["get_settings", "get_db", "get_cursor", "Pages"]
CREATE = "route POST /v1/items/"

CLAIMS = [
    Claim(
        "GET",
        "/v1/items/3",
        200,
        "handled",
        [
            *IN,
            READ,
            *[f"dependency {name}" for name in READ_DEPENDENCIES],
            "validation passed",
            "handler read_item",
            "response 200",
        ],
        route="GET /v1/items/{item_id}",
        route_name="read-item",
        path_params={"item_id": "3"},
        handler="read_item",
        dependencies=READ_DEPENDENCIES,
        validation="passed",
    ),
    Claim(
        "POST",
        "/v1/items/",
        201,
        "handled",
        [*IN, CREATE, "dependency current_user", "validation passed", "handler create_item", "response 201"],
        arguments={**ME, "json": {"name": "tea", "quantity": 1}},
        route="POST /v1/items/",
        route_name="create_item",
        handler="create_item",
        dependencies=["current_user"],
        validation="passed",
    ),
    Claim(
        "GET",
        "/v1/items/x",
        422,
        "invalid",
        [*IN, READ, *[f"dependency {name}" for name in READ_DEPENDENCIES], "validation failed", "response 422"],
        route="GET /v1/items/{item_id}",
        route_name="read-item",
        path_params={"item_id": "x"},
        dependencies=READ_DEPENDENCIES,
        validation="failed",
        errors=[(("path", "item_id"), "int_parsing")],
        raised=[("RequestValidationError", "validation", "request_validation_exception_handler")],
    ),
    Claim(
        "POST",
        "/v1/items/",
        422,
        "invalid",
        [*IN, CREATE, "dependency current_user", "validation failed", "response 422"],
        arguments={**ME, "json": {"quantity": "many"}},
        route="POST /v1/items/",
        route_name="create_item",
        dependencies=["current_user"],
        validation="failed",
        errors=[(("body", "name"), "missing"), (("body", "quantity"), "int_parsing")],
        raised=[("RequestValidationError", "validation", "request_validation_exception_handler")],
    ),
    Claim(
        "POST",
        "/v1/items/",
        422,
        "invalid",
        [*IN, CREATE, "validation failed", "response 422"],
        arguments={"content": b"{", "headers": {"content-type": "application/json"}},
        route="POST /v1/items/",
        route_name="create_item",
        validation="failed",
        errors=[(("body", 1), "json_invalid")],
        raised=[("RequestValidationError", "validation", "request_validation_exception_handler")],
    ),
    Claim(
        "POST",
        "/v1/items/",
        401,
        "rejected",
        [*IN, CREATE, "dependency current_user", "response 401"],
        arguments={"json": {"name": "tea", "quantity": 1}},
        route="POST /v1/items/",
        route_name="create_item",
        dependencies=["current_user"],
        raised=[("HTTPException", "current_user", "http_exception_handler")],
    ),
    Claim(
        "DELETE",
        "/v1/items/3",
        403,
        "rejected",
        [*IN, "route DELETE /v1/items/{item_id}", "dependency current_user", "dependency admin", "response 403"],
        arguments=ME,
        route="DELETE /v1/items/{item_id}",
        route_name="delete_item",
        path_params={"item_id": "3"},
        dependencies=["current_user", "admin"],
        raised=[("HTTPException", "admin", "http_exception_handler")],
    ),
    Claim(
        "GET",
        "/nope",
        404,
        "not_found",
        [*IN, "response 404"],
        raised=[("HTTPException", "not_found", "http_exception_handler")],
    ),
    Claim(
        "PUT",
        "/v1/items/3",
        405,
        "method_not_allowed",
        [*IN, "response 405"],
        raised=[("HTTPException", "method_not_allowed", "http_exception_handler")],
    ),
    Claim("GET", "/v1/items", 307, "redirected", [*IN, "response 307"]),
    Claim(
        "GET",
        "/boom",
        500,
        "error",
        [*IN, "route GET /boom", "handler boom", "response 500"],
        route="GET /boom",
        route_name="boom",
        handler="boom",
        validation="none",
        middleware_out=[],
        raised=[("LookupError", "boom", None)],
    ),
    Claim(
        "GET",
        "/health",
        503,
        "short_circuited",
        [*IN[:5], "response 503"],
        arguments={"headers": {"x-closed": "1"}},
        middleware=LAYERS[:5],
        middleware_out=OUT[1:],
    ),
    Claim(
        "OPTIONS",
        "/health",
        200,
        "short_circuited",
        [*IN[:2], "response 200"],
        arguments={"headers": {"origin": "https://shop.example", "access-control-request-method": "GET"}},
        middleware=LAYERS[:2],
        middleware_out=OUT[4:],
    ),
    Claim(
        "GET",
        "/inner/deep/x",
        200,
        "handled",
        [*IN, "route GET /inner/deep/{name}", "validation passed", "handler deep", "response 200"],
        route="GET /inner/deep/{name}",
        route_name="deep",
        path_params={"name": "x"},
        handler="deep",
        validation="passed",
    ),
    Claim(
        "GET",
        "/inner/nope",
        404,
        "not_found",
        [*IN, "response 404"],
        raised=[("HTTPException", "not_found", "http_exception_handler")],
    ),
    Claim(
        "GET",
        "/bare/x",
        200,
        "handled",
        [*IN, "route GET /bare", "handler bare", "response 200"],
        route="GET /bare",
        handler="bare",
        validation="none",
    ),
    Claim(
        "GET",
        "/plain",
        200,
        "handled",
        [*IN, "route GET /plain", "handler plain", "response 200"],
        route="GET /plain",
        route_name="plain",
        handler="plain",
        validation="none",
    ),
]
