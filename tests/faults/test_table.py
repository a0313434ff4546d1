"""The table of the documentation has every fault, and says of our clients what they do."""

from __future__ import annotations

import re

import pytest

from benchmarks.faults import PAGE, cases, ours, updated

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


def told_in_the_docs(interface: str) -> dict[str, str]:
    """Give the first two columns of an interface's table."""
    page = PAGE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {interface.upper()}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    rows = [re.split(r"(?<!\\) \| ", line.strip("| "))[:2] for line in section.splitlines() if line.startswith("|")]
    return dict(rows[2:])


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_the_table_says_what_our_client_does(interface: str) -> None:
    """What the others do depends on their versions: `python -m benchmarks.faults --update` writes it anew."""
    assert told_in_the_docs(interface) == {case.name: ours(case, interface) for case in cases(interface)}


def test_a_table_is_replaced_where_it_stands() -> None:
    page = "# Title\n\n## ASGI\n\nWords.\n\n| old |\n| --- |\n| row |\n\n## WSGI\n\n| other |\n"
    assert updated(page, "asgi", ["| new |", "| --- |"]) == (
        "# Title\n\n## ASGI\n\nWords.\n\n| new |\n| --- |\n\n## WSGI\n\n| other |\n"
    )
    assert updated(page, "wsgi", ["| new |"]).endswith("| row |\n\n## WSGI\n\n| new |\n")
