"""Requests from a client's arguments: httpx encodes them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypedDict, cast
from urllib.parse import unquote

import httpx

from .._drive.outgoing import Body, Outgoing
from .._errors import UsageProblem
from .._show.named import REDACTED
from .._show.told import told_text, told_url, without_values
from .._trace.faults import shown

DEFAULT_HEADERS = (
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"user-agent", b"pytest-lifecycle"),
)
PORTS = {"http": 80, "https": 443}
UNENCODABLE = (TypeError, ValueError, AttributeError, LookupError)
"""What httpx raises for what it cannot send."""
NO_BODY = httpx.ByteStream(b"")
SAYS_ITS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a content-length even where they have no body (RFC 9110, section 8.6)."""


class RequestArguments(TypedDict, total=False):
    """The arguments of a request, as httpx takes them."""

    params: Any
    headers: Any
    cookies: Any
    json: Any
    data: Any
    content: Any
    files: Any
    extensions: Mapping[str, Any] | None


def encode(method: str, url: httpx.URL, arguments: RequestArguments) -> httpx.Request:
    """Make a request; errors are httpx's, see `not_encodable`."""
    given: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
    if not given and method not in SAYS_ITS_LENGTH:  # nothing to encode: httpx need not look for it
        request = httpx.Request(method, url, headers=[(b"Host", url.netloc)], stream=NO_BODY)
        request.read()
        return request
    return httpx.Request(method, url, **given)


def not_encodable(method: str, url: httpx.URL, arguments: Mapping[str, Any], error: Exception) -> UsageProblem:
    """Say what cannot be encoded."""
    return UsageProblem(
        f"{method} {told_url(str(url))} cannot be encoded {_reason(arguments, error)}."
        " Give json= something that JSON can hold, data= a dict, content= bytes, text or an iterable of bytes.",
        slug="body-not-encodable",
    )


def _reason(arguments: Mapping[str, Any], error: Exception) -> str:
    """Say what was given, by its type: the values may be secret."""
    given = ", ".join(f"{name}=<{type(value).__name__}>" for name, value in arguments.items() if value is not None)
    return f"({type(error).__name__}: {without_values(str(error), arguments)}) from {given}"


def own_lines(headers: Any, cookies: Any) -> tuple[httpx.Headers, httpx.Cookies]:
    """Give what a client sends with each request.

    Raises:
        UsageProblem: It cannot be sent.
    """
    try:
        lines = httpx.Headers(headers), httpx.Cookies(cookies)
        httpx.Request("GET", "http://testserver/", headers=lines[0], cookies=lines[1])
    except UNENCODABLE as error:
        why = _reason({"headers": headers, "cookies": cookies}, error)
        raise UsageProblem(
            f"The client's headers and cookies cannot be sent {why}. Give each as a dict of texts.",
            slug="body-not-encodable",
        ) from None
    return lines


def auth_of(request: httpx.Request, auth: Any) -> httpx.Auth | None:
    """Give how a request signs in: as asked, or with the user and password that its URL holds.

    Raises:
        UsageProblem: It is nothing that signs a request.
    """
    if auth is None:
        username, password = request.url.username, request.url.password
        return httpx.BasicAuth(username, password) if username or password else None
    if isinstance(auth, tuple) and len(auth) == 2 and all(isinstance(text, str | bytes) for text in auth):
        return httpx.BasicAuth(*auth)
    if isinstance(auth, httpx.Auth):
        return auth
    if callable(auth):
        return _CalledAuth(cast("Callable[[httpx.Request], httpx.Request]", auth))
    raise UsageProblem(
        f"auth is of type {type(auth).__name__}. Give a pair of user and password (texts), an httpx.Auth, or a"
        " function of the request.",
        slug="body-not-encodable",
    )


class _CalledAuth(httpx.Auth):
    """Auth by a function that gives the request back, changed."""

    def __init__(self, function: Callable[[httpx.Request], httpx.Request]) -> None:
        self._function = function

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        signed: object = self._function(request)
        if not isinstance(signed, httpx.Request):
            raise UsageProblem(
                f"The function given as auth returned <{type(signed).__name__}>. Have it return the request that it was"
                " given.",
                slug="body-not-encodable",
            )
        yield signed


