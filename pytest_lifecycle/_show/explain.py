"""Why a request ended as it did, in a few lines: what a failed comparison with a trace adds to its message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from .._trace.facts import Outcome
from .._trace.span import Kind
from .._trace.story import culprit
from .escape import shown
from .redact import Redactor
from .secrets import redactor_of

if TYPE_CHECKING:
    from .._trace.facts import RaisedException
    from .._trace.trace import Trace

ISSUE_LIMIT: Final = 5
"""How many things that validation found are told."""
TEXT_LIMIT: Final = 160
"""How many characters of a message or a name are told."""


def why(trace: Trace, *, redactor: Redactor | None = None) -> list[str]:
    """Say why the request ended as it did, the reason first.

    Args:
        trace: The request.
        redactor: What takes secrets out; None for the one of the running configuration.
    """
    redactor = redactor_of(trace, redactor)
    status = "no response" if trace.status is None else str(trace.status)
    lines = [*_reason(trace, redactor), *_bypassed(trace)]
    return [f"{status}: {lines[0]}", *lines[1:]]


def _reason(trace: Trace, redactor: Redactor) -> Iterator[str]:
    match trace.outcome:
        case Outcome.ERROR:
            yield _crash(trace, redactor)
            yield from _issues("the response was refused for", trace.response_errors, redactor)
        case Outcome.INVALID:
            yield from _issues(f"{trace.refused_by} refused", trace.validation_errors, redactor)
            if not trace.validation_errors:
                yield f"{trace.refused_by} refused it"
            yield from _handler(trace)
        case Outcome.NOT_FOUND:
            yield f"no route matched {_asked(trace, redactor)}{_nearest(trace, redactor)}"
        case Outcome.METHOD_NOT_ALLOWED:
            yield f"the path is known, but not with {shown(trace.method, 20)}{_nearest(trace, redactor)}"
        case Outcome.REDIRECTED:
            yield _redirect(trace, redactor)
        case Outcome.REJECTED | Outcome.SHORT_CIRCUITED:
            yield _refusal(trace, redactor)
            yield from _handler(trace)
        case Outcome.NO_RESPONSE:
            yield f"the app sent none; it came as far as {_named(trace.stopped_at)}"
        case _:
            yield f"the handler {_named(trace.handler or '')} {_its_answer(trace, redactor)}"


def _issues(prefix: str, issues: list[Any], redactor: Redactor) -> Iterator[str]:
    for issue in issues[:ISSUE_LIMIT]:
        where = redactor.known.out_of(".".join(map(str, issue.loc))) or "the whole"
        message = redactor.issue(issue.loc, issue.message)
        yield f"{prefix} {_named(where)} ({'[redacted]' if message is None else shown(message, TEXT_LIMIT)})"
    if len(issues) > ISSUE_LIMIT:
        yield f"and {len(issues) - ISSUE_LIMIT} more"


def _handler(trace: Trace) -> Iterator[str]:
    if trace.handler is not None:
        yield f"the handler {_named(trace.handler)} ran"
        return
    meant = next((span.fact("endpoint") for span in trace.spans(Kind.ROUTING) if span.fact("endpoint")), None)
    yield f"the handler {_named(meant)} did not run" if meant else "no handler ran"


def _crash(trace: Trace, redactor: Redactor) -> str:
    crashes = [raised for raised in trace.exceptions if not raised.is_answer]
    if not crashes:
        return "the app failed"
    raised = crashes[-1]
    message = redactor.text(raised.message)
    said = f"({shown(message, TEXT_LIMIT)})" if message else ""
    text = f"{_named(raised.type)}{said} raised in {_named(raised.raised_in)}"
    if raised.crossed:
        text += f", crossed {', '.join(map(_named, raised.crossed))}"
    answered_by = raised.handled_by or _answered_by(trace, raised)
    return f"{text}; answered by {_named(answered_by)}" if answered_by else f"{text}; nobody answered it"


def _answered_by(trace: Trace, raised: RaisedException) -> str | None:
    """Name the layer that made a response of an exception: the one around the first response object after it.

    What had been begun before is no answer to it, and what a layer further out makes of the answer is that one still.
    """
    left = [span.active_intervals()[-1][1] for span in trace.spans() if span.exception is raised.exception]
    senders = [span for span in trace.spans(Kind.RESPONSE) if left and span.start >= min(left)]
    first = min(senders, key=lambda span: span.start, default=None)
    return first.parent.name if first is not None and first.parent is not None else None


def _bypassed(trace: Trace) -> Iterator[str]:
    """Name the middleware that an answer to a crash did not pass: CORS headers are missing on it, for example."""
    if trace.outcome is not Outcome.ERROR or trace.status is None:
        return
    skipped = list(trace.middleware)
    for name in trace.middleware_out:
        if name in skipped:
            skipped.remove(name)
    if skipped:
        yield f"the response did not pass {', '.join(map(_named, skipped))}"


def _refusal(trace: Trace, redactor: Redactor) -> str:
    who = trace.refused_by
    if who is None:
        return f"{_named(trace.stopped_at)} answered itself"
    reasons = [raised for raised in trace.exceptions if raised.raised_in == who]
    message = redactor.text(reasons[-1].message).removeprefix(f"{trace.status}: ") if reasons else ""
    said = f": {shown(message, TEXT_LIMIT)}" if message else ""
    return f"{_named(who)} refused it ({trace.refusal}){said}"


def _redirect(trace: Trace, redactor: Redactor) -> str:
    target = redactor.url(trace.headers.get("location") or "")
    reasons = [span for span in trace.root.walk() if span.fact("reason")]
    by = f" by {_named(culprit(reasons[-1]))} ({reasons[-1].fact('reason')})" if reasons else ""
    return f"redirected{by} to {shown(target, TEXT_LIMIT)}"


def _its_answer(trace: Trace, redactor: Redactor) -> str:
    """Say how a handler answered: by itself, by an exception that is an answer, or by one that another answered."""
    own = [raised for raised in trace.exceptions if raised.raised_in == trace.handler]
    if not own or not (own[-1].is_answer or own[-1].handled_by):
        return "answered"
    raised = own[-1]
    message = redactor.text(raised.message).removeprefix(f"{trace.status}: ")
    what = _named(raised.type) + (f"({shown(message, TEXT_LIMIT)})" if message else "")
    if raised.is_answer:
        return f"answered by raising {what}"
    return f"raised {what}, answered by {_named(raised.handled_by or '')}"


def _asked(trace: Trace, redactor: Redactor) -> str:
    url = redactor.url(trace.url, trace.path_params).partition("?")[0]
    path = url.partition("://")[2].partition("/")[2]
    return f"{shown(trace.method, 20)} {shown('/' + path, TEXT_LIMIT)}"


def _nearest(trace: Trace, redactor: Redactor) -> str:
    return f"; nearest {shown(redactor.known.out_of(trace.nearest[0]), TEXT_LIMIT)}" if trace.nearest else ""


def _named(name: str) -> str:
    return shown(name, TEXT_LIMIT)
