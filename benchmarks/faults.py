"""What in-process drivers make of faulty apps, side by side: `python -m benchmarks.faults [--update]`.

The apps are those of `tests/faults`. Each driver runs in a process of its own, which is ended and begun anew behind an
app that hangs. `--update` writes the tables into docs/explanation/faults.md instead of printing them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from pytest_lifecycle import Client, DeadlineExceeded, observe
from tests.faults import asgi, wsgi
from tests.faults.test_exceptions import Raising, WsgiRaising

PAGE = Path(__file__).parent.parent / "docs/explanation/faults.md"
PATIENCE = 2.0
"""How many seconds a driver has for an app before it is said to hang; each app that answers does so in milliseconds."""
START = 60.0
"""How many seconds its process has to begin."""
INPUT = b"input"
SHOWN = 90
OURS = "pytest-lifecycle"


class Case(NamedTuple):
    """A faulty app: its name, the app, how it is asked, and the body that its client should get."""

    name: str
    app: Any
    method: str = "GET"
    content: bytes | None = None


RAISED: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("broken"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": lambda: asyncio.CancelledError("mine"),
}


def cases(interface: str) -> list[Case]:
    """Give the apps of an interface."""
    rows = asgi.FAULTS if interface == "asgi" else wsgi.FAULTS
    found = [Case(name, row.app, row.method, row.content) for name, row in rows.items()]  # type: ignore[attr-defined]
    if interface == "asgi":
        found += [Case(name, app) for name, (app, _) in asgi.HANGING.items()]
    raising = Raising if interface == "asgi" else WsgiRaising
    return found + [
        Case(f"{name} {moment}", raising(make, moment))
        for moment in ("before the start", "in the body")
        for name, make in RAISED.items()
    ]


# -- what each driver makes of an app: (status, body), or what it raises

Answer = tuple[object, bytes]


def by_asgi_transport(case: Case) -> Answer:
    import httpx

    async def ask() -> Answer:
        transport = httpx.ASGITransport(case.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=0.5) as client:
            response = await client.request(case.method, "/")
            return response.status_code, response.content

    return asyncio.run(ask())


def by_test_client(case: Case) -> Answer:
    from .requests import quiet_test_client

    response = quiet_test_client(case.app).request(case.method, "/", timeout=0.5)
    return response.status_code, response.content


def by_werkzeug_client(case: Case) -> Answer:
    from werkzeug.test import Client as WerkzeugClient

    response = WerkzeugClient(case.app).open("/", method=case.method, data=_input(case))
    return response.status_code, response.get_data()


def by_run_wsgi_app(case: Case) -> Answer:
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    environ = EnvironBuilder("/", method=case.method, data=_input(case)).get_environ()
    body, status, _ = run_wsgi_app(case.app, environ, buffered=True)
    number = status.partition(" ")[0]
    return int(number) if number.isdecimal() and len(number) < 5 else status, b"".join(body)


def by_wsgi_transport(case: Case) -> Answer:
    import httpx

    with httpx.Client(transport=httpx.WSGITransport(case.app), base_url="http://testserver") as client:
        response = client.request(case.method, "/", content=_input(case))
        return response.status_code, response.content


def _input(case: Case) -> bytes | None:
    return INPUT if case.method == "POST" else None


DRIVERS: dict[str, dict[str, Callable[[Case], Answer]]] = {
    "asgi": {"httpx.ASGITransport": by_asgi_transport, "Starlette's TestClient": by_test_client},
    "wsgi": {
        "werkzeug's Client": by_werkzeug_client,
        "werkzeug's run_wsgi_app": by_run_wsgi_app,
        "httpx.WSGITransport": by_wsgi_transport,
    },
}


# -- in words


def theirs(driver: Callable[[Case], Answer], case: Case) -> str:
    """Say what a driver makes of an app."""
    try:
        status, body = driver(case)
    except BaseException as error:
        return _raised(error, case)
    shown = "" if case.content in (None, body) else f", the body {_code(repr(body))}"
    return f"{_status(status)}{shown}, nothing said"


def ours(case: Case, interface: str) -> str:
    """Say what our client makes of an app."""
    arguments: dict[str, Any] = {"content": INPUT} if case.method == "POST" else {}
    with Client(case.app, interface=interface, lifespan=False) as client, observe() as traces:
        try:
            client.request(case.method, "/", timeout=0.05 if case.content is None else 10.0, **arguments)
        except DeadlineExceeded as error:
            return f"`DeadlineExceeded`: {str(error).partition(': ')[2].partition('.')[0]}"
        except BaseException as error:
            return f"{_raised(error, case)}; the trace has it, too"
        trace = traces[0]
    said = [_code_free(warning.removeprefix("the app ")) for warning in trace.warnings]
    said += [f"{_own(error.exception, case)} is on the trace" for error in trace.exceptions if not error.handled_by]
    status = "no response" if trace.status is None else str(trace.status)
    return f"{status}: {'; '.join(said)}" if said else f"{status}, nothing said"


def _raised(error: BaseException, case: Case) -> str:
    text = _text(error)
    if _is_own(error, case):
        return f"raises {_own(error, case)}"
    name = type(error).__name__
    return f"`{name}`: {_code_free(text)}" if text else f"`{name}` without a word"


def _own(error: BaseException, case: Case) -> str:
    return f"the app's `{type(error).__name__}`" if _is_own(error, case) else f"`{type(error).__name__}`"


def _is_own(error: BaseException, case: Case) -> bool:
    return any(error is raised for raised in getattr(case.app, "raised", ())) or _was_raised_by_app(error)


def _was_raised_by_app(error: BaseException) -> bool:
    """Whether the frame that it comes from is one of the faulty apps'."""
    trace, last = error.__traceback__, ""
    while trace is not None:
        last, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return Path(last).parent.name == "faults" and not isinstance(error, AssertionError)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _status(status: object) -> str:
    return str(int(status)) if isinstance(status, int) and not isinstance(status, bool) else _code(repr(status))


