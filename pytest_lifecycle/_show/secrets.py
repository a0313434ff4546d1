"""The secrets of a request: what it sent or got by names that are to be hidden."""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, unquote, unquote_plus
from uuid import UUID

from .known import SHORTEST
from .named import SCHEMES, values_named
from .redact import ACTIVE, Redactor

if TYPE_CHECKING:
    from .._trace.exchange import Exchange
    from .._trace.routing import Routing
    from .._trace.trace import Trace

WRITTEN: Final = (str, int, float, UUID)
"""What can be a secret as it is written; `str()` of anything else would be the app's code."""

_USERINFO: Final = re.compile(r"://([^/?#\s]*)@")
_PART: Final = re.compile(
    r'name="?(?P<name>[^";\r\n]+)"?[^\r\n]*(?:\r\n[^\r\n]+)*\r\n\r\n(?P<value>.*?)\r\n--', re.DOTALL
)
"""A field of a multipart body (RFC 7578)."""


def redactor_of(trace: Trace, redactor: Redactor | None = None) -> Redactor:
    """Give a redactor that knows a request's secrets, those of the redirects to it, and of the request that made it.

    Args:
        trace: The request.
        redactor: What it is made of; None for the one of the running configuration.
    """
    return redactor_of_exchanges([trace._exchange, *(earlier._exchange for earlier in trace.history)], redactor)


def redactor_of_exchanges(exchanges: Iterable[Exchange], redactor: Redactor | None = None) -> Redactor:
    """Give a redactor that knows what these, and the requests that made them, sent or got by names to be hidden."""
    redactor = redactor or ACTIVE.get()
    found = [_knowing(exchange, redactor) for exchange in _with_makers(exchanges)]
    return found[0].knowing(set[str]().union(*(one.known.secrets for one in found))) if found else redactor


