"""The rules that are built in: traps that many apps have fallen into. Each has a page in docs/rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..._show.explain import why
from ..._trace.facts import Outcome
from ..._trace.span import Kind, Span

if TYPE_CHECKING:
    from ..._trace.trace import Trace


def cors_skipped_on_errors(trace: Trace) -> str | None:
    """A server error that did not pass the CORS middleware: the browser tells of CORS instead of the error."""
    failed = trace.outcome is Outcome.ERROR if trace.status is None else trace.status >= 500
    skipped = [name for name in _cors(trace) if name not in trace.middleware_out]
    if not failed or not skipped or trace.protocol != "http":  # CORS is not for WebSockets
        return None
    return f"the response did not pass {skipped[0]}; {why(trace)[0]}"


def preflight_answered_outside_cors(trace: Trace) -> str | None:
    """A preflight that something else than CORS answered: the browser does not send the request at all."""
    if not trace.is_preflight or "access-control-allow-origin" in trace.headers:
        return None
    cors = _cors(trace)
    if any(span.short_circuited and span.name in cors for span in trace.spans(Kind.MIDDLEWARE)):
        return None  # it refused the origin
    refused = trace.outcome in (Outcome.SHORT_CIRCUITED, Outcome.REJECTED, Outcome.REDIRECTED, Outcome.ERROR)
    if not cors and not refused:
        return None  # an app without CORS
    where = f"{cors[0]} did not answer it" if cors else "no CORS middleware was reached"
    return f"the preflight was answered without access-control-allow-origin; {where}; {why(trace)[0]}"


def _cors(trace: Trace) -> list[str]:
    return [name for name in trace.middleware if "cors" in name.lower()]


SECOND_READS: Final = frozenset({"RawPostDataException", "ClientDisconnect"})
"""What Django and Starlette raise at whoever reads a body that another one has read."""


def body_consumed_twice(trace: Trace) -> str | None:
    """A request's body that two steps read: the second one gets nothing, or waits for ever."""
    readers = trace.body_read_by
    if len(readers) > 1:
        return f"the body was read by {readers[0]}, and then by {readers[1]}"
    for raised in trace.exceptions:
        is_second = raised.type in SECOND_READS and readers
        if is_second or (raised.type == "RuntimeError" and raised.message == "Stream consumed"):
            return (
                f"the body had been read{f' by {readers[0]}' if readers else ''}; {raised.type} in {raised.raised_in}"
            )
    if readers and trace.outcome is Outcome.NO_RESPONSE and readers[0] in trace.middleware:
        inner = trace.stopped_at.partition(" ")[2]
        if inner != readers[0]:
            return f"the body was read by {readers[0]}, and then {inner} waited until the deadline"
    return None


GARBLED: Final = frozenset({"UnicodeDecodeError", "JSONDecodeError"})
"""What is raised at whoever takes compressed bytes for text."""


def gzip_inside_body_reader(trace: Trace) -> str | None:
    """A body that is compressed inside a layer that reads or changes it."""
    layers = [span for span in trace.spans(Kind.MIDDLEWARE) if not span.builtin]
    inner: Span | None = None
    for span in reversed(layers):
        changes = span.response_changes
        if inner is not None and changes.body is not None and trace.status != 304:
            done = "compressed it again" if changes.body == "compressed" else "changed it"
            return f"{inner.name} compressed the body, and {span.name} around it {done}"
        if changes.body == "compressed":
            inner = span
    for raised in trace.exceptions:
        if (
            inner is not None
            and raised.type in GARBLED
            and any(raised.raised_in == at.name for at in inner.ancestors())
        ):
            return f"{inner.name} compressed the body, and {raised.raised_in} around it raised {raised.type}"
    return None


SESSION_USERS: Final = frozenset(
    {
        "AuthenticationMiddleware",
        "LoginRequiredMiddleware",
        "MessageMiddleware",
        "PersistentRemoteUserMiddleware",
        "RemoteUserMiddleware",
    }
)
"""The middleware of Django and Starlette that needs a session."""

NO_SESSION: Final = re.compile(r"session ?middleware (must|to) be installed|requires session middleware", re.IGNORECASE)
"""What Django and Starlette say where there is none yet."""


def session_outside_user(trace: Trace) -> str | None:
    """A session that is opened inside the middleware that needs it."""
    for raised in trace.exceptions:
        if NO_SESSION.search(raised.message):
            return f"{raised.raised_in} raised {raised.type} for want of a session; {_middleware(trace)}"
    sessions = [index for index, name in enumerate(trace.middleware) if "session" in name.lower()]
    users = [index for index, name in enumerate(trace.middleware) if name in SESSION_USERS]
    if not sessions or not users or sessions[0] < users[0]:
        return None
    user, session = trace.middleware[users[0]], trace.middleware[sessions[0]]
    return f"{user} ran before {session} had opened the session; {_middleware(trace)}"


def _middleware(trace: Trace) -> str:
    return f"the middleware was [{', '.join(trace.middleware)}]"


NOT_RUN: Final = re.compile(r"the lifespan .* of the app mounted at (?P<path>\S+) does not run")
"""The warning of a lifespan's trace."""


def lifespans_not_run(trace: Trace) -> list[tuple[str, str]]:
    """Give the mounted apps whose lifespan did not run with this one: the path of each, and what to say of it."""
    if trace.protocol != "lifespan":
        return []
    return [(found["path"], warning) for warning in trace.warnings if (found := NOT_RUN.match(warning)) is not None]


def lifespan_never_run(trace: Trace) -> str | None:
    """A mounted app whose startup and shutdown nobody runs."""
    return next((said for _, said in lifespans_not_run(trace)), None)


def sync_middleware_hops_threads(trace: Trace) -> str | None:
    """A sync middleware around what is async: each request changes threads there and back."""
    spans = trace.spans()
    if trace.interface != "asgi" or not spans:
        return None
    home = spans[0].thread
    for span in reversed(spans):  # Django makes those around it sync, too: the innermost is the one
        away = span.kind is Kind.MIDDLEWARE and not span.builtin and span.thread != home
        if away and any(inner.thread == home for inner in span.walk()):
            return f"{span.name} ran in a worker thread, and what is inside of it back on the loop's"
    return None


TRAPS: Final[dict[str, Callable[[Trace], str | None]]] = {
    "body-consumed-twice": body_consumed_twice,
    "cors-skipped-on-errors": cors_skipped_on_errors,
    "gzip-inside-body-reader": gzip_inside_body_reader,
    "lifespan-never-run": lifespan_never_run,
    "preflight-answered-outside-cors": preflight_answered_outside_cors,
    "session-outside-user": session_outside_user,
    "sync-middleware-hops-threads": sync_middleware_hops_threads,
}
"""The rules by their ids; each says what was seen of a request that fell into the trap, or None."""


def page_of(trap: str) -> str:
    """Give the page of the documentation about it."""
    return f"rules/{trap}"
