"""Which app the `lifecycle` fixture drives: the shop as a WSGI server calls it, then as an ASGI server does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import asgi, wsgi
from .store import seed
from .views import shop

APPLICATIONS = {"wsgi": wsgi.application, "asgi": asgi.application}


@pytest.fixture(params=["wsgi", "asgi"])
def interface(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lifecycle_app(interface: str) -> object:
    return APPLICATIONS[interface]


@pytest.fixture(autouse=True)
def unchanged_orders() -> Iterator[None]:
    """Undo what a test ordered."""
    yield
    shop.orders = seed()
