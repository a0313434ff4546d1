"""Whether an app speaks ASGI or WSGI, and whether it needs to stay on the test's thread."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import Any, Literal, cast

from .._drive.asgi import AsgiApp
from .._errors import UsageProblem
from .._observe.probe import attribute_of, unwrapped
from .._show.told import told_text
from .._trace.faults import shown

Interface = Literal["asgi", "wsgi"]

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

HOW_TO_SAY = (
    'Say which it is by interface="asgi" or interface="wsgi", as in Client(app, interface="asgi") or'
    ' lifecycle_client(app, interface="asgi").'
)


def interface_of(app: object, given: str | None) -> Interface:
    """Tell how an app is called.

    Args:
        app: The app.
        given: What the user said, if anything.

    Raises:
        UsageProblem: It is no app, or it cannot be told.
    """
    if not callable(app):
        raise UsageProblem(f"{shown_app(app)} is no ASGI or WSGI app. {instead_of(app)}", slug="not-an-app")
    if given is not None:
        if given not in ("asgi", "wsgi"):
            raise UsageProblem(f"interface is {given!r}. {HOW_TO_SAY}", slug="unknown-interface")
        return cast("Interface", given)
    if _is_async(app):
        return "asgi"
    count = _required_parameters(app)
    if isinstance(app, type):  # ASGI 2: a class that is made with the scope and then called
        call = getattr(app, "__call__", None)
        if count == 1 and _is_async(call) and _required_parameters(call) == 3:  # with `self`
            return "asgi"
        if count == 2 and hasattr(app, "__iter__"):  # PEP 3333: its objects are the response's body
            return "wsgi"
    elif count == 3:
        return "asgi"
    elif count == 2:
        return "wsgi"
    raise UsageProblem(
        f"It cannot be told whether {shown_app(app)} is an ASGI or a WSGI app. {_meant(app)}{HOW_TO_SAY}",
        slug="unknown-interface",
    )


def _is_async(function: Any) -> bool:
    while hasattr(function, "func") and not inspect.isfunction(function):  # a partial
        function = function.func
    from asgiref.sync import iscoroutinefunction

    if iscoroutinefunction(function):
        return True
    call = getattr(function, "__call__", None)
    return not isinstance(function, type) and iscoroutinefunction(call)


def _required_parameters(app: Any) -> int | None:
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for item in parameters if item.kind in positional and item.default is inspect.Parameter.empty)


def single_callable(app: Any) -> AsgiApp:
    """Give an ASGI 2 app, which is called twice, as an ASGI 3 app; any other as it is.

    A plain function with the three parameters of ASGI 3 hands the request on to an app, and gives its awaitable.
    """
    if not isinstance(app, type) and _required_parameters(app) == 3:
        return cast("AsgiApp", app)
    from asgiref import compatibility

    functions: Any = compatibility  # they have no types
    return cast("AsgiApp", functions.guarantee_single_callable(app))


def stays_on_thread(app: object) -> bool:
    """Whether the app is Django's ASGI handler, or a wrapper around it.

    Django runs sync code of an ASGI app in asgiref's worker thread, outside the test's database transaction, unless
    it is called through `asgiref.sync.async_to_sync`.
    """
    module = sys.modules.get("django.core.handlers.asgi")
    if module is None:
        return False
    seen: set[int] = set()
    pending = [(app, 0)]
    while pending:
        value, depth = pending.pop()
        if issubclass(type(value), module.ASGIHandler):
            return True
        if depth > 6 or id(value) in seen or issubclass(type(value), str | bytes | int | type):
            continue
        seen.add(id(value))
        pending += [(inner, depth + 1) for inner in _held_by(value)]
    return False


def _held_by(value: object) -> list[object]:
    if issubclass(type(value), dict):
        return list(cast("dict[object, object]", value).values())
    attributes = attribute_of(value, "__dict__")
    attributes = attributes.values() if type(attributes) is dict else ()
    held: list[object] = [held for held in attributes if callable(held) or issubclass(type(held), dict)]
    function: Any = unwrapped(value)
    for cell in (function.__closure__ or ()) if type(function) is FunctionType else ():
        try:
            held.append(cell.cell_contents)
        except ValueError:
            continue
    return held


def _meant(app: object) -> str:
    if isinstance(app, type):
        return "If its instances are apps, pass one of them. "
    return "If it makes the app, pass what it returns. " if inspect.isroutine(app) else ""


def shown_app(app: object) -> str:
    """Quote what was given for an app."""
    return told_text(shown(app)) if not inspect.ismodule(app) else f"the module {app.__name__!r}"


def instead_of(app: object) -> str:
    """Say what to give in place of what is no app."""
    if isinstance(app, str):
        return "Import the app and pass the object, or set the ini option lifecycle_app to this string."
    if inspect.ismodule(app):
        there = [name for name in ("app", "application", "create_app") if hasattr(app, name)]
        hint = f" It has {', '.join(there)}." if there else ""
        return f"Pass the application object, not its module.{hint}"
    return "Pass the application object."
