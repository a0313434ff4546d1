"""A suite for the shop without a framework: it asks, and asserts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop.app import app
from starlette.testclient import TestClient

ADA = {"authorization": "Bearer ada-token"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_read(client: TestClient) -> None:
    client.get("/orders/42", headers=ADA)


def test_stranger(client: TestClient) -> None:
    client.get("/orders/42")
