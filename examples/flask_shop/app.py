"""The shop on Flask. Run it with ``flask --app examples.flask_shop.app run`` or any WSGI server."""

from __future__ import annotations

from flask import Flask

from . import hooks
from .middleware import GzipMiddleware, RequestIDMiddleware
from .store import Store
from .views import admin, orders, users


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(ALLOWED_ORIGIN="https://shop.example")
    app.extensions["store"] = Store()
    hooks.install(app)
    for blueprint in (users, orders, admin):
        app.register_blueprint(blueprint)
    app.wsgi_app = RequestIDMiddleware(GzipMiddleware(app.wsgi_app))  # type: ignore[method-assign]
    return app
