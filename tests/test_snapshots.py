"""Snapshot tools compare traces as they are: what they record passes on the next run, and a change fails."""

from __future__ import annotations

import re

import pytest

SHOP = """
from fastapi import Depends, FastAPI
from fastapi.middleware.gzip import GZipMiddleware

app = FastAPI()
app.add_middleware(GZipMiddleware)


def current_user():
    return "ann"


@app.get("/orders/{order_id}")
async def read_order(order_id: int, user: str = Depends(current_user)):
    return {"id": order_id}
"""

INLINE = """
from inline_snapshot import snapshot
from pytest_lifecycle import Client
from shop import app


def test_reading_an_order():
    with Client(app) as client:
        trace = client.get("/orders/42")
    assert trace.path == snapshot()
    assert trace.outcome == snapshot()
    assert trace.path_params == snapshot()


def test_a_bad_order():
    with Client(app) as client:
        trace = client.get("/orders/x")
    assert trace.validation_errors == snapshot()
"""

SYRUPY = """
from pytest_lifecycle import Client
from shop import app


def test_reading_an_order(snapshot):
    with Client(app) as client:
        trace = client.get("/orders/42")
    assert trace.path == snapshot
    assert trace.to_dict(timings=False) == snapshot
"""

REGRESSIONS = """
from pytest_lifecycle import Client
from shop import app


def test_reading_an_order(data_regression):
    with Client(app) as client:
        data_regression.check(client.get("/orders/42").to_dict(timings=False))
"""


@pytest.fixture
def shop(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("CI", "GITHUB_ACTIONS", "PYTEST_XDIST_WORKER"):  # inline-snapshot writes nothing there
        monkeypatch.delenv(name, raising=False)
    project.makepyfile(shop=SHOP)
    project.syspathinsert()
    return project


def drop_the_dependency(shop: pytest.Pytester) -> None:
    shop.makepyfile(shop=SHOP.replace(", user: str = Depends(current_user)", ""))


def test_inline_snapshot_writes_plain_code_that_passes_and_a_lost_dependency_fails(shop: pytest.Pytester) -> None:
    shop.makepyfile(test_shop=INLINE)
    shop.runpytest_subprocess("-p", "inline_snapshot", "--inline-snapshot=create")
    written = (shop.path / "test_shop.py").read_text()
    assert re.sub(r"\s+", " ", written).count("snapshot()") == 0
    assert "from pytest_lifecycle import Outcome" in written
    assert "assert trace.outcome == snapshot(Outcome.HANDLED)" in written
    assert "pytest_lifecycle._" not in written
    shop.runpytest_subprocess("-p", "inline_snapshot").assert_outcomes(passed=2)
    drop_the_dependency(shop)
    result = shop.runpytest_subprocess("-p", "inline_snapshot")
    result.assert_outcomes(passed=1, failed=1, errors=1)  # inline-snapshot says so once more at the teardown
    result.stdout.fnmatch_lines(["*missing: 'dependency current_user' (expected as step 3, after *"])


@pytest.mark.parametrize(
    ("plugin", "tests", "write"),
    [("syrupy", SYRUPY, "--snapshot-update"), ("pytest_regressions.plugin", REGRESSIONS, "--force-regen")],
)
def test_a_file_of_snapshots_passes_on_the_next_run_and_a_lost_dependency_fails(
    shop: pytest.Pytester, plugin: str, tests: str, write: str
) -> None:
    plugins = ["-p", plugin] + (["-p", "pytest_datadir.plugin"] if "regressions" in plugin else [])
    shop.makepyfile(test_shop=tests)
    shop.runpytest_subprocess(*plugins, write)
    shop.runpytest_subprocess(*plugins).assert_outcomes(passed=1)
    drop_the_dependency(shop)
    result = shop.runpytest_subprocess(*plugins)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*current_user*"])
