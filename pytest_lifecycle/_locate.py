"""From ``"shop.main:app"`` to the app: imports it, or says what is there instead."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

from ._errors import UsageProblem
from ._show.told import told_text
from ._trace.story import message_of

__tracebackhide__ = True  # pytest shows what the app's module raised, and not who imported it

OPTION: Final = "lifecycle_app"
NAMES_SHOWN: Final = 10
"""How many names an error lists."""


def load_app(spec: str, *, rootdir: Path) -> object:
    """Give the app that ``"module:attribute"`` or ``"module:factory()"`` names; the attribute may be dotted.

    Args:
        spec: What to look for.
        rootdir: Where the project is; only to say what could be done when a module is not found.

    Raises:
        UsageProblem: The spec is malformed (slug ``app-spec``), the module cannot be imported
            (``app-import``, chained to what was raised), it has no such attribute (``app-attribute``), the factory
            failed (``app-factory``), or what was found can be no app (``app-not-callable``).
    """
    module_name, attribute, is_factory = _parse(spec)
    module = _import(spec, module_name, rootdir)
    found = _attribute(spec, module, attribute)
    if is_factory:
        found = _call(spec, found)
    return _checked(spec, found, is_factory)


def _parse(spec: str) -> tuple[str, str, bool]:
    module_name, colon, attribute = spec.strip().partition(":")
    is_factory = attribute.endswith("()")
    attribute = attribute.removesuffix("()")
    parts = [*module_name.split("."), *attribute.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise UsageProblem(
            f"{OPTION} is {spec!r}. Write it as 'module:attribute' or 'module:factory()', as in 'shop.main:app'.",
            slug="app-spec",
        )
    return module_name, attribute, is_factory


# -- the module


def _import(spec: str, name: str, rootdir: Path) -> ModuleType:
    try:
        __import__(name)  # a traceback through importlib.import_module would begin with its source
        return sys.modules[name]
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            advice = _advice(error.name, rootdir)
            message = f"{OPTION} is {spec!r}, but there is no module {error.name!r}. {advice}"
        else:
            message = _import_failed(spec, name, error)
        raise UsageProblem(message, slug="app-import") from error
    except (Exception, SystemExit) as error:
        raise UsageProblem(_import_failed(spec, name, error), slug="app-import") from error


def _import_failed(spec: str, name: str, error: BaseException) -> str:
    return (
        f"{OPTION} is {spec!r}, but importing {name!r} failed: {_said(error)}."
        f" The traceback above says where; `python -c 'import {name}'` shows it alone."
    )


def _said(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {told_text(message_of(error))}"


def _advice(missing: str, rootdir: Path) -> str:
    """Say what to do about a module that is not there."""
    if "." in missing:
        parent, _, name = missing.rpartition(".")
        package = sys.modules.get(parent)
        if package is not None and not hasattr(package, "__path__"):
            return f"{parent!r} is a module, no package: what is in it stands after the colon."
        return _alternatives(name, _modules(package), f"Package {parent!r} has")
    for folder in (".", "src"):
        place = rootdir / folder
        if (place / missing).is_dir() or (place / f"{missing}.py").is_file():
            return f'It is in {place.resolve()}, which is not on sys.path: set `pythonpath = ["{folder}"]` for pytest.'
    if not _on_path(rootdir):
        return f'The rootdir {rootdir} is not on sys.path: set `pythonpath = ["."]` for pytest, or install the project.'
    there = [module.name for module in pkgutil.iter_modules([str(rootdir)])]
    return _alternatives(missing, there, f"{rootdir} has")


def _modules(package: ModuleType | None) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []))]


def _on_path(folder: Path) -> bool:
    return any(Path(entry or ".").resolve() == folder.resolve() for entry in sys.path)


# -- the attribute


def _attribute(spec: str, module: ModuleType, dotted: str) -> object:
    found: object = module
    names = dotted.split(".")
    for position, name in enumerate(names):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            owner = ".".join([module.__name__, *names[:position]])
            kind = "module" if position == 0 else "object"
            there = _there(found, name, is_last=name is names[-1])
            raise UsageProblem(
                f"{OPTION} is {spec!r}, but the {kind} {owner!r} has no {name!r}. {there}", slug="app-attribute"
            ) from error
    return found


def _there(owner: object, wanted: str, *, is_last: bool) -> str:
    if not is_last:
        return _alternatives(wanted, (name for name in dir(owner) if not name.startswith("_")), "It has:")
    callables = _callables(owner)
    modules = _modules(owner) if isinstance(owner, ModuleType) and not callables else []
    if modules:
        return _alternatives(wanted, modules, "It has no callables; its modules are:")
    return _alternatives(wanted, callables, "Its callables are:")


def _callables(owner: object) -> list[str]:
    """Name what could be meant: callables of the module's own first, then those it imported."""
    own: list[str] = []
    imported: list[str] = []
    for name, value in sorted(vars(owner).items() if hasattr(owner, "__dict__") else ()):
        if name.startswith("_") or not callable(value):
            continue
        is_definition = inspect.isclass(value) or inspect.isroutine(value)
        is_import = is_definition and getattr(value, "__module__", None) != getattr(owner, "__name__", None)
        (imported if is_import else own).append(name)
    return own or imported


def _alternatives(wanted: str, there: Iterable[str], introduction: str) -> str:
    names = sorted(there, key=lambda name: name not in get_close_matches(wanted, [name]))
    close = get_close_matches(wanted, names, n=1)
    listed = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return f"{meant}{introduction} {listed or 'none'}."


# -- the app


def _call(spec: str, factory: object) -> object:
    if not callable(factory):
        raise UsageProblem(
            f"{OPTION} is {spec!r}, but that is {_article(factory)}, no function. Leave out the '()'.",
            slug="app-factory",
        )
    try:
        made = factory()
    except (Exception, SystemExit) as error:
        raise UsageProblem(
            f"{OPTION} is {spec!r}, but the call raised {_said(error)}."
            f" A factory that needs arguments belongs into an own `{OPTION}` fixture.",
            slug="app-factory",
        ) from error
    if inspect.iscoroutine(made):
        made.close()
        raise UsageProblem(
            f"{OPTION} is {spec!r}, but that is an async function. Run it in an own `{OPTION}` fixture, as by"
            " `asyncio.run`.",
            slug="app-factory",
        )
    return made


def _checked(spec: str, app: object, is_factory: bool) -> object:
    if not callable(app):
        what = "returned" if is_factory else "is"
        raise UsageProblem(
            f"{OPTION} is {spec!r}, but that {what} {_article(app)}. Name a WSGI or ASGI callable.",
            slug="app-not-callable",
        )
    if not is_factory and inspect.isfunction(app) and _needs_nothing(app):
        raise UsageProblem(
            f"{OPTION} is {spec!r}, but that function needs no arguments, so it is no app."
            f" If it makes one, write {spec.strip() + '()'!r}.",
            slug="app-not-callable",
        )
    return app


def _needs_nothing(function: FunctionType) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(item.default is not item.empty or item.kind is item.VAR_KEYWORD for item in parameters)


def _article(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__qualname__!r}"
