"""FastAPI's dependencies as a run sheet."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends, FastAPI, HTTPException, Query, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import APIKeyHeader, HTTPBasic, OAuth2PasswordBearer
from pydantic import BaseModel

from pytest_lifecycle import Client, DependencyRun, Trace
from tests.engine import IS_PROFILING

VERSION = tuple(int(part) for part in fastapi.__version__.split(".")[:2])
IS_THROWN_TOLD = not IS_PROFILING
"""Whether it is known what is thrown into a generator: a profile function does not learn of it."""
needs_thrown = pytest.mark.skipif(not IS_THROWN_TOLD, reason="what is thrown into a generator is not known here")
needs_scopes = pytest.mark.skipif(VERSION < (0, 121), reason="Depends(scope=...) is new in FastAPI 0.121")


class Price(BaseModel):
    price: int


def shop() -> FastAPI:
    app = FastAPI()

    def get_settings() -> str:
        return "settings"

    def get_db(settings: Annotated[str, Depends(get_settings)]) -> Iterator[str]:
        with contextlib.suppress(LookupError):
            yield "db"

    async def current_user(db: Annotated[str, Depends(get_db)]) -> str:
        return "user"

    async def limited() -> str:
        raise HTTPException(429, "slow down")

    def fresh() -> int:
        return 1

    async def strict() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise RuntimeError("cannot close")

    @app.get("/orders")
    async def read_orders(
        user: Annotated[str, Depends(current_user)], db: Annotated[str, Depends(get_db)], page: int = Query(1)
    ) -> str:
        return user

    @app.get("/twice")
    def read_twice(one: Annotated[int, Depends(fresh)], two: Annotated[int, Depends(fresh, use_cache=False)]) -> int:
        return one + two

    @app.get("/limited")
    async def read_limited(limit: Annotated[str, Depends(limited)], db: Annotated[str, Depends(get_db)]) -> str:
        return limit

    @app.get("/lost")
    async def read_lost(db: Annotated[str, Depends(get_db)]) -> str:
        raise LookupError("lost")

    @app.get("/closing")
    async def read_closing(value: Annotated[int, Depends(strict)]) -> int:
        return value

    app.state.functions = {"get_db": get_db, "current_user": current_user, "fresh": fresh}
    return app


def asked(app: FastAPI, url: str, **arguments: Any) -> Trace:
    with Client(app) as client:
        return client.get(url, **arguments)


def ran(name: str, mode: str = "async", **facts: Any) -> DependencyRun:
    return DependencyRun(name, "ran", mode=mode, **facts)  # type: ignore[arg-type]


AFTER = "after response" if VERSION < (0, 106) or VERSION >= (0, 118) else "before response"
"""When a dependency's exit part runs: it moved before the response in 0.106, and back behind it in 0.118."""


def test_what_ran_and_what_came_from_the_cache_in_the_order_resolved() -> None:
    trace = asked(shop(), "/orders")
    assert trace.dependency_runs == [
        ran("get_settings", "thread"),
        ran("get_db", "thread", scope="request", exit=AFTER),
        ran("current_user"),
        # A cached dependency's own dependencies are looked for all the same.
        DependencyRun("get_db", "cached", scope="request", mode="thread"),
        DependencyRun("get_settings", "cached", mode="thread"),
    ]
    assert trace.dependencies == ["get_settings", "get_db", "current_user"]


def test_a_dependency_that_is_not_cached_runs_each_time() -> None:
    assert asked(shop(), "/twice").dependency_runs == [ran("fresh", "thread"), ran("fresh", "thread")]


def test_what_comes_after_a_refusal_is_not_looked_for() -> None:
    trace = asked(shop(), "/limited")
    assert trace.dependency_runs == [ran("limited", exception="HTTPException")]
    assert (trace.outcome, trace.refusal, trace.refused_by, trace.handler) == ("rejected", "throttle", "limited", None)


