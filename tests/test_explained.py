"""A failed comparison with a trace's attribute says why the request ended as it did."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

APP = """
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.testclient import TestClient
import pytest

class Order(BaseModel):
    price: int
    password: int = 0

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"])

class Gate:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/closed":
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body"})
            return
        await self.app(scope, receive, send)

app.add_middleware(Gate)

class Relay(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next): return await call_next(request)

app.add_middleware(Relay)

def current_user():
    raise HTTPException(403, "not you")

@app.post("/orders/")
def create_order(order: Order): ...

@app.get("/orders/{order_id}")
def read_order(order_id: int): return 1 / 0

@app.get("/me")
def read_me(user=Depends(current_user)): ...

@app.get("/gone")
def read_gone(): raise HTTPException(404, "sold out")

@app.exception_handler(LookupError)
async def answer_lost(request, error): return JSONResponse({}, status_code=404)

@app.get("/lost")
def read_lost(): raise LookupError("under the sofa")

def fail(): raise OSError("no space")

@app.get("/late")
def keep_later(tasks: BackgroundTasks): tasks.add_task(fail)

inner = FastAPI()

@inner.get("/boom")
def read_inner(): return 1 / 0

app.mount("/inner", inner)

@app.get("/blank")
def refuse_all(): raise RequestValidationError([])

@app.get("/badly", response_model=Order)
def read_badly(): return {"price": "much"}

@app.get("/fine")
def read_fine(): return 1

@pytest.fixture
def lifecycle_app():
    return app
"""

CRASH = "500: ZeroDivisionError(division by zero) raised in read_order, crossed CORSMiddleware, Gate, Relay"
CLAIMS = {
    'trace = lifecycle.post("/orders/", json={"price": "x"}); assert trace.status == 200': [
        "assert 422 == 200",
        "422: validation refused body.price (Input should be a valid integer, unable to parse string as an integer)",
        "the handler create_order did not run",
    ],
    'trace = lifecycle.get("/me"); assert trace.handler == "read_me"': [
        "403: current_user refused it (permission): not you",
        "the handler read_me did not run",
    ],
    'trace = lifecycle.get("/order/3"); assert trace.status < 400': [
        "assert 404 < 400",
        "404: no route matched GET /order/3; nearest /orders/{order_id} (is spelled differently)",
    ],
    'trace = lifecycle.delete("/orders/3"); assert trace.route is not None': [
        "405: the path is known, but not with DELETE; nearest /orders/{order_id} (takes GET)",
    ],
    'trace = lifecycle.get("/orders/3"); assert trace.outcome == "handled"': [
        f"{CRASH}; answered by ServerErrorMiddleware",
        "the response did not pass Relay, Gate, CORSMiddleware",
    ],
    'trace = lifecycle.get("/inner/boom"); assert trace.outcome == "handled"': [
        f"{CRASH.replace('read_order', 'read_inner')}; answered by ServerErrorMiddleware",
    ],
    'trace = lifecycle.get("/late"); assert trace.outcome == "handled"': [
        "200: OSError(no space) raised in fail, crossed CORSMiddleware, Gate, Relay; nobody answered it",
    ],
    'trace = lifecycle.get("/lost"); assert trace.status == 200': [
        "404: the handler read_lost raised LookupError(under the sofa), answered by answer_lost",
    ],
    'trace = lifecycle.get("/blank"); assert trace.status == 200': [
        "422: validation refused it",
        "the handler refuse_all ran",
    ],
    'trace = lifecycle.get("/badly"); assert trace.status == 200': [
        "the response was refused for response.price"
        " (Input should be a valid integer, unable to parse string as an integer)",
    ],
    'trace = lifecycle.get("/gone"); assert trace.status == 200': [
        "404: the handler read_gone answered by raising HTTPException(sold out)",
    ],
    'trace = lifecycle.post("/orders", json={}); assert trace.status == 201': [
        "307: redirected by APIRouter (redirect_slashes) to http://testserver/orders/",
    ],
    'trace = lifecycle.get("/closed"); assert trace.status == 200': [
        "503: Gate refused it (middleware)",
        "no handler ran",
    ],
    'assert lifecycle.get("/me").status == 200': [
        "403: current_user refused it (permission): not you",
    ],
    'traces = [lifecycle.get("/me"), lifecycle.get("/fine")]; assert traces[0].status == 200': [
        "403: current_user refused it (permission): not you",
    ],
    "response = TestClient(app).get('/me'); assert response.status_code == 200": [
        "assert 403 == 200",
        "403: current_user refused it (permission): not you",
        "the handler read_me did not run",
    ],
    'lifecycle.get("/me"); assert lifecycle_traces[-1].refusal == "csrf"': [
        "403: current_user refused it (permission): not you",
    ],
}


UNTOUCHED = {
    "a comparison of something else": 'trace = lifecycle.get("/me"); assert 1 == 2',
    "another object's attribute": (
        'trace = lifecycle.get("/me"); import types; other = types.SimpleNamespace(status=1); assert other.status == 2'
    ),
    "a status of something else": (
        'lifecycle.get("/me"); import types; other = types.SimpleNamespace(status_code=1);'
        " assert other.status_code == 2"
    ),
    "a request that ended well": 'trace = lifecycle.get("/fine"); assert trace.status == 201',
}
LONG = 'trace = lifecycle.get("/me"); assert trace.dependencies == ["get_db"]'
SECRET = 'trace = lifecycle.post("/orders/", json={"price": 1, "password": "s3" + "cr3t"}); assert trace.status == 200'
BODIES = [*CLAIMS, *UNTOUCHED.values(), LONG, SECRET]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What pytest says of each assertion, line by line."""
    folder = tmp_path_factory.mktemp("explained")
    tests = [f"\ndef test_{at}(lifecycle, lifecycle_traces):\n    {body}\n" for at, body in enumerate(BODIES)]
    (folder / "test_all.py").write_text(APP + "".join(tests))
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:randomly", "-p", "no:cacheprovider", "test_all.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said: dict[str, list[str]] = {body: [] for body in BODIES}
    now: list[str] = []
    for line in done.stdout.split("\n"):
        heading = re.fullmatch(r"_+ test_(\d+) _+", line)
        if heading:
            now = said[BODIES[int(heading[1])]]
        elif line.startswith("E "):
            now.append(line[1:].strip().removeprefix("AssertionError: "))
    return said


@pytest.mark.parametrize(("body", "lines"), CLAIMS.items(), ids=list(CLAIMS))
def test_a_failed_comparison_says_why(told: dict[str, list[str]], body: str, lines: list[str]) -> None:
    assert [line for line in lines if line not in told[body]] == []


@pytest.mark.parametrize("body", UNTOUCHED.values(), ids=list(UNTOUCHED))
def test_nothing_is_said_where_there_is_nothing_to_explain(told: dict[str, list[str]], body: str) -> None:
    assert told[body]
    assert [line for line in told[body] if "refused" in line or "answered" in line] == []


def test_pytest_s_own_explanation_stays_below_the_reason(told: dict[str, list[str]]) -> None:
    assert told[LONG][1:3] == ["403: current_user refused it (permission): not you", "the handler read_me did not run"]
    assert "At index 0 diff: 'current_user' != 'get_db'" in told[LONG]


def test_secrets_stay_out_of_the_reason(told: dict[str, list[str]]) -> None:
    assert "422: validation refused body.password ([redacted])" in told[SECRET]
    assert "s3cr3t" not in "".join(told[SECRET])
