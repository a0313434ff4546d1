"""What the tests share: pytest in pytest, and traces sketched by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pytest_lifecycle._trace.exchange import Exchange
from pytest_lifecycle._trace.facts import Verdict
from pytest_lifecycle._trace.span import Kind, Span
from pytest_lifecycle._trace.trace import Trace
from tests.census import Census, left_behind

pytest_plugins = ["pytester"]

Step = tuple[str, Sequence["Step"]] | tuple[str, Sequence["Step"], dict[str, Any]]
"""A step as ``"kind name"``, the steps inside it, and what to set on its span."""
SketchTrace = Callable[..., Trace]

SHOP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            log.append(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/crash":
        raise RuntimeError("the app crashed")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})

log = []

def make_app():
    return app
"""

NAMED_APP = """
import pytest
from shop import app

@pytest.fixture
def lifecycle_app():
    return app
"""


BEFORE = pytest.StashKey[Census]()


@pytest.fixture(autouse=True)
def _count(request: pytest.FixtureRequest) -> None:
    """Count what there is, once the fixtures of a wider scope are set up."""
    request.node.stash[BEFORE] = Census()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After each test there is nothing that was not there before it: what one leaves, all that follow meet.

    Counted after all else is torn down: until then pytest holds log records, and with them frames.
    """
    yield
    before = item.stash.get(BEFORE, None)
    assert before is None or left_behind(before) == []


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose pytest runs use our plugin, as it is installed, and no others but those they name."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p lifecycle -p no:cacheprovider")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return pytester


@pytest.fixture
def shop(project: pytest.Pytester) -> pytest.Pytester:
    """A project with an ASGI app in `shop.py` that no setting names."""
    project.makepyfile(shop=SHOP)
    project.syspathinsert()
    return project


@pytest.fixture
def named(shop: pytest.Pytester) -> pytest.Pytester:
    """A project whose `conftest.py` names the app."""
    shop.makeconftest(NAMED_APP)
    return shop


@pytest.fixture
def sketch() -> SketchTrace:
    """Makes a trace of steps written down by hand; every step takes a millisecond more than what is in it."""
    return sketched


def sketched(
    *steps: Step, method: str = "GET", url: str = "http://testserver/orders/42", status: int | None = 200
) -> Trace:
    """Make a trace of these steps."""
    exchange = Exchange("asgi", method, url)
    exchange.root.start = 0.0
    exchange.root._end = _add(exchange.root, steps, 0.0) + 0.001
    if status is not None:
        exchange.respond(status, [])
        exchange.responded_at = None
    return Trace(exchange)


def _add(parent: Span, steps: Sequence[Step], moment: float) -> float:
    for step in steps:
        word, _, name = step[0].partition(" ")
        kind = Kind.ROUTING if word == "route" else Kind(word)
        span = Span(kind, name, parent=parent, exchange=parent.exchange)
        span.start = moment
        if word == "route":
            span.attributes["verdict"] = Verdict.MATCHED
        parent.children.append(span)
        for attribute, value in (step[2] if len(step) == 3 else {}).items():
            if attribute == "attributes":
                span.attributes.update(value)
            else:
                setattr(span, attribute, value)
        span._end = moment = _add(span, step[1], moment) + 0.001
    return moment
