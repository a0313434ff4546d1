"""``pytest-lifecycle``: what is done with the reports of runs, outside of pytest.

Exit codes: 0 if all is well, 1 if too few routes were reached, 2 if the reports do not go together, 4 if a file
cannot be read or written, or an argument is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Final, NoReturn

from ._errors import LifecycleError
from ._show.escape import escape
from ._suite.combine import Overlap, combined
from ._suite.coverage import Coverage, coverage_of
from ._suite.coverage_table import json_of, lines_of, markdown_of, too_few
from ._suite.files import write_whole
from ._suite.report import read, write
from ._suite.suite import Suite

TOO_FEW: Final = 1
MISMATCH: Final = 2
USAGE: Final = 4

Target = tuple[str, Path]
COVERAGE: Final[dict[str, Callable[[Coverage], str]]] = {"json": json_of, "md": markdown_of}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    given = _parser().parse_args(arguments)
    try:
        return _combine(given)
    except Overlap as problem:
        print(f"pytest-lifecycle: {escape(str(problem))}", file=sys.stderr)
        return MISMATCH
    except LifecycleError as problem:
        print(f"pytest-lifecycle: {escape(str(problem))}", file=sys.stderr)
        return USAGE


def _parser() -> _Parser:
    parser = _Parser(prog="pytest-lifecycle", description="What is done with the reports of test runs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    combine = commands.add_parser("combine", help="put the reports of several runs together, such as those of shards")
    combine.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="written by --lifecycle-report")
    combine.add_argument("--report", type=_target("json"), metavar="json:PATH", help="write them as one report")
    combine.add_argument("--cov", action="store_true", help="show which routes were reached, and how")
    combine.add_argument("--cov-report", action="append", default=[], type=_target("json", "md"), metavar="KIND:PATH")
    combine.add_argument("--fail-under", type=_percent, metavar="N", help="exit with 1 below so many percent of routes")
    combine.add_argument("--omit", action="append", default=[], metavar="PATTERN", help="leave out routes")
    combine.add_argument("--overlapping", action="store_true", help="count a test of several reports as in the last")
    return parser


def _combine(given: argparse.Namespace) -> int:
    suite = combined([(str(path), read(path)) for path in given.reports], overlapping=given.overlapping)
    if given.report is not None:
        write(suite, given.report[1])
    coverage = _coverage(suite, given)
    for line in lines_of(coverage) if given.cov else ():
        print(line)
    if given.fail_under is not None and coverage.percent < given.fail_under:
        print(f"pytest-lifecycle: {too_few(coverage, '--fail-under', given.fail_under)}", file=sys.stderr)
        return TOO_FEW
    return 0


def _coverage(suite: Suite, given: argparse.Namespace) -> Coverage:
    coverage = coverage_of(suite.records(), suite.declared, omit=given.omit, lost=len(suite.lost))
    for kind, path in given.cov_report:
        write_whole(path, COVERAGE[kind](coverage))
    return coverage


def _target(*kinds: str) -> Callable[[str], Target]:
    def parse(given: str) -> Target:
        kind, colon, path = given.partition(":")
        if kind not in kinds or not colon or not path:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(f'{kind}:PATH' for kind in kinds)}, got {given!r}")
        return kind, Path(path)

    return parse


def _percent(given: str) -> float:
    try:
        percent = float(given)
    except ValueError:
        percent = float("nan")
    if not (isfinite(percent) and 0 <= percent <= 100):
        raise argparse.ArgumentTypeError(f"expected a percentage from 0 to 100, got {given!r}")
    return percent
