"""How a failed comparison of two paths is explained."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_lifecycle._show.diff import compare, explain, explain_lists, is_path

SHOP = [
    "middleware RequestIDMiddleware",
    "middleware AuthMiddleware",
    "route GET /orders/{order_id}",
    "dependency get_db",
    "dependency current_user",
    "handler read_order",
    "response 200",
]


def test_a_missing_step_is_named_with_its_place() -> None:
    actual = [step for step in SHOP if step != "middleware AuthMiddleware"]
    assert explain(actual, SHOP) == [
        "1 step missing",
        "missing: 'middleware AuthMiddleware' (expected as step 2, after 'middleware RequestIDMiddleware')",
        "",
        "the path differs from the expected one:",
        "  middleware RequestIDMiddleware",
        "- middleware AuthMiddleware",
        "  route GET /orders/{order_id}",
        "  dependency get_db",
        "  dependency current_user",
        "  handler read_order",
        "  response 200",
    ]


def test_an_extra_step_is_named_with_its_place() -> None:
    assert explain(["middleware Debug", *SHOP], SHOP)[:2] == [
        "1 step extra",
        "extra: 'middleware Debug' (step 1, at the start)",
    ]


def test_a_step_in_another_place_moved() -> None:
    actual = [*SHOP[:3], "dependency current_user", "dependency get_db", *SHOP[5:]]
    assert explain(actual, SHOP)[:2] == [
        "1 step moved",
        "moved: 'dependency get_db' is step 5, after 'dependency current_user', expected as step 4",
    ]


def test_a_step_of_the_same_kind_in_the_same_place_differs() -> None:
    actual = ["route GET /orders/{id}" if step.startswith("route") else step for step in SHOP]
    assert explain(actual, SHOP)[:2] == [
        "1 step different",
        "step 3 differs: it is 'route GET /orders/{id}', expected 'route GET /orders/{order_id}'",
    ]


def test_another_response_differs_also_when_there_is_none() -> None:
    assert explain([*SHOP[:-1], "no response"], SHOP)[1] == (
        "step 7 differs: it is 'no response', expected 'response 200'"
    )


def test_a_path_cut_short_is_explained_in_two_lines() -> None:
    actual = ["middleware RequestIDMiddleware", "middleware AuthMiddleware", "response 401"]
    assert explain(actual, SHOP)[:4] == [
        "4 steps missing, 1 different",
        "step 3 differs: it is 'response 401', expected 'response 200'",
        "missing: 'route GET /orders/{order_id}', 'dependency get_db', 'dependency current_user', 'handler read_order'"
        " (expected as steps 3 to 6, after 'middleware AuthMiddleware')",
        "",
    ]


def test_text_in_an_explanation_is_escaped() -> None:
    assert not any("\x1b" in line for line in explain(["handler \x1b[31mred"], ["handler green"]))


steps = st.sampled_from([*SHOP, "handler write_order", "response 401", "no response", "middleware AuthMiddleware"])


@given(st.lists(steps), st.lists(steps))
def test_every_difference_is_named_and_none_is_made_up(actual: list[str], expected: list[str]) -> None:
    difference = compare(actual, expected)
    only_expected = Counter(expected) - Counter(actual)
    only_actual = Counter(actual) - Counter(expected)
    named_missing = [step for _, step in difference.missing] + [wanted for *_, wanted in difference.changed]
    named_extra = [step for _, step in difference.extra] + [was for _, was, _ in difference.changed]
    assert Counter(named_missing) == only_expected
    assert Counter(named_extra) == only_actual
    assert all(actual[at] == step and expected[wanted] == step for step, at, wanted in difference.moved)


@given(st.lists(steps), st.lists(steps))
def test_the_lines_hold_both_paths(actual: list[str], expected: list[str]) -> None:
    lines = compare(actual, expected).lines
    assert [line[2:] for line in lines if line[0] in " +"] == actual
    assert [line[2:] for line in lines if line[0] in " -"] == expected


@given(st.lists(steps), st.lists(steps))
def test_each_step_that_differs_is_in_the_words(actual: list[str], expected: list[str]) -> None:
    lines = explain(actual, expected)
    assert bool(lines) == (actual != expected)
    words = "\n".join(lines[1 : lines.index("")]) if lines else ""
    difference = compare(actual, expected)
    named = [
        *(step for _, step in (*difference.missing, *difference.extra)),
        *(step for step, *_ in difference.moved),
        *(step for _, *both in difference.changed for step in both),
    ]
    assert all(repr(step) in words for step in named)


@given(st.lists(steps))
def test_equal_paths_need_no_explanation(path: list[str]) -> None:
    assert explain(path, list(path)) == []


@pytest.mark.parametrize(
    "value",
    [SHOP, ["response 200"], ["no response"], ["middleware A", "handler b"], ["made up", "response 200"]],
    ids=repr,
)
def test_a_list_of_steps_is_a_path(value: object) -> None:
    assert is_path(value)


@pytest.mark.parametrize(
    "value",
    [[], ["AuthMiddleware"], ["handler"], ["handler a", 1], ("handler a",), "handler a", ["response 2000"], None],
    ids=repr,
)
def test_other_values_are_no_paths(value: object) -> None:
    assert not is_path(value)


def test_lists_that_are_no_paths_are_left_to_pytest() -> None:
    assert explain_lists(["AuthMiddleware"], ["CORSMiddleware"]) is None


def test_a_path_against_a_list_of_other_things_is_left_to_pytest() -> None:
    assert explain_lists(["handler a"], [1]) is None


def test_an_empty_list_against_a_path_is_explained() -> None:
    assert (explain_lists([], ["handler a", "response 200"]) or [])[:2] == [
        "trace path == expected path (2 steps missing)",
        "missing: 'handler a', 'response 200' (expected as steps 1 to 2, at the start)",
    ]
