"""Ten regressions, each in one of the example shops: the baseline catches every one, names its cause, and only then."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import django.test  # noqa: F401  what an inner run imports first is imported anew by the next one
import fastapi  # noqa: F401
import flask  # noqa: F401
import pytest
import starlette.testclient  # noqa: F401

EXAMPLES = Path(__file__).parents[2] / "examples"

HEAD = """
import pytest

ADA = {"authorization": "Bearer ada-token"}
ROOT = {"authorization": "Bearer root-token"}
"""

STARLETTE = """
from starlette.testclient import TestClient

@pytest.fixture
def client():
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
"""

SUITES = {
    "fastapi": f"""
{HEAD}
from shop.main import app
{STARLETTE}
@pytest.mark.parametrize("number", [41, 42])
def test_read(client, number):
    client.get(f"/orders/{{number}}", headers=ADA)

def test_export(client):
    client.get("/orders/export", headers=ADA)

def test_order(client):
    made = client.post("/orders", headers=ADA, json={{"sku": "pen", "quantity": 2}}).json()
    client.get(f"/orders/{{made.get('id', 42)}}", headers=ADA)

def test_list(client):
    client.get("/orders", headers=ADA, follow_redirects=False)

def test_strangers(client):
    client.delete("/orders/42")
    client.get("/users/me")

def test_delete(client):
    client.delete("/orders/42", headers=ROOT)

def test_stats(client):
    client.get("/admin/stats", headers=ROOT)
    client.get("/admin/stats", headers=ADA)
""",
    "asgi": f"""
{HEAD}
from shop.app import app
{STARLETTE}
def test_read(client):
    client.get("/orders/42", headers=ADA)

def test_stranger(client):
    client.get("/orders/42")
""",
    "flask": f"""
{HEAD}
from shop.app import create_app

@pytest.fixture
def client():
    return create_app().test_client()

def test_read(client):
    client.get("/orders/42", headers=ADA)
    client.get("/orders/999", headers=ADA)

def test_me(client):
    client.get("/users/me", headers=ADA)

def test_stranger(client):
    client.get("/users/me")

def test_price(client):
    client.get("/orders/42/unit-price", headers=ADA)
""",
    "django": f"""
{HEAD}
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.test import Client

@pytest.fixture
def client():
    return Client(raise_request_exception=False)

def test_read(client):
    client.get("/orders/42/", headers=ADA)

def test_me(client):
    client.get("/users/me/", headers=ADA)

def test_stranger(client):
    client.get("/users/me/")
""",
}

EXPORT = """@orders.get("/export")
async def export_orders(db: Database, user: CurrentUser) -> list[Order]:
    return db.orders_of(user)


"""
READ = '@orders.get("/{order_id}", name="order")\n'
CORS = """        Middleware(
            CORSMiddleware,
            allow_origins=["https://shop.example"],
            allow_methods=["GET", "POST"],
            allow_headers=["authorization"],
        ),
"""
MAINTENANCE = "        Middleware(MaintenanceMiddleware),\n"


class Shop:
    """A copy of an example shop, with a suite of its framework's own test client that asserts nothing."""

    def __init__(self, project: pytest.Pytester, name: str) -> None:
        self.project = project
        self.name = name
        self.root = project.path / "shop"
        ignored = shutil.ignore_patterns("conftest.py", "test_*.py", "__pycache__")
        shutil.copytree(EXAMPLES / f"{name}_shop", self.root, ignore=ignored)
        for file in self.root.glob("*.py"):
            file.write_text(file.read_text().replace("examples.django_shop", "shop"))
        if name == "fastapi":
            self.edit("routes.py", READ, EXPORT + READ)
        project.makepyfile(test_shop=SUITES[name])

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert old in text, f"{file} holds no {old!r}"
        (self.root / file).write_text(text.replace(old, new))

    def run(self, *arguments: str) -> pytest.RunResult:
        run: Callable[..., pytest.RunResult] = self.project.runpytest
        if self.name == "django":  # it has one configuration for a process
            run = self.project.runpytest_subprocess
        return run("--lifecycle-baseline=baseline.json", *arguments)


@pytest.fixture
def shop(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Shop]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit may leave a file's time and size as they are
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    project.syspathinsert()
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=":")
    return lambda name: Shop(project, name)


@dataclass
class Regression:
    """An edit that breaks a shop, what the failing tests say, and what the summary does."""

    shop: str
    edits: list[tuple[str, str, str]]
    told: dict[str, list[str]]
    summary: list[str]
    also: list[str] = field(default_factory=list)
    compare: str = ""


