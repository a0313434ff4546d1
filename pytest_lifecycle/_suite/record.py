"""What is kept of one request of a suite: what one run of it can be compared with another by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

from .._show.secrets import redactor_of
from .._trace.facts import Outcome
from .._trace.span import Kind
from .._trace.story import handler_of

if TYPE_CHECKING:
    from .._trace.trace import Trace


TEARDOWN: Final = "teardown"
"""When a test's requests are made that come after its function."""


@final
@dataclass(frozen=True, slots=True)
class Record:
    """One request, small and plain: it goes from process to process, and into files.

    Attributes:
        protocol: ``"http"`` or ``"websocket"``.
        method: The HTTP method as sent, or ``"WEBSOCKET"``.
        path: The path as sent, percent-encoded, without the query and without secrets.
        status: The status code; None where no response was started.
        outcome: How it ended, as `Trace.outcome`.
        framework: As `Trace.framework`.
        route: As `Trace.route`: the method and the pattern.
        handler: The handler that ran.
        middleware: The middleware in the order entered.
        middleware_out: The middleware that the response passed, innermost first.
        stopped_by: The middleware that answered itself.
        dependencies: The dependencies in the order resolved.
        refusal: The kind of no, as `Trace.refusal`.
        refused_by: Who said it.
        answered_by: The step that answered itself without a no, such as a decorator that sends strangers to log in.
        invalid: Where validation found something wrong, such as ``"body.price"``, in alphabetical order.
        redirect: Where a redirect leads to: the path alone, without secrets.
        exception: The class of the exception that became the answer or left the app; None for a request without one.
        raised_in: The step that raised it.
        is_anonymous: As `Trace.is_anonymous`.
        source: The file and the first line of the handler, such as ``"/shop/main.py:12"``.
        when: `TEARDOWN` for what a test asks for after its function has ended; None for what it asks for earlier.
    """

    protocol: str
    method: str
    path: str
    status: int | None
    outcome: str
    framework: str | None = None
    route: str | None = None
    handler: str | None = None
    middleware: tuple[str, ...] = ()
    middleware_out: tuple[str, ...] = ()
    stopped_by: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    refusal: str | None = None
    refused_by: str | None = None
    answered_by: str | None = None
    invalid: tuple[str, ...] = ()
    redirect: str | None = None
    exception: str | None = None
    raised_in: str | None = None
    is_anonymous: bool = True
    source: str | None = None
    when: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON and execnet can hold it; what is empty is left out."""
        values = asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name in _NEEDED or value not in (None, ())
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        given: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**given)


_NEEDED = frozenset({"protocol", "method", "path", "status", "outcome", "is_anonymous"})


def record_of(trace: Trace, when: str | None = None) -> Record:
    """Take from a trace what is kept of it, secrets redacted."""
    raised = [error for error in trace.exceptions if error.handled_by is None or not error.is_answer]
    location = trace.headers.get("location") if trace.status is not None and 300 <= trace.status < 400 else None
    return Record(
        protocol=trace.protocol,
        method=trace.method,
        path=path_of(trace),
        status=trace.status,
        outcome=str(trace.outcome),
        framework=trace.framework,
        route=trace.route,
        handler=trace.handler,
        middleware=tuple(trace.middleware),
        middleware_out=tuple(trace.middleware_out),
        stopped_by=tuple(
            span.name for span in trace.spans(Kind.MIDDLEWARE) if span.short_circuited and not span.builtin
        ),
        dependencies=tuple(trace.dependencies),
        refusal=None if trace.refusal is None else str(trace.refusal),
        refused_by=trace.refused_by,
        answered_by=_answered_by(trace),
        invalid=_invalid(trace) if trace.outcome is Outcome.INVALID else (),
        redirect=None if location is None else _path(redactor_of(trace).url(location)),
        exception=raised[-1].type if raised else None,
        raised_in=raised[-1].raised_in if raised else None,
        is_anonymous=trace.is_anonymous,
        source=source_of(trace),
        when=when,
    )


def _invalid(trace: Trace) -> tuple[str, ...]:
    known = redactor_of(trace).known
    return tuple(sorted({known.out_of(".".join(map(str, issue.loc))) for issue in trace.validation_errors}))


def source_of(trace: Trace) -> str | None:
    """Give the file and the first line of the handler, such as ``"/shop/main.py:12"``; None where none ran."""
    handler = handler_of(trace.root)
    source = handler.source if handler is not None else None
    return None if source is None else f"{source[0]}:{source[1]}"


def _answered_by(trace: Trace) -> str | None:
    if trace.outcome is not Outcome.SHORT_CIRCUITED or trace.refused_by is not None:
        return None
    return trace.stopped_at.partition(" ")[2] or None


def path_of(trace: Trace) -> str:
    """Give the path that was asked for, as sent, without the query and without secrets."""
    return _path(redactor_of(trace).url(trace.url, trace.path_params))


def _path(url: str) -> str:
    rest = url.partition("#")[0].partition("?")[0]
    if "://" in rest:
        rest = "/" + rest.partition("://")[2].partition("/")[2]
    return rest or "/"
