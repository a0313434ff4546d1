"""Two paths, or two sets of headers, compared in words: what is missing, extra, moved or different."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, TypeGuard, final

from .escape import escape
from .redact import ACTIVE

_STEP: Final = re.compile(
    r"(middleware|hook|decorator|route|dependency|validation|handler|background|template|query|outbound) \S"
)
_END: Final = re.compile(r"response \d{3}\Z|no response\Z")


def is_path(value: object) -> TypeGuard[list[str]]:
    """Whether this looks like a `Trace.path`: a list of steps, or one that ends in a response."""
    if not isinstance(value, list) or not value or not all(isinstance(step, str) for step in value):
        return False
    if _END.match(value[-1]):
        return True
    return all(_STEP.match(step) for step in value)


@final
@dataclass(slots=True)
class Difference:
    """How a path differs from the expected one; positions count from 0.

    Attributes:
        missing: Steps that are only in the expected path: position there, step.
        extra: Steps that are only in the actual path: position there, step.
        moved: Steps that are in both, in another order: step, actual position, expected position.
        changed: Steps in the same place that differ: actual position, actual step, expected step.
        lines: Both paths as one list: ``"  "`` for steps in both, ``"- "`` for expected ones only, ``"+ "`` for
            actual ones only.
    """

    missing: list[tuple[int, str]] = field(default_factory=list)
    extra: list[tuple[int, str]] = field(default_factory=list)
    moved: list[tuple[str, int, int]] = field(default_factory=list)
    changed: list[tuple[int, str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The counts, as in ``"1 step missing, 2 moved"``."""
        counts = [
            (len(self.missing), "missing"),
            (len(self.extra), "extra"),
            (len(self.moved), "moved"),
            (len(self.changed), "different"),
        ]
        named = [f"{count} {what}" for count, what in counts if count]
        if not named:
            return "no difference"
        number, _, rest = named[0].partition(" ")
        return ", ".join([f"{number} step{'' if number == '1' else 's'} {rest}", *named[1:]])


def compare(actual: Sequence[str], expected: Sequence[str]) -> Difference:
    """Work out how the actual path differs from the expected one."""
    difference = Difference()
    for tag, a_start, a_end, e_start, e_end in SequenceMatcher(None, actual, expected, autojunk=False).get_opcodes():
        if tag == "equal":
            difference.lines += [f"  {step}" for step in actual[a_start:a_end]]
            continue
        difference.missing += list(enumerate(expected[e_start:e_end], e_start))
        difference.extra += list(enumerate(actual[a_start:a_end], a_start))
        difference.lines += [f"- {step}" for step in expected[e_start:e_end]]
        difference.lines += [f"+ {step}" for step in actual[a_start:a_end]]
    _find_moved(difference)
    _find_changed(difference)
    return difference


def _find_moved(difference: Difference) -> None:
    """Take each step that is missing in one place and extra in another for one that moved."""
    for place in list(difference.missing):
        partner = next((extra for extra in difference.extra if extra[1] == place[1]), None)
        if partner is not None:
            difference.missing.remove(place)
            difference.extra.remove(partner)
            difference.moved.append((place[1], partner[0], place[0]))


def _find_changed(difference: Difference) -> None:
    """Take a missing and an extra step of one kind that stand between the same neighbours for one that changed."""
    anchors = _anchors(difference.lines)
    for place in list(difference.missing):
        for extra in difference.extra:
            if _kind(extra[1]) == _kind(place[1]) and anchors["+", extra[0]] == anchors["-", place[0]]:
                difference.missing.remove(place)
                difference.extra.remove(extra)
                difference.changed.append((extra[0], extra[1], place[1]))
                break


def _anchors(lines: Sequence[str]) -> dict[tuple[str, int], int]:
    """Give for each step that is on one side only (its mark and position) how many common steps stand before it."""
    anchors: dict[tuple[str, int], int] = {}
    position = {"-": 0, "+": 0}
    common = 0
    for line in lines:
        mark = line[0]
        if mark == " ":
            common += 1
            position["-"] += 1
            position["+"] += 1
        else:
            anchors[mark, position[mark]] = common
            position[mark] += 1
    return anchors


def _kind(step: str) -> str:
    kind = step.partition(" ")[0]
    return "response" if kind == "no" else kind


def explain(actual: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Explain in plain words how the actual path differs from the expected one; no lines for equal paths.

    The first line is the summary; then a line for each step, or run of steps, that is missing, extra, moved or
    different, in the order of the path; then both paths as one list.
    """
    if list(actual) == list(expected):
        return []
    difference = compare(actual, expected)
    words = [
        *_changed_words(difference),
        *_run_words(difference.missing, expected, "missing"),
        *_run_words(difference.extra, actual, "extra"),
        *_moved_words(difference, actual),
    ]
    lines = ["the path differs from the expected one:", *difference.lines]
    return [escape(line) for line in (difference.summary, *words, "", *lines)]


def _changed_words(difference: Difference) -> list[str]:
    return [
        f"step {position + 1} differs: it is {actual!r}, expected {expected!r}"
        for position, actual, expected in difference.changed
    ]


def _moved_words(difference: Difference, actual: Sequence[str]) -> list[str]:
    return [
        f"moved: {step!r} is step {position + 1}{_after(actual, position)}, expected as step {wanted + 1}"
        for step, position, wanted in difference.moved
    ]


def _run_words(places: list[tuple[int, str]], path: Sequence[str], what: str) -> list[str]:
    """Name neighbouring steps in one line, so that a path cut short is one line of explanation and not ten."""
    lines = []
    for _, group in groupby(enumerate(places), key=lambda numbered: numbered[1][0] - numbered[0]):
        run = [place for _, place in group]
        first, last = run[0][0], run[-1][0]
        where = f"step {first + 1}" if first == last else f"steps {first + 1} to {last + 1}"
        where = f"expected as {where}" if what == "missing" else where
        lines.append(f"{what}: {', '.join(repr(step) for _, step in run)} ({where}{_after(path, first)})")
    return lines


def _after(path: Sequence[str], position: int) -> str:
    return f", after {path[position - 1]!r}" if position else ", at the start"


def explain_lists(left: list[object], right: list[object]) -> list[str] | None:
    """Explain a failed ``left == right`` for pytest if these are paths; the left one is taken for the actual one."""
    if not (is_path(left) or is_path(right)):
        return None
    if not all(isinstance(step, str) for step in (*left, *right)):
        return None
    actual, expected = [str(step) for step in left], [str(step) for step in right]
    lines = explain(actual, expected)
    return [f"trace path == expected path ({lines[0]})", *lines[1:]] if lines else None


def explain_headers(left: Mapping[str, str], right: Mapping[str, str]) -> list[str]:
    """Explain a failed ``left == right`` of headers without their secrets; the left one is taken for the actual one."""
    redactor = ACTIVE.get()
    lines = []
    for name in dict.fromkeys((*left, *right)):
        actual, expected = (
            repr(redactor.value(name, str(side[name]))) if name in side else "" for side in (left, right)
        )
        if not expected:
            lines.append(f"extra: {name}: {actual}")
        elif not actual:
            lines.append(f"missing: {name}: {expected}")
        elif left[name] != right[name]:
            lines.append(f"different: {name} is {actual}, expected {expected}")
    return [escape(line) for line in lines]