def _with_makers(exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
    for exchange in exchanges:
        yield exchange
        while exchange.parent is not None and exchange.parent.exchange is not None:
            exchange = exchange.parent.exchange
            yield exchange


def _knowing(exchange: Exchange, redactor: Redactor) -> Redactor:
    """Give a redactor that knows one request's secrets: worked out once, since each of its values asks for it."""
    if exchange.known is not None and exchange.known[0] == redactor:
        return cast("Redactor", exchange.known[1])
    knowing = redactor.knowing(_secrets_of(exchange, redactor))
    if exchange.is_over:
        exchange.known = (redactor, knowing)
    return knowing


def _secrets_of(exchange: Exchange, redactor: Redactor) -> Iterator[str]:
    yield from _in_url(exchange.url, redactor)
    for name, value in (*exchange.request_headers, *exchange.raw_headers):
        yield from _in_header(_text(name), _text(value), redactor)
    params = {secret for span in exchange.root.walk() for secret in in_values(span.fact("path_params"), redactor)}
    params |= {secret for decision in exchange.routing for secret in _in_path(decision, redactor)}
    yield from params
    yield from _begun_with(params, exchange.url)
    pieces = exchange.request_body
    for piece in pieces if exchange.protocol == "websocket" else [b"".join(pieces)]:
        yield from _in_body(piece, redactor)


# -- URLs and paths


def _in_url(url: str, redactor: Redactor) -> Iterator[str]:
    for userinfo in _USERINFO.findall(url):
        user, _, password = userinfo.partition(":")
        yield from (userinfo, unquote(userinfo), unquote(password or user))
    for field in re.split(r"[?#&]", url)[1:]:
        name, _, value = field.partition("=")
        if redactor.hides(unquote_plus(name)):
            yield from (value, unquote_plus(value), unquote(value))


def _in_path(decision: Routing, redactor: Redactor) -> Iterator[str]:
    """Give the parts of a path that stand where a route that was tried has a parameter with a telling name.

    Where a route was chosen, only this one says what the parts are. Where none was, what follows a part may belong to
    it: a slash in it was resolved before the router saw it.
    """
    from .._trace.routing import parameters_of

    routes = decision.routes if decision.chosen is None else [decision.routes[decision.chosen]]
    asked = decision.path.split("/")
    for route in routes:
        parts = route.pattern.split("/")
        for at, (part, given) in enumerate(zip(parts, asked, strict=False)):
            names = parameters_of(part)
            if not names and part.lower() != given.lower():
                break
            is_alike = len(parts) == len(asked) or any(parts[:at])
            if is_alike and any(map(redactor.hides, names)):
                ends = range(at + 1, len(asked) + 1) if decision.chosen is None else [at + 1]
                yield from ("/".join(asked[at:end]) for end in ends)


def _begun_with(params: Iterable[str], url: str) -> Iterator[str]:
    """Give the parts of a URL's path that are more than a parameter: a quoted slash ended it for the router."""
    beginnings = [param for param in params if len(param) >= SHORTEST]
    for part in map(unquote, re.split(r"[?#]", url)[0].split("/")):
        for beginning in filter(part.startswith, beginnings):
            yield from (part, part.removeprefix(beginning).strip("/"))


# -- headers


def _in_header(name: str, value: str, redactor: Redactor) -> Iterator[str]:
    name = name.lower()
    if name in ("cookie", "set-cookie"):
        yield from _in_cookies(name, value, redactor)
    elif redactor.hides(name):
        yield value
        yield from _in_credentials(value)
    elif name == "sec-websocket-protocol":
        yield from _in_subprotocols(value, redactor)
    else:
        yield from _in_url(value, redactor)


def _in_cookies(header: str, value: str, redactor: Redactor) -> Iterator[str]:
    pairs = value.split(";") if header == "cookie" else value.split(";", 1)[:1]
    for pair in pairs:
        name, _, text = (part.strip() for part in pair.partition("="))
        if redactor.hides(header) or redactor.hides(name):
            yield from (text, unquote(text), text.strip('"'))


def _in_credentials(value: str) -> Iterator[str]:
    """Give what follows the scheme (RFC 9110, section 11.4); of Basic, what is encoded there."""
    scheme, _, rest = value.strip().partition(" ")
    yield rest.strip()
    if scheme.lower() == "basic":
        try:
            pair = b64decode(rest.strip() + "==").decode()
        except ValueError:
            return
        yield from (pair, pair.partition(":")[2])


def _in_subprotocols(value: str, redactor: Redactor) -> Iterator[str]:
    """Give a token that was sent as a subprotocol, behind one that names it: ``access_token, eyJ...``."""
    telling = False
    for offered in (part.strip() for part in value.split(",")):
        if telling:
            yield offered
        telling = redactor.hides(offered) or offered.lower() in SCHEMES
        name, _, rest = offered.partition(".")
        if rest and (redactor.hides(name) or name.lower() in SCHEMES):
            yield rest


# -- bodies


def _in_body(body: bytes, redactor: Redactor) -> Iterator[str]:
    try:
        yield from in_values(json.loads(body), redactor)
        return
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    for name, value in values_named(text, redactor.hides):
        yield from _in_value(name, value, redactor)
    fields = [*_PART.findall(text), *(parse_qsl(text) if "=" in text and "\r\n" not in text else ())]
    for name, value in fields:
        if redactor.hides(name):
            yield value


def _in_value(name: str, value: str, redactor: Redactor) -> Iterator[str]:
    """Give what is written as JSON behind a telling name, or anything else that stands there."""
    try:
        yield from in_values({name: json.loads(value)}, redactor)
    except (ValueError, RecursionError):
        yield html.unescape(value.removeprefix("<![CDATA[").removesuffix("]]>").strip("\"'"))


def in_values(values: object, redactor: Redactor) -> Iterator[str]:
    """Give all that stands below a telling name in nested mappings and sequences."""
    pending: list[tuple[Any, bool]] = [(values, False)]
    while pending:
        value, is_secret = pending.pop()
        if issubclass(type(value), dict):
            pending += [(inner, is_secret or redactor.hides(str(name))) for name, inner in value.items()]
        elif issubclass(type(value), (list, tuple)):
            pending += [(inner, is_secret) for inner in value]
        elif is_secret and issubclass(type(value), WRITTEN) and not issubclass(type(value), bool):
            yield str(value)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
