"""Which trace a failed assertion looked at: found in the test's own frame, from the assertion's source."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from types import FrameType

from ._show.diff import explain_headers, explain_lists
from ._show.explain import why
from ._trace.facts import Outcome, shortened
from ._trace.headers import Headers
from ._trace.trace import Trace

OURS = ("_pytest", "pluggy", "pytest_lifecycle")
"""Whose frames stand between an assertion and the hook that explains it."""


def explanation(op: str, left: object, right: object, given: list[str], traces: Sequence[Trace]) -> list[str] | None:
    """Explain a failed comparison with a trace's attribute; None where there is nothing to add.

    Args:
        op: The operator, as in the source.
        left: One side.
        right: The other.
        given: What pytest or another plugin says already; its first line is the comparison itself.
        traces: The requests of the test, the newest last.
    """
    try:
        return _explanation(op, left, right, given, traces)
    except Exception:  # what explains a failure must not become another one
        return given or None


def _explanation(op: str, left: object, right: object, given: list[str], traces: Sequence[Trace]) -> list[str] | None:
    if op == "==" and isinstance(left, list) and isinstance(right, list):
        given = explain_lists(left, right) or given
    if op == "==" and Headers in (type(left), type(right)) and isinstance(left, Mapping) and isinstance(right, Mapping):
        given = [*given[:1], *explain_headers(left, right)]
    trace = compared_trace(left, right, traces[-1] if traces else None)
    if trace is None or (trace.outcome is Outcome.HANDLED and (trace.status or 500) < 400):
        return given or None
    head = given[:1] or [f"{shortened(left)} {op} {shortened(right)}"]
    return [*head, *why(trace), *given[1:]]


def compared_trace(left: object, right: object, latest: Trace | None) -> Trace | None:
    """Give the trace whose attribute, or whose response's status, one side of a failed comparison is.

    Args:
        left: One side.
        right: The other.
        latest: The last request of the test: what `lifecycle.get(...).status` looked at cannot be found in a variable.
    """
    frame = _test_frame()
    asserted = _assertion(frame) if frame is not None else None
    if frame is None or asserted is None:
        return None
    for attribute in (node for node in ast.walk(asserted) if isinstance(node, ast.Attribute)):
        if attribute.attr == "status_code" and latest is not None and latest.status in (left, right):
            return latest  # another client's response: what it answers is the test's last request
        if not hasattr(Trace, attribute.attr) and attribute.attr not in PLAIN:
            continue
        trace = _value(attribute.value, frame)
        if trace is None and any(isinstance(node, ast.Call) for node in ast.walk(attribute.value)):
            trace = latest
        if isinstance(trace, Trace) and _is_side(trace, attribute.attr, left, right):
            return trace
    return None


PLAIN = frozenset({"method", "url", "interface", "framework", "status", "history", "warnings"})
"""The attributes of a trace that its class does not name."""


def _is_side(trace: Trace, name: str, left: object, right: object) -> bool:
    value: object = getattr(trace, name)
    return any(value is side or (type(value) is type(side) and value == side) for side in (left, right))


def _test_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in OURS:
        frame = frame.f_back
    return frame


def _assertion(frame: FrameType) -> ast.Assert | None:
    """Give the assertion that runs in the frame, if its source can be read.

    pytest's rewritten code has the place of the assertion that it stands for.
    """
    place = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if place is None or place[0] is None or place[1] is None:
        return None
    lines = linecache.getlines(frame.f_code.co_filename)[place[0] - 1 : place[1]]
    indented = bool(lines) and lines[0][:1].isspace()
    try:
        tree = ast.parse("".join(["if True:\n", *lines] if indented else lines))
    except (SyntaxError, ValueError):
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return next((node for node in found if node.col_offset == place[2]), None)


def _value(node: ast.expr, frame: FrameType) -> object:
    """Give what a variable, or an item of one, holds; None for anything that would have to be called."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Subscript):
        held, index = _value(node.value, frame), _constant(node.slice)
        if type(held) in (list, tuple, dict) and index is not None:
            return _item(held, index)
    if isinstance(node, ast.NamedExpr):
        return _value(node.target, frame)
    return None


def _item(held: object, index: int | str) -> object:
    try:
        return held[index]  # type: ignore[index]
    except (LookupError, TypeError):
        return None


def _constant(node: ast.expr) -> int | str | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, (int, str)) else None
