"""Objects of an app that raise, or lie, whenever they are looked at: observed, the app does what it does unobserved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import django.core.handlers.asgi  # noqa: F401  # our client looks for it then
import pytest
from fastapi import Depends, FastAPI
from flask import Flask, g
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from werkzeug.local import LocalProxy
from werkzeug.routing import BaseConverter
from werkzeug.test import EnvironBuilder

from pytest_lifecycle import Client, Trace, observe
from pytest_lifecycle import _session as session
from pytest_lifecycle.adapters import Adapter

Message = dict[str, Any]


class Hostility(Exception):
    """What a hostile object raises; asked what it says, it raises again."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def refuse(*arguments: object) -> NoReturn:
    """Raise whatever is asked."""
    raise Hostility


def unbound() -> NoReturn:
    """Be a proxy outside of its context."""
    raise RuntimeError("working outside of context")


class Plain:
    """A callable that does as it is told: the base of the hostile ones, and the yardstick."""

    def __init__(self, function: Callable[..., Any]) -> None:
        vars(self)["_function"] = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return vars(self)["_function"](*arguments, **options)


class NoAttributes(Plain):
    __getattr__ = refuse


class NoComparison(Plain):
    __eq__ = refuse
    __hash__ = refuse  # type: ignore[assignment]


class NoTruth(Plain):
    __bool__ = refuse
    __len__ = refuse
    __iter__ = refuse
    __contains__ = refuse


class NoText(Plain):
    __repr__ = refuse
    __str__ = refuse
    __format__ = refuse


class NoClass(Plain):
    __class__ = property(refuse)  # type: ignore[assignment]


class Liar(Plain):
    __class__ = str  # type: ignore[assignment]


class AnyAttribute(Plain):
    def __getattr__(self, name: str) -> object:
        return self


def proxy(function: Callable[..., Any]) -> Any:
    """Give a proxy without its context, as modules hold them; it cannot be called."""
    return LocalProxy(unbound)


HOSTILE: list[Callable[[Callable[..., Any]], Any]] = [
    *(NoAttributes, NoComparison, NoTruth, NoText, NoClass, Liar, AnyAttribute, proxy)
]


# -- where an ASGI app may meet one


class Holding:
    """ASGI middleware that has a hostile attribute besides its app."""

    def __init__(self, app: Any, held: Any) -> None:
        self.held = held
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Giving(Holding):
    """ASGI middleware that puts something hostile into the scope and its state."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["tenant"] = self.held
        scope.setdefault("state", {})["user"] = self.held
        await self.app(scope, receive, send)


async def home(request: Request) -> Response:
    return PlainTextResponse("home")


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1")]})
    await send({"type": "http.response.body", "body": b"fine"})


def endpoint(hostile: Any) -> Any:
    return Starlette(routes=[Route("/", hostile(answer))])


def mounted(hostile: Any) -> Any:
    return Starlette(routes=[Mount("/", hostile(answer))])


def app_itself(hostile: Any) -> Any:
    return hostile(answer)


def inner_app(hostile: Any) -> Any:
    return Holding(hostile(answer), None)


def attribute(hostile: Any) -> Any:
    return Holding(Starlette(routes=[Route("/", home)]), hostile(home))


def scope_value(hostile: Any) -> Any:
    return Giving(Starlette(routes=[Route("/", home)]), hostile(home))


class GivingState(Holding):
    """ASGI middleware whose state is no state."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "state": self.held}, receive, send)


def state(hostile: Any) -> Any:
    return GivingState(Holding(answer, None), hostile(home))


def closure(hostile: Any) -> Any:
    held = hostile(home)

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        assert held is not None
        await answer(scope, receive, send)

    return layer


def path_param(hostile: Any) -> Any:
    class Parts(Convertor[Any]):
        regex = ".*"

        def convert(self, value: str) -> Any:
            return hostile(home)

        def to_string(self, value: Any) -> str:
            return ""

    register_url_convertor("parts", Parts())
    return Starlette(routes=[Route("/{token:parts}", home)])


def dependency(hostile: Any) -> Any:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    def read(value: Any = Depends(hostile(lambda: "value"))) -> str:  # noqa: B008  # FastAPI's idiom
        return str(value)

    return app


def dependency_value(hostile: Any) -> Any:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    def read(value: Any = Depends(lambda: hostile(home))) -> str:  # noqa: B008  # FastAPI's idiom
        return "read"

    return app


def exception(hostile: Any) -> Any:
    class Refused(Hostility):
        code = status_code = hostile(home)
        errors = hostile(home)

        def __getattr__(self, name: str) -> NoReturn:
            raise Hostility

    async def fail(request: Request) -> Response:
        raise Refused

    return Starlette(routes=[Route("/", fail)])


