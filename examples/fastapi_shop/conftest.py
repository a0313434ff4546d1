"""Which app the `lifecycle` fixture drives."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from .main import app


@pytest.fixture
def lifecycle_app() -> FastAPI:
    return app
