"""Every reader of every adapter made to raise, in turn: the app and the test are unharmed, and the trace says so."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, NamedTuple

import a2wsgi
import httpx
import pydantic
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from werkzeug.test import Client as WerkzeugClient

from pytest_lifecycle import Client, Kind, Trace, observe
from pytest_lifecycle._observe.recorder import CURRENT
from tests.adapters import test_bridges as bridges
from tests.adapters import test_checks as checks
from tests.adapters import test_drf as drf
from tests.adapters import test_fastapi_trip as library
from tests.adapters import test_flask_trip as flask
from tests.adapters import test_jinja as jinja
from tests.adapters import test_ninja as ninja
from tests.adapters import test_restful as restful
from tests.adapters import test_starlette_trip as gallery
from tests.adapters import test_validation as validation
from tests.adapters import test_werkzeug as werkzeug_app
from tests.adapters import test_wsgi as wsgi
from tests.adapters.django_claims import ROWS, TOKEN, Row
from tests.adapters.fastapi_claims import CLAIMS
from tests.apps import (
    chat_app,
    django_office,
    django_shop,
    drf_app,
    fastapi_app,
    flask_shop,
    gallery_app,
    library_app,
    validating_app,
)
from tests.engine import IS_PROFILING
from tests.observe.sabotage import Reader, Saboteur, declared, published
from tests.observe.test_servers import running_uvicorn

Answer = tuple[object, ...]
"""What an app answers: status, headers, body."""
Ask = Callable[[Any], Answer]


class Asked(NamedTuple):
    """A request by its method, its URL and the client's arguments."""

    method: str
    url: str
    arguments: Mapping[str, Any] = MappingProxyType({})


class Site(NamedTuple):
    """An app, and requests that exercise it."""

    opened: Callable[[], AbstractContextManager[Ask]]
    requests: Sequence[Any]
    about: str = ""
    """The library that is of interest here, where it takes long to open."""


VARYING = {"set-cookie", "date", "expires", "x-request-id", "content-length"}
"""Headers with a value of their own in each response; Django's gzip adds a random number of bytes."""
TOKENS = re.compile(rb"[a-zA-Z0-9]{32,}")


def answer_of(status: object, headers: Any, body: bytes) -> Answer:
    """Give what has to be the same each time."""
    lines = [(name.lower(), "" if name.lower() in VARYING else value) for name, value in headers]
    return (status, sorted(lines), TOKENS.sub(b"", body))


@contextmanager
def ours(make: Callable[[], Any]) -> Iterator[Ask]:
    def ask(asked: Asked) -> Answer:
        trace = client.request(asked.method, asked.url, **asked.arguments)
        return answer_of(trace.status, trace.headers.multi_items(), trace.content)

    with Client(make()) as client:
        yield ask


# -- other clients


@contextmanager
def by_httpx(make: Callable[[], Any]) -> Iterator[Ask]:
    async def request(asked: Asked) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(asked.method, asked.url, **asked.arguments)

    def ask(asked: Asked) -> Answer:
        response = asyncio.run(request(asked))
        return answer_of(response.status_code, response.headers.multi_items(), response.content)

    app = make()
    with observe():
        yield ask


@contextmanager
def by_werkzeug(make: Callable[[], Any]) -> Iterator[Ask]:
    def ask(asked: Asked) -> Answer:
        response = client.open(asked.url, method=asked.method, **asked.arguments)
        return answer_of(response.status_code, list(response.headers), response.data)

    client = WerkzeugClient(make())
    with observe():
        yield ask


@contextmanager
def by_socket() -> Iterator[Ask]:
    def ask(asked: Asked) -> Answer:
        response = client.request(asked.method, asked.url, **asked.arguments)
        return answer_of(response.status_code, response.headers.multi_items(), response.content)

    limits = httpx.Limits(max_keepalive_connections=0)
    with observe(), running_uvicorn() as url, httpx.Client(base_url=url, limits=limits) as client:
        yield ask


# -- WebSockets and lifespans


class Talk(NamedTuple):
    """A WebSocket: what is said over it."""

    url: str
    said: Sequence[str] = ()
    headers: Mapping[str, str] = MappingProxyType({})


@contextmanager
def talking(make: Callable[[], Any]) -> Iterator[Ask]:
    def ask(talk: Talk) -> Answer:
        heard: list[object] = []
        with client.websocket(talk.url, headers=talk.headers) as websocket:
            for text in talk.said:
                websocket.send_text(text)
                heard.append(websocket.receive())
        return (websocket.trace.status, websocket.trace.close_code, heard)

    with Client(make()) as client:
        yield ask