MOVED = "middleware CORSMiddleware moved inside MaintenanceMiddleware"
LOST = "no route matches any more"
GONE = "status 200 to 404 (handled to not_found)"

REGRESSIONS = {
    "a route is shadowed by another one that now comes first": Regression(
        "fastapi",
        [("routes.py", EXPORT, ""), ("routes.py", "orders.include_router", EXPORT + "orders.include_router")],
        told={
            "test_export": [
                "GET /orders/export: the route GET /orders/{order_id} takes it now;"
                " newly invalid: path.order_id, status 200 to 422 (handled to invalid)"
            ]
        },
        summary=["GET /orders/export: the route GET /orders/{order_id} takes it now: 1 request of 1 test"],
    ),
    "a prefix is changed": Regression(
        "flask",
        [("views.py", 'url_prefix="/orders"', 'url_prefix="/order"')],
        told={
            "test_read": [
                f"GET /orders/<int:order_id>: {LOST};"
                f" the nearest is /order/<int:order_id> (is spelled differently), {GONE}"
            ],
            "test_price": [
                f"GET /orders/<int:order_id>/unit-price: {LOST};"
                f" the nearest is /order/<int:order_id>/unit-price (is spelled differently), {GONE}"
            ],
        },
        summary=[
            f"{LOST}: 3 requests of 2 tests: GET /orders/<int:order_id> and GET /orders/<int:order_id>/unit-price"
        ],
    ),
    "two middleware are swapped": Regression(
        "asgi",
        [("app.py", "GzipMiddleware(AuthMiddleware(", "AuthMiddleware(GzipMiddleware(")],
        told={
            "test_read": ["GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware"],
            "test_stranger": ["GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware"],
        },
        summary=[
            "GET /orders/{int}: middleware GzipMiddleware no longer runs before AuthMiddleware: 2 requests of 2 tests"
        ],
    ),
    "a dependency that authenticates is dropped": Regression(
        "fastapi",
        [("routes.py", ", dependencies=[Depends(admin_only)]", "")],
        told={
            "test_strangers": [
                "DELETE /orders/{order_id}: `bearer` no longer runs; status 401 to 204 (rejected to handled)"
            ]
        },
        summary=["DELETE /orders/{order_id}: `bearer` no longer runs: 1 request of 1 test"],
        also=[
            "DELETE /orders/{order_id}: `bearer`, `current_user` and `admin_only` no longer run: 1 request of 1 test"
        ],
    ),
    "a field is required": Regression(
        "fastapi",
        [("routes.py", "    sku: str = Field(min_length=1)\n", "    sku: str\n    note: str\n")],
        told={"test_order": ["POST /orders: newly invalid: body.note; status 201 to 422 (handled to invalid)"]},
        summary=["POST /orders: newly invalid: body.note: 1 request of 1 test"],
    ),
    "a trailing slash is lost": Regression(
        "django",
        [("urls.py", '"users/me/"', '"users/me"')],
        told={
            "test_me": [f"GET /users/me/: {LOST}; the nearest is /users/me (differs: trailing slash), {GONE}"],
            "test_stranger": [
                f"GET /users/me/: {LOST}; the nearest is /users/me (differs: trailing slash),"
                " status 401 to 404 (short_circuited to not_found)"
            ],
        },
        summary=[f"GET /users/me/: {LOST}: 2 requests of 2 tests"],
    ),
    "a trailing slash is added": Regression(
        "flask",
        [("views.py", '@users.get("/me")', '@users.get("/me/")')],
        told={
            "test_me": [
                "GET /users/me: the router redirects it to /users/me/ now; status 200 to 308 (handled to redirected)"
            ],
            "test_stranger": [
                "GET /users/me: the router redirects it to /users/me/ now;"
                " status 401 to 308 (short_circuited to redirected)"
            ],
        },
        summary=["GET /users/me: the router redirects it to /users/me/ now: 2 requests of 2 tests"],
    ),
    "a handler is renamed": Regression(
        "flask",
        [("views.py", "def read_me(", "def read_user(")],
        told={"test_me": ["GET /users/me: handler read_user, was read_me"]},
        summary=["GET /users/me: handler read_user, was read_me: 1 request of 1 test"],
        compare="handler",
    ),
    "CORS is moved inside": Regression(
        "fastapi",
        [("main.py", CORS, ""), ("main.py", MAINTENANCE, MAINTENANCE + CORS)],
        told={
            "test_read[41]": [f"GET /orders/{{order_id}}: {MOVED}"],
            "test_read[42]": [f"GET /orders/{{order_id}}: {MOVED}"],
            "test_export": [f"GET /orders/export: {MOVED}"],
            "test_order": [f"POST /orders: {MOVED}", f"GET /orders/{{order_id}}: {MOVED}"],
            "test_list": [f"GET /orders: {MOVED}"],
            "test_strangers": [f"DELETE /orders/{{order_id}}: {MOVED}", f"GET /users/me: {MOVED}"],
            "test_delete": [f"DELETE /orders/{{order_id}}: {MOVED}"],
            "test_stats": [f"GET /admin/stats: {MOVED}", f"GET /admin/stats: {MOVED}"],
        },
        summary=[
            f"{MOVED}: 11 requests of 8 tests:"
            " DELETE /orders/{order_id}, GET /admin/stats, GET /orders, GET /orders/export and 3 more"
        ],
    ),
    "a migration renames a column that a handler reads": Regression(
        "flask",
        [("store.py", "    total: int", "    total_cents: int")],
        told={
            "test_price": [
                "GET /orders/<int:order_id>/unit-price: AttributeError raised in read_unit_price;"
                " status 200 to 500 (handled to error)"
            ]
        },
        summary=[
            "GET /orders/<int:order_id>/unit-price: AttributeError raised in read_unit_price: 1 request of 1 test"
        ],
    ),
    "a mount is lost": Regression(
        "fastapi",
        [("main.py", 'app.mount("/admin", admin)\n', "")],
        told={
            "test_stats": [
                f"GET /admin/stats: {LOST}; middleware NoStoreMiddleware is not reached, {GONE}"
            ]  # the 200 and the 403 are the same 404 now: told once, counted below
        },
        summary=[f"GET /admin/stats: {LOST}: 2 requests of 1 test"],
    ),
}


