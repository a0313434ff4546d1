"""Whether a path is one of a route's, by what the route's pattern looks like. No app is asked."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

PARAMETER: Final = re.compile(r"\{\w+(?::(?P<after>[^{}]*))?\}|<(?:(?P<before>[^<>:]*):)?\w+>")
"""``{name}``, ``{name:path}`` (Starlette and its like), ``<name>``, ``<path:name>`` (Werkzeug, Django)."""

GROUP: Final = re.compile(r"\(\?P<\w+>|[\^$]")
"""What tells of a pattern that is a regular expression itself (Django's `re_path`, Falcon's and others' too)."""


SIMILAR: Final = 0.6
"""How alike two paths are at least that one may be the other with a change; 1 is the same path."""


def are_similar(one: str, other: str) -> bool:
    """Whether one pattern or path may be the other with a change."""
    return SequenceMatcher(None, one, other).ratio() >= SIMILAR


def fits(pattern: str, path: str) -> bool:
    """Whether a path, percent-encoded, fits a pattern; False for a pattern that cannot be read."""
    found = _compiled(pattern)
    return found is not None and found.fullmatch(unquote(path)) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        if GROUP.search(pattern):
            return re.compile(pattern.replace("^", "").removesuffix("$").removesuffix(r"\Z"))
        written, at = "", 0
        for found in PARAMETER.finditer(pattern):
            is_path = "path" in (found["after"], found["before"])
            written += re.escape(pattern[at : found.start()]) + (".+" if is_path else "[^/]+")
            at = found.end()
        return re.compile(written + re.escape(pattern[at:]))
    except re.error:
        return None
