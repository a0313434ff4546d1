"""One run at a time writes a file that several merge what they saw into."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .files import FileProblem

WAIT: Final = 5.0
"""How many seconds a run waits for another one to have written."""


@contextmanager
def locked(path: Path, wait: float = WAIT) -> Iterator[None]:
    """Keep other runs from writing a file, by a lock file beside it.

    Raises:
        FileProblem: Another run holds the lock, and does not give it back in time; or there can be none.
    """
    lock = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + wait
    while not _taken(lock, path):
        if time.monotonic() > deadline:
            raise FileProblem(
                f"{path} was not written: another run is writing it. Run again, or remove {lock} if there is none.",
                slug="file-not-written",
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _taken(lock: Path, path: Path) -> bool:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        if lock.parent.is_dir():
            return False
        raise FileProblem(f"{path} cannot be written: {lock.parent} is no folder.", slug="file-not-written") from None
    except OSError as error:
        raise FileProblem(
            f"{path} cannot be written: {error.strerror or error}. Give a path in a folder that you can write to;"
            " what was there is unchanged.",
            slug="file-not-written",
        ) from error
    return True
