"""A suite for the shop on Flask: it asks, and asserts nothing."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from shop.app import create_app

ADA = {"authorization": "Bearer ada-token"}


@pytest.fixture
def client() -> FlaskClient:
    return create_app().test_client()


def test_read(client: FlaskClient) -> None:
    client.get("/orders/42", headers=ADA)
    client.get("/orders/999", headers=ADA)


def test_me(client: FlaskClient) -> None:
    client.get("/users/me", headers=ADA)


def test_stranger(client: FlaskClient) -> None:
    client.get("/users/me")


def test_price(client: FlaskClient) -> None:
    client.get("/orders/42/unit-price", headers=ADA)
