"""A rule is read as it is written, and one that cannot be read is told by the word that does not fit."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_lifecycle._suite.rules.forms import (
    ALL_TRAPS,
    ENDS,
    Before,
    BodyReadOnce,
    Edge,
    Form,
    NeverAnswers,
    No,
    NoDowngrade,
    NoHandlerBeforeValidation,
    RefusedBy,
    Runs,
    SeesEveryResponse,
    Trap,
)
from pytest_lifecycle._suite.rules.language import PATTERNS, Allowance, RuleProblem, Sentence, parse
from pytest_lifecycle._suite.rules.scope import Place, Scope
from pytest_lifecycle._suite.rules.steps import Step
from pytest_lifecycle._suite.rules.traps import TRAPS
from pytest_lifecycle._suite.rules.words import KINDS, RESERVED
from pytest_lifecycle._trace.facts import Refusal

ADMIN = (Place("/admin", is_tree=True),)


@pytest.mark.parametrize(
    ("text", "form", "scope"),
    [
        ("Auth before Orders", Before(Step("Auth"), Step("Orders")), Scope()),
        (
            "middleware Auth BEFORE dependency current_user",
            Before(Step("Auth", "middleware"), Step("current_user", "dependency")),
            Scope(),
        ),
        ("`before` before 'after that'", Before(Step("before"), Step("after that")), Scope()),
        ("Logging outermost", Edge("Logging", "outermost"), Scope()),
        (
            "GZip innermost except /health, GET /metrics",
            Edge("GZip", "innermost"),
            Scope((), (Place("/health"), Place("/metrics", "GET"))),
        ),
        ("Logging is outermost on /a", Edge("Logging", "outermost"), Scope((Place("/a"),))),
        ("CORS sees every response", SeesEveryResponse("CORS"), Scope()),
        ("CORS sees every response, errors too", SeesEveryResponse("CORS"), Scope()),
        ("Logging never short-circuits on post /x", NeverAnswers(Step("Logging")), Scope((Place("/x", "POST"),))),
        ("dependency user runs on /a/*", Runs(Step("user", "dependency")), Scope((Place("/a/*"),))),
        ("no 5xx", No("5xx"), Scope()),
        ("No 404 when anonymous", No("404"), Scope(is_anonymous=True)),
        ("no not_found", No("not_found"), Scope()),
        ("no throttle on *", No("throttle"), Scope((Place("*"),))),
        ("no redirect from https to http", NoDowngrade(), Scope()),
        ("no handler before validation", NoHandlerBeforeValidation(), Scope()),
        ("no handler runs before validation has passed", NoHandlerBeforeValidation(), Scope()),
        ("body read once", BodyReadOnce(), Scope()),
        ("request body is read once", BodyReadOnce(), Scope()),
        (
            "GET /admin/* refused by authentication when anonymous",
            RefusedBy("authentication", is_kind=True),
            Scope((Place("/admin/*", "GET"),), is_anonymous=True),
        ),
        ("every route under /admin is refused by current_user", RefusedBy("current_user", is_kind=False), Scope(ADMIN)),
        (
            "every route GET under /admin refused by 'host'",
            RefusedBy("host", is_kind=False),
            Scope((Place("/admin", "GET", True),)),
        ),
        ("under /admin, /x refused by host", RefusedBy("host", is_kind=True), Scope((*ADMIN, Place("/x")))),
        ("no 5xx under /admin", No("5xx"), Scope(ADMIN)),
        ("no 5xx on POST under /admin", No("5xx"), Scope((Place("/admin", "POST", True),))),
        ("traps except /health", Trap(ALL_TRAPS), Scope((), (Place("/health"),))),
        ("cors-skipped-on-errors", Trap("cors-skipped-on-errors"), Scope()),
    ],
)
def test_a_sentence_is_read(text: str, form: Form, scope: Scope) -> None:
    assert parse(text) == Sentence(form, scope)


def test_an_allowance_is_read() -> None:
    assert parse("allow body-consumed-twice on /x") == Allowance(Trap("body-consumed-twice"), Scope((Place("/x"),)))


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: str(pattern.text))
def test_every_form_has_an_example_that_is_one(pattern: object) -> None:
    example = pattern.example  # type: ignore[attr-defined]
    assert str(parse(example)) == (
        example if "every route" not in example else "under /admin refused by authentication when anonymous"
    )


NEXT = "Expected 'before', 'outermost', 'innermost', 'sees', 'never', 'runs'"
START = "Expected the name of a step, a route, 'no', 'body read once', 'every route under', the id of a built-in rule"


@pytest.mark.parametrize(
    ("text", "pointer", "said"),
    [
        (
            "Auth befor Orders",
            "     ^^^^^",
            [
                NEXT + ", got 'befor'.",
                "Did you mean before, as in 'AuthenticationMiddleware before AuthorizationMiddleware'?",
            ],
        ),
        ("Auth before", "           ^", ["Expected a name here."]),
        ("Auth", "    ^", [NEXT + " here."]),
        ("cors-skiped-on-errors", "                     ^", [NEXT + " here.", "Did you mean cors-skipped-on-errors?"]),
        ("", "^", [START + " here."]),
        (", x", "^", [START + ", got ','."]),
        (
            "handler before Orders",
            "        ^^^^^^",
            [
                "Expected a name, got 'before'.",
                "'before' is a word of the language: as a name, it has to stand in quotes.",
            ],
        ),
        (
            "Auth before Orders on orders",
            "                      ^^^^^^",
            ["Expected a route such as /orders/*, got 'orders'."],
        ),
        (
            "Auth before Orders wen anonymous",
            "                   ^^^",
            ["Expected 'on', 'except', 'when', the end of the rule, got 'wen'.", "Did you mean when?"],
        ),
        (
            "Auth before Orders when authenticated",
            "                        ^^^^^^^^^^^^^",
            ["Expected 'anonymous', got 'authenticated'."],
        ),
        (
            "/x refused by Auth on /y",
            "                   ^^",
            ["Expected 'except', 'when', the end of the rule, got 'on'."],
        ),
        ("GET /admin is refused", "                     ^", ["Expected 'by' here."]),
    ],
)
def test_what_does_not_fit_is_pointed_at(text: str, pointer: str, said: list[str]) -> None:
    with pytest.raises(RuleProblem) as raised:
        parse(text)
    head = [f"The rule {text!r} cannot be understood.", f"    {text}", f"    {pointer}"]
    assert str(raised.value).splitlines() == [*head, *said]
    assert raised.value.slug == "rule-not-understood"


@pytest.mark.parametrize(
    ("place", "fitting", "others"),
    [
        (Place("/a"), ["/a"], ["/a/", "/a/b", "/ab", "/"]),
        (Place("/a/*"), ["/a/", "/a/b", "/a/b/c"], ["/a", "/ab"]),
        (Place("*.json"), ["/a.json", "/a/b.json"], ["/a.jsonx", "/ajson"]),
        (Place("/a", is_tree=True), ["/a", "/a/", "/a/b/c"], ["/ab", "/"]),
        (Place("/a/", is_tree=True), ["/a", "/a/", "/a/b/c"], ["/ab", "/"]),
        (Place("/", is_tree=True), ["/", "/a", "/a/b"], []),
        (Place("/a/*/c", is_tree=True), ["/a/b/c", "/a/b/c/d"], ["/a/b"]),
        (Place("/a/{id}"), ["/a/{id}"], ["/a/1"]),
    ],
    ids=str,
)
def test_a_place_is_a_path_or_a_pattern(place: Place, fitting: list[str], others: list[str]) -> None:
    assert [path for path in (*fitting, *others) if place.takes(path)] == fitting


# -- for any rule, and for any text

NAMES = st.one_of(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,12}", fullmatch=True),
    st.sampled_from(sorted(RESERVED)),
    st.sampled_from(["<lambda>", "two words", "a,b", "it's", 'a"b', "authentication", "No", "x/y", "`a"]),
)
PATHS = st.from_regex(r"[/*][a-z{}<>:*/._ ,-]{0,12}", fullmatch=True)
PLACES = st.builds(Place, PATHS, st.sampled_from([None, "GET", "POST", "WEBSOCKET"]), st.booleans())
STEPS = st.builds(Step, NAMES, st.sampled_from(["", *KINDS]))
MANY = st.lists(PLACES, max_size=3).map(tuple)
SCOPES = st.builds(Scope, MANY, MANY, st.booleans())
REFUSERS = st.one_of(
    st.builds(RefusedBy, st.sampled_from(sorted(map(str, Refusal))), is_kind=st.just(True)),
    st.builds(RefusedBy, NAMES, is_kind=st.just(False)),
)
FORMS: st.SearchStrategy[Form] = st.one_of(
    st.builds(Before, STEPS, STEPS),
    st.builds(Edge, NAMES, st.sampled_from(["outermost", "innermost"])),
    st.builds(SeesEveryResponse, NAMES),
    st.builds(NeverAnswers, STEPS),
    st.builds(Runs, STEPS),
    st.builds(No, st.sampled_from(["5xx", "404", *sorted(ENDS)])),
    st.sampled_from([NoDowngrade(), NoHandlerBeforeValidation(), BodyReadOnce()]),
    st.builds(Trap, st.sampled_from([ALL_TRAPS, *TRAPS])),
)
RULES = st.one_of(
    st.builds(Sentence, FORMS, SCOPES),
    st.builds(Sentence, REFUSERS, SCOPES.filter(lambda scope: bool(scope.on))),
    st.builds(Allowance, st.builds(Trap, st.sampled_from([ALL_TRAPS, *TRAPS])), SCOPES),
)
WORDS = st.sampled_from(
    [*sorted(RESERVED), *TRAPS, *sorted(ENDS), "Auth", "/x", "*", ",", "GET", "5xx", '"', "'a b'", "\n"]
)

quick = settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@given(RULES)
@quick
def test_a_rule_is_read_from_what_it_is_written_as(rule: Sentence | Allowance) -> None:
    assert parse(str(rule)) == rule


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=9).map(" ".join)))
@quick
def test_no_text_is_more_than_the_parser_can_take(text: str) -> None:
    try:
        rule = parse(text)
    except RuleProblem:
        return
    assert parse(str(rule)) == rule
