"""The words of the language that rules are written in, and how other words are told from them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = ("middleware", "hook", "decorator", "dependency", "handler")
"""The kinds of step that a rule can name."""

RESERVED: Final = frozenset(
    {
        *(*KINDS, "allow", "anonymous", "before", "body", "by", "errors", "every", "except", "from", "has", "http"),
        *("https", "innermost", "is", "never", "no", "on", "once", "outermost", "passed", "read", "redirect"),
        *("refused", "response", "route", "runs", "sees", "short-circuits", "to", "too", "traps", "under"),
        *("validation", "when"),
    }
)
"""The words that are no names, unless they stand in quotes."""

QUOTES: Final = "\"'`"

_TOKEN: Final = re.compile(r"""\s*(?:(?P<quote>["'`])(?P<quoted>.*?)(?P=quote)|(?P<word>,|[^\s,]+))""")


class Word(NamedTuple):
    """One word of a rule.

    Attributes:
        text: The word, without quotes.
        start: Where it begins in the rule.
        end: Where it ends.
        is_quoted: Whether it stands in quotes.
    """

    text: str
    start: int
    end: int
    is_quoted: bool = False

    def says(self, word: str) -> bool:
        """Whether it is this word of the language, in any case."""
        return not self.is_quoted and self.text.lower() == word


def words_of(text: str) -> list[Word]:
    """Part a rule into its words; a comma is one, too."""
    found = []
    for match in _TOKEN.finditer(text):
        is_quoted = match["quote"] is not None
        start, end = match.span("word") if not is_quoted else (match.start("quote"), match.end())
        found.append(Word(match["quoted"] if is_quoted else match["word"], start, end, is_quoted))
    return found


def quoted(name: str, *, others: frozenset[str] = RESERVED) -> str:
    """Write a name as a rule has to have it: in quotes where it would be read as something else.

    Args:
        name: The name.
        others: The words that it would be taken for.
    """
    if name and not re.search(r"[\s,]", name) and name[0] not in QUOTES and name.lower() not in others:
        return name
    mark = next((quote for quote in QUOTES if quote not in name), QUOTES[0])
    return f"{mark}{name}{mark}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that this one is most like; None where it is like none of them.

    That both are called middleware makes no two names alike.
    """
    by_gist = {_gist(name): name for name in sorted(known)}
    found = get_close_matches(_gist(word), by_gist, n=1, cutoff=0.6)
    found = found or [gist for gist in by_gist if len(word) > 2 and gist.startswith(_gist(word))]
    return by_gist[found[0]] if found else None


def _gist(name: str) -> str:
    return name.lower().removesuffix("middleware") or name.lower()
