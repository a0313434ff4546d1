"""Which names hold secrets, and what is shown instead of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final
from urllib.parse import quote, unquote_plus
from uuid import UUID

from .escape import cut
from .known import NOTHING, Known
from .named import REDACTED, without_named, without_userinfo

NAMES: Final = frozenset(
    {
        "auth",
        "bearer",
        "connect.sid",
        "cookie",
        "credential",
        "credentials",
        "csrf",
        "jwt",
        "otp",
        "phpsessid",
        "pwd",
        "secrets",
        "session",
        "set_cookie",
        "sid",
        "signature",
        "xsrf",
    }
)
"""Names that are secrets in themselves, in lower case and with ``-`` written as ``_``."""

SUFFIXES: Final = (
    "token",
    "secret",
    "authorization",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "privatekey",
    "secret_key",
    "session_id",
    "sessionid",
    "_session",
    "_csrf",
    "_xsrf",
    "_jwt",
    "_otp",
    "_pwd",
    "_credential",
    "_credentials",
    "_signature",
)
"""What the names of secrets end in: ``access_token``, ``x-api-key``."""

PARTS: Final = ("password", "passwd", "passphrase", "passcode")
"""What makes a name a secret wherever it stands: ``newPassword2``."""


TEXT_LIMIT: Final = 10_000
"""How many characters of a text are told, wherever it is."""

_PLAIN: Final = (str, int, float, UUID)


@final
@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes secrets out of what is shown: by their names, and by their values where these are known.

    Example: ``Redactor.configured(redact=["order_code"], allow=["session"])``.

    Attributes:
        names: Further names that hold secrets; ``*`` at either end stands for anything (``*_pin``).
        allowed: Names that do not, whatever else says so.
        known: The values that a request sent or got by such names.
    """

    names: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    known: Known = NOTHING

    @classmethod
    def configured(cls, *, redact: Iterable[str] = (), allow: Iterable[str] = ()) -> Redactor:
        """Make one that knows more names (`redact`) and lets others through (`allow`), in any case and spelling."""
        return cls(frozenset(map(_plain, redact)), frozenset(map(_plain, allow)))

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """Make one that takes these values out as well, wherever they stand."""
        return Redactor(self.names, self.allowed, self.known.with_more(secrets))

    def hides(self, name: str) -> bool:
        """Whether what goes by this name (a header, a cookie, a query key, a field, a parameter) is a secret.

        Of a name in parts, such as ``user[token]``, ``login.token`` or ``token[]``, the last part counts as well.
        """
        plain = _plain(name)
        forms = (plain, last) if (last := _last_part(plain)) else (plain,)
        if any(_matches(form, self.allowed) for form in forms):
            return False
        return any(_is_telling(form) or _matches(form, self.names) for form in forms)

    def value(self, name: str, value: str) -> str:
        """Give the value that goes by this name, or `REDACTED`."""
        return REDACTED if self.hides(name) else self.text(value)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Give the header lines, in order, without their secrets."""
        return [(name, self.value(name, value)) for name, value in headers]

    def url(self, url: str, path_params: Mapping[str, object] | None = None) -> str:
        """Give the URL without user and password, secret query values, or path parameters with telling names."""
        head, hash_mark, fragment = without_userinfo(url).partition("#")
        path, question, query = head.partition("?")
        for secret in self._secret_params(path_params or {}):
            path = re.sub(rf"(?<=/){re.escape(secret)}(?=/|$)", REDACTED, path)
        query = "&".join(map(self._query_field, query.split("&")))
        fragment = "&".join(map(self._query_field, fragment.split("&")))
        return self.known.out_of(path + question + query + hash_mark + fragment)

    def issue(self, loc: Sequence[object], message: str) -> str | None:
        """Give a validation message, or None where it is about a secret and might repeat it."""
        return None if any(self.hides(str(part)) for part in loc) else self.text(message)

    def text(self, text: str) -> str:
        """Give free text, such as an exception's message, without the secrets that it names or that are known.

        Of long text, its beginning: a message that quotes a whole body is not stored, nor read for seconds.
        """
        return self.known.out_of(without_named(cut(text, TEXT_LIMIT), self.hides))

    def _query_field(self, field: str) -> str:
        name, equals, _ = field.partition("=")
        return f"{name}={REDACTED}" if equals and self.hides(unquote_plus(name)) else field

    def _secret_params(self, params: Mapping[str, object]) -> list[str]:
        values = [str(value) for name, value in params.items() if issubclass(type(value), _PLAIN) and self.hides(name)]
        spelled = [{value, _quoted(value), _quoted(value, safe="")} for value in values if value]
        return [spelling for spellings in spelled for spelling in spellings]


def _quoted(value: str, safe: str = "/") -> str:
    return quote(value, safe=safe, errors="replace")


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """Write a name as names are compared: ``X-API-Key`` and ``xApiKey`` are both ``x_api_key``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return parted.replace("-", "_").lower()


def _last_part(plain: str) -> str:
    """Give the last part of a name between dots or brackets that is no place in a list; nothing where it has none."""
    parts = [part for part in re.split(r"[.\[\]:/]+", plain) if part and not part.isdecimal()]
    return parts[-1] if parts else ""


def _is_telling(plain: str) -> bool:
    return plain in NAMES or plain.endswith(SUFFIXES) or any(part in plain for part in PARTS)


def _matches(name: str, patterns: frozenset[str]) -> bool:
    if name in patterns:
        return True
    return any(_wild(pattern, name) for pattern in patterns if "*" in pattern)


def _wild(pattern: str, name: str) -> bool:
    core = pattern.strip("*")
    if pattern.startswith("*") and pattern.endswith("*"):
        return core in name
    return name.endswith(core) if pattern.startswith("*") else name.startswith(core)


DEFAULT: Final = Redactor()


@final
class Active:
    """The redactor of what is shown without one being named: pytest's configuration sets it for its run.

    It is one for the process, and so for all threads of a test.
    """

    def __init__(self) -> None:
        self._redactor = DEFAULT

    def get(self) -> Redactor:
        """Give it."""
        return self._redactor

    def set(self, redactor: Redactor) -> Redactor:
        """Use this one; gives the one before it."""
        before, self._redactor = self._redactor, redactor
        return before


ACTIVE: Final = Active()
