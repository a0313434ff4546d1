"""What a tree of spans says: the path, how it ended, who raised and who caught."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .exchange import Exchange
from .facts import Outcome, RaisedException, Refusal, Validation, Verdict
from .span import Kind, Span

STEPS = frozenset(
    {
        *(Kind.MIDDLEWARE, Kind.HOOK, Kind.DECORATOR, Kind.DEPENDENCY, Kind.VALIDATION, Kind.HANDLER),
        *(Kind.STARTUP, Kind.SHUTDOWN),
    }
)
LAYERS = frozenset({Kind.MIDDLEWARE, Kind.DECORATOR})


def steps_of(exchange: Exchange) -> list[Span]:
    """Give the steps of the way in, in the order begun: what the user configured and what the router chose."""
    answered = exchange.responded_at
    spans = list(exchange.root.walk())
    route = _route_among(spans)
    return [
        span
        for span in spans
        if ((span.kind in STEPS and not span.builtin) or span is route)
        and (answered is None or span.start <= answered)
        and not span.fact("after_response")
    ]


def path_entry(span: Span) -> str:
    """Write one step as `path` shows it: ``"middleware CORSMiddleware"``, ``"route GET /orders/{id}"``."""
    return f"route {span.name}" if span.kind is Kind.ROUTING else f"{span.kind.value} {span.name}"


def verdict_of(span: Span) -> Verdict | None:
    """Give what a router said in this span, if it is a routing span."""
    verdict: Verdict | None = span.fact("verdict")
    return verdict


def deepest_step(steps: Iterable[Span]) -> Span | None:
    """Give the last step of the way in; a hook that runs on the way out is none."""
    inward = [span for span in steps if not span.fact("after")]
    return inward[-1] if inward else None


def matched_route(root: Span) -> Span | None:
    """Give the routing span of the route that was chosen: the last word of the routers, if it is a match."""
    return _route_among(root.walk())


def _route_among(spans: Iterable[Span]) -> Span | None:
    last: Span | None = None
    for span in spans:
        if span._attributes is not None and verdict_of(span) is not None:
            last = span
    return last if last is not None and verdict_of(last) is Verdict.MATCHED else None


def handler_of(root: Span) -> Span | None:
    """Give the handler that ran."""
    handlers = [span for span in root.walk() if span.kind is Kind.HANDLER]
    return handlers[-1] if handlers else None


def validation_of(root: Span) -> Validation:
    """Say what validation came to: one failure decides."""
    said = [span.name for span in root.walk() if span.kind is Kind.VALIDATION]
    if Validation.FAILED in said:
        return Validation.FAILED
    if Validation.PASSED in said:
        return Validation.PASSED
    return Validation.NOT_REACHED if handler_of(root) is None else Validation.NONE


def escaped(exchange: Exchange) -> bool:
    """Whether an exception left the app, other than word that the client has left, or it said itself that it failed."""
    errors = (span.exception for span in (exchange.root, *exchange.root.children))
    if exchange.gave_up:
        errors = (error for error in errors if isinstance(error, Exception))
    return exchange.has_failed or any(error is not None and not _tells_of_leaving(exchange, error) for error in errors)


def _tells_of_leaving(exchange: Exchange, error: BaseException) -> bool:
    """Whether a framework told a WebSocket's handler in this way that the client has closed it."""
    closing = exchange.closing
    return closing is not None and closing.by == "client" and _number(unwrapped(error), "code") == closing.code


def end_of(exchange: Exchange) -> str:
    """Write the end of the way as `path` shows it: the response, or what became of a lifespan."""
    if exchange.protocol == "lifespan":
        return "lifespan failed" if escaped(exchange) else "lifespan complete"
    return "no response" if exchange.status is None else f"response {exchange.status}"


def _answered_a_crash(exchange: Exchange) -> bool:
    """Whether a layer made a server error of an exception that was not meant as that answer.

    An exception that is meant as an answer knows its status (Starlette's `status_code`, werkzeug's `code`).
    """
    status = exchange.status
    if status is None or status < 500:
        return False
    return any(status not in _own_statuses(error) for error, _ in exchange.raised)


