"""What the plugin says of a regression: ``python -m examples.regressions NAME``; without a name, which there are.

A shop is copied to a folder of its own, its suite runs and writes a baseline, the copy is edited, and the suite runs
again. With ``NAME FOLDER`` all this stays in the folder: ``pytest --lifecycle-baseline=baseline.json`` says more there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .catalogue import REGRESSIONS, RULES, Regression
from .saying import PARTS, said_by_parts
from .shop import RECORDING, Shop, comparing


def main(arguments: list[str]) -> Iterator[str]:
    """Give the lines to be printed."""
    if not arguments:
        yield from _listed()
        return
    if arguments[0] not in REGRESSIONS:
        raise SystemExit(f"No regression is called {arguments[0]!r}. There are {', '.join(REGRESSIONS)}.")
    with tempfile.TemporaryDirectory() as folder:
        yield from _told(REGRESSIONS[arguments[0]], Path(*arguments[1:] or [folder]))


def _listed() -> Iterator[str]:
    for name, one in REGRESSIONS.items():
        yield f"{name:<20}{one.shop:<9}{one.title:<57}{', '.join(part for part in PARTS if part in one.told_by)}"
    for shop, rules in RULES.items():
        yield from ["", f"# the rules of {shop}_shop", *rules]


def _told(regression: Regression, folder: Path) -> Iterator[str]:
    shop = Shop(folder, regression.shop)
    before = _run(folder, RECORDING)
    yield from [f"# {regression.title}", *shop.suffer(regression)]
    for part, said in said_by_parts(before, _run(folder, comparing(regression))).items():
        yield from ["", f"# what the {part} {'say' if part == 'rules' else 'says'}", *said]


def _run(folder: Path, arguments: list[str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode > 1:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout.splitlines()


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line, flush=True)
