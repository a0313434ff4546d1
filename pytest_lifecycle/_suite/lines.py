"""One request of a baseline: what is the same each time the same test is run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self, final

from .patterns import fits
from .record import TEARDOWN, Record
from .volatile import normalised


@final
@dataclass(frozen=True, slots=True)
class Line:
    """What is recorded of a request; requests of one test that do not differ in it are one line.

    Attributes:
        method: The HTTP method, or ``"WEBSOCKET"``.
        route: The pattern of the route that was chosen; None where none was.
        path: The path, with ids and the like replaced by what they are; None where the route's pattern says as much:
            not for a mount, nor where there is no route.
        status: As on `Record`, and so are the others.
        outcome: How it ended.
        handler: The handler that ran.
        middleware: The middleware in the order entered.
        dependencies: The dependencies in the order resolved.
        refusal: The kind of no.
        refused_by: Who said it.
        answered_by: As on `Record`.
        invalid: Where validation found something wrong.
        redirect: Where a redirect leads to, ids replaced as in `path`.
        exception: The class of the exception that became the answer or left the app.
        when: As on `Record`; two requests that differ only in it are one line.
    """

    method: str
    route: str | None = None
    path: str | None = None
    status: int | None = None
    outcome: str = ""
    handler: str | None = None
    middleware: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    refusal: str | None = None
    refused_by: str | None = None
    answered_by: str | None = None
    invalid: tuple[str, ...] = ()
    redirect: str | None = None
    exception: str | None = None
    when: str | None = field(default=None, compare=False, repr=False)

    @property
    def request(self) -> str:
        """What was asked for: the method, and the pattern or the path."""
        return f"{self.method} {self.path if self.route is None else self.route}"

    def to_json(self, stack: str | None) -> dict[str, Any]:
        """Give it as it stands in a file: what is empty is left out, and `stack` names its middleware."""
        values: dict[str, Any] = {
            name: f"{self.method} {getattr(self, name)}" for name in ASKED if getattr(self, name) is not None
        }
        for name in PLAIN:
            value = getattr(self, name)
            if value is not None:
                values[name] = value
        if stack is not None:
            values["stack"] = stack
        for name in LISTS:
            if getattr(self, name):
                values[name] = list(getattr(self, name))
        return values

    @classmethod
    def from_json(cls, values: object, stacks: Mapping[str, tuple[str, ...]]) -> Self:
        """Read what `to_json` gave.

        Raises:
            ValueError: It is something else; the message says what is wrong with it.
        """
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        known: dict[str, Any] = {}
        for name, value in values.items():
            wanted = _WANTED.get(name)
            if wanted is None:
                raise ValueError(f"{name!r} is none of {', '.join(sorted(_WANTED))}")
            if not wanted[0](value):
                raise ValueError(f"{name!r} has to be {wanted[1]}, not {json.dumps(value)}")
            known[name] = tuple(value) if isinstance(value, list) else value
        asked = {name: known[name].partition(" ") for name in ASKED if name in known}
        methods = {method for method, _, _ in asked.values()}
        if len(methods) != 1:
            raise ValueError("'route', 'path' or both have to say what was asked for, with one method")
        known.update(method=methods.pop(), **{name: rest for name, (_, _, rest) in asked.items()})
        stack = known.pop("stack", None)
        if stack is not None and stack not in stacks:
            raise ValueError(f"its stack {stack!r} is none of those under 'stacks'")
        return cls(middleware=stacks[stack] if stack is not None else (), **known)


ASKED: Final = ("route", "path")
PLAIN: Final = ("status", "outcome", "handler", "refusal", "refused_by", "answered_by", "redirect", "exception", "when")
LISTS: Final = ("dependencies", "invalid")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_request(value: object) -> bool:
    return isinstance(value, str) and all(value.partition(" "))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_WANTED: Final = {
    **dict.fromkeys(ASKED, (_is_request, "a method and a path, as in 'GET /orders'")),
    **dict.fromkeys((*PLAIN, "stack"), (_is_text, "a text")),
    **dict.fromkeys(LISTS, (_is_list, "a list of texts")),
    "status": (_is_number, "a number"),
    "when": (TEARDOWN.__eq__, f"{TEARDOWN!r}"),
}


def line_of(record: Record) -> Line:
    """Take from a record what is the same in each run."""
    route = None if record.route is None else record.route.removeprefix(f"{record.method} ")
    return Line(
        method=record.method,
        route=route,
        path=None if route is not None and fits(route, record.path) else normalised(record.path),
        status=record.status,
        outcome=record.outcome,
        handler=record.handler,
        middleware=record.middleware,
        dependencies=record.dependencies,
        refusal=record.refusal,
        refused_by=record.refused_by,
        answered_by=record.answered_by,
        invalid=tuple(sorted({_place(where) for where in record.invalid})),
        redirect=None if record.redirect is None else normalised(record.redirect),
        exception=record.exception,
        when=record.when,
    )


def _place(where: str) -> str:
    return ".".join(map(normalised, where.split(".")))


def lines_of(records: Iterable[Record]) -> tuple[Line, ...]:
    """Give each different line once, in the order of the file."""
    return in_order(map(line_of, records))


def in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Give each different line once, in the order of the file: what comes in a teardown, too, as what comes earlier."""
    found: dict[Line, Line] = {}
    for line in lines:
        if line not in found or line.when is None:
            found[line] = line
    return tuple(sorted(found.values(), key=_key))


def _key(line: Line) -> tuple[object, ...]:
    path = line.path if line.route is None else line.route
    return (path, line.method, line.route is None, *(_sortable(getattr(line, name)) for name in _REST))


_REST: Final = tuple(each.name for each in fields(Line) if each.name not in ("method", "route", "when"))


def _sortable(value: object) -> tuple[bool, object]:
    return value is not None, value
