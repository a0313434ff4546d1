"""Nothing of an app or of a framework is changed: each attribute is the object that it was before observing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.test import Client as DjangoClient
from starlette.testclient import TestClient
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import Client, observe
from tests.apps import django_app, fastapi_app, flask_app

LIBRARIES = frozenset({"starlette", "fastapi", "flask", "werkzeug", "django", "rest_framework", "pydantic", "asgiref"})


def library_modules() -> dict[str, ModuleType]:
    """Give the modules of the libraries and of our apps, as far as they are imported."""
    return {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in LIBRARIES or name.startswith("tests.apps")
    }


def attributes(modules: dict[str, ModuleType]) -> dict[str, int]:
    """Give the identity of each global of these modules, and of each attribute of their classes."""
    found: dict[str, int] = {}
    for name, module in modules.items():
        for key, value in list(vars(module).items()):
            if key.startswith("__") or issubclass(type(value), ModuleType):  # imported since
                continue
            found[f"{name}.{key}"] = id(value)
            if issubclass(type(value), type) and value.__module__ == name:
                found |= {f"{name}.{key}.{inner}": id(own) for inner, own in vars(value).items()}
    return found


def parts(root: object) -> dict[str, int]:
    """Give the identity of each attribute of an app, of what it is made of, and of its functions, by the way there."""
    found: dict[str, int] = {}
    pending: list[tuple[str, object]] = [("app", root)]
    seen: set[int] = set()
    while pending:
        way, value = pending.pop()
        if id(value) in seen or issubclass(type(value), ModuleType | type | str | bytes | int | float):
            continue
        seen.add(id(value))
        children = list(_children(value))
        found |= {f"{way}{step}": id(child) for step, child in children}
        pending += [(f"{way}{step}", child) for step, child in children if way.count(".") + way.count("[") < 8]
    return found


def _children(value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, list | tuple):
        yield from ((f"[{number}]", item) for number, item in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]", item) for key, item in value.items())
    else:
        yield from ((f".{key}", item) for key, item in list(getattr(value, "__dict__", {}).items()))
        if isinstance(value, FunctionType):
            yield ".__code__", value.__code__
            yield from ((f".cell{number}", cell) for number, cell in enumerate(_cells(value)))


def _cells(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty one
            yield cell.cell_contents


Ask = Callable[[], object]


def asks_of(name: str) -> tuple[object, Ask, Ask]:
    """Give an app, what asks it through the client that people have, and what asks it through ours."""
    if name == "fastapi":
        api = fastapi_app.build()

        def through_ours() -> None:
            with Client(api) as client:
                client.get("/items/7")
                client.get("/items/x")

        return api, lambda: TestClient(api, raise_server_exceptions=False).get("/items/7"), through_ours
    if name == "flask":
        web = flask_app.build()
        return web, lambda: WerkzeugClient(web).get("/orders/7"), lambda: Client(web).get("/orders/7")
    assert django_app.settings.configured
    from django.core.wsgi import get_wsgi_application

    site = get_wsgi_application()
    return site, lambda: DjangoClient().get("/orders/7"), lambda: Client(site).get("/orders/7")


@pytest.mark.parametrize("name", ["fastapi", "flask", "django"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_each_attribute_of_an_app_and_of_its_framework_is_the_object_it_was(name: str) -> None:
    app, through_theirs, through_ours = asks_of(name)
    for _ in range(2):  # what apps and frameworks keep of a first request is theirs
        through_theirs()
    modules = library_modules()
    before, known = parts(app), attributes(modules)
    assert (len(before) > 30, len(known) > 1000) == (True, True)
    with observe() as traces:
        through_theirs()
        through_ours()
        assert len(traces) >= 2
        assert parts(app) == before
        assert attributes(modules) == known
    assert parts(app) == before
    assert attributes(modules) == known
