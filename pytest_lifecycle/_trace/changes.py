"""What a layer did to a response on its way out: its head before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, final

from .told import ToldValue

Lines = Iterable[tuple[bytes, bytes]]


@final
class Head:
    """The head of a response at one boundary.

    Args:
        status: The status.
        lines: The header lines; they are copied, since layers change them in place. An iterator is left alone: the
            next layer is to have what it gives.
        body: The whole body where it is at hand (Django, Flask); it is not kept, only what tells it from another one.
    """

    __slots__ = ("body", "lines", "status")

    def __init__(self, status: object, lines: Any, body: bytes | None = None) -> None:
        self.status: object = status
        self.lines: list[tuple[bytes, bytes]] = [*lines] if issubclass(type(lines), (list, tuple)) else []
        self.body: tuple[int, int] | None = None if body is None else (len(body), hash(body))


@final
@dataclass(frozen=True, slots=True, repr=False)
class ResponseChanges(ToldValue):
    """What one layer did to the response that came from inside it. Header names are in lower case.

    Attributes:
        status: The status before and after, where the layer changed it.
        added: The lines that were not there on the layer's inner side, by name; a list of values where it added
            several of one name.
        changed: The values before and after of lines that were replaced, by name.
        removed: The names of headers that are gone.
        cookies: The names of the cookies that the layer itself set.
        body: ``"compressed"`` or ``"replaced"``, where its headers or the body itself show it; else None.
    """

    status: tuple[int, int] | None = None
    added: dict[str, str | list[str]] = field(default_factory=dict)
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    body: Literal["compressed", "replaced"] | None = None

    def __bool__(self) -> bool:
        """Whether anything was changed."""
        return bool(self.status or self.added or self.changed or self.removed or self.body)


def changes_between(before: Head | None, after: Head | None) -> ResponseChanges:
    """Compare a response's head on the inner and the outer side of a layer; nothing changed where one is unknown."""
    if before is None or after is None or before is after:
        return ResponseChanges()
    old, new = _by_name(before.lines), _by_name(after.lines)
    added: dict[str, str | list[str]] = {}
    changed: dict[str, tuple[str, str]] = {}
    for name, values in new.items():
        known = old.get(name, [])
        if values == known:
            continue
        came = _without(values, known)
        gone = _without(known, values)
        if gone and came:
            changed[name] = (", ".join(gone), ", ".join(came))
        elif came:
            added[name] = came[0] if len(came) == 1 else came
        elif gone:
            changed[name] = (", ".join(known), ", ".join(values))
    return ResponseChanges(
        status=_status_change(before.status, after.status),
        added=added,
        changed=changed,
        removed=[name for name in old if name not in new],
        cookies=[line.partition("=")[0].strip() for line in _without(new.get(COOKIE, []), old.get(COOKIE, []))],
        body=_body_change(before, after, old, new),
    )


COOKIE = "set-cookie"
TEXT = (bytes, str, bytearray)


def pairs(lines: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Give the lines that are a name and a value: what else an app sends is left to its server to find."""
    pairs = [line for line in lines if issubclass(type(line), (tuple, list)) and len(line) == 2]
    return [
        (name, value)
        for name, value in pairs
        if (type(name) in TEXT or issubclass(type(name), TEXT))
        and (type(value) in TEXT or issubclass(type(value), TEXT))
    ]


def _by_name(lines: Lines) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs(lines):
        found.setdefault(_text(name).lower(), []).append(_text(value))
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def _without(values: list[str], taken: list[str]) -> list[str]:
    """Give the values that are not among the others, each as often as there are more of it."""
    left = list(taken)
    found = []
    for value in values:
        if value in left:
            left.remove(value)
        else:
            found.append(value)
    return found


def _status_change(before: object, after: object) -> tuple[int, int] | None:
    if before == after or not isinstance(before, int) or not isinstance(after, int):
        return None
    return int(before), int(after)


def _body_change(
    before: Head, after: Head, old: dict[str, list[str]], new: dict[str, list[str]]
) -> Literal["compressed", "replaced"] | None:
    if "content-encoding" in new and old.get("content-encoding") != new["content-encoding"]:
        return "compressed"
    if before.body is not None and after.body is not None:
        return None if before.body == after.body else "replaced"
    lengths = old.get("content-length"), new.get("content-length")
    return "replaced" if None not in lengths and lengths[0] != lengths[1] else None
