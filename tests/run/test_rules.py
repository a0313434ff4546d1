"""Rules are checked on every request of every test, and what breaks them fails the test, or the run."""

from __future__ import annotations

import pytest

SHOP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Layer:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


class Authentication(Layer):
    async def __call__(self, scope, receive, send):
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and scope["path"].startswith("/admin") and b"authorization" not in headers:
            await PlainTextResponse("who are you?", 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Authorization(Layer):
    pass


async def order(request):
    return PlainTextResponse("an order")


async def crash(request):
    raise RuntimeError("no stock, token=hunter2")


ROUTES = [
    Route("/orders/{order_id}", order),
    Route("/stock", crash),
    Route("/admin/users", order),
    Route("/health", order),
]
app = Starlette(routes=ROUTES, middleware=[Middleware(Authentication), Middleware(Authorization)])
swapped = Starlette(routes=ROUTES, middleware=[Middleware(Authorization), Middleware(Authentication)])
"""

ASK = """
import pytest
import shop
from pytest_lifecycle import Client


def ask(path, app=shop.app, **headers):
    with Client(app, lifespan=False) as client:
        return client.get(path, headers=headers)
"""


@pytest.fixture
def rules(project: pytest.Pytester) -> pytest.Pytester:
    """A project with a Starlette app in `shop.py`."""
    project.makepyfile(shop=SHOP, asking=ASK)
    project.syspathinsert()
    return project


def run(project: pytest.Pytester, rules: list[str], tests: str, *arguments: str) -> pytest.RunResult:
    """Run these tests under these rules."""
    project.makeini("[pytest]\nlifecycle_rules =\n" + "".join(f"    {rule}\n" for rule in rules))
    project.makepyfile(test_shop="from asking import *\n" + tests)
    return project.runpytest(*arguments)


def told_by(result: pytest.RunResult) -> list[str]:
    """Give the lines between the head of the only failure and what follows it."""
    lines = result.stdout.lines
    begin = next(index for index, line in enumerate(lines) if line.startswith("rule broken: "))
    end = next(index for index, line in enumerate(lines) if index > begin and line.startswith(("---", "===", "___")))
    return lines[begin:end]


ORDER = "Authentication before Authorization"


def test_a_test_whose_request_breaks_a_rule_fails_with_what_was_seen(rules: pytest.Pytester) -> None:
    tests = """
def test_swapped():
    assert ask("/orders/42?token=hunter2", app=shop.swapped).status == 200

def test_right():
    assert ask("/orders/42").status == 200
"""
    result = run(rules, [ORDER], tests)
    result.assert_outcomes(passed=1, failed=1)
    assert told_by(result) == [
        "rule broken: Authentication before Authorization",
        "  GET /orders/42 (route /orders/{order_id}) -> 200",
        "  the middleware was [Authorization, Authentication]",
    ]
    result.stdout.no_fnmatch_line("*hunter2*")


def test_several_requests_that_break_the_same_rule_are_told_once(rules: pytest.Pytester) -> None:
    tests = """
def test_swapped():
    for number in range(3):
        ask(f"/orders/{number}", app=shop.swapped)
"""
    assert told_by(run(rules, [ORDER, "no 2xx"], tests)) == [
        "rule broken: Authentication before Authorization",
        "  GET /orders/0 (route /orders/{order_id}) -> 200",
        "  the middleware was [Authorization, Authentication]",
        "  and 2 more like it",
        "rule broken: no 2xx",
        "  GET /orders/0 (route /orders/{order_id}) -> 200",
        "  200: the handler order answered",
        "  and 2 more like it",
    ]


def test_a_test_that_fails_anyway_keeps_its_own_message_and_has_a_section_more(rules: pytest.Pytester) -> None:
    tests = """
def test_swapped():
    assert ask("/orders/42", app=shop.swapped).status == 201
"""
    result = run(rules, [ORDER], tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*assert 200 == 201", "-* lifecycle rules -*", "rule broken: Authentication before Authorization"]
    )


def test_what_a_fixture_of_the_test_asks_for_counts_for_the_test(rules: pytest.Pytester) -> None:
    tests = """
@pytest.fixture
def login():
    ask("/orders/1", app=shop.swapped)

def test_nothing(login):
    pass
"""
    run(rules, [ORDER], tests).assert_outcomes(failed=1)


def test_an_expected_failure_may_be_a_broken_rule(rules: pytest.Pytester) -> None:
    tests = """
@pytest.mark.xfail(strict=True)
def test_swapped():
    ask("/orders/1", app=shop.swapped)
    ask("/orders/1")
"""
    result = run(rules, [ORDER], tests)
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0


LATE = """
@pytest.fixture(scope="session")
def stock():
    ask("/orders/1", app=shop.swapped)
    yield
    ask("/orders/2", app=shop.swapped)

@pytest.fixture(scope="module")
def account():
    ask("/orders/3", app=shop.swapped)

@pytest.fixture
def login(account):
    yield
    ask("/orders/4", app=shop.swapped)

def test_with_a_login(login):
    ask("/orders/5")

def test_with_an_account(account):
    ask("/orders/5")

def test_with_stock(stock):
    pass
"""


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n1"), ("-p", "xdist", "-n2")], ids=["alone", "n1", "n2"])
def test_what_no_test_can_fail_for_any_more_fails_the_run(rules: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    result = run(rules, [ORDER], LATE, *arguments)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.stdout.lines
    begin = next(index for index, line in enumerate(lines) if "= lifecycle rules =" in line) + 1
    assert lines[begin : begin + 4] == [
        "rule broken: Authentication before Authorization",
        "  GET /orders/3 (route /orders/{order_id}) -> 200",
        "  the middleware was [Authorization, Authentication]",
        "  outside of a test's function, by test_shop.py::account and 2 more",
    ]


def test_a_class_of_unittest_is_told_too(rules: pytest.Pytester) -> None:
    tests = """
import unittest

class Orders(unittest.TestCase):
    def test_swapped(self):
        ask("/orders/1", app=shop.swapped)

    def test_both(self):
        ask("/orders/1", app=shop.swapped)
        self.fail("of its own")
"""
    result = run(rules, [ORDER], tests)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(["rule broken: *", "*AssertionError: of its own", "-* lifecycle rules -*"])


def test_each_example_of_a_hypothesis_test_is_checked(rules: pytest.Pytester) -> None:
    tests = """
from hypothesis import given, settings, strategies as st

@given(st.integers(1, 2))
@settings(max_examples=2, derandomize=True, deadline=None, database=None)
def test_numbers(number):
    ask(f"/orders/{number}", app=shop.swapped)
"""
    assert told_by(run(rules, [ORDER], tests))[-1] == "  and 1 more like it"


MOUNTED = """
from contextlib import asynccontextmanager
from starlette.routing import Mount

@asynccontextmanager
async def stock(app):
    yield

def mounting():
    return shop.Starlette(routes=[Mount("/stock", shop.Starlette(lifespan=stock))])

def start():
    with Client(mounting()):
        pass
"""


def test_a_lifespan_that_is_never_run_fails_the_test_that_starts_the_app(rules: pytest.Pytester) -> None:
    result = run(rules, ["traps"], MOUNTED + "def test_start():\n    start()\n")
    result.assert_outcomes(failed=1)
    assert told_by(result) == [
        "rule broken: lifespan-never-run",
        "  the startup",
        "  the lifespan stock of the app mounted at /stock does not run: Starlette runs the outermost app's only."
        " Enter it in that one's lifespan.",
        "  docs: rules/lifespan-never-run",
    ]
    run(rules, ["traps", "allow lifespan-never-run"], MOUNTED + "def test_start():\n    start()\n").assert_outcomes(
        passed=1
    )


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_lifespan_that_ends_with_a_fixture_fails_the_run(rules: pytest.Pytester, scope: str) -> None:
    tests = f"""
@pytest.fixture(scope="{scope}")
def client():
    with Client(mounting()) as client:
        yield client

def test_one(client):
    client.get("/")
"""
    result = run(rules, ["lifespan-never-run"], MOUNTED + tests)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["rule broken: lifespan-never-run"])


# -- names that no request shows


def test_a_name_that_no_request_showed_fails_the_whole_suite(rules: pytest.Pytester) -> None:
    result = run(rules, ["Authentification before Authorization"], "def test_health():\n    pass\n")
    assert result.ret == 0  # no request, nothing to say
    result = run(rules, ["LoggingMiddleware outermost except /*"], "def test_health():\n    ask('/health')\n")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "rule 'LoggingMiddleware outermost except /[*]': no request ever showed a middleware"
            " 'LoggingMiddleware'; seen were: Authentication, Authorization"
        ]
    )


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n2")], ids=["alone", "n2"])
def test_a_typo_is_told_with_what_may_have_been_meant(rules: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    tests = "def test_one():\n    ask('/health')\n\ndef test_two():\n    ask('/orders/1')\n"
    result = run(rules, ["Authorization before ordr", "no 5xx on /order/*"], tests, *arguments)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "rule 'Authorization before ordr': no request ever showed a step 'ordr';"
            " seen were: Authentication, Authorization, order. Did you mean 'order'?",
            "rule 'no 5xx on /order/[*]': no request was ever made to /order/[*];"
            " seen were: GET /health, GET /orders/{order_id}*",
        ]
    )


@pytest.mark.parametrize("arguments", [("-k", "one"), ("test_shop.py::test_one",), ("test_shop.py",)])
def test_in_a_part_of_the_suite_that_is_only_a_notice(rules: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    tests = "def test_one():\n    ask('/health')\n\ndef test_two():\n    ask('/orders/1')\n"
    result = run(rules, ["no 5xx on /orders/*"], tests, *arguments)
    assert result.ret == (0 if arguments != () else 1)
    if arguments != ("test_shop.py",):
        result.stdout.fnmatch_lines(["rule 'no 5xx on /orders/[*]': *", "Only part of the suite*"])


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n2")], ids=["alone", "n2"])
def test_a_plugin_that_parts_the_suite_makes_it_a_notice_too(
    rules: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    rules.makeconftest(
        """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=[items.pop()])
        """
    )
    tests = "def test_one():\n    ask('/health')\n\ndef test_two():\n    ask('/orders/1')\n"
    result = run(rules, ["no 5xx on /orders/*"], tests, *arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Only part of the suite was run*"])


def test_the_folders_of_testpaths_are_the_whole_suite(rules: pytest.Pytester) -> None:
    rules.makeini("[pytest]\ntestpaths = tests\nlifecycle_rules = no 5xx on /orders/*\n")
    folder = rules.mkdir("tests")
    (folder / "test_shop.py").write_text("from asking import *\n\ndef test_one():\n    ask('/health')\n")
    assert [rules.runpytest(*arguments).ret for arguments in ((), ("tests",), (".",), ("tests/test_shop.py",))] == [
        1,
        1,
        1,
        0,
    ]


# -- rules in Python


def test_rules_come_from_conftest_too(rules: pytest.Pytester) -> None:
    rules.makeconftest(
        """
        from pytest_lifecycle import Rule

        def is_small(trace):
            assert len(trace.content) < 5, "it is large"

        def pytest_lifecycle_rules(config):
            yield "no 5xx"
            yield Rule("responses are small", is_small)
            yield Rule("no cookies", lambda trace: not trace.cookies)
            yield Rule("a plain answer", lambda trace: False)
            yield Rule("a faulty one", lambda trace: trace.nothing)
        """
    )
    tests = "def test_stock():\n    ask('/stock')\n"
    assert told_by(run(rules, [], tests)) == [
        "rule broken: no 5xx",
        "  GET /stock (route /stock) -> 500",
        "  500: RuntimeError(no stock, token=[redacted]) raised in crash, crossed Authorization, Authentication;"
        " answered by ServerErrorMiddleware; the response did not pass Authentication, Authorization",
        "rule broken: responses are small",
        "  GET /stock (route /stock) -> 500",
        "  it is large; assert 21 < 5; +  where 21 = len(b'Internal Server Error')"
        "; +    where b'Internal Server Error' = <Trace GET http://testserver/stock 500 error>.content",
        "rule broken: a plain answer",
        "  GET /stock (route /stock) -> 500",
        "  its predicate returned False",
        "rule broken: a faulty one",
        "  GET /stock (route /stock) -> 500",
        "  its predicate raised AttributeError: 'Trace' object has no attribute 'nothing'",
    ]


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n1")], ids=["alone", "n1"])
def test_rules_that_are_read_too_late_are_told_of(rules: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    folder = rules.mkdir("inner")
    (folder / "conftest.py").write_text("def pytest_lifecycle_rules():\n    return ['no 2xx']\n")
    (folder / "test_inner.py").write_text("def test_one():\n    pass\n")
    result = rules.runpytest(*arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["lifecycle: pytest has read *inner*conftest.py only as it collected tests, too late*"])
    result.stdout.no_fnmatch_line("*.py:[0-9]*")


# -- what is wrong with a rule is told before a test runs


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n1")], ids=["alone", "n1"])
def test_a_rule_that_cannot_be_understood_stops_the_run(rules: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    result = run(rules, ["# the order", "Authentication befor Authorization"], "def test_one(): pass", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: lifecycle: The rule 'Authentication befor Authorization' cannot be understood.",
            "    Authentication befor Authorization",
            "                   ^^^^^",
            "Expected 'before', *, got 'befor'.",
            "Did you mean before, as in *",
        ]
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("'no 5xx'", "*expected a list of rules, got 'no 5xx'."),
        ("None and 0", None),
        ("[3]", "*3 is no rule. Write it as a string, or as a `pytest_lifecycle.Rule`."),
        ("['no fun']", "*The rule 'no fun' cannot be understood."),
    ],
)
def test_what_conftest_gives_is_checked(rules: pytest.Pytester, given: str, message: str | None) -> None:
    rules.makeconftest(f"def pytest_lifecycle_rules():\n    return {given}\n")
    result = run(rules, [], "def test_one(): pass")
    assert result.ret == (pytest.ExitCode.OK if message is None else pytest.ExitCode.USAGE_ERROR)
    if message is not None:
        result.stderr.fnmatch_lines([message])


native = pytest.mark.skipif(pytest.version_tuple < (9,), reason="native TOML came with pytest 9")


@native
def test_native_toml_has_a_list_of_rules(rules: pytest.Pytester) -> None:
    rules.makepyprojecttoml(f'[tool.pytest]\nlifecycle_rules = ["{ORDER}"]\n')
    rules.makepyfile(test_shop="from asking import *\ndef test_one():\n    ask('/health', app=shop.swapped)\n")
    rules.runpytest().assert_outcomes(failed=1)
    rules.makepyprojecttoml(f'[tool.pytest]\nlifecycle_rules = "{ORDER}"\n')
    result = rules.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pyproject.toml: config option 'lifecycle_rules' expects a list of rules: *"])