def seconds_of(timeout: object) -> float | None:
    """Give how many seconds a timeout allows, None for no limit; of httpx's own, how long it waits for a response.

    Raises:
        UsageProblem: It is no number of seconds.
    """
    seconds = timeout.read if isinstance(timeout, httpx.Timeout) else timeout
    if seconds is None or (isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0):
        return seconds
    raise UsageProblem(
        f"timeout is {told_text(shown(timeout))}. Give a number of seconds above 0, or None for no limit.",
        slug="unusable-timeout",
    )


def may_share_secrets(before: httpx.URL, after: httpx.URL) -> bool:
    """Whether a redirect stays on the same server, or leads from its http port to its https port."""
    origins = [(url.scheme, url.host, url.port or PORTS[url.scheme]) for url in (before, after)]
    return origins[0] == origins[1] or origins == [("http", before.host, 80), ("https", before.host, 443)]


def redirect_target(url: httpx.URL, location: str) -> httpx.URL:
    """Give the URL that a redirect leads to; bytes beyond ASCII in it are UTF-8, as clients read them.

    Raises:
        UsageProblem: It is no http URL.
    """
    reason = "which is no http or https URL"
    try:
        target = url.join(location.encode("latin-1").decode("utf-8", "replace"))
        if target.scheme in PORTS and target.host:
            return target
    except httpx.InvalidURL as error:
        reason = f"which is no URL{_why(location, error)}"
    raise UsageProblem(
        f"{told_url(str(url))} redirects to {_told_input(location)}, {reason}."
        " Ask with follow_redirects=False to see the response.",
        slug="unusable-url",
    )


def _why(url: str, error: Exception) -> str:
    """Say what httpx finds wrong with a URL; it may quote a part of a password that is no userinfo for it."""
    return "" if "@" in url else f": {told_text(str(error))}"


def _told_input(url: str) -> str:
    """Quote what was given for a URL: all before the last ``@`` may be userinfo where it cannot be read."""
    told = told_url(url)
    before, _, host = told.rpartition("@")
    return repr(f"{REDACTED}@{host}" if "://" in before and REDACTED not in before else told)


@lru_cache(maxsize=1024)
def absolute_url(base: str, url: str) -> httpx.URL:
    """Give the URL that is asked for, on top of the base.

    Raises:
        UsageProblem: It is relative without a base, or no http URL.
    """
    try:
        is_path = url.startswith("/")  # also "//orders", in which RFC 3986, section 4.2, would read a host
        parsed = httpx.URL(f"http://host{url}" if is_path else url)
        if is_path or parsed.is_relative_url:
            if not base:
                raise UsageProblem(
                    f"{_told_input(url)} is a relative URL, and the client has no base_url. Give it one, such as"
                    ' base_url="http://testserver", or ask for an absolute URL.',
                    slug="relative-url",
                )
            root = httpx.URL(base)
            raw = root.raw_path.rstrip(b"/") + b"/" + parsed.raw_path.removeprefix(b"/")
            parsed = root.copy_with(raw_path=raw, fragment=None)
    except httpx.InvalidURL as error:
        raise UsageProblem(f"{_told_input(url)} is no URL{_why(url, error)}.", slug="unusable-url") from None
    if parsed.scheme not in PORTS or not parsed.host:
        raise UsageProblem(
            f"{told_url(str(parsed))!r} is no http or https URL. Give a path, or a URL such as 'http://testserver/orders'.",
            slug="unusable-url",
        )
    return parsed


def outgoing(request: httpx.Request, *, root_path: str, client: tuple[str, int]) -> Outgoing:
    """Give the request as a server knows it: bytes."""
    url = request.url
    raw_path, _, query = url.raw_path.partition(b"?")
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    names = {name for name, _ in headers}
    headers += [line for line in DEFAULT_HEADERS if line[0] not in names]
    scheme = url.scheme
    return Outgoing(
        method=request.method,
        scheme=scheme,
        host=url.host,
        port=url.port or PORTS[scheme],
        path=unquote(raw_path.decode("ascii")),
        raw_path=raw_path,
        query=query,
        headers=headers,
        body=_body(request),
        root_path=root_path,
        client=client,
    )


def _body(request: httpx.Request) -> Body:
    stream: object = request.stream
    if stream is NO_BODY:
        return b""
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream)
    return cast("Iterable[bytes] | AsyncIterable[bytes]", stream)
