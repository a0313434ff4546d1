"""Secrets that are known by their values, in each way in which text may spell them."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote, quote_plus

from .named import REDACTED

SHORTEST: Final = 4
"""How many characters a value has at least that is looked for: less is as likely something else."""
LONG: Final = 8
"""From how many characters on a value is taken out within a word, too."""
CUT: Final = ("…", "...")
"""What stands where text was cut: what is left of a secret before it goes as well."""

NESTED: Final = 3
"""How deep literals in literals are looked into: the `repr` of an error that quotes the `repr` of a list, say."""
TAIL: Final = 100
"""How many characters of the end of a value are looked for behind an ellipsis."""


@final
@dataclass(frozen=True, slots=True)
class Known:
    """A set of secret values.

    Attributes:
        secrets: The values.
        spelled: All that may stand for them, the longest first.
    """

    secrets: frozenset[str] = frozenset()
    spelled: tuple[str, ...] = ()

    def with_more(self, secrets: Iterable[str]) -> Known:
        """Give a set with these values added; too short ones are left out."""
        known = self.secrets.union(secret for secret in secrets if len(secret) >= SHORTEST)
        if known == self.secrets:
            return self
        spelled = {spelling for secret in known for spelling in _spellings(secret) if len(spelling) >= SHORTEST}
        return Known(known, tuple(sorted(spelled, key=lambda text: (-len(text), text))))

    def out_of(self, text: str) -> str:
        """Give the text with `REDACTED` for each of the values."""
        for secret in self.spelled:
            if len(secret) < LONG:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", REDACTED, text) if secret in text else text
            else:
                text = text.replace(secret, REDACTED)
        return self._without_cut(text) if any(mark in text for mark in CUT) else text

    def _without_cut(self, text: str) -> str:
        for secret in self.spelled:
            text = _without_cut(text, secret) if len(secret) >= LONG else text
        return text


NOTHING: Final = Known()


def _without_cut(text: str, secret: str) -> str:
    """Take out what is left of a secret where an ellipsis stands for its end or its middle."""
    head = secret[:SHORTEST]
    for mark in CUT:
        written, start, at = [], 0, text.find(head)
        while at >= 0:
            end = text.find(mark, at, at + len(secret) + len(mark))
            if end >= 0 and secret.startswith(text[at:end]):
                written += [text[start:at], REDACTED, mark]
                start = end + len(mark)
                start += _length_of_end(text, start, secret)
            at = text.find(head, max(at + 1, start))
        text = "".join(written) + text[start:]
    return text


def _length_of_end(text: str, start: int, secret: str) -> int:
    """Say how much of the end of a secret stands here."""
    sizes = range(min(len(secret), TAIL), 0, -1)
    return next((size for size in sizes if text.startswith(secret[-size:], start)), 0)


def _spellings(secret: str) -> Iterator[str]:
    """Give the ways to write a value: as it is, quoted for a URL, escaped in a literal, in base64, and so on."""
    read = {secret, *_charsets(secret)}
    for text in read.union(map(html.escape, read)):
        yield text
        for quoted in (_quote(text), _quote(text, safe=""), _quote_plus(text)):
            yield quoted
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
        yield from _literals(text)
        data = text.encode("utf-8", "surrogatepass")
        yield b64encode(data).decode().rstrip("=")
        yield urlsafe_b64encode(data).decode().rstrip("=")


def _charsets(text: str) -> Iterator[str]:
    """Give the text as it looks where its bytes were read in the other charset: latin-1 or UTF-8."""
    for written, read in (("utf-8", "latin-1"), ("latin-1", "utf-8")):
        try:
            yield text.encode(written).decode(read)
        except UnicodeError:
            continue


def _literals(text: str) -> set[str]:
    """Give the text as it stands in a literal of Python's or JSON's, in a literal of that, and so on."""
    found = last = {text, json.dumps(text, ensure_ascii=False)[1:-1], repr(text.encode("utf-8", "surrogatepass"))[2:-1]}
    for _ in range(NESTED):
        escaped = {one for inner in last for one in (repr(inner)[1:-1], json.dumps(inner)[1:-1])}
        escaped |= {one.replace("'", "\\'") for one in escaped}
        last = escaped - found
        found = found | last
    return found


def _quote(text: str, safe: str = "/") -> str:
    return quote(text, safe=safe, errors="surrogatepass")


def _quote_plus(text: str) -> str:
    return quote_plus(text, errors="surrogatepass")