def test_an_exception_that_a_dependency_keeps_to_itself() -> None:
    runs = {run.name: run for run in asked(shop(), "/lost").dependency_runs}
    assert runs["get_db"].swallowed == ("LookupError" if IS_THROWN_TOLD else None)
    assert runs["get_db"].exception is None
    assert runs["get_db"].exit == "before response"


@needs_thrown
def test_a_dependency_that_turns_an_exception_into_another_one_caught_the_first() -> None:
    app = FastAPI()

    async def translated() -> AsyncIterator[None]:
        try:
            yield
        except LookupError:
            raise HTTPException(404, "lost") from None

    @app.get("/", dependencies=[Depends(translated)])
    async def read() -> None:
        raise LookupError("lost")

    assert [(error.type, error.raised_in, error.handled_by) for error in asked(app, "/").exceptions] == [
        ("LookupError", "read", "translated"),
        ("HTTPException", "translated", "http_exception_handler"),
    ]


@needs_thrown
def test_an_exit_part_that_awaits_something_has_not_raised_what_passes_through_it() -> None:
    app = FastAPI()

    async def closing() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)

    async def keeping() -> AsyncIterator[None]:
        try:
            yield
        except LookupError:
            await asyncio.sleep(0)

    @app.get("/closed", dependencies=[Depends(closing)])
    @app.get("/kept", dependencies=[Depends(keeping)])
    async def read() -> None:
        raise LookupError("lost")

    def told(trace: Trace) -> list[tuple[str | None, str | None]]:
        return [(run.exception, run.swallowed) for run in trace.dependency_runs]

    assert told(asked(app, "/closed")) == [(None, None)]
    assert told(asked(app, "/kept")) == [(None, "LookupError")]


def test_an_exception_in_the_exit_part() -> None:
    runs = asked(shop(), "/closing").dependency_runs
    assert [(run.exception, run.swallowed) for run in runs] == [("RuntimeError", None)]


def test_an_override_says_what_it_stands_for() -> None:
    app = shop()

    def fake_user() -> str:
        return "fake"

    app.dependency_overrides[app.state.functions["current_user"]] = fake_user
    runs = asked(app, "/orders").dependency_runs
    assert ran("fake_user", "thread", stands_for="current_user") in runs
    assert [run.stands_for for run in runs if run.name != "fake_user"] == [None] * (len(runs) - 1)
    assert "current_user" not in [run.name for run in runs]


@needs_scopes
def test_the_exit_part_of_a_function_scope_runs_before_the_response() -> None:
    app = FastAPI()

    async def for_function() -> AsyncIterator[int]:
        yield 1

    async def for_request() -> AsyncIterator[int]:
        yield 1

    @app.get("/")
    async def read(
        one: Annotated[int, Depends(for_function, scope="function")], two: Annotated[int, Depends(for_request)]
    ) -> PlainTextResponse:
        return PlainTextResponse("ok")

    assert asked(app, "/").dependency_runs == [
        ran("for_function", scope="function", exit="before response"),
        ran("for_request", scope="request", exit="after response"),
    ]


SCHEMES = {
    "oauth": OAuth2PasswordBearer(tokenUrl="token"),
    "basic": HTTPBasic(),
    "key": APIKeyHeader(name="x-key"),
}


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_a_security_scheme_refuses_for_authentication_whatever_its_status(scheme: Any) -> None:
    app = FastAPI()

    @app.get("/")
    async def read(credentials: Annotated[Any, Security(scheme)]) -> None: ...

    trace = asked(app, "/")
    assert trace.status in (401, 403)  # 403 until FastAPI 0.122
    assert (trace.refusal, trace.refused_by) == ("authentication", type(scheme).__name__)
    assert (trace.outcome, trace.handler) == ("rejected", None)