def _broke_off_unseen(exchange: Exchange) -> bool:
    """Whether an exception left the app of which no more is known than that (profiling)."""
    return exchange.broke_off and not exchange.raised and exchange.protocol == "http"


def outcome_of(exchange: Exchange) -> Outcome:
    """Say how the request ended."""
    root = exchange.root
    if exchange.gave_up and exchange.protocol != "lifespan":
        return Outcome.NO_RESPONSE
    if exchange.errors or escaped(exchange) or _answered_a_crash(exchange) or _broke_off_unseen(exchange):
        return Outcome.ERROR
    if exchange.protocol == "lifespan":
        return Outcome.HANDLED
    if exchange.status is None:
        return Outcome.NO_RESPONSE
    spans = list(root.walk())
    verdicts = [verdict for span in spans if (verdict := verdict_of(span)) is not None]
    if Verdict.REDIRECTED in verdicts:
        return Outcome.REDIRECTED
    handled = any(span.kind is Kind.HANDLER for span in spans)
    refused = _refused(spans, exchange.status, handled)
    if refused is not None:
        return refused
    if handled:
        return Outcome.HANDLED
    if verdicts and verdicts[-1] is not Verdict.MATCHED:
        return Outcome(verdicts[-1].value)
    return Outcome.SHORT_CIRCUITED


def _refused(spans: list[Span], status: int, handled: bool) -> Outcome | None:
    invalid = any(span.kind is Kind.VALIDATION and span.name == Validation.FAILED for span in spans)
    if invalid and (not handled or 400 <= status < 500):
        return Outcome.INVALID
    if any(span.fact("rejected") for span in spans):
        return Outcome.REJECTED
    if not handled and any(span.kind is Kind.DEPENDENCY and span.exception is not None for span in spans):
        return Outcome.REJECTED
    return None


BY_STATUS = {401: Refusal.AUTHENTICATION, 403: Refusal.PERMISSION, 429: Refusal.THROTTLE}
"""What a refusal's status says where nobody knows better (RFC 9110, section 15.5; RFC 6585, section 4)."""


def refusal_of(exchange: Exchange, outcome: Outcome) -> tuple[Refusal | None, str | None]:
    """Say what kind of no the request was told, and who said it."""
    by_status = {} if exchange.closing is not None else BY_STATUS  # a WebSocket's close has one status for all reasons
    spans = list(exchange.root.walk())
    said = [span for span in spans if span.fact("refusal") is not None]
    match outcome:
        case Outcome.INVALID:
            failed = [span for span in spans if span.kind is Kind.VALIDATION and span.name == Validation.FAILED]
            return _said_by((said or failed)[-1], Refusal.VALIDATION)
        case Outcome.REJECTED | Outcome.SHORT_CIRCUITED | Outcome.HANDLED if said:
            return _said_by(said[-1], Refusal.OTHER)
        case Outcome.REJECTED:
            raised = [span for span in spans if span.kind is Kind.DEPENDENCY and span.exception is not None]
            rejected = [span for span in spans if span.fact("rejected")]
            said_no = (raised or rejected or [exchange.root])[-1]
            return _said_by(said_no, by_status.get(_status_meant(exchange, said_no), Refusal.OTHER))
        case Outcome.SHORT_CIRCUITED:
            refusing = [span for span in spans if span.short_circuited or _answers_by_exception(span)]
            meant = _status_meant(exchange, refusing[-1]) if refusing else 0
            if meant >= 400:
                return _said_by(refusing[-1], by_status.get(meant, Refusal.MIDDLEWARE))
        case Outcome.NOT_FOUND | Outcome.METHOD_NOT_ALLOWED:
            kind = Refusal.NOT_FOUND if outcome is Outcome.NOT_FOUND else Refusal.METHOD
            said = said or [span for span in spans if verdict_of(span) is not None]
            return _said_by(said[-1], kind)
    return None, None


def _status_meant(exchange: Exchange, span: Span) -> int:
    """Give the status that a step refused with: of an exception its own, whatever a handler of it answered."""
    own = _own_statuses(span.exception) if span.exception is not None else ()
    return next((status for status in own if status is not None), exchange.status or 0)


def _said_by(span: Span, kind: Refusal) -> tuple[Refusal, str]:
    """Take a span's own word for who refused and why, where its adapter noted it."""
    return span.fact("refusal") or kind, culprit(span)


