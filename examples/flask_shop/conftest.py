"""Which app the `lifecycle` fixture drives: a new one for every test."""

from __future__ import annotations

import pytest
from flask import Flask

from .app import create_app


@pytest.fixture
def lifecycle_app() -> Flask:
    return create_app()
