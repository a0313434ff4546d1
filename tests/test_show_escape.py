"""Text from requests cannot steer a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_lifecycle._show.escape import cut, escape, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/orders/42", "/orders/42"),
        ("Grüße 日本 🙂", "Grüße 日本 🙂"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\r\nlines", r"two\x0d\x0alines"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("::error::x", r"\x3a:error::x"),
        ("  ::add-mask::x", r"  \x3a:add-mask::x"),
        ("shop::Order ##x #[a] #", "shop::Order ##x #[a] #"),
        ("a ##[error]x ##vso[task.x]", r"a \x23#[error]x \x23#vso[task.x]"),
    ],
    ids=repr,
)
def test_what_a_terminal_would_obey_or_hide_is_written_out(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(st.text(st.characters(codec=None)))
def test_escaped_text_is_printable_and_can_be_encoded(text: str) -> None:
    assert escape(text).isprintable()
    assert escape(text).encode().decode() == escape(text)


@given(st.text(), st.integers(1, 20))
def test_cut_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit)) == min(len(text), limit)


def test_cut_text_says_so() -> None:
    assert shown("x" * 300, 5) == "xxxx…"
