"""Reads a step's output as GitHub's runner does: which workflow commands are in it.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """One command: its name, its properties, what it says."""

    name: str
    properties: dict[str, str] = field(default_factory=dict)
    message: str = ""

    @property
    def place(self) -> str:
        """The file and the line; empty where it has none."""
        return ":".join(self.properties[name] for name in ("file", "line") if name in self.properties)


def commands_in(lines: Iterable[str]) -> list[Command]:
    """Give the commands, in order."""
    return [command for line in lines if (command := _command(line)) is not None]


def _command(line: str) -> Command | None:
    line = line.lstrip()
    head, separator, message = line[2:].partition("::")
    if not line.startswith("::") or not separator:
        return None
    name, _, written = head.partition(" ")
    pairs = (pair.partition("=") for pair in written.strip().split(",") if pair)
    return Command(name, {key: _unescaped(value) for key, _, value in pairs}, _unescaped(message))


def _unescaped(text: str) -> str:
    for token, meaning in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(token, meaning)
    return text