def failures(result: pytest.RunResult) -> dict[str, list[str]]:
    """Give what each failing test says of its requests."""
    found: dict[str, list[str]] = {}
    test = ""
    for line in result.outlines:
        if re.fullmatch(r"=+ .+ =+", line):  # the short summary, which tells whole messages in CI
            test = ""
        named = re.fullmatch(r"_{3,} (\S+) _{3,}", line)
        test = named[1] if named else test
        if line.startswith("lifecycle: ") and test:
            found.setdefault(test, []).append(line.removeprefix("lifecycle: "))
    return found


def summary(result: pytest.RunResult) -> dict[str, list[str]]:
    """Give what the summary says, by title."""
    found: dict[str, list[str]] = {}
    lines = iter(result.outlines)
    for line in lines:
        if re.fullmatch(r"=+ lifecycle baseline =+", line):
            break
    title = ""
    for line in lines:
        if line.startswith("Where this is as it should be"):
            break
        if line.startswith("  "):
            found[title].append(line.strip())
        else:
            title = line.rstrip(":")
            found[title] = []
    return found


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_caught_once_and_its_cause_is_named(shop: Callable[[str], Shop], name: str) -> None:
    regression = REGRESSIONS[name]
    copy = shop(regression.shop)
    if regression.compare:
        copy.project.makeini(f"[pytest]\nlifecycle_baseline_compare = {regression.compare}\n")
    assert copy.run("--lifecycle-update").ret == 0
    for edit in regression.edits:
        copy.edit(*edit)
    result = copy.run("-p", "no:randomly")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert failures(result) == regression.told
    expected = {"changed": regression.summary, "also changed (not compared)": regression.also}
    assert summary(result) == {title: lines for title, lines in expected.items() if lines}


@pytest.mark.parametrize(
    ("name", "seeds", "workers"), [("fastapi", 6, 2), ("flask", 5, 0), ("asgi", 6, 0), ("django", 1, 0)]
)
def test_an_unchanged_suite_is_as_recorded_in_each_of_twenty_runs(
    shop: Callable[[str], Shop], name: str, seeds: int, workers: int
) -> None:
    copy = shop(name)
    copy.run("--lifecycle-update")
    shuffled = [("-p", "randomly", f"--randomly-seed={seed}") for seed in range(seeds)]
    parallel = [("-p", "xdist", f"-n{number}", "-p", "randomly") for number in range(1, workers + 1)]
    for arguments in (*shuffled, *parallel):
        result = copy.run(*arguments)
        result.stdout.fnmatch_lines(["lifecycle: * requests are as in the baseline baseline.json"])
        assert result.ret == 0
