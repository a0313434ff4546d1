"""Which app the `lifecycle` fixture drives."""

from __future__ import annotations

import pytest

from .app import app
from .http import ASGIApp


@pytest.fixture
def lifecycle_app() -> ASGIApp:
    return app
