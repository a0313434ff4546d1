"""Which path leads to which view."""

from __future__ import annotations

from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from .views import OrderList, login_required, read_me, read_order, read_stats, read_unit_price, subscribe

orders = [
    path("", csrf_exempt(login_required(OrderList.as_view())), name="order-list"),  # tokens, not cookies: no CSRF
    path("<int:order_id>/", read_order, name="order"),
    path("<int:order_id>/unit-price/", read_unit_price, name="unit-price"),
]

urlpatterns = [
    path("orders/", include(orders)),
    path("users/me/", read_me, name="me"),
    path("admin/stats/", read_stats, name="stats"),
    path("newsletter/", subscribe, name="newsletter"),
]