def header_value(hostile: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", hostile(home)), hostile(home)]})
        await send({"type": "http.response.body", "body": b"fine"})

    return Holding(app, None)


def status_and_headers(hostile: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": hostile(home), "headers": hostile(home)})
        await send({"type": "http.response.body", "body": b"fine", "more_body": hostile(home)})

    return Holding(app, None)


def good(hostile: Any) -> Any:
    return Holding(Starlette(routes=[Route("/", home)]), None)


ASGI = [
    *(endpoint, mounted, app_itself, inner_app, attribute, scope_value, state, closure, path_param),
    *(dependency, dependency_value, exception, header_value, status_and_headers),
]


def told(value: object) -> object:
    """Give what can be compared of a value, without asking it anything."""
    if type(value) in (list, tuple):
        return [told(item) for item in value]  # type: ignore[attr-defined]
    if type(value) is dict:
        return {key: told(item) for key, item in value.items()}
    return value if type(value) in (str, bytes, int, bool, type(None)) else type(value).__name__


def called(make: Callable[[Any], Any], hostile: Any) -> object:
    """Build an app and call it as a server does; give what it sent, or what it raised."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
    try:
        asyncio.run(make(hostile)(scope, receive, send))
    except Exception as error:
        return [told(messages), type(error).__name__]
    return told(messages)


def read(trace: Trace) -> None:
    """Read all that a trace tells."""
    assert str(trace)
    assert trace.to_dict()["schema"] == 1
    assert trace.path
    assert repr(trace)
    for name in (
        "candidates",
        "nearest",
        "dependency_runs",
        "validation_errors",
        "exceptions",
        "refusal",
        "path_params",
    ):
        getattr(trace, name)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda made: made.__name__)
@pytest.mark.parametrize("make", ASGI, ids=lambda made: made.__name__)
def test_an_asgi_app_does_the_same_observed(make: Callable[[Any], Any], hostile: Any) -> None:
    unobserved = called(make, hostile)
    with observe() as traces:
        assert called(make, hostile) == unobserved
        called(good, None)
    for trace in traces:
        read(trace)
    assert (traces[-1].status, traces[-1].warnings) == (200, [])
    assert traces[-1].path == ["middleware Holding", "route GET /", "handler home", "response 200"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda made: made.__name__)
@pytest.mark.parametrize("make", [make for make in ASGI if make is not app_itself], ids=lambda made: made.__name__)
def test_our_client_asks_an_asgi_app_as_a_server_does(make: Callable[[Any], Any], hostile: Any) -> None:
    unobserved: Any = called(make, hostile)
    try:
        app = make(hostile)
    except Exception:
        return  # the framework itself does not take it
    if type(app) is LocalProxy:
        return  # no app
    with Client(app, interface="asgi", lifespan=False) as client:
        trace = client.get("/")
    read(trace)
    if isinstance(unobserved, list) and unobserved and isinstance(unobserved[0], dict):
        assert trace.status == (unobserved[0]["status"] if isinstance(unobserved[0]["status"], int) else None)


# -- and a WSGI app


class Around:
    """WSGI middleware that has a hostile attribute, and puts it into the environ."""

    def __init__(self, app: Any, held: Any) -> None:
        self.held = held
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["shop.user"] = self.held
        return self.app(environ, start_response)  # type: ignore[no-any-return]


def view(hostile: Any) -> Any:
    app = Flask("hostile")
    app.add_url_rule("/x", "index", hostile(lambda: "index"))
    return app


def hook(hostile: Any) -> Any:
    app = Flask("hostile")
    app.add_url_rule("/x", "index", lambda: "index")
    app.before_request(hostile(lambda: None))
    app.after_request(hostile(lambda response: response))
    app.teardown_request(hostile(lambda error: None))
    return app


def global_value(hostile: Any) -> Any:
    app = Flask("hostile")

    @app.before_request
    def load() -> None:
        g.user = hostile(home)

    app.add_url_rule("/x", "index", lambda: "index")
    return app


def view_argument(hostile: Any) -> Any:
    class Parts(BaseConverter):
        part_isolating = False
        regex = ".*"

        def to_python(self, value: str) -> Any:
            return hostile(home)

    app = Flask("hostile")
    app.url_map.converters["parts"] = Parts
    app.add_url_rule("/<parts:token>", "index", lambda token: "index")
    return app


def error_handler(hostile: Any) -> Any:
    app = Flask("hostile")
    app.register_error_handler(ZeroDivisionError, hostile(lambda error: "mended"))
    app.add_url_rule("/x", "index", lambda: str(1 // 0))
    return app


def raised(hostile: Any) -> Any:
    class Refused(Hostility):
        code = hostile(home)
        original_exception = hostile(home)

        def __getattr__(self, name: str) -> NoReturn:
            raise Hostility

    def fail() -> NoReturn:
        raise Refused

    app = Flask("hostile")
    app.add_url_rule("/x", "index", fail)
    return app


def environ_value(hostile: Any) -> Any:
    return Around(view(lambda function: function), hostile(home))


def wsgi_app(hostile: Any) -> Any:
    def hello(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("x-one", "1")])
        return [b"fine"]

    return Around(hostile(hello), None)


def head(hostile: Any) -> Any:
    def hello(environ: Any, start_response: Any) -> Any:
        start_response(hostile(home), [("x", hostile(home)), hostile(home)])
        return [b"fine"]

    return Around(hello, None)


def good_site(hostile: Any) -> Any:
    app = Flask("good")
    app.add_url_rule("/x", "index", lambda: "index")
    return Around(app, None)


WSGI = [view, hook, global_value, view_argument, error_handler, raised, environ_value, wsgi_app, head]


def run(make: Callable[[Any], Any], hostile: Any) -> object:
    """Build an app and call it as a server does; give what it answered, or what it raised."""
    heads: list[object] = []

    def start_response(status: object, headers: object, exc_info: Any = None) -> Callable[[bytes], None]:
        heads.append([told(status), told(headers)])
        return lambda piece: None

    environ = EnvironBuilder(path="/x").get_environ()
    try:
        pieces: Any = make(hostile)(environ, start_response)
        body = b"".join(pieces)
    except Exception as error:
        return [heads, type(error).__name__]
    return [heads, body]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda made: made.__name__)
@pytest.mark.parametrize("make", WSGI, ids=lambda made: made.__name__)
def test_a_wsgi_app_does_the_same_observed(make: Callable[[Any], Any], hostile: Any) -> None:
    unobserved = run(make, hostile)
    with observe() as traces:
        assert run(make, hostile) == unobserved
        run(good_site, None)
    for trace in traces:
        read(trace)
    assert (traces[-1].status, traces[-1].warnings) == (200, [])
    assert traces[-1].path == ["middleware Around", "route GET /x", "handler <lambda>", "response 200"]


# -- adapters


class Broken(Adapter):
    """Raises in the one method that it is told to."""

    name = "broken"

    def __init__(self, method: str) -> None:
        setattr(self, method, refuse)


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[None]:
    adapter = Broken(request.param)
    session.add_adapters([adapter])
    try:
        yield
    finally:
        session.remove_adapters([adapter])
        session._session._pending.clear()


WORDLESS = "(Hostility: <its __str__ raised RuntimeError>)"
STARTING = {"probes": "off", "attach": "off"}


@pytest.mark.parametrize("broken", STARTING, indirect=True)
def test_an_adapter_that_cannot_start_is_off_and_says_so(broken: None) -> None:
    with Client(good(None)) as client:
        traces = [client.get("/"), client.get("/")]
    assert [(trace.status, trace.warnings) for trace in traces] == [
        (200, [f"the broken adapter is off {WORDLESS}."])
    ] * 2


@pytest.mark.parametrize("broken", ["failed"], indirect=True)
def test_an_adapter_that_fails_over_an_exception_is_named(broken: None) -> None:
    with Client(Starlette(routes=[Route("/", refuse)])) as client:  # type: ignore[arg-type]
        trace = client.get("/")
    assert trace.warnings == [
        f"the broken adapter failed as Hostility left refuse {WORDLESS}; the rest of the trace stands."
    ]
    assert (trace.status, trace.path) == (500, ["route GET /", "handler refuse", "response 500"])


@pytest.mark.parametrize("broken", ["forget"], indirect=True)
def test_an_adapter_that_cannot_forget_is_named_in_the_next_trace(broken: None) -> None:
    warnings = []
    for _ in range(2):
        with Client(good(None)) as client:
            warnings.append(client.get("/").warnings)
    assert warnings == [
        [],
        [f"the broken adapter failed to forget what it remembers of apps {WORDLESS}; the rest of the trace stands."],
    ]


class Looking(Adapter):
    """Raises over every function that runs for the first time."""

    name = "looking"

    def discover(self, code: Any, frame: Any) -> NoReturn:
        raise Hostility


def test_an_adapter_that_fails_as_it_looks_is_named_and_those_after_it_look_too() -> None:
    adapter = Looking()
    session.add_adapters([adapter])
    session._session._adapters.insert(0, session._session._adapters.pop())
    try:
        with Client(Holding(Holding(answer, None), None), lifespan=False) as client:
            trace = client.get("/")
    finally:
        session.remove_adapters([adapter])
        session._session._pending.clear()
    assert trace.path == ["middleware Holding", "middleware Holding", "handler answer", "response 200"]
    assert f"the looking adapter failed as it looked at answer {WORDLESS}; the rest of the trace stands." in (
        trace.warnings
    )
