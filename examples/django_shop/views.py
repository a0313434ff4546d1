"""The shop's views, the form that checks an order, and the decorators that guard them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import View

from .store import Store, User

shop = Store()
ViewFunction = Callable[..., HttpResponseBase]


class ShopRequest(HttpRequest):
    """A request as `AuthMiddleware` hands it on; behind `login_required` there is a user."""

    user: User  # type: ignore[assignment]


def login_required(view: ViewFunction) -> ViewFunction:
    @wraps(view)
    def checked(request: ShopRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user is None:
            return JsonResponse({"error": "Send a bearer token that we know."}, status=401)
        return view(request, *args, **kwargs)

    return checked


def admin_only(view: ViewFunction) -> ViewFunction:
    """Mark a view for `AuthMiddleware`."""
    view.admin_only = True  # type: ignore[attr-defined]
    return view


class OrderForm(forms.Form):
    sku = forms.CharField(min_length=1)
    quantity = forms.IntegerField(min_value=1)


class OrderList(View):
    def get(self, request: ShopRequest) -> HttpResponse:
        return JsonResponse({"orders": [asdict(order) for order in shop.orders_of(request.user)]})

    def post(self, request: ShopRequest) -> HttpResponse:
        try:
            form = OrderForm(json.loads(request.body))
        except json.JSONDecodeError:
            raise BadRequest("Send JSON.") from None
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=400)
        order = shop.add(request.user, form.cleaned_data["sku"], form.cleaned_data["quantity"])
        return JsonResponse(asdict(order), status=201)


@login_required
def read_order(request: ShopRequest, order_id: int) -> HttpResponse:
    order = shop.order_of(request.user, order_id)
    if order is None:
        raise Http404("No such order.")
    return JsonResponse(asdict(order))


@login_required
def read_unit_price(request: ShopRequest, order_id: int) -> HttpResponse:
    order = shop.orders[order_id]
    return JsonResponse({"cents": order.total // order.quantity})


@login_required
def read_me(request: ShopRequest) -> HttpResponse:
    return JsonResponse(asdict(request.user))


@admin_only
def read_stats(request: ShopRequest) -> HttpResponse:
    return JsonResponse({"orders": len(shop.orders)})


def subscribe(request: HttpRequest) -> HttpResponse:
    """Take an e-mail address from the form on the home page; a form, so Django guards it against CSRF."""
    return HttpResponse(f"Thank you, {request.POST['email']}.", content_type="text/plain")
