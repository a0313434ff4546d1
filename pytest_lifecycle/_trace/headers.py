"""A response's header lines as a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from .exchange import Exchange


@final
class Headers(Mapping[str, str]):
    """Header lines by name, whatever its case; lines of one name are joined by ``", "`` (RFC 9110, section 5.3).

    Args:
        lines: The lines in order, as they were sent.
        exchange: The request whose response they are of: its secrets are left out of what `repr` gives.
    """

    __slots__ = ("_exchange", "_lines", "_values")

    def __init__(self, lines: Sequence[tuple[bytes, bytes]], exchange: Exchange | None = None) -> None:
        self._exchange = exchange
        self._lines = [(_text(name).lower(), _text(value)) for name, value in lines]
        self._values: dict[str, list[str]] = {}
        for name, value in self._lines:
            self._values.setdefault(name, []).append(value)

    def get_list(self, name: str) -> list[str]:
        """Give the values of all lines of this name, in order."""
        return list(self._values.get(name.lower(), ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """Give all lines in order, names in lower case."""
        return list(self._lines)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        from .._show.told import told_headers

        return f"Headers({told_headers(self._lines, self._exchange)})"


def charset_of(headers: Headers) -> str:
    """Give the charset that the content type names; UTF-8 where it names none."""
    message = Message()
    message["content-type"] = headers.get("content-type", "")
    return message.get_content_charset() or "utf-8"


def cookies_of(headers: Headers) -> dict[str, str]:
    """Give the cookies that the response sets, by name; lines that are no cookie are passed over (RFC 6265)."""
    cookies: dict[str, str] = {}
    for line in headers.get_list("set-cookie"):
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(line)
        except CookieError:
            continue
        cookies.update({name: morsel.value for name, morsel in jar.items()})
    return cookies


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
