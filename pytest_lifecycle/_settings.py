"""What pytest's configuration says to the plugin: declared, read once and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import pytest

if TYPE_CHECKING:
    from ._show.redact import Redactor

OBSERVE: Final = ("fixtures", "all")
"""What `lifecycle_observe` can be."""
APP: Final = "a string such as 'shop.main:app'"


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """The plugin's settings of one run.

    Attributes:
        app: ``"module:attribute"`` or ``"module:factory()"``; empty where the ini file does not name the app.
        timeout: Seconds that a request of our clients may take.
        raise_app_exceptions: Whether our clients raise what leaves the app.
        observes_all: Whether every test is observed, not only those that use one of our fixtures.
        shows_passed: Whether the requests of passed tests are shown too.
        keeps_arguments: Whether the arguments of handlers are noted.
        redact: Further names of secrets.
        redact_allow: Names that are no secrets.
    """

    app: str = ""
    timeout: float = 10.0
    raise_app_exceptions: bool = False
    observes_all: bool = False
    shows_passed: bool = False
    keeps_arguments: bool = False
    redact: tuple[str, ...] = ()
    redact_allow: tuple[str, ...] = ()

    def redactor(self) -> Redactor:
        """Make what takes secrets out of reports."""
        from ._show.redact import Redactor

        return Redactor.configured(redact=self.redact, allow=self.redact_allow)

    def client_options(self) -> dict[str, Any]:
        """Give the options that our fixtures pass to the clients they make."""
        return {"timeout": self.timeout, "raise_app_exceptions": self.raise_app_exceptions}


SETTINGS: Final = pytest.StashKey[Settings]()


def declare(parser: pytest.Parser) -> None:
    """Declare the plugin's command line options and ini options."""
    group = parser.getgroup("lifecycle", "what web apps do with the requests of tests")
    group.addoption(
        "--lifecycle",
        action="store_true",
        dest="lifecycle_observes_all",
        help="observe every request of every test, also of tests that use no lifecycle fixture",
    )
    group.addoption(
        "--lifecycle-show",
        action="store_true",
        dest="lifecycle_shows_passed",
        help="show the tree of every observed request, not only those of failed tests",
    )
    parser.addini("lifecycle_app", "the app: 'module:attribute' or 'module:factory()'", "string", "")
    parser.addini("lifecycle_timeout", "seconds that a request may take (default: 10)", "float", 10.0)
    parser.addini("lifecycle_raise_app_exceptions", "raise in the test what leaves the app", "bool", False)
    parser.addini("lifecycle_observe", "'fixtures' (default) or 'all', as with --lifecycle", "string", "fixtures")
    parser.addini("lifecycle_arguments", "note the arguments of handlers, shortened", "bool", False)
    parser.addini("lifecycle_redact", "further names that hold secrets; '*' at an end is a wildcard", "args", [])
    parser.addini("lifecycle_redact_allow", "names that hold no secrets, whatever else says so", "args", [])


def read(config: pytest.Config) -> Settings:
    """Read the settings.

    Raises:
        pytest.UsageError: One of them has a value it cannot have; the message names the file, the option, the value.
    """
    app = _read(config, "lifecycle_app", APP)
    if not isinstance(app, str):  # pytest hands on a TOML list as it is, with a warning
        raise _wrong(config, "lifecycle_app", APP, app)
    seconds = "a number of seconds above 0, as in 2.5"
    timeout = _read(config, "lifecycle_timeout", seconds)
    if not (timeout > 0 and math.isfinite(timeout)):
        raise _wrong(config, "lifecycle_timeout", seconds, timeout)
    observe = _read(config, "lifecycle_observe", "'fixtures' or 'all'")
    if observe not in OBSERVE:
        raise _wrong(config, "lifecycle_observe", "'fixtures' or 'all'", observe)
    return Settings(
        app=app,
        timeout=float(timeout),
        raise_app_exceptions=_read(config, "lifecycle_raise_app_exceptions", "true or false"),
        observes_all=observe == "all" or bool(config.getoption("lifecycle_observes_all")),
        shows_passed=bool(config.getoption("lifecycle_shows_passed")),
        keeps_arguments=_read(config, "lifecycle_arguments", "true or false"),
        redact=tuple(_read(config, "lifecycle_redact", "a list of names")),
        redact_allow=tuple(_read(config, "lifecycle_redact_allow", "a list of names")),
    )


def _read(config: pytest.Config, name: str, expected: str) -> Any:
    try:
        return config.getini(name)
    except (ValueError, TypeError, pytest.UsageError) as error:  # which one depends on pytest's version
        where = config.inipath or "command line"
        raise pytest.UsageError(f"{where}: config option '{name}' expects {expected}: {error}.") from error


def _wrong(config: pytest.Config, name: str, expected: str, value: object) -> pytest.UsageError:
    where = config.inipath or "command line"
    return pytest.UsageError(f"{where}: config option '{name}' expects {expected}, got {value!r}.")
