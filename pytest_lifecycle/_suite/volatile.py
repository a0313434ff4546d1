"""What differs from run to run in a path, put down as what kind of thing it is."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UUID: Final = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
DATE: Final = r"\d{4}-\d\d-\d\d"
TIME: Final = r"\d\d(?::|%3A)?\d\d(?:(?::|%3A)?\d\d(?:[.,]\d+)?)?(?:Z|(?:[+-]|%2B)\d\d(?::|%3A)?\d\d)?"

PARTS: Final = tuple(
    (name, re.compile(rf"(?<![0-9A-Za-z])(?:{pattern})(?![0-9A-Za-z])"))
    for name, pattern in (
        ("{uuid}", UUID),
        ("{datetime}", rf"{DATE}(?:T|%20|\+|_){TIME}"),
        ("{date}", DATE),
        ("{hash}", r"(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{16,}"),
    )
)
"""What may be a part of a segment: what stands between letters is the name of something (``oauth2``)."""

NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])\d+(?![0-9A-Za-z])")
INTEGER: Final = re.compile(r"-?\d+")
FLOAT: Final = re.compile(r"-?\d+\.\d+")
TOKEN: Final = re.compile(
    r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d|(?:.*?[A-Z]{2}){2})[A-Za-z0-9_.~=-]{20,}"  # base64, JWT, nanoid
    r"|(?=(?:\D*\d){3})(?=.*[A-Za-z])[A-Za-z0-9]{20,}"  # ULID, KSUID, cuid, base36
)
WHOLE: Final = (("{float}", FLOAT), ("{int}", INTEGER), ("{token}", TOKEN))
"""What only a whole segment can be."""


def normalised(path: str) -> str:
    """Give a path with ids, dates and random tokens replaced: ``"/orders/42"`` becomes ``"/orders/{int}"``."""
    return "/".join(map(_segment, path.split("/")))


@lru_cache(maxsize=4096)
def _segment(segment: str) -> str:
    for name, pattern in PARTS:
        segment = pattern.sub(name, segment)
    for name, pattern in WHOLE:
        if pattern.fullmatch(segment):
            return name
    return NUMBER.sub("{int}", segment)
