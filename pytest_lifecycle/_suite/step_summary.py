"""A run as Markdown for the summary that GitHub shows of a step, which has a greatest size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from .._show.escape import shown
from .._show.markdown import plain
from .._show.redact import ACTIVE
from .changes import titled
from .coverage import OUTCOMES
from .coverage_table import counted, markdown_lines
from .run import Run

LIMIT: Final = 1_000_000
"""How many bytes a step's summary has at most: GitHub drops one of more than 1 MiB as a whole, or just below that."""

LENGTH: Final = 1000
"""How many characters are told of one thing at most."""

NOTICE: Final = 400
"""How many bytes are kept free for saying what was cut."""


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A part of the summary.

    Attributes:
        title: Its heading; empty for the first one.
        lines: What stands below that.
    """

    title: str
    lines: list[str] = field(default_factory=list)


def markdown_of(run: Run, room: int = LIMIT) -> str:
    """Write it, in at most `room` bytes; what does not fit is left out, and the last line says what that is.

    It is empty where there is no room for even that.
    """
    written = ["## pytest-lifecycle", ""]
    left = room - NOTICE - _size(written)
    if left < 0:
        return ""
    lost: dict[str, int] = {}
    for part in _parts(run):
        for line in [*(["", f"### {part.title}", ""] if part.title else []), *part.lines]:
            left -= _size([line])
            if left < 0:
                lost[part.title] = lost.get(part.title, 0) + 1
            else:
                written.append(line)
    return "\n".join([*written, *_notice(lost)]) + "\n"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "backslashreplace")) + 1 for line in lines)


def _notice(lost: dict[str, int]) -> list[str]:
    if not lost:
        return []
    said = ", ".join(f"{count} lines of {title or 'the counts'}" for title, count in lost.items())
    return ["", f"**Cut: GitHub shows no summary that is larger than 1 MiB. Left out are {said}.**"]


def _parts(run: Run) -> Iterator[Part]:
    """Give what there is to tell, what matters most first."""
    yield Part("", _counts(run))
    if run.suite.lost:
        told = "The process that ran them died; what they asked for is not known:"
        yield Part("Lost tests", [told, "", *(f"- {_name(nodeid)}" for nodeid in sorted(run.suite.lost))])
    if run.broken or run.missing:
        yield Part("Rules", list(_rules(run)))
    if run.findings:
        yield Part("Baseline", list(_baseline(run)))
    if run.coverage is not None:
        yield Part("Route coverage", markdown_lines(run.coverage))


def _counts(run: Run) -> list[str]:
    outcomes = Counter(record.outcome for record in run.suite.records())
    ended = f": {plain(counted(outcomes, OUTCOMES))}" if outcomes else ""
    said = [f"{_number(len(run.suite.tests), 'test')}, {_number(outcomes.total(), 'request')}{ended}."]
    if outcomes and run.findings is not None and not run.findings:
        said += ["", "All requests are as in the baseline."]
    return said


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _name(nodeid: str) -> str:
    return plain(shown(ACTIVE.get().text(nodeid), LENGTH))


def _rules(run: Run) -> Iterator[str]:
    for broken in run.broken:
        first = broken.first
        yield f"- **{plain(shown(first.rule, LENGTH))}**"
        for said in (first.request, first.seen, ACTIVE.get().text(f"by {broken.extent}")):
            yield f"  - {plain(shown(said, LENGTH))}"
        if first.page:
            yield f"  - docs: {plain(first.page)}"
    for missing in run.missing:
        yield f"- {plain(shown(missing, LENGTH))}"
    if run.missing and not run.is_whole:
        yield "- Only part of the suite was run: what is missing is no failure."


def _baseline(run: Run) -> Iterator[str]:
    for title, groups in titled(run.findings or ()):
        yield from (title, "")
        for group in groups:
            yield f"- {plain(shown(str(group), LENGTH))}"
            yield from (f"  - of these: {plain(shown(str(part), LENGTH))}" for part in group.parts)
        yield ""
    yield "Where this is as it should be, write it with `--lifecycle-update`."