async def opening() -> None:
    """Start up."""


def mounting() -> Starlette:
    @chat_app.asynccontextmanager
    async def never(app: Starlette) -> Any:
        yield

    inner = Starlette(routes=[Route("/", jinja.cart)], lifespan=never)
    return Starlette(routes=[Mount("/inner", inner), Route("/", jinja.cart)])


# -- the apps of our other tests


def django_request(row: Row) -> Asked:
    headers = {**row.headers, **(TOKEN if row.token else {})}
    files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
    return Asked(row.method, row.url, {"headers": headers, "data": row.data, "files": files})


def flask_request(row: flask.Row) -> Asked:
    files = None if row.file is None else {"photo": ("photo.jpg", row.file)}
    given = {"headers": row.headers, "json": row.json, "data": row.data, "content": row.content, "files": files}
    return Asked(row.method, row.url, given)


@contextmanager
def in_django(make: Callable[[], Any]) -> Iterator[Ask]:
    with django_shop.shop_settings(), ours(make) as ask:
        yield ask


def werkzeug_layer(environ: Any, start_response: Any) -> Any:
    return werkzeug_app.shop(environ, start_response)


@contextmanager
def in_office() -> Iterator[Ask]:
    with django_office.office_settings(), ours(django_shop.build_wsgi) as ask:
        yield ask


@contextmanager
def inside(opened: Callable[[], AbstractContextManager[Any]]) -> Iterator[Ask]:
    with opened() as app, ours(lambda: app) as ask:
        yield ask


@contextmanager
def in_gallery() -> Iterator[Ask]:
    with TemporaryDirectory() as folder:
        plan = Path(folder, "plan.txt")
        plan.write_text("first floor")
        os.utime(plan, (0, 0))  # the response tells it
        with ours(partial(gallery_app.build, Path(folder))) as ask:
            yield ask


def in_https() -> Starlette:
    return Starlette(middleware=[Middleware(HTTPSRedirectMiddleware)], max_body_size=5)


def rendering() -> Starlette:
    pages = (jinja.cart, jinja.awaited, jinja.streamed, jinja.broken)
    return Starlette(routes=[Route(f"/{page.__name__}", page) for page in pages])


def parsing() -> Starlette:
    """Validates by pydantic's other functions, and by webargs' parser for async apps."""

    async def check(request: Request) -> Response:
        check = CHECKS[request.path_params["how"]]
        try:
            check(await request.body())
        except pydantic.ValidationError as error:
            return JSONResponse(error.error_count())
        return JSONResponse("fine")

    return Starlette(routes=[Route("/{how}", check, methods=["POST"])])


ITEM = pydantic.TypeAdapter(validating_app.Item)
CHECKS: dict[str, Callable[[bytes], object]] = {
    "model json": validating_app.Item.model_validate_json,
    "model strings": lambda body: validating_app.Item.model_validate_strings({"price": body.decode()}),
    "adapter json": ITEM.validate_json,
    "adapter strings": lambda body: ITEM.validate_strings({"price": body.decode()}),
}


@contextmanager
def in_threads() -> Iterator[Ask]:
    """An app in a new thread, in a pool of its own, and in a pool that was there before."""

    def in_pool(environ: Any, start_response: Any) -> Any:
        return pool.submit(wsgi.hello, environ, start_response).result()

    with ThreadPoolExecutor(1) as pool, ours(lambda: wsgi.InThread(wsgi.InPool(in_pool))) as ask:
        yield ask


def gets(*urls: str, **arguments: Any) -> list[Asked]:
    return [Asked("GET", url, arguments) for url in urls]


ITEMS = [Asked(claim.method, claim.url, claim.arguments) for claim in CLAIMS]
LIBRARY = [Asked(claim.method, claim.url, claim.request) for claim in library.CLAIMS]
FLASK = [flask_request(row) for row in flask.ROWS]
DJANGO = [django_request(row) for row in ROWS]
ANN = {"authorization": "Bearer ann"}

NINJA = [
    *(Asked(method, f"/api{url}", arguments) for method, url, arguments, *_ in ninja.TRIPS),
    *gets("/api/wrong", "/api/streamed", "/api/streamed-async"),
]
APIS = (restful.flask_restful, restful.flask_restx)
API = [Asked(method, "/api/orders", {"headers": restful.ME}) for method in ("GET", "PUT")]

