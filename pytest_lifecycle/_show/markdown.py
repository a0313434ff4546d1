"""Markdown made of text that came from elsewhere: nothing in that text is markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

MARKS: Final = "\\`*_<>[]|&~#$"
"""What Markdown gives a meaning inside of a line, GitHub's too; a backslash takes it away."""


def plain(text: str) -> str:
    """Take away what Markdown gives a meaning. The text is of one line: escaped before."""
    for mark in MARKS:
        text = text.replace(mark, f"\\{mark}")
    return text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table, a line a row."""
    lines = [header, ["---"] * len(header), *([plain(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
