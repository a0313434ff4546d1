"""The requests of a whole suite as they should be, in a file that is read in code review and merged by git.

A line of the file is a request; lines, tests and stacks are sorted, and nothing is numbered or counted: what changes in
the file is what has changed in the app.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, final

from .files import FileProblem, read_object
from .lines import Line, in_order

SCHEMA: Final = 1
"""The version of the schema; it grows when a key changes its meaning or goes."""

REMEDY: Final = "Write it with --lifecycle-update."
REPAIR: Final = "Put it right, or remove the file and write it anew with --lifecycle-update."

Lines = dict[str, tuple[Line, ...]]
"""Different lines in the order of the file, by who asked: a test or a fixture."""


@final
@dataclass(slots=True)
class Baseline:
    """The requests that are expected.

    Attributes:
        tests: Those of each test, by its node id; a test that makes none has no entry.
        fixtures: Those of each fixture of a wider scope than a test.
    """

    tests: Lines = field(default_factory=dict)
    fixtures: Lines = field(default_factory=dict)

    def merged(self, seen: Baseline, gone: Collection[str]) -> Baseline:
        """Give it with what was seen instead of what was expected, and without the tests that are gone.

        Who is in `seen` without a line has asked for nothing; who is not in it was not run, and stays. Fixtures lose
        lines only where every test was run.
        """
        kept = {nodeid: lines for nodeid, lines in self.tests.items() if nodeid not in gone}
        fixtures = seen.fixtures
        if not seen.tests.keys() >= kept.keys():  # the others may have used more fixtures, or other parameters of one
            fixtures = {
                name: in_order((*self.fixtures.get(name, ()), *seen.fixtures.get(name, ())))
                for name in (*self.fixtures, *seen.fixtures)
            }
        return Baseline(_without_empty({**kept, **seen.tests}), _without_empty(fixtures))

    def entries(self) -> set[tuple[str, Line]]:
        """Give every line with who asked."""
        return {
            (maker, line) for part in (self.tests, self.fixtures) for maker, lines in part.items() for line in lines
        }


def _without_empty(lines: Lines) -> Lines:
    return {maker: found for maker, found in lines.items() if found}


# -- to text


def text_of(baseline: Baseline) -> str:
    """Write a baseline: the same text for the same requests, in whatever order they were made."""
    stacks: dict[str, tuple[str, ...]] = {}
    tests, fixtures = (_written(part, stacks) for part in (baseline.tests, baseline.fixtures))
    parts = [
        f'"schema": {SCHEMA}',
        f'"stacks": {_block(f"{_dumped(name)}: {_dumped(list(layers))}" for name, layers in sorted(stacks.items()))}',
        f'"tests": {tests}',
        f'"fixtures": {fixtures}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _written(part: Lines, stacks: dict[str, tuple[str, ...]]) -> str:
    return _block(
        f"{_dumped(maker)}: {_block((_line(line, stacks) for line in in_order(lines)), '[]', 2)}"
        for maker, lines in sorted(part.items())
        if lines
    )


def _line(line: Line, stacks: dict[str, tuple[str, ...]]) -> str:
    stack = stack_name(line.middleware) if line.middleware else None
    if stack is not None:
        stacks[stack] = line.middleware
    return _dumped(line.to_json(stack))


def _block(entries: Iterator[str], brackets: str = "{}", depth: int = 1) -> str:
    written = ",\n".join(" " * depth + entry for entry in entries)
    return f"{brackets[0]}\n{written}\n{' ' * (depth - 1)}{brackets[1]}" if written else brackets


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def stack_name(layers: tuple[str, ...]) -> str:
    """Name a list of middleware by its content, so that a new one renames no other."""
    return sha256(_dumped(list(layers)).encode()).hexdigest()[:8]


# -- from text


def read(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        FileProblem: It cannot be read, is of another version, or somebody made something else of it.
    """
    data = read_object(path, "baseline", REMEDY, REPAIR)
    if data.get("schema") != SCHEMA:
        raise _problem(
            path,
            f"has the schema {_dumped(data.get('schema'))}; this version of the plugin reads {SCHEMA}",
            "Use the version of the plugin that wrote it, or remove the file and write it anew with"
            " --lifecycle-update.",
        )
    unknown = sorted(set(data) - {"schema", "stacks", "tests", "fixtures"})
    if unknown:
        raise _problem(path, f"has a part {unknown[0]!r}, which is none of schema, stacks, tests, fixtures")
    stacks = _stacks(path, _part(path, data, "stacks"))
    return Baseline(*(_lines(path, _part(path, data, name), stacks) for name in ("tests", "fixtures")))


def _part(path: Path, data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name, {})
    if not isinstance(part, dict):
        raise _problem(path, f"has {name!r} that are no JSON object")
    return part


def _stacks(path: Path, part: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for name, layers in part.items():
        if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
            raise _problem(path, f"has a stack {name!r} that is no list of names of middleware")
    return {name: tuple(layers) for name, layers in part.items()}


def _lines(path: Path, part: Mapping[str, Any], stacks: Mapping[str, tuple[str, ...]]) -> Lines:
    found: Lines = {}
    for maker, lines in part.items():
        if not isinstance(lines, list):
            raise _problem(path, f"has no list of requests for {maker}")
        found[maker] = in_order(
            _read_line(path, f"number {number} of {maker}", values, stacks) for number, values in enumerate(lines, 1)
        )
    return _without_empty(found)


def _read_line(path: Path, which: str, values: object, stacks: Mapping[str, tuple[str, ...]]) -> Line:
    try:
        return Line.from_json(values, stacks)
    except ValueError as error:
        raise _problem(path, f"has a request that cannot be read, {which}: {error}") from error


def _problem(path: Path, what: str, remedy: str = REPAIR) -> FileProblem:
    return FileProblem(f"The baseline {path} {what}. {remedy}", slug="file-not-read")
