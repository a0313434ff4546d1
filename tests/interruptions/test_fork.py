"""`os.fork` in a test, in a handler and while a request is open: the parent's traces are its own, and nothing waits."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask

from pytest_lifecycle import Client, observe

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork"),
    pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning"),  # from CPython 3.12 on
]


def in_child(work: Callable[[], object]) -> int:
    """Run something in a forked process, and give its exit status: 0 where it gave a true value."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def make_api() -> FastAPI:
    api = FastAPI()

    @api.get("/")
    def read_root() -> str:
        return "root"

    @api.get("/fork")
    async def fork() -> int:
        return in_child(lambda: True)

    return api


def test_a_child_observes_what_it_does_itself_and_the_parent_sees_none_of_it() -> None:
    api = make_api()
    with observe() as traces, Client(api) as client:
        client.get("/")

        def work() -> bool:
            with Client(api) as other:
                trace = other.get("/")
            return trace.handler == "read_root" and [trace.url for trace in traces][1:] == [trace.url]

        assert in_child(work) == 0
        assert len(traces) == 1
        assert client.get("/").path == traces[0].path


def test_a_child_of_an_async_handler_does_not_end_the_request() -> None:
    with Client(make_api()) as client:
        trace = client.get("/fork")
    assert (trace.json(), trace.handler, trace.outcome) == (0, "fork", "handled")


def test_a_child_of_a_sync_handler_does_not_end_the_request() -> None:
    web = Flask("web")

    @web.get("/fork")
    def fork() -> str:
        return str(in_child(lambda: True))

    with observe() as traces, Client(web) as client:
        assert client.get("/fork").text == "0"
    assert [trace.handler for trace in traces] == ["fork"]


def ask(answers: Any) -> None:
    with Client(make_api()) as client:
        answers.put(client.get("/").handler)


def test_multiprocessing_s_children_drive_apps_too() -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with observe() as traces:
        child = context.Process(target=ask, args=(answers,))
        child.start()
        assert answers.get(timeout=20) == "read_root"
        child.join(20)
    assert (child.exitcode, traces) == (0, [])
    answers.close()
    answers.join_thread()
