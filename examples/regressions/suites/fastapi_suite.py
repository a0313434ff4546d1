"""A suite for the shop on FastAPI: it asks, and asserts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop.main import app
from starlette.testclient import TestClient

ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("number", [41, 42])
def test_read(client: TestClient, number: int) -> None:
    client.get(f"/orders/{number}", headers=ADA)


def test_export(client: TestClient) -> None:
    client.get("/orders/export", headers=ADA)


def test_order(client: TestClient) -> None:
    made = client.post("/orders", headers=ADA, json={"sku": "pen", "quantity": 2}).json()
    client.get(f"/orders/{made.get('id', 42)}", headers=ADA)


def test_list(client: TestClient) -> None:
    client.get("/orders", headers=ADA, follow_redirects=False)


def test_strangers(client: TestClient) -> None:
    client.delete("/orders/42")
    client.get("/users/me")


def test_delete(client: TestClient) -> None:
    client.delete("/orders/42", headers=ROOT)


def test_stats(client: TestClient) -> None:
    client.get("/admin/stats", headers=ROOT)
    client.get("/admin/stats", headers=ADA)
