"""The plugin's own errors: each says what is wrong, the value seen, and what to do next."""

from __future__ import annotations

from typing import Final

SLUGS: Final = {
    "app-attribute": "The module that `lifecycle_app` names has no such attribute.",
    "app-factory": "The factory that `lifecycle_app` names could not be called.",
    "app-import": "The module that `lifecycle_app` names could not be imported.",
    "app-not-callable": "What `lifecycle_app` names is no WSGI or ASGI callable.",
    "app-spec": "`lifecycle_app` is not of the form module:attribute.",
    "body-not-encodable": "The arguments of a request could not be turned into a body.",
    "body-not-kept": "The response's body went past another client as a stream, or was too large to keep.",
    "client-busy": "A sync client of an ASGI app was used in two threads at once.",
    "client-closed": "A client was used after it was closed.",
    "deadline": "The app did not answer in time.",
    "file-not-read": "A file that the plugin was to read is not there, or is not what it should be.",
    "file-not-written": "A file that the plugin was to write cannot be written.",
    "lifespan-deadline": "The app's startup or shutdown did not end in time.",
    "lifespan-failed": "The app reported that its startup or shutdown failed.",
    "no-loop": "An async client was used outside a running asyncio or trio loop.",
    "no-response": "A response was asked for where the app sent none.",
    "no-tool-id": "All tool ids of sys.monitoring are taken.",
    "not-an-app": "What was given to a client is no WSGI or ASGI callable.",
    "relative-url": "A relative URL was asked for without a base URL.",
    "reports-overlap": "A test is in two of the reports that are to be combined.",
    "rule-not-understood": "A rule is no sentence of the language that rules are written in.",
    "stream-unread": "Something was asked of a streamed response that is known only later.",
    "sync-in-loop": "A sync client was used inside a running event loop.",
    "too-many-redirects": "A redirect led to a redirect too many times.",
    "unknown-engine": "The environment asks for an event source that is not there.",
    "unknown-interface": "It cannot be told whether an app speaks ASGI or WSGI.",
    "unusable-timeout": "A timeout is no number of seconds.",
    "unusable-url": "A URL is no http or https URL.",
    "websocket-closed": "Something was sent or waited for over a WebSocket that is closed, or was refused.",
    "websocket-type": "A WebSocket's message is not of the type that was asked for.",
    "websocket-unread": "Something was asked of a WebSocket that is known only later.",
}
"""Every message has a slug; docs/reference/messages.md has a paragraph for each."""


class LifecycleError(Exception):
    """Something that pytest-lifecycle cannot do, and what to do about it.

    Args:
        message: What is wrong, the value seen, the way out.
        slug: Which message it is; a key of `SLUGS`.
    """

    def __init__(self, message: str, *, slug: str) -> None:
        super().__init__(message)
        self.slug = slug


class UsageProblem(LifecycleError):
    """The plugin was given something that it cannot work with."""


class DeadlineExceeded(LifecycleError):
    """The app did not answer in time; the message names the layer that was active."""


class LifespanFailed(LifecycleError):
    """The app said that its startup or shutdown failed, without raising an exception of its own."""


class WebSocketClosed(LifecycleError):
    """A WebSocket is closed, or was refused.

    Attributes:
        code: The close code; None where the app refused it with an HTTP response.
        reason: The reason given, or nothing.
    """

    def __init__(self, message: str, *, code: int | None, reason: str) -> None:
        super().__init__(message, slug="websocket-closed")
        self.code = code
        self.reason = reason
