"""The verbs of a client, written once for both twins: `Result` is a trace, or something to await for one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypedDict, TypeVar, Unpack

import httpx

from .encode import RequestArguments

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

Result = TypeVar("Result")


class CallArguments(RequestArguments, total=False):
    """The arguments of a call, as httpx takes them.

    `params`, `headers`, `cookies`, `json`, `data`, `content`, `files`, `extensions`: what is sent.
    `auth`: a pair of user and password, an `httpx.Auth`, or a function of the request.
    `follow_redirects`, `timeout` (seconds, None for no limit): instead of the client's own.
    """

    auth: Any
    follow_redirects: bool | None
    timeout: float | None


class HandshakeArguments(TypedDict, total=False):
    """The arguments of a WebSocket's handshake; as in `CallArguments`."""

    params: Any
    headers: Any
    cookies: Any
    auth: Any
    timeout: float | None


class Verbs(Generic[Result]):
    """`get`, `post` and the others, by way of `request`."""

    @abstractmethod
    def request(self, method: str, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a request."""

    def get(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a GET request; arguments as for `request`."""
        return self.request("GET", url, **arguments)

    def options(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make an OPTIONS request; arguments as for `request`."""
        return self.request("OPTIONS", url, **arguments)

    def head(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a HEAD request; arguments as for `request`."""
        return self.request("HEAD", url, **arguments)

    def post(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a POST request; arguments as for `request`."""
        return self.request("POST", url, **arguments)

    def put(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a PUT request; arguments as for `request`."""
        return self.request("PUT", url, **arguments)

    def patch(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a PATCH request; arguments as for `request`."""
        return self.request("PATCH", url, **arguments)

    def delete(self, url: str | httpx.URL, **arguments: Unpack[CallArguments]) -> Result:
        """Make a DELETE request; arguments as for `request`."""
        return self.request("DELETE", url, **arguments)
