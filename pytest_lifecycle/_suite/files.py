"""Files that a run leaves: whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from .._errors import LifecycleError
from .._show.escape import escape


class FileProblem(LifecycleError):
    """A file cannot be read or written as it has to be; the message says which one, why, and what to do.

    It is one line, whatever a file's name or its content holds.
    """

    def __init__(self, message: str, *, slug: str) -> None:
        super().__init__(escape(message), slug=slug)


def short(path: Path) -> str:
    """Write a path as short as it can be: relative to the current folder, for a file below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_whole(path: Path, text: str) -> None:
    """Put text into a file at once: whoever reads it finds the old text or the new one, never a part.

    Raises:
        FileProblem: It cannot be written; what was there is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise FileProblem(
            f"{path} cannot be written: {error.strerror or error}. Give a path in a folder that you can write to;"
            " what was there is unchanged.",
            slug="file-not-written",
        ) from error


def append(path: Path, text: str, remedy: str) -> None:
    """Add text to a file below what is in it, with an empty line between.

    Args:
        path: The file.
        text: The text.
        remedy: What to do where it cannot be written, as a sentence.

    Raises:
        FileProblem: It cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write(("\n\n" if file.tell() else "").encode() + text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FileProblem(
            f"{path} cannot be written: {error.strerror or error}. {remedy}", slug="file-not-written"
        ) from error


def size_of(path: Path) -> int:
    """Give how many bytes a file has; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_object(path: Path, what: str, remedy: str, repair: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.
        what: What it should be, for the message: ``"baseline"``.
        remedy: What to do where there is none, as a sentence.
        repair: What to do where the file is something else.

    Raises:
        FileProblem: It is not there, cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileProblem(f"There is no {what} {path}. {remedy}", slug="file-not-read") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileProblem(f"The {what} {path} cannot be read: {error}. {repair}", slug="file-not-read") from error
    if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in text.splitlines()):
        raise FileProblem(
            f"The {what} {path} holds marks of a merge conflict. Resolve it first. {remedy}", slug="file-not-read"
        )
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        raise FileProblem(f"The {what} {path} is no JSON: {error}. {repair}", slug="file-not-read") from error
    if not isinstance(found, dict):
        raise FileProblem(f"The {what} {path} holds no JSON object. {repair}", slug="file-not-read")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # as a merge by hand leaves it: one of them would be lost
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found
