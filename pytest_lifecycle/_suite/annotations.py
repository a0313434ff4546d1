"""What a run has found, at the line of code that it is about: annotations, as GitHub reads them in a step's output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from .._show.escape import escape, shown
from .._show.redact import ACTIVE
from .._trace.declared import ANY, Declared
from .changes import CHANGED, Group, grouped
from .rules.violation import Broken, Violation
from .run import Run

ERROR: Final = "error"
WARNING: Final = "warning"

LIMIT: Final = 10
"""How many annotations of a level GitHub shows of a step."""

LENGTH: Final = 1000
"""How many characters a line of a message has at most."""

Source = str | None
"""A file and a line, such as ``"/shop/main.py:12"``; None where nobody knows."""


@final
@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing that a run has found.

    Attributes:
        level: `ERROR` or `WARNING`.
        title: What kind of thing.
        lines: What is told, harmless.
        source: Where the handler is that it is about.
    """

    level: str
    title: str
    lines: tuple[str, ...]
    source: Source = None

    def command(self, folder: Path) -> str:
        """Write it as a workflow command, of one line; its file is told where that is in this folder."""
        properties = {**_place(self.source, folder), "title": self.title}
        written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        return f"::{self.level} {written}::{_data(chr(10).join(self.lines))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(escape(text)).replace(":", "%3A").replace(",", "%2C")


def _place(source: Source, folder: Path) -> dict[str, str]:
    """Give the file as git names it, and the line; nothing where it is none, or none in this folder."""
    file, _, line = (source or "").rpartition(":")
    try:
        path, root = Path(os.path.realpath(file)), Path(os.path.realpath(folder))
        is_known = path.is_file() and path.is_relative_to(root)
    except ValueError:  # code may say that it is from a file whose name cannot be one
        return {}
    return {"file": path.relative_to(root).as_posix(), "line": line} if is_known else {}


def commands_of(run: Run, folder: Path) -> list[str]:
    """Give the workflow commands of a run: one for each cause, and not more than GitHub shows."""
    found = list(annotations_of(run))
    return [
        annotation.command(folder)
        for level in (ERROR, WARNING)
        for annotation in _within_limit([annotation for annotation in found if annotation.level == level])
    ]


def _within_limit(found: list[Annotation]) -> list[Annotation]:
    if len(found) <= LIMIT:
        return found
    told = f"{len(found) - LIMIT + 1} more: GitHub shows {LIMIT} of a step. The step's summary has all of them."
    return [*found[: LIMIT - 1], Annotation(found[0].level, "pytest-lifecycle", (told,))]


def annotations_of(run: Run) -> Iterator[Annotation]:
    """Give the annotations of a run: rules that were broken, changes that fail, and changes that are only told.

    Requests that are new or vanished, which tests make so as they come and go, are among them where they fail.
    """
    sources = _Sources(run.suite.declared)
    for broken in run.broken:
        yield Annotation(ERROR, "lifecycle rule", _told_of(broken), sources.of_violation(broken.first))
    for missing in run.missing if run.is_whole else ():
        yield Annotation(ERROR, "lifecycle rule", (shown(missing, LENGTH),))
    for group in grouped(run.findings or ()):
        if group.fails or group.kind == CHANGED:
            yield Annotation(
                ERROR if group.fails else WARNING, "lifecycle baseline", _told(group), sources.of_group(group)
            )


def _told_of(broken: Broken) -> tuple[str, ...]:
    first = broken.first
    said = (f"rule broken: {first.rule}", first.request, first.seen, ACTIVE.get().text(f"by {broken.extent}"))
    return tuple(shown(line, LENGTH) for line in said)


def _told(group: Group) -> tuple[str, ...]:
    prefix = "" if group.kind == CHANGED else f"{group.kind}: "
    parts = [f"of these: {part}" for part in group.parts]
    consequences = ", ".join(group.findings[0].consequences)
    lines = [f"{prefix}{group}", *(parts or filter(None, [consequences])), f"first in {group.findings[0].maker}"]
    return tuple(shown(ACTIVE.get().text(line), LENGTH) for line in lines)


@final
class _Sources:
    """Where handlers are: as requests showed, or else as apps declare."""

    def __init__(self, declared: Declared) -> None:
        self._routes: dict[str, str] = {}
        self._handlers: dict[str, set[str]] = {}
        for route in declared.routes:
            if route.source is not None:
                source = ":".join(map(str, route.source))
                self._routes.setdefault(str(route), source)
                if route.handler:
                    self._handlers.setdefault(route.handler, set()).add(source)

    def of_violation(self, violation: Violation) -> Source:
        """Give where the handler is of a request that broke a rule."""
        return violation.source or self._of_route(violation.route or "")

    def of_group(self, group: Group) -> Source:
        """Give where the handler is that the first request of a group was for."""
        return next(filter(None, self._of_findings(group)), None)

    def _of_findings(self, group: Group) -> Iterator[Source]:
        for finding in group.findings:
            yield finding.source or self._of_route(finding.request) or self._of_handler(finding.handler or "")

    def _of_route(self, request: str) -> Source:
        return self._routes.get(request) or self._routes.get(f"{ANY} {request.partition(' ')[2]}")

    def _of_handler(self, name: str) -> Source:
        """Give where the handler of this name is, where there is one: its route may have another pattern now."""
        found = self._handlers.get(name, set())
        return next(iter(found)) if len(found) == 1 else None
