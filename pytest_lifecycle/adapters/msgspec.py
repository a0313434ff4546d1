"""msgspec, which is compiled: only a refusal that leaves the handler tells of it.

Read from msgspec/__init__.py and its documentation of `ValidationError`, versions 0.18 to 0.22.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Probe
from .._trace.facts import ValidationIssue
from .._trace.span import Span
from ._validating import Loc, add_failure

PLACE = re.compile(r"^(?P<message>.*) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
"""How a message ends: ``"Expected `int`, got `str` - at `$.items[0].price`"``."""
STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


@final
class MsgspecAdapter(Adapter):
    """Refusals by msgspec."""

    name = "msgspec"
    distribution = "msgspec"
    supports = ">=0.18"
    module = "msgspec"

    def probes(self) -> Iterable[Probe]:
        return ()

    def failed(self, span: Span, error: BaseException) -> None:
        refusal = getattr(sys.modules.get("msgspec"), "DecodeError", None)  # also of what is no JSON
        if refusal is None or not isinstance(error, refusal):
            return
        found = PLACE.match(str(error))
        message, path = (str(error), "") if found is None else (found["message"], found["path"])
        add_failure(span, [ValidationIssue(_loc(path), message, type(error).__qualname__)], "msgspec")


def _loc(path: str) -> Loc:
    return tuple(name or int(index) if name or index else "..." for name, index in STEP.findall(path))
