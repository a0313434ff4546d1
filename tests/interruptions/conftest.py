"""The shop that is interrupted, and pytest runs of it in processes of their own."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

SHOP = '''
import asyncio, signal, threading, time

from fastapi import FastAPI
from flask import Flask
from starlette.responses import StreamingResponse


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore it


def interrupt():
    signal.raise_signal(signal.SIGINT)


def interrupt_soon():
    """Press Ctrl-C while the caller waits."""
    threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()


web = Flask("web")


@web.get("/now")
def flask_now():
    interrupt()


@web.get("/sleep")
def flask_sleep():
    interrupt_soon()
    time.sleep(30)


async def starting(app):
    interrupt_soon()
    await asyncio.Event().wait()
    yield


async def stopping(app):
    yield
    interrupt_soon()
    await asyncio.Event().wait()


def make_api(lifespan=None):
    from contextlib import asynccontextmanager

    api = FastAPI(lifespan=asynccontextmanager(lifespan) if lifespan else None)

    @api.get("/")
    async def read_root():
        return 1

    @api.get("/now")
    async def api_now():
        interrupt()

    @api.get("/hang")
    async def api_hang():
        interrupt_soon()
        await asyncio.Event().wait()

    @api.get("/sleep")
    async def api_sleep():
        interrupt_soon()
        time.sleep(30)

    @api.get("/thread")
    def api_thread():
        interrupt_soon()
        time.sleep(0.5)

    @api.get("/stream")
    async def api_stream():
        async def pieces():
            yield b"one"
            interrupt_soon()
            await asyncio.Event().wait()

        return StreamingResponse(pieces())

    return api


api = make_api()
'''

Run = Callable[..., pytest.RunResult]
OURS = re.compile(r"^\S*pytest_lifecycle/\S+:\d+: ", re.MULTILINE)
"""A frame of ours in what pytest shows of a traceback."""


@pytest.fixture
def interrupted(project: pytest.Pytester) -> pytest.Pytester:
    """A project with the shop in it."""
    project.makepyfile(shop=SHOP)
    return project


@pytest.fixture
def run(interrupted: pytest.Pytester) -> Run:
    """Runs tests of the shop, given as text, in a pytest of their own."""

    def run(tests: str, *arguments: str) -> pytest.RunResult:
        interrupted.makepyfile(test_shop=tests)
        return interrupted.runpytest_subprocess("-p", "no:randomly", *arguments, timeout=30)

    return run
