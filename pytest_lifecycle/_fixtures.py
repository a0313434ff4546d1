"""The fixtures: each creates, hands over and closes. All are sync, so that every async runner can serve them."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest

from ._collect import observe
from ._settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._client import AsyncClient, Client
    from ._collect import ItemTraces
    from ._trace.trace import Trace

__tracebackhide__ = True  # what is wrong stands in the message

THREE_WAYS = """\
pytest-lifecycle does not know which app to test. Name it in one of three ways:
  1. in pyproject.toml:    [tool.pytest.ini_options]
                           lifecycle_app = "shop.main:app"       (or "shop.main:create_app()")
  2. in conftest.py:       @pytest.fixture
                           def lifecycle_app():
                               return app                        (any WSGI or ASGI callable)
  3. by a fixture `app` of your own, or by Django's settings (DJANGO_SETTINGS_MODULE)."""


@pytest.fixture
def lifecycle_app(request: pytest.FixtureRequest) -> object:
    """The WSGI or ASGI app that is tested; override it to choose.

    By default what the ini option `lifecycle_app` names; else the project's own `app` fixture; else Django's WSGI
    handler where Django is configured.
    """
    spec = request.config.stash[SETTINGS].app
    if spec:
        return _named_app(spec, request.config)
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":
            raise
    else:
        return _checked(app, "the fixture `app`", OTHERWISE)
    if _is_django_configured():
        return _django_app()
    raise pytest.UsageError(THREE_WAYS)


@pytest.fixture
def lifecycle(request: pytest.FixtureRequest, lifecycle_app: object, _lifecycle_item: ItemTraces) -> Iterator[Client]:
    """A client of the app, its lifespan running: `trace = lifecycle.get("/orders/42")`."""
    from ._client import Client

    _checked(lifecycle_app, "the fixture `lifecycle_app`")
    with Client(cast("Any", lifecycle_app), **request.config.stash[SETTINGS].client_options()) as client:
        yield client


@pytest.fixture
def lifecycle_client(request: pytest.FixtureRequest, _lifecycle_item: ItemTraces) -> Iterator[Callable[..., Client]]:
    """A factory of clients for other apps or other options: `lifecycle_client(app, base_url="http://admin.test")`.

    The clients are open, and closed after the test. Options are those of `Client`.
    """
    from ._client import Client

    defaults = request.config.stash[SETTINGS].client_options()
    with ExitStack() as stack:

        def open_client(app: object, **options: Any) -> Client:
            """Open a client of this app."""
            _checked(app, "what was given to `lifecycle_client`")
            return stack.enter_context(Client(cast("Any", app), **{**defaults, **options}))

        yield open_client


@pytest.fixture
def async_lifecycle(
    request: pytest.FixtureRequest, lifecycle_app: object, _lifecycle_item: ItemTraces
) -> Iterator[AsyncClient]:
    """An async client of the app: `trace = await async_lifecycle.get("/orders/42")`.

    It starts with its first request, on the test's own loop (asyncio or trio), and closes at the end of the test's
    coroutine.
    """
    from ._client import AsyncClient

    app = cast("Any", _checked(lifecycle_app, "the fixture `lifecycle_app`"))
    options = request.config.stash[SETTINGS].client_options()
    client = AsyncClient(app, **options)
    _lifecycle_item.at_end.append(client.aclose)
    _lifecycle_item.at_start.append(lambda: AsyncClient.__init__(client, app, **options))  # an example's own client
    yield client
    if client._is_open:
        client._close()
        raise pytest.UsageError(
            f"`async_lifecycle` was used in {request.node.name}, which is no async test. Use `lifecycle` there, or"
            " `async with AsyncClient(app)` where the loop runs."
        )


@pytest.fixture
def lifecycle_traces(_lifecycle_item: ItemTraces) -> list[Trace]:
    """The traces of this test's requests, whatever client made them, oldest first; it grows as they finish."""
    return _lifecycle_item.traces


@pytest.fixture
def lifecycle_unused_overrides(lifecycle_app: object, _lifecycle_item: ItemTraces) -> Callable[[], list[str]]:
    """Names the app's dependency overrides that no request of this test has used so far.

    Call it at the end of a test: ``assert lifecycle_unused_overrides() == []``. It reads `dependency_overrides` of the
    app (FastAPI); an app without it has none.
    """

    def unused_overrides() -> list[str]:
        from ._observe.probe import name_of
        from ._trace.dependencies import unused

        overrides = getattr(lifecycle_app, "dependency_overrides", {})
        names = {name_of(original): name_of(replacement) for original, replacement in overrides.items()}
        return unused(names, (run for trace in _lifecycle_item.traces for run in trace.dependency_runs))

    return unused_overrides


@pytest.fixture
def _lifecycle_item(request: pytest.FixtureRequest) -> Iterator[ItemTraces]:
    """Observation of this test, switched on."""
    traces = observe(request.node)
    yield traces
    traces.release()


# -- finding the app


def configured_app(config: pytest.Config) -> object | None:
    """Give the app that the ini option names, or Django's; None where there is neither: a fixture needs a test.

    Raises:
        pytest.UsageError: The app cannot be had.
    """
    spec = config.stash[SETTINGS].app
    if spec:
        return _named_app(spec, config)
    return _django_app() if _is_django_configured() else None


def _named_app(spec: str, config: pytest.Config) -> object:
    from ._errors import LifecycleError
    from ._locate import load_app

    try:
        return load_app(spec, rootdir=config.rootpath)
    except LifecycleError as error:
        raise pytest.UsageError(str(error)) from error.__cause__


OTHERWISE = " Where `app` is something else, override the fixture `lifecycle_app`."


def _checked(app: object, origin: str, otherwise: str = "") -> object:
    if not callable(app):
        from ._client.interface import instead_of, shown_app

        raise pytest.UsageError(
            f"{origin} gave {shown_app(app)}, which is no WSGI or ASGI callable. {instead_of(app)}{otherwise}"
        )
    return app


def _is_django_configured() -> bool:
    conf = sys.modules.get("django.conf")
    if conf is not None:
        return bool(conf.settings.configured) or bool(os.environ.get("DJANGO_SETTINGS_MODULE"))
    return bool(os.environ.get("DJANGO_SETTINGS_MODULE"))


def _django_app() -> object:
    try:
        from django.core.wsgi import get_wsgi_application
    except ImportError as error:
        raise pytest.UsageError(
            f"DJANGO_SETTINGS_MODULE is {os.environ.get('DJANGO_SETTINGS_MODULE')!r}, but Django cannot be imported:"
            f" {error}. Install it, or name the app by the ini option `lifecycle_app`."
        ) from error
    return get_wsgi_application()
