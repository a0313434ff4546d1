"""What one request looked like to one observer, in words that all of them share; and the loop that asks for it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import import_module

from tests.agreement.sending import Ask, send


@dataclass
class Report:
    """What one observer says of one request; what it does not say is None or not there."""

    status: int | None = None
    route: str | None = None
    raised: list[str] = field(default_factory=list)
    handled_by: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def facts(self) -> list[str]:
        """Each thing said, as a line of its own; "nothing" where nothing was."""
        said = [
            *([f"status {self.status}"] if self.status else []),
            *([f"route {self.route}"] if self.route else []),
            *(f"raised {name}" for name in dict.fromkeys(self.raised)),
            *(f"handled by {name}" for name in dict.fromkeys(self.handled_by)),
            *(f"step {name}" for name in numbered(self.steps)),
            *(f"out {name}" for name in numbered(self.out)),
            *(f"message {name}" for name in numbered(self.messages)),
        ]
        return said or ["nothing"]


def numbered(names: Iterable[str]) -> list[str]:
    """Tell names that come again apart: Tag, Tag (2)."""
    given: list[str] = []
    for name in names:
        times = sum(name == before.partition(" (")[0] for before in given) + 1
        given.append(name if times == 1 else f"{name} ({times})")
    return given


def route(method: str, pattern: str) -> str:
    """Write a route as all can: `<int:number>` and `{number:int}` as `{number}`, and one slash in front."""
    named = re.sub(r"<(?:\w+:)?(\w+)>|\{(\w+):\w+\}", lambda m: f"{{{m[1] or m[2]}}}", pattern)
    return f"{method} /{named.removeprefix('/')}"


def short(target: str) -> str:
    """Take the module from a function's name, and the method that all layers have: `shop.layers:Gate.__call__`."""
    name = target.replace(":", ".").rpartition("<locals>.")[2]
    name = re.sub(r"\.(__call__|dispatch)$", "", name)
    return re.sub(r"^(?:[a-z]\w*\.)+", "", name)  # modules begin in lower case, classes do not


Collect = Callable[[Ask], Report]


def main(begin: Callable[[str], Collect]) -> None:
    """Let an observer begin, then import the site, send its requests and print what was said of each as JSON."""
    site = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.agreement.shop_settings"
    collect = begin(site)
    module = import_module(f"tests.agreement.{site}")
    said: dict[str, object] = {}
    for name, ask in module.ASKS.items():
        send(module.app, ask)
        said[name] = asdict(collect(ask))
    print(json.dumps(said))