def test_a_custom_handler_changes_neither_the_kind_nor_the_culprit_of_a_refusal() -> None:
    from fastapi.exceptions import RequestValidationError

    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    async def plain(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("no", status_code=400)

    @app.post("/")
    async def create(price: Price) -> None: ...

    with Client(app) as client:
        trace = client.post("/", json={"price": "much"})
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (
        400,
        "invalid",
        "validation",
        "validation",
    )
    assert trace.validation_errors[0].input == "'much'"


def gated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(status: int) -> None:
        raise HTTPException(status)

    return wrapper


@pytest.mark.parametrize("answered", [200, 404])
@pytest.mark.parametrize(("status", "kind"), [(401, "authentication"), (403, "permission"), (429, "throttle")])
def test_a_custom_handler_that_answers_with_another_status_does_not_change_the_kind_of_a_refusal(
    status: int, kind: str, answered: int
) -> None:
    app = FastAPI()

    @app.exception_handler(HTTPException)
    async def hide(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("nothing here", status_code=answered)

    def gate() -> None:
        raise HTTPException(status)

    @app.get("/dependency", dependencies=[Depends(gate)])
    async def read() -> None: ...

    @app.get("/decorator")
    @gated
    def read_gated(status: int) -> None: ...

    for url, culprit in {"/dependency": "gate", f"/decorator?status={status}": "gated"}.items():
        trace = asked(app, url)
        assert (trace.status, trace.refusal, trace.refused_by, trace.handler) == (answered, kind, culprit, None)
        assert [(error.handled_by, error.is_answer) for error in trace.exceptions] == [("hide", True)]


def test_a_response_that_breaks_its_own_promise_is_an_error_with_the_field() -> None:
    app = FastAPI()

    @app.get("/", response_model=Price)
    async def read() -> dict[str, str]:
        return {"price": "much"}

    trace = asked(app, "/")
    assert (trace.outcome, trace.refusal, trace.validation, trace.handler) == ("error", None, "none", "read")
    assert [(issue.loc, issue.type) for issue in trace.response_errors] == [(("response", "price"), "int_parsing")]
    assert trace.validation_errors == []


UNUSED = """
from fastapi import Depends, FastAPI
import pytest

app = FastAPI()

def get_db(): ...
def get_user(): ...
def fake(): ...

@app.get("/")
def read(user=Depends(get_user)): ...

@pytest.fixture
def lifecycle_app():
    app.dependency_overrides = {get_db: fake, get_user: fake}
    return app

def test_one(lifecycle, lifecycle_unused_overrides):
    assert lifecycle_unused_overrides() == ["get_db", "get_user"]
    lifecycle.get("/")
    assert lifecycle_unused_overrides() == ["get_db"]
"""


def test_overrides_that_no_request_used_are_named_on_request(project: pytest.Pytester) -> None:
    project.makepyfile(UNUSED)
    project.runpytest_subprocess().assert_outcomes(passed=1)


ARGUMENTS = """
from fastapi import FastAPI
import pytest

app = FastAPI()

@app.get("/{order_id}")
def read(order_id: int, token: str = "", size: str = ""): ...

@pytest.fixture
def lifecycle_app():
    return app

def test_one(lifecycle):
    trace = lifecycle.get("/7?token=s3cret&size=" + "x" * 500)
    pending = [trace.to_dict(timings=False)["spans"]]
    handlers = []
    while pending:
        span = pending.pop()
        handlers += [span] * (span["kind"] == "handler")
        pending += span["children"]
    assert [handler["attributes"] for handler in handlers] == [expected]
"""


@pytest.mark.parametrize("asked_for", [True, False])
def test_the_handler_s_arguments_are_kept_on_request_without_secrets(project: pytest.Pytester, asked_for: bool) -> None:
    project.makeini(f"[pytest]\nlifecycle_arguments = {str(asked_for).lower()}\n")
    kept = {"arguments": {"order_id": "7", "token": "[redacted]", "size": "'" + "x" * 78 + "…"}}
    project.makepyfile(ARGUMENTS + f"\nexpected = {kept if asked_for else {}!r}\n")
    project.runpytest_subprocess().assert_outcomes(passed=1)