def _code(text: str) -> str:
    return f"`{text[:SHOWN]}`"


def _code_free(text: str) -> str:
    """Write text so that Markdown shows it as it is, cut where it is long."""
    cut = re.sub(r"([\w])\1{30,}", r"\1\1\1...", text)
    cut = re.sub(r" at 0x[0-9a-f]+", "", cut)
    cut = cut.replace("\n", " ")
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", cut if len(cut) <= 2 * SHOWN else cut[: 2 * SHOWN] + "...")


# -- a driver in a process of its own


def answers(interface: str, name: str) -> dict[str, str]:
    """Run a driver over all apps of its interface, whatever becomes of its process."""
    names = [case.name for case in cases(interface)]
    said: dict[str, str] = {}
    while len(said) < len(names):
        said.update(_run(interface, name, skipping=len(said)))
        if len(said) < len(names):
            said[names[len(said)]] = "hangs"
    return said


def _run(interface: str, name: str, *, skipping: int) -> dict[str, str]:
    command = [sys.executable, "-m", "benchmarks.faults", "--run", interface, name, "--skip", str(skipping)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_pass_on, args=(process.stdout, lines))
        reader.start()
        said: dict[str, str] = {}
        try:
            lines.get(timeout=START)
            while line := lines.get(timeout=PATIENCE):
                said.update([json.loads(line)])
        except queue.Empty:
            process.kill()
        reader.join()
    return said


def _pass_on(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _in_child(interface: str, name: str, skipped: int) -> None:
    warnings.simplefilter("ignore")
    theirs(DRIVERS[interface][name], cases(interface)[0])  # it imports what it needs
    print("ready", flush=True)
    for case in cases(interface)[skipped:]:
        print(json.dumps([case.name, theirs(DRIVERS[interface][name], case)]), flush=True)


# -- the tables


def table(interface: str) -> Iterator[str]:
    """Give the lines of an interface's table."""
    columns = {name: answers(interface, name) for name in DRIVERS[interface]}
    yield f"| the app | {OURS} | {' | '.join(columns)} |"
    yield f"| --- | --- |{' --- |' * len(columns)}"
    for case in cases(interface):
        cells = [case.name, ours(case, interface), *(said[case.name] for said in columns.values())]
        yield f"| {' | '.join(cells)} |"


def updated(page: str, interface: str, lines: list[str]) -> str:
    """Give the page with the table beneath the interface's heading replaced."""
    pattern = re.compile(rf"(^## {interface.upper()}\n.*?)^\|.*?(?=^[^|]|\Z)", re.DOTALL | re.MULTILINE)
    found, count = pattern.subn(lambda match: match[1] + "\n".join(lines) + "\n", page)
    assert count == 1, interface
    return found


def main() -> None:
    """Run, and print or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write the tables into {PAGE.name}")
    parser.add_argument("--run", nargs=2, metavar=("INTERFACE", "DRIVER"), help="run one driver, here")
    parser.add_argument("--skip", type=int, default=0, help="how many apps to leave out")
    options = parser.parse_args()
    if options.run:
        _in_child(*options.run, options.skip)
        return
    warnings.simplefilter("ignore")
    tables = {interface: list(table(interface)) for interface in DRIVERS}
    if options.update:
        page = PAGE.read_text(encoding="utf-8")
        for interface, lines in tables.items():
            page = updated(page, interface, lines)
        PAGE.write_text(page, encoding="utf-8")
        return
    print(", ".join(f"{name} {version(name)}" for name in ("httpx", "starlette", "werkzeug")))
    for lines in tables.values():
        print(*lines, sep="\n")


if __name__ == "__main__":
    main()
