"""Text that came from a request, made harmless for a terminal and for the log of a CI service."""

from __future__ import annotations

import re
from typing import Final

ELLIPSIS = "…"
"""Stands where text was cut."""


_COMMAND: Final = re.compile(r"^(?P<before>\s*):(?=:)|#(?=#\w*\[)")
"""What a CI service would obey: ``::error::`` where a line begins, ``##[error]`` and ``##vso[`` anywhere in it."""


def escape(text: str) -> str:
    r"""Replace what a terminal would obey or hide by its escape: ``"\x1b[31m"`` becomes ``"\\x1b[31m"``.

    That is everything `str.isprintable` calls not printable: control characters and line breaks, marks that change
    the direction of text, invisible marks, lone surrogates, every space but the usual one.
    So is the first character of what a CI service would obey: ``"::error::"`` becomes ``"\\x3a:error::"``.
    """
    if "::" in text or "##" in text:
        text = _COMMAND.sub(_disarmed, text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _disarmed(found: re.Match[str]) -> str:
    return (found["before"] or "") + _escaped(found[0][-1])


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cut(text: str, limit: int) -> str:
    """Shorten text to at most `limit` characters; the last one is then an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + ELLIPSIS


def shown(text: str, limit: int) -> str:
    """Cut, then escape: what a report writes of text that it does not know."""
    return escape(cut(text, limit))
