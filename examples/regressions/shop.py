"""Copies of the example shops, each with a suite beside it: to be recorded, and then to be broken."""

from __future__ import annotations

import shutil
from difflib import unified_diff
from pathlib import Path

from .catalogue import FIRST, RULES, Edit, Regression

EXAMPLES = Path(__file__).parent.parent
SUITES = Path(__file__).parent / "suites"

RECORDING = ["--lifecycle-baseline=baseline.json", "--lifecycle-cov", "--lifecycle-update"]
COMPARING = ["--lifecycle-baseline=baseline.json", "--lifecycle-cov"]


class Shop:
    """A copy of an example shop, as the package ``shop`` in a folder, and its suite as ``test_shop.py``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.root = folder / "shop"
        ignored = shutil.ignore_patterns("conftest.py", "test_*.py", "__pycache__")
        shutil.copytree(EXAMPLES / f"{name}_shop", self.root, ignore=ignored)
        for file in self.root.glob("*.py"):
            file.write_text(file.read_text().replace("examples.django_shop", "shop"))
        for edit in FIRST.get(name, ()):
            self.edit(edit)
        shutil.copy(SUITES / f"{name}_suite.py", folder / "test_shop.py")
        (folder / "pytest.ini").write_text("\n    ".join(["[pytest]\nlifecycle_rules =", *RULES[name]]) + "\n")

    def edit(self, edit: Edit) -> None:
        """Edit a file.

        Raises:
            ValueError: What is to be replaced does not stand there.
        """
        text = (self.root / edit.file).read_text()
        if edit.old not in text:
            raise ValueError(f"{edit.file} holds no {edit.old!r}")
        (self.root / edit.file).write_text(text.replace(edit.old, edit.new))

    def suffer(self, regression: Regression) -> list[str]:
        """Do all that a regression does, and give its lines as a diff has them."""
        before = {file: file.read_text() for file in sorted(self.root.glob("*.py"))}
        for edit in regression.edits:
            self.edit(edit)
        return [
            line
            for file, text in before.items()
            for line in difference(f"shop/{file.name}", text.splitlines(), file.read_text().splitlines())
        ]


def comparing(regression: Regression) -> list[str]:
    """Give pytest's arguments for a regression."""
    chosen = [f"-olifecycle_baseline_compare={regression.compare}"] if regression.compare else []
    return [*COMPARING, *chosen]


def difference(title: str, before: list[str], after: list[str]) -> list[str]:
    """Give the lines that differ, under a title; nothing where none does."""
    lines = [line for line in unified_diff(before, after, n=0, lineterm="") if not line.startswith("@@")][2:]
    return [title, *lines] if lines else []
