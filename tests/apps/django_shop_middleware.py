"""The middleware of the Django shop, and what it knows of its users."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from tests.apps import django_app as configured

# isort: split

from asgiref.sync import markcoroutinefunction
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

assert configured.wsgi is not None  # it is what configures Django

PERMISSIONS = {"ada": {"shop.change_order"}, "bob": set[str](), "root": {"shop.change_order", "shop.view_invoice"}}
"""Who may ask, by the token that is sent, and what each may do."""


class StockError(Exception):
    """There is nothing left."""


@sync_and_async_middleware
def stamp(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Every response says which request it belongs to."""
    if iscoroutinefunction(get_response):

        async def middleware(request: Any) -> Any:
            request.request_id = "1"
            response = await get_response(request)
            response["X-Request-Id"] = request.request_id
            return response

        return middleware

    def sync_middleware(request: Any) -> Any:
        request.request_id = "1"
        response = get_response(request)
        response["X-Request-Id"] = request.request_id
        return response

    return sync_middleware


class TokenMiddleware:
    """Knows the user by a token, and turns away who sends a wrong one. New style, sync and async."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        if self.is_async:
            return self.__acall__(request)
        return self.refuse(request) or self.get_response(request)

    async def __acall__(self, request: Any) -> Any:
        return self.refuse(request) or await self.get_response(request)

    def refuse(self, request: Any) -> HttpResponse | None:
        token = request.headers.get("Authorization")
        if token is None:
            return None
        if token not in PERMISSIONS:
            return JsonResponse({"error": "token"}, status=401)
        user = User(pk=1, username=token)
        request.user = user
        if hasattr(request, "auser"):  # Django 5.0 and newer

            async def auser() -> Any:
                return user

            request.auser = auser
        request.tenant = "north"
        return None


class Till(MiddlewareMixin):
    """Closes the shop, mends what is sold out, and gives templates their motto. Hooks only."""

    def process_view(self, request: Any, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        return HttpResponse("closed", status=503) if "X-Closed" in request.headers else None

    def process_template_response(self, request: Any, response: Any) -> Any:
        response.context_data = {**(response.context_data or {}), "motto": "!"}
        response["X-Board"] = "1"
        return response

    def process_exception(self, request: Any, error: Exception) -> HttpResponse | None:
        return JsonResponse({"error": str(error)}, status=409) if isinstance(error, StockError) else None


class Counting(MiddlewareMixin):
    """Says in a header how many of it the response has passed."""

    def process_response(self, request: Any, response: Any) -> Any:
        response["X-Count"] = str(int(response.get("X-Count", "0")) + 1)
        return response


class Shouting(MiddlewareMixin):
    """Gives another response in the place of the one that it gets."""

    def process_response(self, request: Any, response: Any) -> Any:
        return HttpResponse(response.content.upper(), status=203, headers={"X-Shouted": "1"})


class Roles:
    """An authentication backend without a database."""

    def has_perm(self, user: Any, permission: str, obj: Any = None) -> bool:
        return permission in PERMISSIONS.get(user.username, set())

    async def ahas_perm(self, user: Any, permission: str, obj: Any = None) -> bool:
        return self.has_perm(user, permission, obj)
