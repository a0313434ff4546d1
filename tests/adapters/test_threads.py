"""Threads that outlive a request: whose steps they run, and what they keep."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_lifecycle import Client, observe
from pytest_lifecycle import _session as session
from pytest_lifecycle.adapters import Adapter, Kind, Probe


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def query() -> None:
    """A step wherever it runs inside a request."""


class Querying(Adapter):
    name = "querying"

    def probes(self) -> Iterable[Probe]:
        yield Probe(query, Kind.QUERY)


@pytest.fixture(autouse=True)
def querying() -> Iterator[None]:
    adapter = Querying()
    session.add_adapters([adapter])
    yield
    session.remove_adapters([adapter])


def make_pooling(pool: ThreadPoolExecutor) -> Starlette:
    """The first request starts the pool's thread and goes on until the second has had a job run in it."""
    is_second_done = asyncio.Event()

    async def first(request: Request) -> PlainTextResponse:
        await asyncio.get_running_loop().run_in_executor(pool, str)
        await is_second_done.wait()
        return PlainTextResponse("first")

    async def second(request: Request) -> PlainTextResponse:
        await asyncio.get_running_loop().run_in_executor(pool, query)
        is_second_done.set()
        return PlainTextResponse("second")

    return Starlette(routes=[Route("/first", first), Route("/second", second)])


def test_a_job_is_part_of_the_request_that_hands_it_in_not_of_the_one_that_started_the_thread(
    pool: ThreadPoolExecutor,
) -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(make_pooling(pool))
        async with httpx.AsyncClient(transport=transport, base_url="http://pool") as client:
            await asyncio.gather(client.get("/first"), client.get("/second"))

    with observe() as traces:
        asyncio.run(main())
    queries = {trace.url: len(trace.spans("query")) for trace in traces}
    assert queries == {"http://pool/first": 0, "http://pool/second": 1}


def test_a_pool_s_thread_keeps_nothing_of_the_request_that_started_it(pool: ThreadPoolExecutor) -> None:
    def home(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        pool.submit(query).result()
        start_response("200 OK", [])
        return [b"home"]

    with Client(home) as client:
        gone = weakref.ref(client.get("/").root)
        gc.collect()
        assert gone() is None


class Own(threading.Thread):
    """A thread that does more after what it has of `Thread`."""

    def run(self) -> None:
        super().run()
        query()


def test_a_thread_of_a_class_of_its_own_is_part_of_the_request_to_its_end() -> None:
    def home(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for make in (threading.Thread, Own):
            thread = make(target=query)
            thread.start()
            thread.join()
        start_response("200 OK", [])
        return [b"home"]

    with Client(home) as client:
        assert len(client.get("/").spans("query")) == 3


WORKERS = """
import gc
import threading
import weakref

import pytest
from pytest_lifecycle import AsyncClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

@pytest.fixture
def anyio_backend():
    return "trio"

def home(request):
    return PlainTextResponse(threading.current_thread().name)

@pytest.mark.anyio
async def test_a_request():
    async with AsyncClient(Starlette(routes=[Route("/", home)])) as client:
        trace = await client.get("/")
        assert trace.text != threading.current_thread().name
        gone = weakref.ref(trace.root)
        del trace
        gc.collect()
        assert gone() is None
"""


def test_a_worker_thread_of_trio_s_keeps_nothing_of_the_request_that_started_it(project: pytest.Pytester) -> None:
    project.makepyfile(WORKERS)
    project.runpytest_subprocess("-p", "anyio").assert_outcomes(passed=1)
