"""A suite for the shop on Django: it asks, and asserts nothing."""

from __future__ import annotations

import os

import django
import pytest
from django.test import Client

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()

ADA = {"authorization": "Bearer ada-token"}


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def test_read(client: Client) -> None:
    client.get("/orders/42/", headers=ADA)


def test_me(client: Client) -> None:
    client.get("/users/me/", headers=ADA)


def test_stranger(client: Client) -> None:
    client.get("/users/me/")