def culprit(span: Span) -> str:
    """Name a step as who did something: a validation by what validated, any other by its name."""
    return span.fact("refused_by") or ("validation" if span.kind is Kind.VALIDATION else span.name)


def _answers_by_exception(span: Span) -> bool:
    """Whether a hook, a decorator or a middleware raised what became the answer."""
    kinds = (Kind.HOOK, Kind.DECORATOR, Kind.MIDDLEWARE)
    return span.exception is not None and span.kind in kinds and not span.reached_inner and not span.builtin


def exceptions_of(exchange: Exchange) -> list[RaisedException]:
    """Give each exception once: where it came from, what it flew past, who caught it."""
    left: dict[int, tuple[list[BaseException], list[Span]]] = {}
    for error, span in exchange.raised:
        if exchange.gave_up and not isinstance(error, Exception):
            continue  # the client's own cancellation
        forms, spans = left.setdefault(id(unwrapped(error)), ([], []))
        forms.append(error)
        spans.append(span)
    return [_raised(exchange, forms[-1], spans) for forms, spans in left.values()]


def _raised(exchange: Exchange, raised: BaseException, spans: list[Span]) -> RaisedException:
    error = unwrapped(raised)
    layers = [span.name for span in spans[1:] if span.kind in LAYERS and not span.builtin]
    handled_by = exchange.caught.get(id(raised)) or exchange.caught.get(id(error))
    catcher = _still_around(spans[-1])
    if handled_by is None and catcher is not None and catcher is not exchange.root:
        handled_by = catcher.name
    return RaisedException(
        type=type(error).__qualname__,
        message=message_of(error),
        raised_in=culprit(spans[0]),
        handled_by=handled_by,
        crossed=tuple(layers),
        causes=tuple(_causes(error)),
        is_answer=_is_answer(exchange, error),
        exception=raised,
    ).of(exchange)


def _still_around(span: Span) -> Span | None:
    """Give the nearest step around that had not returned by the time that this one ended."""
    if span._end is None:
        return span.parent
    return next((around for around in span.ancestors() if around._end is None or around._end >= span._end), None)


def _is_answer(exchange: Exchange, error: BaseException) -> bool:
    given = {exchange.status, exchange.closing.code if exchange.closing is not None else None} - {None}
    return id(error) in exchange.answers or not given.isdisjoint(_own_statuses(error))


def unwrapped(error: BaseException) -> BaseException:
    """Give the exception that is alone in its group: task groups wrap what one of their tasks raised."""
    while issubclass(type(error), BaseExceptionGroup):
        inner = _attribute(error, "exceptions")
        if type(inner) is not tuple or len(inner) != 1:
            break
        error = inner[0]
    return error


def _causes(error: BaseException) -> Iterator[str]:
    seen = {id(error)}
    while (led_to := _led_to(error)) is not None and id(led_to) not in seen:
        if id(unwrapped(led_to)) not in seen:  # what takes an exception out of its group raises it in that one's place
            yield f"{type(led_to).__qualname__}: {message_of(led_to)}"
        seen.add(id(led_to))
        error = led_to


def _led_to(error: BaseException) -> BaseException | None:
    led_to: BaseException | None = _attribute(error, "__cause__")
    if led_to is None and not _attribute(error, "__suppress_context__"):
        led_to = _attribute(error, "__context__")
    return led_to


def _own_statuses(error: BaseException) -> tuple[int | None, int | None]:
    """Give the status that an exception is meant to become (Starlette's `status_code`, werkzeug's `code`)."""
    return _number(error, "status_code"), _number(error, "code")


def _number(error: BaseException, name: str) -> int | None:
    value = _attribute(error, name)
    return int.__index__(value) if issubclass(type(value), int) else None


def _attribute(error: BaseException, name: str) -> Any:
    """Give an attribute of an exception; None also where the exception's own code raises as it is asked."""
    try:
        return getattr(error, name, None)
    except Exception:
        return None


def message_of(error: BaseException) -> str:
    """Give `str()` of an exception, also of one whose `__str__` raises."""
    try:
        return str(error)
    except Exception as fault:
        return f"<its __str__ raised {type(fault).__name__}>"
