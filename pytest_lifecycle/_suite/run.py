"""What a run has found, for those who tell of it elsewhere than in pytest's own output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from .changes import Finding
from .coverage import Coverage
from .rules.violation import Broken
from .suite import Suite


@final
@dataclass(frozen=True, slots=True)
class Run:
    """What a run has found.

    Attributes:
        suite: The requests, and what the apps declare.
        findings: What is not as in the baseline; None where nothing was compared.
        broken: The rules that were broken.
        missing: What rules name and no request showed, as sentences.
        is_whole: Whether all tests were run, so that what is missing is a failure.
        coverage: What was made of the routes; None where that was not asked for.
    """

    suite: Suite
    findings: Sequence[Finding] | None = None
    broken: Sequence[Broken] = ()
    missing: Sequence[str] = ()
    is_whole: bool = True
    coverage: Coverage | None = None
