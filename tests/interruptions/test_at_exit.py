"""The interpreter exits while something of ours is open: it says what was not closed, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, threading, time, weakref

weakref.finalize(threading.Event, int)  # as others do: finalizers are then called after what we do at exit

from contextlib import asynccontextmanager

from fastapi import FastAPI

from pytest_lifecycle import Client, observe
from pytest_lifecycle._drive.loop import OwnLoop


@asynccontextmanager
async def lifespan(app):
    try:
        yield
    finally:
        print("shut down")


app = FastAPI(lifespan=lifespan)


@app.get("/")
def read_root():
    return "root"


@app.get("/exit")
async def leave():
    sys.exit(3)


@app.get("/slow")
async def slow():
    running.set()
    time.sleep(5)


running = threading.Event()
kept = []


def unclosed():
    kept.append(Client(app))
    print(kept[-1].get("/").status)


def streaming():
    kept.append(Client(app).stream("GET", "/"))
    print(kept[0].__enter__().status)


def observing():
    kept.append(observe())
    kept[0].__enter__()
    unclosed()


def closed():
    kept.append(OwnLoop())  # a client's, which an exception's frames may keep
    kept[0].close()


def garbage():
    print(Client(app).get("/").status)


def leaving():
    with Client(app) as client:
        client.get("/exit")


def daemon():
    def work():
        with Client(app) as client:
            client.get("/slow")

    threading.Thread(target=work, daemon=True).start()
    running.wait()


def hard():
    kept.append(Client(app))
    kept[0].get("/")
    os._exit(4)


globals()[sys.argv[1]]()
"""
UNCLOSED = "A Client was never closed"
EXITS = {
    "unclosed": (0, "200\nshut down\n", UNCLOSED),
    "streaming": (0, "200\nshut down\n", UNCLOSED),
    "observing": (0, "200\nshut down\n", UNCLOSED),
    "closed": (0, "", ""),
    "garbage": (0, "200\nshut down\n", UNCLOSED),
    "leaving": (3, "shut down\n", ""),
    "daemon": (0, "", ""),
    "hard": (4, "", ""),
}


@pytest.mark.parametrize("name", EXITS)
def test_it_exits_as_it_should_and_only_names_what_was_not_closed(name: str) -> None:
    code, printed, said = EXITS[name]
    command = [sys.executable, "-W", "default::ResourceWarning:pytest_lifecycle", "-X", "dev", "-c", SCRIPT, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (code, printed)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "was destroyed" not in done.stderr
    if not said:
        assert done.stderr == ""


UNCLOSED_IN_A_TEST = """
import shop
from pytest_lifecycle import Client

def test_one():
    assert Client(shop.app).get("/").status == 200

def test_two():
    assert shop.log == ["lifespan.startup"]
"""


def test_a_test_that_leaves_a_client_open_is_named_where_warnings_are_errors(shop: pytest.Pytester) -> None:
    shop.makepyfile(UNCLOSED_IN_A_TEST)
    shop.runpytest_subprocess(timeout=30).assert_outcomes(passed=2)
    result = shop.runpytest_subprocess("-W", "error", timeout=30)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_one*", f"E * ResourceWarning: {UNCLOSED}*"])
