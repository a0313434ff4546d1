"""A trace as a tree, one line a step, as a person wants to read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from .._trace.facts import Outcome, Refusal, Verdict
from .._trace.span import Kind, Span
from .._trace.story import path_entry, unwrapped, verdict_of
from .escape import shown
from .redact import Redactor
from .secrets import redactor_of

if TYPE_CHECKING:
    from .._trace.facts import RaisedException
    from .._trace.trace import Trace

NAME_LIMIT: Final = 100
"""How many characters of a name, a header value or a message are shown."""
URL_LIMIT: Final = 200
"""How many characters of a URL are shown."""
STEP_LIMIT: Final = 300
"""How many steps of one request are shown."""
DEPTH_LIMIT: Final = 24
"""How deep steps are indented; what is deeper stands at this depth."""
COLUMN_LIMIT: Final = 72
"""Where the times stand at the latest, in characters from the left."""

_LOCAL: Final = re.compile(r"(?:http|ws)s?://(?:testserver|localhost|127\.0\.0\.1)(?::\d+)?(?=/|\?|$)")
"""The addresses that test clients make up: they say nothing about the request."""


@final
@dataclass(frozen=True, slots=True)
class Row:
    """A step that is shown.

    Attributes:
        span: The step.
        depth: How many shown steps it is in.
        lasts: For the step itself and each step it is in, outermost first, whether it is the last one there.
    """

    span: Span
    depth: int
    lasts: tuple[bool, ...]


def render(trace: Trace, *, builtin: bool = False, redactor: Redactor | None = None) -> str:
    """Give the request and its answer in a line, the tree of its steps, and what else is worth knowing.

    Args:
        trace: What to show.
        builtin: Whether to show the framework's own parts too. Without it their steps stand where they would have.
        redactor: What takes secrets out; None for the one of the running configuration.
    """
    redactor = redactor_of(trace, redactor)
    lines = [headline(trace, redactor=redactor), *_tree(trace, builtin, redactor), *_notes(trace, redactor)]
    return "\n".join(line.rstrip() for line in lines)


def headline(trace: Trace, *, redactor: Redactor | None = None) -> str:
    """Give the request and its answer in one line: ``"GET /orders/42 -> 200 handled 3.1 ms"``."""
    redactor = redactor_of(trace, redactor)
    if trace.protocol == "lifespan":
        return f"{trace.method} -> {trace.path[-1].partition(' ')[2]} {time(trace.duration)}"
    url = _LOCAL.sub("", redactor.url(trace.url, trace.path_params)) or "/"
    answer = "no response" if trace.status is None else str(trace.status)
    if trace.outcome is not Outcome.NO_RESPONSE:
        answer += f" {trace.outcome}"
    return f"{shown(trace.method, 20)} {shown(url, URL_LIMIT)} -> {answer} {time(trace.duration)}"


def label(span: Span) -> str:
    """Name a step as the tree shows it: ``"dependency get_db"``."""
    verdict = verdict_of(span)
    if span.kind is Kind.ROUTING and verdict is not None and verdict is not Verdict.MATCHED:
        return f"routing {verdict}"
    return shown(path_entry(span), NAME_LIMIT).rstrip()


def time(seconds: float) -> str:
    """Give a duration with two digits that matter, in ms or, from ten seconds on, in s."""
    milliseconds = seconds * 1000
    if milliseconds >= 10_000:
        return f"{seconds:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.{1 if milliseconds >= 1 else 2}f} ms"


# -- the tree


def rows(root: Span, *, builtin: bool = False) -> list[Row]:
    """Give the steps to show, in the order begun; those inside a hidden step stand in the nearest shown one."""
    found: list[Row] = []
    pending = [Row(span, 0, (last,)) for span, last in _with_last(_visible(root, builtin))][::-1]
    while pending:
        row = pending.pop()
        found.append(row)
        inner = [Row(span, row.depth + 1, (*row.lasts, last)) for span, last in _with_last(_visible(row.span, builtin))]
        pending.extend(reversed(inner))
    return found


def _visible(span: Span, builtin: bool) -> list[Span]:
    found = []
    pending = span.children[::-1]
    while pending:
        child = pending.pop()
        if builtin or not (child.builtin or child.kind is Kind.INTERNAL):
            found.append(child)
        else:
            pending.extend(reversed(child.children))
    return found


def _with_last(spans: Sequence[Span]) -> Iterator[tuple[Span, bool]]:
    return ((span, position == len(spans)) for position, span in enumerate(spans, 1))


def _tree(trace: Trace, builtin: bool, redactor: Redactor) -> Iterator[str]:
    found = rows(trace.root, builtin=builtin)
    raised = {id(unwrapped(known.exception)): _raised(known, redactor) for known in trace.exceptions if known.exception}
    passed_on = _passed_on(trace.root)
    kept = found[:STEP_LIMIT]
    texts = [_branches(row.lasts) + label(row.span) for row in kept]
    column = min(max(map(len, texts), default=0), COLUMN_LIMIT)
    for text, row in zip(texts, kept, strict=True):
        yield f"{text:<{column}} {time(row.span.duration):>8}{_marks(row.span, raised, passed_on)}"
    if len(found) > STEP_LIMIT:
        yield f"... {len(found) - STEP_LIMIT} more steps are not shown"


def _branches(lasts: tuple[bool, ...]) -> str:
    bars = "".join("   " if last else "│  " for last in lasts[:-1][:DEPTH_LIMIT])
    return bars + ("└─ " if lasts[-1] else "├─ ")


def _passed_on(root: Span) -> set[tuple[int, int]]:
    """Give the steps that an exception reached from further inside, each by its `id` and that of the exception."""
    found: set[tuple[int, int]] = set()
    for span in root.walk():
        if span.exception is not None:
            error = id(unwrapped(span.exception))
            for around in span.ancestors():
                if (id(around), error) in found:
                    break
                found.add((id(around), error))
    return found


def _marks(span: Span, raised: dict[int, str], passed_on: set[tuple[int, int]]) -> str:
    marks = [name for name in ("cached", "overridden") if span.attributes.get(name) is True]
    if span.short_circuited:
        marks.append("answered itself")
    if span.exception is not None:
        error = unwrapped(span.exception)
        name = shown(type(error).__qualname__, NAME_LIMIT)
        is_passed_on = (id(span), id(error)) in passed_on
        marks.append(f"passed on {name}" if is_passed_on else f"raised {raised.get(id(error), name)}")
    return "".join(f"  {mark}" for mark in marks)


def _raised(raised: RaisedException, redactor: Redactor) -> str:
    return f"{shown(raised.type, NAME_LIMIT)}({shown(redactor.text(raised.message), NAME_LIMIT)})"


# -- what stands below it


def _notes(trace: Trace, redactor: Redactor) -> Iterator[str]:
    for earlier in trace.history:
        yield f"after {headline(earlier, redactor=redactor)}"
    if trace.parent is not None:
        yield f"made by {label(trace.parent)}"
    yield from _issues(trace, redactor)
    yield from _refused(trace, redactor)
    for raised in trace.exceptions:
        yield _flight(raised, redactor)
    yield from _talk(trace, redactor)
    yield from _way_out(trace)
    for warning in trace.warnings:
        yield f"warning: {shown(redactor.text(warning), 3 * NAME_LIMIT)}"


def _issues(trace: Trace, redactor: Redactor) -> Iterator[str]:
    for issue in trace.validation_errors:
        where = shown(redactor.known.out_of(".".join(map(str, issue.loc))), NAME_LIMIT)
        what = redactor.issue(issue.loc, issue.message)
        text = "[redacted]" if what is None else shown(what, NAME_LIMIT)
        kind = f" ({shown(redactor.text(issue.type), NAME_LIMIT)})" if issue.type else ""
        yield f"invalid: {where}: {text}{kind}"


def _refused(trace: Trace, redactor: Redactor) -> Iterator[str]:
    if trace.refusal in (Refusal.NOT_FOUND, Refusal.METHOD):
        yield from (f"nearest: {shown(redactor.known.out_of(route), 2 * NAME_LIMIT)}" for route in trace.nearest[:1])
    elif trace.refused_by is not None and trace.refusal is not Refusal.VALIDATION:
        yield f"refused: by {shown(trace.refused_by, NAME_LIMIT)} ({trace.refusal})"


def _flight(raised: RaisedException, redactor: Redactor) -> str:
    end = f"handled by {shown(raised.handled_by, NAME_LIMIT)}" if raised.handled_by else "handled by nobody"
    past = f", past {_names(raised.crossed)}" if raised.crossed else ""
    return f"exception: {_raised(raised, redactor)} raised in {shown(raised.raised_in, NAME_LIMIT)}{past}, {end}"


def _talk(trace: Trace, redactor: Redactor) -> Iterator[str]:
    """Tell what went over a WebSocket, and who closed it."""
    if trace.protocol != "websocket":
        return
    kinds = [message.type for message in trace.messages]
    counts = f"{kinds.count('websocket.receive')} in, {kinds.count('websocket.send')} out"
    reason = f" ({shown(redactor.text(trace.close_reason), NAME_LIMIT)})" if trace.close_reason else ""
    closed = "" if trace.close_code is None else f", closed by the {trace.closed_by} with {trace.close_code}{reason}"
    yield f"messages: {counts}{closed}"


def _way_out(trace: Trace) -> Iterator[str]:
    """Tell the way out where it was not simply the way in, backwards."""
    if trace.status is None or trace.middleware_out == trace.middleware[::-1]:
        return
    if not trace.middleware_out:
        yield "the response left through no middleware"
        return
    skipped = list(trace.middleware)
    for name in trace.middleware_out:
        if name in skipped:
            skipped.remove(name)
    past = f", past {_names(skipped)}" if skipped else ""
    yield f"the response left through {_names(trace.middleware_out)}{past}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(shown(name, NAME_LIMIT) for name in names)
