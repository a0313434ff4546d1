"""Secrets in free text, found by the names that stand before them: ``password='...'``, ``"token": "..."``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

REDACTED: Final = "[redacted]"
"""What stands where a secret was."""

SCHEMES: Final = frozenset({"bearer", "basic", "digest", "token", "apikey", "negotiate", "ntlm", "dpop"})
"""What stands before credentials (RFC 9110, section 11.4)."""

_NAME: Final = re.compile(r"""(?<![\w.\-])(?P<name>\w[\w.\-]*+(?:\[[\w.\-]*\])*)(?:\\*["'])?\s*(?:=>|[=:])\s*""")
_PAIR: Final = re.compile(r"""\(\s*[bB]?\\*["'](?P<name>[\w.\-]+)\\*["'],\s*(?=[bB]?\\*["'])""")
"""The beginning of a header line as ASGI has it: ``(b'x-api-key', b'...')``."""
_QUOTE: Final = re.compile(r"""[bBrR]{0,2}(?P<quote>\\*["'])""")
_TOKEN: Final = re.compile(r"""(?P<quote>(?<!\\)\\*+["'])|(?P<open>[\[{(])|[\]})]""")
_WORD: Final = re.compile(r"""[^\s,;&)\]}"']*""")
_SCHEME: Final = re.compile(
    r"""\b(?P<scheme>Bearer\s+|(?:Basic|Digest|Token|ApiKey|Negotiate|NTLM|DPoP)\s+(?=[^\s,;"']*[\d=_./+]|[^\s,;"']{16}))"""
    r"""(?P<value>[^\s,;"']+)""",
    re.IGNORECASE,
)
_ELEMENT: Final = re.compile(
    r"(?P<tag><(?:[\w.\-]+:)?(?P<name>[\w.\-]+)(?:\s[^<>]*)?>)(?P<value>[^<]+|<!\[CDATA\[.*?\]\]>)(?=</)", re.DOTALL
)
"""An element of XML that holds text alone."""
_USERINFO: Final = re.compile(r"""(?<=://)(?:[^/?#\s]*|[^/?#\s:@\[]*:(?!\d+[/?#])[^\s"'<>]{0,100})@""")
"""What stands before the host of a URL (RFC 3986, section 3.2.1); also a password that was not quoted as it has to."""
_HEADED: Final = re.compile(
    r"(?P<head>(?:^|(?<=\\n))(?P<name>[\w.\-]+)(?P<break>\n|\\+n)[ \t]+)(?:(?!(?<!\\)(?P=break)).)+",
    re.MULTILINE | re.DOTALL,
)
_CONVERTERS: Final = frozenset({"str", "int", "float", "path", "slug", "uuid", "string"})
"""What stands after a parameter's name in a pattern, as in ``{token:str}``."""


def without_userinfo(text: str) -> str:
    """Give the text without the user and the password of each URL in it."""
    return _USERINFO.sub(f"{REDACTED}@", text)


def without_named(text: str, hides: Callable[[str], bool]) -> str:
    """Give the text without credentials, and without the values of the names that are to be hidden.

    A value is what a quoted string, a pair of brackets or a word holds; also a quoted string that was cut. A line
    that is such a name alone makes the indented line below it a value: so pydantic writes its errors.
    """
    text = _SCHEME.sub(rf"\g<scheme>{REDACTED}", without_userinfo(text))
    text = _HEADED.sub(lambda found: _headed(found, hides), text)
    text = _ELEMENT.sub(lambda found: found["tag"] + REDACTED if hides(found["name"]) else found[0], text)
    return _without_values(_PAIR, _without_values(_NAME, text, hides), hides)


def values_named(text: str, hides: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Give each name that is to be hidden with its value as it is written there, quotes and brackets included."""
    for found in _ELEMENT.finditer(text):
        if hides(found["name"]):
            yield found["name"], found["value"]
    at = 0
    while found_name := _NAME.search(text, at):
        at = found_name.end()
        if hides(found_name["name"]):
            end = _end_of_value(text, at)
            yield found_name["name"], text[at:end]
            at = end


def _without_values(named: re.Pattern[str], text: str, hides: Callable[[str], bool]) -> str:
    """Give the text without what follows each name that is to be hidden."""
    written, at = [], 0
    while found := named.search(text, at):
        end = found.end()
        stop = _end_of_value(text, end) if hides(found["name"]) else end
        value = text[end:stop]
        written += [text[at:end], REDACTED if value and _is_secret(value) else value]
        at = stop
    return "".join(written) + text[at:]


def _headed(found: re.Match[str], hides: Callable[[str], bool]) -> str:
    return found["head"] + REDACTED if any(map(hides, found["name"].split("."))) else found[0]


def _is_secret(value: str) -> bool:
    """Whether this might be one: the scheme before credentials is none, nor is a path parameter's type."""
    return value.lower() not in SCHEMES and value not in _CONVERTERS


def _end_of_value(text: str, start: int) -> int:
    """Say where a value ends that begins here."""
    if text.startswith(REDACTED, start):
        return start + len(REDACTED)
    quote = _QUOTE.match(text, start)
    if quote is not None:
        return _end_of_quoted(text, quote.end(), quote["quote"])
    if text[start : start + 1] in ("[", "{", "("):
        return _end_of_brackets(text, start)
    return _WORD.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too


def _end_of_quoted(text: str, start: int, quote: str) -> int:
    """Say where a string ends: at the same quote with as many backslashes, since it may stand in another string.

    A string that was cut ends with the text. Where it cannot be told, it ends later rather than too early.
    """
    while (end := text.find(quote, start)) >= 0:
        start = end + len(quote)
        if text[end - 1] != "\\":
            return start
    return len(text)


def _end_of_brackets(text: str, start: int) -> int:
    depth = 0
    while found := _TOKEN.search(text, start):
        start = found.end()
        if found["quote"]:
            start = _end_of_quoted(text, start, found["quote"])
            continue
        depth += 1 if found["open"] else -1
        if depth == 0:
            return start
    return len(text)
