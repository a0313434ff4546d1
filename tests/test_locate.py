"""From an import string to the app, or to an error that says what is there instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_lifecycle import UsageProblem
from pytest_lifecycle._locate import load_app

SHOP = """
from functools import partial
from json import dumps

class App:
    def __call__(self, environ, start_response): ...

app = App()
settings = {"debug": True}

def make_app():
    return app

def make_nothing():
    return None

def make_app_for(tenant):
    return app

def make_with_defaults(debug=True, **options):
    return app

async def make_async():
    return app

def make_failing():
    raise RuntimeError("no database")

class Registry:
    apps = type("Apps", (), {"main": app})
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with `shop/main.py`, importable."""
    before = set(sys.modules)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "main.py").write_text(SHOP)
    (tmp_path / "shop" / "broken.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "shop" / "exits.py").write_text("raise SystemExit('bye')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("shop", "elsewhere"):
            del sys.modules[name]


def refusal(spec: str, root: Path) -> UsageProblem:
    with pytest.raises(UsageProblem) as caught:
        load_app(spec, rootdir=root)
    return caught.value


@pytest.mark.parametrize(
    "spec", ["shop.main:app", " shop.main:app ", "shop.main:make_app()", "shop.main:Registry.apps.main"]
)
def test_the_app_is_found(spec: str, root: Path) -> None:
    assert type(load_app(spec, rootdir=root)).__name__ == "App"


@pytest.mark.parametrize(
    "spec", ["shop.main", "shop.main:", ":app", "shop/main.py:app", "shop.main:make_app(1)", "a b:c"]
)
def test_a_malformed_spec_says_how_to_write_it(spec: str, root: Path) -> None:
    error = refusal(spec, root)
    assert error.slug == "app-spec"
    assert str(error) == (
        f"lifecycle_app is {spec!r}. Write it as 'module:attribute' or 'module:factory()', as in 'shop.main:app'."
    )


def test_a_missing_attribute_names_the_closest_and_what_there_is(root: Path) -> None:
    error = refusal("shop.main:ap", root)
    assert error.slug == "app-attribute"
    assert str(error) == (
        "lifecycle_app is 'shop.main:ap', but the module 'shop.main' has no 'ap'. Did you mean 'app'?"
        " Its callables are: app, App, Registry, make_app, make_app_for, make_async, make_failing,"
        " make_nothing, make_with_defaults."
    )


def test_a_package_without_callables_names_its_modules(root: Path) -> None:
    assert str(refusal("shop:app", root)) == (
        "lifecycle_app is 'shop:app', but the module 'shop' has no 'app'."
        " It has no callables; its modules are: broken, exits, main."
    )


def test_a_missing_attribute_on_the_way_names_all_that_is_there(root: Path) -> None:
    assert str(refusal("shop.main:Registry.aps.main", root)) == (
        "lifecycle_app is 'shop.main:Registry.aps.main', but the object 'shop.main.Registry' has no 'aps'."
        " Did you mean 'apps'? It has: apps."
    )


def test_a_missing_attribute_of_an_object_names_the_object(root: Path) -> None:
    assert str(refusal("shop.main:Registry.application", root)) == (
        "lifecycle_app is 'shop.main:Registry.application', but the object 'shop.main.Registry' has no 'application'."
        " Its callables are: apps."
    )


def test_a_missing_submodule_names_what_the_package_has(root: Path) -> None:
    error = refusal("shop.mian:app", root)
    assert error.slug == "app-import"
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert str(error) == (
        "lifecycle_app is 'shop.mian:app', but there is no module 'shop.mian'."
        " Did you mean 'main'? Package 'shop' has main, broken, exits."
    )


def test_a_module_that_is_taken_for_a_package_is_named(root: Path) -> None:
    assert str(refusal("shop.main.app:app", root)) == (
        "lifecycle_app is 'shop.main.app:app', but there is no module 'shop.main.app'."
        " 'shop.main' is a module, no package: what is in it stands after the colon."
    )


def test_a_missing_module_names_what_the_rootdir_has(root: Path) -> None:
    assert str(refusal("shoop.main:app", root)) == (
        f"lifecycle_app is 'shoop.main:app', but there is no module 'shoop'. Did you mean 'shop'? {root} has shop."
    )


def test_a_module_in_the_rootdir_that_is_not_on_the_path_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").touch()
    assert str(refusal("elsewhere:app", tmp_path)) == (
        "lifecycle_app is 'elsewhere:app', but there is no module 'elsewhere'."
        f' It is in {tmp_path}, which is not on sys.path: set `pythonpath = ["."]` for pytest.'
    )


def test_a_module_in_src_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "src" / "elsewhere").mkdir(parents=True)
    assert str(refusal("elsewhere.main:app", tmp_path)).endswith(
        f' It is in {tmp_path / "src"}, which is not on sys.path: set `pythonpath = ["src"]` for pytest.'
    )


def test_a_module_that_is_nowhere_says_that_the_rootdir_is_not_on_the_path(tmp_path: Path) -> None:
    assert str(refusal("elsewhere:app", tmp_path)).endswith(
        f' The rootdir {tmp_path} is not on sys.path: set `pythonpath = ["."]` for pytest, or install the project.'
    )


def test_an_import_that_fails_inside_is_not_taken_for_a_missing_module(root: Path) -> None:
    error = refusal("shop.broken:app", root)
    assert error.slug == "app-import"
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert "importing 'shop.broken' failed: ModuleNotFoundError: No module named 'not_installed_anywhere'" in str(error)


def test_a_module_that_exits_while_it_is_imported_is_refused(root: Path) -> None:
    error = refusal("shop.exits:app", root)
    assert isinstance(error.__cause__, SystemExit)
    assert "importing 'shop.exits' failed: SystemExit: bye" in str(error)


def test_a_factory_that_fails_keeps_its_exception(root: Path) -> None:
    error = refusal("shop.main:make_failing()", root)
    assert error.slug == "app-factory"
    assert isinstance(error.__cause__, RuntimeError)
    assert str(error).startswith("lifecycle_app is 'shop.main:make_failing()', but the call raised RuntimeError:")


def test_a_factory_that_needs_arguments_points_to_the_fixture(root: Path) -> None:
    error = refusal("shop.main:make_app_for()", root)
    assert error.slug == "app-factory"
    assert str(error).endswith(" A factory that needs arguments belongs into an own `lifecycle_app` fixture.")


def test_a_value_that_is_called_says_to_leave_out_the_call(root: Path) -> None:
    assert str(refusal("shop.main:settings()", root)) == (
        "lifecycle_app is 'shop.main:settings()', but that is an object of type 'dict', no function."
        " Leave out the '()'."
    )


@pytest.mark.parametrize("spec", ["shop.main:make_app", "shop.main:make_with_defaults"])
def test_a_factory_that_is_not_called_says_to_call_it(spec: str, root: Path) -> None:
    assert str(refusal(spec, root)) == (
        f"lifecycle_app is {spec!r}, but that function needs no arguments, so it is no app."
        f" If it makes one, write '{spec}()'."
    )


def test_an_async_factory_points_to_the_fixture(root: Path) -> None:
    error = refusal("shop.main:make_async()", root)
    assert error.slug == "app-factory"
    assert str(error) == (
        "lifecycle_app is 'shop.main:make_async()', but that is an async function."
        " Run it in an own `lifecycle_app` fixture, as by `asyncio.run`."
    )


@pytest.mark.parametrize(
    ("spec", "what"),
    [("shop.main:settings", "is an object of type 'dict'"), ("shop.main:make_nothing()", "returned None")],
)
def test_what_cannot_be_called_is_no_app(spec: str, what: str, root: Path) -> None:
    error = refusal(spec, root)
    assert error.slug == "app-not-callable"
    assert str(error) == f"lifecycle_app is {spec!r}, but that {what}. Name a WSGI or ASGI callable."
