"""Which names hold secrets, and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote, unquote_plus

REDACTED: Final = "[redacted]"
"""What stands where a secret was."""

NAMES: Final = frozenset(
    {
        "auth",
        "authorization",
        "connect.sid",
        "cookie",
        "credentials",
        "csrf",
        "csrftoken",
        "jwt",
        "otp",
        "passphrase",
        "passwd",
        "phpsessid",
        "private_key",
        "privatekey",
        "proxy_authorization",
        "pwd",
        "secret",
        "secret_key",
        "session",
        "session_id",
        "sessionid",
        "set_cookie",
        "sid",
        "signature",
        "token",
        "x_csrftoken",
        "xsrf",
    }
)
"""Names that are secrets in themselves, in lower case and with ``-`` written as ``_``."""

SUFFIXES: Final = ("_token", "_secret", "api_key", "apikey", "_session", "_csrf", "_xsrf", "_jwt", "_signature")
"""What the names of secrets end in: ``access_token``, ``x-api-key``."""

PARTS: Final = ("password", "passwd")
"""What makes a name a secret wherever it stands: ``newPassword2``."""

_PAIR: Final = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*)(?P<between>["']?\s*[=:]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;&)\]}"']+)"""
)
_SCHEME: Final = re.compile(r"\b(?P<scheme>Bearer|Basic|Digest|Token)\s+(?P<value>[^\s,;\"']+)", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#@\s]*@")


@final
@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes secrets out of what is shown; by their names, since values cannot be told apart.

    Example: ``Redactor.configured(redact=["order_code"], allow=["session"])``.

    Attributes:
        names: Further names that hold secrets; ``*`` at either end stands for anything (``*_pin``).
        allowed: Names that do not, whatever else says so.
    """

    names: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()

    @classmethod
    def configured(cls, *, redact: Iterable[str] = (), allow: Iterable[str] = ()) -> Redactor:
        """Make one that knows more names (`redact`) and lets others through (`allow`), in any case and spelling."""
        return cls(frozenset(map(_plain, redact)), frozenset(map(_plain, allow)))

    def hides(self, name: str) -> bool:
        """Whether what goes by this name (a header, a cookie, a query key, a field, a parameter) is a secret."""
        plain = _plain(name)
        if _matches(plain, self.allowed):
            return False
        if plain in NAMES or plain.endswith(SUFFIXES) or any(part in plain for part in PARTS):
            return True
        return _matches(plain, self.names)

    def value(self, name: str, value: str) -> str:
        """Give the value that goes by this name, or `REDACTED`."""
        return REDACTED if self.hides(name) else value

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Give the header lines, in order, without their secrets."""
        return [(name, REDACTED if self.hides(name) else self.text(value)) for name, value in headers]

    def url(self, url: str, path_params: Mapping[str, object] | None = None) -> str:
        """Give the URL without user and password, secret query values, or path parameters with telling names."""
        url = _USERINFO.sub(rf"\g<scheme>{REDACTED}@", url)
        head, hash_mark, fragment = url.partition("#")
        path, question, query = head.partition("?")
        for secret in self._secret_params(path_params or {}):
            path = re.sub(rf"(?<=/){re.escape(secret)}(?=/|$)", REDACTED, path)
        query = "&".join(map(self._query_field, query.split("&")))
        fragment = "&".join(map(self._query_field, fragment.split("&")))
        return path + question + query + hash_mark + fragment

    def params(self, params: Mapping[str, object]) -> dict[str, object]:
        """Give path parameters with `REDACTED` for those with telling names."""
        return {name: REDACTED if self.hides(name) else value for name, value in params.items()}

    def issue(self, loc: Sequence[object], message: str) -> str | None:
        """Give a validation message, or None where it is about a secret and might repeat it."""
        return None if any(self.hides(str(part)) for part in loc) else self.text(message)

    def text(self, text: str) -> str:
        """Give free text, such as an exception's message, without ``name=value`` pairs and credentials in it."""
        text = _USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
        text = _SCHEME.sub(rf"\g<scheme> {REDACTED}", text)
        return _PAIR.sub(self._pair, text)

    def _pair(self, found: re.Match[str]) -> str:
        if found["value"] == REDACTED or not self.hides(found["name"]):
            return found[0]
        if found["value"] in ("Bearer", "Basic", "Digest", "Token"):
            return found[0]  # what follows the scheme is hidden already
        return found["name"] + found["between"] + REDACTED

    def _query_field(self, field: str) -> str:
        name, equals, _ = field.partition("=")
        return f"{name}={REDACTED}" if equals and self.hides(unquote_plus(name)) else field

    def _secret_params(self, params: Mapping[str, object]) -> list[str]:
        values = [_written(value) for name, value in params.items() if self.hides(name)]
        return [spelling for value in values if value for spelling in {value, quote(value), quote(value, safe="")}]


def _written(value: object) -> str:
    try:
        return str(value)
    except Exception:  # it is the app's own code
        return ""


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


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

ACTIVE: Final[ContextVar[Redactor]] = ContextVar("pytest_lifecycle_redactor", default=DEFAULT)
"""The redactor of what is shown without one being named: pytest's configuration sets it for its run."""


def redact_url(url: str) -> str:
    """Give the URL without its secrets, as the running configuration says."""
    return ACTIVE.get().url(url)