SITES: dict[str, Site] = {
    "gallery": Site(
        in_gallery,
        [*(Asked(claim.method, claim.url, claim.request) for claim in gallery.CLAIMS), *gets("/static/plan.txt")],
    ),
    "https": Site(partial(ours, in_https), gets("/", "https://testserver/")),
    "parsing": Site(partial(ours, parsing), [Asked("POST", f"/{how}", {"content": b"x"}) for how in CHECKS]),
    "items": Site(partial(ours, fastapi_app.build), ITEMS),
    "library": Site(partial(ours, library_app.build), LIBRARY),
    "library by httpx": Site(partial(by_httpx, library_app.build), LIBRARY[:3]),
    "items over a socket": Site(by_socket, gets("/health"), "uvicorn"),
    "chat": Site(
        partial(talking, chat_app.build),
        [
            Talk("/v1/rooms/7", ["hello"], ANN),
            Talk("/v1/rooms/x", headers=ANN),
            Talk("/v1/rooms/13", headers=ANN),
            Talk("/v1/rooms/7"),
            Talk("/echo", ["hello"]),
            Talk("/closed"),
            Talk("/nowhere"),
            Talk("/birds/parrot", ["hello"]),
        ],
    ),
    "mounted lifespan": Site(partial(ours, mounting), gets("/")),
    "shop": Site(partial(ours, flask_shop.build), FLASK),
    "shop by werkzeug": Site(partial(by_werkzeug, flask_shop.build), gets("/", "/rows", "/nowhere")),
    "validating": Site(
        partial(ours, validating_app.build),
        [
            *(Asked("POST", url, arguments) for url, arguments in validation.PASSED.items()),
            *(Asked("POST", url, arguments) for url, arguments, *_ in validation.FAILED),
            Asked("POST", "/webargs", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ],
    ),
    "drf": Site(
        partial(inside, drf_app.api_settings), [Asked(*claim.asked.split(" "), claim.request) for claim in drf.CLAIMS]
    ),
    "django": Site(partial(in_django, django_shop.build_wsgi), DJANGO),
    "django over asgi": Site(partial(in_django, django_shop.build_asgi), DJANGO),
    "ninja": Site(partial(inside, ninja.in_shop), NINJA),
    **{f"api of {library.__name__}": Site(partial(ours, partial(restful.build, library)), API) for library in APIS},
    "models": Site(partial(ours, restful.restx), [Asked("POST", "/orders", {"json": {}}), Asked("GET", "/orders")]),
    "login": Site(
        partial(ours, partial(checks.login_app, view="login")),
        gets("/me", "/fresh", headers={"x-known": "1"}) + gets("/me"),
    ),
    "basic": Site(partial(ours, checks.basic_app), gets("/me")),
    "limits": Site(partial(inside, checks.in_limits), gets("/hard")),
    "slow": Site(partial(ours, checks.slow_app), gets("/", "/")),
    "csrf": Site(partial(ours, checks.posted_app), [Asked("POST", "/")]),
    "csrf by hand": Site(partial(ours, checks.wrapped_app), [Asked("POST", "/", {"headers": {"cookie": "session=1"}})]),
    "admin": Site(partial(ours, checks.admin_app), [*gets("/admin/"), Asked("POST", "/admin/login")]),
    "werkzeug": Site(partial(ours, lambda: werkzeug_layer), gets("/")),
    "office": Site(in_office, gets("/admin/", "/news/")),
    "threads": Site(in_threads, gets("/", "/")),
    "jinja": Site(partial(ours, rendering), gets("/cart", "/awaited", "/streamed", "/broken")),
    "asgi inside wsgi": Site(partial(ours, lambda: a2wsgi.ASGIMiddleware(fastapi_app.build())), gets("/health")),
    **{
        f"bridge {name}": Site(partial(ours, partial(bridges.mounted, bridge)), gets("/old/orders/7", "/old/boom"))
        for name, bridge in zip(bridges.IDS, bridges.INTO_ASGI, strict=True)
    },
}


# -- the readers


@cache
def known() -> tuple[dict[Reader, str], frozenset[str]]:
    readers = declared()
    return readers, frozenset(reader.target for reader in readers)


@cache
def hits(name: str) -> dict[Reader, int]:
    """Give the readers that the requests to a site hit, each with the first request that does."""
    site, found = SITES[name], {}
    notes = Saboteur(known()[1])
    with notes.at_work():
        with site.opened() as ask:
            for at, request in enumerate(site.requests):
                ask(request)
                found |= dict.fromkeys(notes.hit - found.keys(), at)
        found |= dict.fromkeys(notes.hit - found.keys(), 0)  # as it closed
    return {
        reader: at
        for reader, at in found.items()
        if reader.target.startswith(site.about)
        and (name == "threads" or ".threads:" not in reader.function)
        and not (reader.slot == "answering" and reader.target.startswith("a2wsgi."))
    }  # frameworks keep their threads, so elsewhere it is chance when one starts, or how far it has come


def visit(name: str, at: int) -> tuple[list[Answer], list[Trace]]:
    """Ask a site the same twice; give its answers, and the traces of all that happened."""
    site = SITES[name]
    with published() as traces, site.opened() as ask:
        answers = [ask(site.requests[at]), ask(site.requests[at])]
    assert CURRENT.get() is None
    return answers, traces


def own_hits(name: str) -> dict[Reader, int]:
    """Give the readers that the requests to this site hit, and those to no site before it."""
    names = list(SITES)
    before = {reader for earlier in names[: names.index(name)] for reader in hits(earlier)}
    return {reader: at for reader, at in hits(name).items() if reader not in before}


@pytest.mark.parametrize("name", SITES)
def test_whatever_reader_raises_the_app_is_unharmed_and_the_trace_names_the_adapter(name: str) -> None:
    undisturbed = {at: visit(name, at) for at in set(own_hits(name).values())}
    for reader, at in own_hits(name).items():
        saboteur = Saboteur(known()[1], reader)
        with saboteur.at_work():
            answers, traces = visit(name, at)
        assert saboteur.hit == {reader}
        assert answers == undisturbed[at][0], reader
        check(reader, saboteur, undisturbed[at][1], traces)
    for at, (answers, traces) in undisturbed.items():
        again = visit(name, at)
        assert (again[0], [trace.path for trace in again[1]]) == (answers, [trace.path for trace in traces])


def check(reader: Reader, saboteur: Saboteur, undisturbed: list[Trace], traces: list[Trace]) -> None:
    said = [warning for trace in traces for warning in trace.warnings if "HostileFault" in warning]
    adapter = known()[0].get(reader)
    assert said, reader
    for warning in said:
        assert warning.startswith(f"the {adapter} adapter failed in its probe on " if adapter else "the "), reader
        assert not warning.startswith("the generic"), reader
        assert reader.target.replace(":", ".") in warning, reader
        assert "(HostileFault: <its __str__ raised RuntimeError>); that probe is off, the rest of" in warning
    for trace in traces:
        assert not [span for span in trace.root.walk() if span.is_open], reader
        assert str(trace), reader
        assert trace.to_dict()["status"] == trace.status, reader
    if len(traces) == len(undisturbed) and reader.target and Kind.MIDDLEWARE not in saboteur.kinds:
        assert [trace.middleware for trace in traces] == [trace.middleware for trace in undisturbed], reader
        assert [trace.path[-1] for trace in traces] == [trace.path[-1] for trace in undisturbed], reader


NEVER = {
    "answering _shape:answered_itself": "a framework's app, its own layers, mounts and bridges hand every request on",
    "_BodyLimitExceptionMiddleware": "only in a FastAPI app with a body limit of its own",
    "django.template.base:PartialTemplate": "Django 6 only, by tags that no template of ours has",
    "Parser._async_on_validation_error": "of webargs' parsers for async frameworks that we do not test with",
    "BaseForm.add_error": "a view of Django's that refuses a valid form after all",
    "wtforms.form:BaseForm.validate": "of a form made without a class; in a `Form` it is a part of its validation",
}
"""The readers that no request of ours hits, and why."""


def test_every_reader_is_hit_but_those_listed() -> None:
    hit = {reader for name in SITES for reader in hits(name)}
    missed = sorted(str(reader) for reader in known()[0] if reader not in hit)
    if IS_PROFILING:  # it learns of an exception only from who handles it
        missed = [reader for reader in missed if not reader.startswith("raising")]
    assert [reader for reader in missed if not any(known in reader for known in NEVER)] == []
    assert len(missed) <= 27


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_an_app_that_has_used_up_its_stack_or_memory_loses_no_probe(error: type[Exception]) -> None:
    reader = next(reader for reader in hits("library") if reader.function.endswith(":FastAPIAdapter._solved"))
    saboteur = Saboteur(known()[1], reader, error)
    with saboteur.at_work():
        answers, traces = visit("library", hits("library")[reader])
    assert answers == visit("library", hits("library")[reader])[0]
    for trace in (trace for trace in traces if trace.protocol == "http"):
        (said,) = (warning for warning in trace.warnings if error.__name__ in warning)
        assert said.endswith(f"({error.__name__}: ); the rest of the trace stands.")
