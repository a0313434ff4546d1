"""The shop's own middleware: one function, two classes."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from .store import User
from .views import shop

GetResponse = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: GetResponse) -> GetResponse:
    """Give every request an id, or keep the one that the proxy sent, and return it to the caller."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["X-Request-ID"] = request.headers.get("X-Request-ID") or uuid4().hex
        return response

    return middleware


class CorsMiddleware:
    """Answers a browser's preflight itself, and lets the shop's pages read all other answers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            allowed = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "authorization"}
            response = HttpResponse(status=204, headers=allowed)
        else:
            response = self.get_response(request)
        if request.headers.get("Origin") == settings.CORS_ALLOWED_ORIGIN:
            response["Access-Control-Allow-Origin"] = settings.CORS_ALLOWED_ORIGIN
        return response


class AuthMiddleware:
    """Finds out who is asking, and keeps all but admins out of the views marked `admin_only`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = shop.user_of(request.headers.get("Authorization"))  # type: ignore[assignment]
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        user: User | None = request.user  # type: ignore[assignment]
        if getattr(view, "admin_only", False) and not (user and user.is_admin):
            return JsonResponse({"error": "For admins only."}, status=403)
        return None
