"""A whole run as JSON: for other tools, and to be combined with the runs of other machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .._trace.declared import Declared
from .files import FileProblem, read_object, write_whole
from .record import Record
from .suite import Suite

SCHEMA: Final = 1
"""The version of the schema; it grows when a key changes its meaning or goes."""

REMEDY: Final = "Write it with --lifecycle-report=json:PATH."


def to_json(suite: Suite) -> dict[str, Any]:
    """Give a run as JSON-safe data, sorted: the same for the same requests, in whatever order tests ran."""
    return {
        "schema": SCHEMA,
        "tests": {nodeid: _lines(records) for nodeid, records in sorted(suite.tests.items())},
        "fixtures": {name: _lines(list(records)) for name, records in sorted(suite.fixtures.items())},
        "lost": sorted(suite.lost),
        "declared": suite.declared.to_json(),
    }


def _lines(records: list[Record]) -> list[dict[str, Any]]:
    return [record.to_json() for record in records]


def write(suite: Suite, path: Path) -> None:
    """Write a run to a file.

    Raises:
        FileProblem: It cannot be written.
    """
    write_whole(path, json.dumps(to_json(suite), indent=1, ensure_ascii=True) + "\n")


def read(path: Path) -> Suite:
    """Read a run from a file.

    Raises:
        FileProblem: It cannot be read, or is no report, or one of a newer version.
    """
    data = read_object(path, "report", REMEDY, REMEDY)
    if data.get("schema") != SCHEMA:
        raise FileProblem(
            f"The report {path} has the schema {data.get('schema')!r}; this version of the plugin reads {SCHEMA}."
            " Write it with the version that reads it.",
            slug="file-not-read",
        )
    suite = Suite()
    try:
        _fill(suite, data)
    except (TypeError, AttributeError, KeyError) as error:
        raise FileProblem(
            f"The report {path} is none that the plugin wrote: {error}. {REMEDY}",
            slug="file-not-read",
        ) from error
    return suite


def _fill(suite: Suite, data: Mapping[str, Any]) -> None:
    for nodeid, records in data["tests"].items():
        suite.add_test(nodeid, map(Record.from_json, records))
    for name, records in data["fixtures"].items():
        suite.add_fixture(name, map(Record.from_json, records))
    suite.lost.extend(data["lost"])
    if data.get("declared"):
        suite.add_declared(Declared.from_json(data["declared"]))
