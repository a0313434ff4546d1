"""The requests of a test as a section of its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .escape import escape
from .redact import Redactor
from .tree import render

if TYPE_CHECKING:
    from .._trace.trace import Trace

REQUEST_LIMIT: Final = 20
"""How many requests of a test a report shows: the newest."""


def section(traces: Sequence[Trace], *, redactor: Redactor, missed: int = 0) -> str:
    """Give the tree of each request, the newest ones where there are many.

    Args:
        traces: The requests, oldest first.
        redactor: What takes secrets out.
        missed: How many older requests are not among them any more.
    """
    kept = traces[-REQUEST_LIMIT:]
    missed += len(traces) - len(kept)
    notice = [f"... {missed} earlier request{'s are' if missed > 1 else ' is'} not shown"] if missed else []
    return "\n\n".join([*notice, *(_tree(trace, redactor) for trace in kept)])


def _tree(trace: Trace, redactor: Redactor) -> str:
    """Give one tree; a fault of ours must not take the test's own report with it."""
    try:
        return render(trace, redactor=redactor)
    except Exception as fault:
        return escape(f"a request that could not be shown ({type(fault).__name__}: {fault})")
