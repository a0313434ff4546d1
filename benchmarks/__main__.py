"""Print the table: `python -m benchmarks [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass

from . import apps
from .facts import reading, websockets
from .layers import kept_trace, per_layer
from .memory import growth
from .per_test import flask_of, own_cost, starlette_of
from .requests import against_asgi_clients, against_own_client
from .start import run_cost, start_cost

NEWER = sys.version_info >= (3, 12)


@dataclass(frozen=True)
class Row:
    """One figure: what, the value, its unit, and the goal if there is one (at most)."""

    what: str
    value: float
    unit: str = "x"
    goal: float | None = None

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"  goal {self.goal:g}{'' if self.value <= self.goal else '  MISSED'}"
        return f"{self.what:<68}{self.value:>10.2f} {self.unit:<8}{goal}"


def goal(monitoring: float, profiling: float) -> float:
    """Give the goal for this interpreter's event source."""
    return monitoring if NEWER else profiling


def asgi_rows(rounds: int, repeats: int) -> list[Row]:
    """Measure the FastAPI app and the trivial one."""
    url = "/orders/42"
    shop = against_asgi_clients(apps.fastapi_app(), url, rounds=rounds, repeats=repeats)
    bare = against_asgi_clients(apps.trivial, url, rounds=rounds, repeats=repeats)
    return [
        Row("FastAPI app: traced / raw call", shop["traced"] / shop["raw call"], goal=goal(1.7, 4)),
        Row("FastAPI app: traced / untraced TestClient", shop["traced"] / shop["TestClient"], goal=goal(0.2, 0.6)),
        Row("FastAPI app: traced / untraced ASGITransport", shop["traced"] / shop["ASGITransport"], goal=goal(0.7, 2)),
        Row("trivial app: traced / raw call", bare["traced"] / bare["raw call"]),
        Row("trivial app: traced / untraced TestClient", bare["traced"] / bare["TestClient"], goal=goal(0.07, 0.12)),
        Row(
            "trivial app: traced / untraced ASGITransport",
            bare["traced"] / bare["ASGITransport"],
            goal=goal(0.35, 0.6),
        ),
        Row("FastAPI app: traced request", shop["traced"] * 1e6, "us"),
        Row("trivial app: traced request", bare["traced"] * 1e6, "us"),
    ]


def wsgi_rows(rounds: int, repeats: int) -> list[Row]:
    """Measure a Flask and a Django app."""
    flask = apps.flask_app()
    django = apps.django_app()
    from django.test import Client as DjangoClient

    url = "/orders/42"
    of_flask = against_own_client(flask, flask.test_client, "own", url, rounds=rounds, repeats=repeats)
    of_django = against_own_client(django, DjangoClient, "own", url, rounds=rounds, repeats=repeats)
    return [
        Row("Flask app: traced / untraced test_client()", of_flask["traced"] / of_flask["own"]),
        Row("Django app: traced / untraced django.test.Client", of_django["traced"] / of_django["own"]),
    ]


def fact_rows(rounds: int, repeats: int) -> list[Row]:
    """Measure what reading costs, and WebSockets."""
    app = apps.fastapi_app()
    facts = reading(app, "/orders/42", rounds=rounds, repeats=repeats)
    talk = websockets(app, "/echo", rounds=rounds, repeats=max(10, repeats // 10))
    return [
        *[Row(f"FastAPI app: to read {name}", seconds * 1e6, "us") for name, seconds in facts.items()],
        Row("FastAPI app: traced WebSocket / untraced TestClient's", talk["traced"] / talk["TestClient"]),
    ]


def test_rows(rounds: int, repeats: int) -> list[Row]:
    """Measure what is added to a test of its own."""
    return [
        Row(
            f"{framework} app of {routes} routes: added to a test with one request",
            own_cost(make, routes, rounds=rounds, repeats=repeats) * 1e6,
            "us",
        )
        for framework, make in (("Starlette", starlette_of), ("Flask", flask_of))
        for routes in (10, 600)
    ]


def other_rows(rounds: int, repeats: int) -> list[Row]:
    """Measure layers, memory and pytest's start."""
    took, modules = start_cost(rounds)
    run = (100, 1000) if rounds > 2 else (10, 20)
    whole = run[0] * run[1]
    plain, installed = run_cost(rounds)
    return [
        *[
            Row(f"one more pass-through layer, from {span}", seconds * 1e6, "us", goal(8, 40))
            for span, seconds in per_layer(rounds=rounds, repeats=repeats).items()
        ],
        Row("a kept trace of the FastAPI app", kept_trace() / 1024, "KiB"),
        *[
            Row(f"memory after {whole} requests / after {whole // 10}, {option}", growth(*run, option))
            for option in ("--lifecycle", "--lifecycle-report=json:requests.json")
        ],
        Row("importing the unused plugin, beside pytest", took * 1e3, "ms"),
        Row("modules that the unused plugin imports, beside pytest", len(modules), "modules"),
        *[Row(f"    {module}", 1, "module") for module in modules],
        Row("a pytest run without tests: with the unused plugin / without it", installed / plain),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it runs, not what it costs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rounds, repeats = (2, 20) if options.quick else (15, 200)
    rows = [
        *asgi_rows(rounds, repeats),
        *wsgi_rows(rounds, repeats),
        *fact_rows(rounds, repeats),
        *test_rows(rounds, max(10, repeats // 4)),
        *other_rows(rounds, max(20, repeats // 4)),
    ]
    version = platform.python_version()
    if options.json:
        print(json.dumps({"python": version, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(f"CPython {version}; medians of {rounds} rounds, taken in turns in one process")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
