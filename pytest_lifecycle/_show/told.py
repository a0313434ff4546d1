"""What is shown outside of a report: the `repr` of a trace's values, and what our own messages quote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .escape import escape, shown
from .named import REDACTED
from .redact import ACTIVE, Redactor
from .secrets import in_values, redactor_of, redactor_of_exchanges

if TYPE_CHECKING:
    from .._trace.exchange import Exchange
    from .._trace.told import ToldValue
    from .._trace.trace import Trace

URL_LIMIT: Final = 200
"""How many characters of a URL a message holds."""
TEXT_LIMIT: Final = 500
"""How many characters of other text a message holds."""


def told_value(value: ToldValue) -> str:
    """Write a value as a dataclass does, without secrets."""
    return told_fields(value, [field.name for field in fields(value) if field.repr], value.exchange)  # type: ignore[arg-type]


def told_fields(value: object, names: Iterable[str], exchange: Exchange | None = None) -> str:
    """Write these fields of a value as a dataclass does, without secrets."""
    redactor = _redactor(exchange)
    is_about_secret = redactor.issue(getattr(value, "loc", ()), "") is None
    given = {name: REDACTED if is_about_secret and name == "message" else getattr(value, name) for name in names}
    written = [f"{name}={_written(inner, redactor)}" for name, inner in given.items()]
    return f"{type(value).__qualname__}({', '.join(written)})"


def told_name(name: str) -> str:
    """Quote the name of a step."""
    return escape(repr(name))


def _written(value: object, redactor: Redactor) -> str:
    match value:
        case StrEnum():
            return repr(value)
        case str():
            return escape(repr(redactor.text(value)))
        case dict():
            items = (f"{_written(name, redactor)}: {_under(name, inner, redactor)}" for name, inner in value.items())
            return "{" + ", ".join(items) + "}"
        case list():
            return "[" + ", ".join(_written(item, redactor) for item in value) + "]"
        case tuple():
            inner = ", ".join(_written(item, redactor) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def _under(name: str, value: object, redactor: Redactor) -> str:
    """Write what a header's name leads to."""
    return repr(REDACTED) if redactor.hides(name) else _written(value, redactor)


def told_headers(lines: list[tuple[str, str]], exchange: Exchange | None) -> str:
    """Write header lines by name without their secrets, those of one name joined (RFC 9110, section 5.3)."""
    told: dict[str, str] = {}
    for name, value in _redactor(exchange).headers(lines):
        told[name] = f"{told[name]}, {value}" if name in told else value
    return escape(repr(told))


def told_request(exchange: Exchange) -> str:
    """Name a request by its method and URL."""
    return f"{shown(exchange.method, 20)} {told_url(exchange.url, exchange)}"


def told_trace(trace: Trace) -> str:
    """Name a request by its method and URL; what the redirects to it held is taken out, too."""
    return f"{shown(trace.method, 20)} {shown(redactor_of(trace).url(trace.url, trace.path_params), URL_LIMIT)}"


def told_url(url: str, exchange: Exchange | None = None) -> str:
    """Give a URL for a message to the user."""
    return shown(_redactor(exchange).url(url), URL_LIMIT)


def told_text(text: str, exchange: Exchange | None = None) -> str:
    """Give text of the app's for a message to the user."""
    return shown(_redactor(exchange).text(text), TEXT_LIMIT)


def without_values(text: str, values: object) -> str:
    """Give text for a message to the user that may quote these values."""
    redactor = ACTIVE.get()
    return shown(redactor.knowing(in_values(values, redactor)).text(text), TEXT_LIMIT)


def _redactor(exchange: Exchange | None) -> Redactor:
    return redactor_of_exchanges([exchange] if exchange is not None else [])
