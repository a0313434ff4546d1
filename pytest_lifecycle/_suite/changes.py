"""What a run shows that its baseline does not, one finding for each request that is not what it was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self, final

from .causes import Nearby, aspects_of, cause_otherwise, causes_of
from .layers import listed
from .lines import Line
from .pairing import Seen, pairs_of, seen_of
from .record import Record

CHANGED: Final = "changed"
NEW: Final = "new"
VANISHED: Final = "vanished"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """A request that is not what it was.

    Attributes:
        kind: ``"changed"``, ``"new"`` or ``"vanished"``.
        maker: The test's node id, or the name of the fixture, that makes the request.
        request: The request as it was recorded; of a new one, as it was seen: the method and the pattern or the path.
        cause: Its main cause, or how a new one ended and a vanished one did.
        consequences: What followed from it.
        aspects: In what it differs: keys of `causes.ASPECTS`.
        fails: Whether it is a failure: one of the aspects is compared, or the run is strict.
        count: How many requests it stands for.
        source: The file and the first line of the handler, such as ``"/shop/main.py:12"``; None where it did not run.
        is_fixture: Whether a fixture makes the request, of a wider scope than a test.
        seen: What tells requests of one test apart: the line as it was seen; where it is another's, too, as recorded.
        handler: The handler that ran when it was recorded; of a new one, the one that ran.
        otherwise: How its main cause is told of requests that no middleware stopped; empty where there is no such way.
    """

    kind: str
    maker: str
    request: str
    cause: str
    consequences: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    fails: bool = False
    count: int = 1
    source: str | None = None
    is_fixture: bool = False
    seen: str = ""
    handler: str | None = None
    otherwise: str = ""

    def __str__(self) -> str:
        return f"{self.request}: {self.told}"

    @property
    def told(self) -> str:
        """The cause and what followed from it, in a line."""
        return self.cause + (f"; {', '.join(self.consequences)}" if self.consequences else "")

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON and execnet can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        given: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**given)


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared.

    Attributes:
        aspects: The aspects a change of which is a failure; keys of `causes.ASPECTS`.
        is_strict: Whether a new request and a vanished one are failures, too.
    """

    aspects: frozenset[str]
    is_strict: bool = False

    def findings(
        self,
        maker: str,
        expected: Iterable[Line],
        records: Iterable[Record],
        *,
        is_fixture: bool = False,
        nearby: Mapping[str, Nearby] | None = None,
        awaited: Collection[Line] = (),
    ) -> list[Finding]:
        """Compare what one test or fixture asked for with what is expected of it.

        Args:
            maker: The test or the fixture.
            expected: Its lines in the baseline.
            records: Its requests.
            is_fixture: Whether it is a fixture.
            nearby: What the router had instead of a route for a request, by its method and path.
            awaited: The lines that may yet be asked for.
        """
        pairs = pairs_of(expected, seen_of(records), awaited)
        told: dict[str, Finding] = {}
        for before, seen in pairs.changed:
            finding = self._changed(maker, before, seen, nearby or {})
            if finding is not None and not (finding.seen in told and told[finding.seen].fails >= finding.fails):
                told[finding.seen] = finding  # of two lines that became one, the first that fails
        for before, seen in pairs.joined:
            finding = self._changed(maker, before, seen, nearby or {})
            if finding is not None:
                told[repr(before)] = replace(finding, seen=repr(before))
        found = [
            *told.values(),
            *(self._new(maker, seen) for seen in pairs.new),
            *(self._vanished(maker, line) for line in pairs.vanished),
        ]
        return [replace(finding, is_fixture=True) for finding in found] if is_fixture else found

    def _changed(self, maker: str, before: Line, seen: Seen, nearby: Mapping[str, Nearby]) -> Finding | None:
        aspects = aspects_of(before, seen.line)
        if not aspects:
            return None
        first = seen.records[0]
        cause, *consequences = causes_of(before, seen.line, first, nearby.get(f"{first.method} {first.path}"))
        return Finding(
            CHANGED,
            maker,
            before.request,
            cause,
            tuple(consequences),
            aspects,
            not self.aspects.isdisjoint(aspects),
            len(seen.records),
            first.source,
            seen=repr(seen.line),
            handler=before.handler,
            otherwise=cause_otherwise(before, seen.line, first),
        )

    def _new(self, maker: str, seen: Seen) -> Finding:
        return Finding(
            NEW,
            maker,
            seen.line.request,
            ended(seen.line),
            fails=self.is_strict,
            count=len(seen.records),
            source=seen.records[0].source,
            seen=repr(seen.line),
            handler=seen.line.handler,
        )

    def _vanished(self, maker: str, line: Line) -> Finding:
        return Finding(VANISHED, maker, line.request, ended(line), fails=self.is_strict, handler=line.handler)


def ended(line: Line) -> str:
    """Say how a request ended: ``"200 handled"``."""
    return f"{'no status' if line.status is None else line.status} {line.outcome}".strip()


# -- the whole run


@final
@dataclass(frozen=True, slots=True)
class Group:
    """The findings that have one cause.

    Attributes:
        kind: As on `Finding`.
        cause: As on `Finding`.
        findings: The findings.
    """

    kind: str
    cause: str
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        requests = sorted({finding.request for finding in self.findings})
        tests = {finding.maker for finding in self.findings if not finding.is_fixture}
        fixtures = {finding.maker for finding in self.findings if finding.is_fixture}
        makers = [_counted(len(names), noun) for names, noun in ((tests, "test"), (fixtures, "fixture")) if names]
        extent = _counted(self.count, "request") + f" of {' and '.join(makers)}"
        if len(requests) == 1:
            return f"{requests[0]}: {self.cause}: {extent}"
        return f"{self.cause}: {extent}: {listed(requests)}"

    @property
    def count(self) -> int:
        """How many requests they stand for."""
        return sum(finding.count for finding in self.findings)

    @property
    def fails(self) -> bool:
        """Whether one of them is a failure."""
        return any(finding.fails for finding in self.findings)

    @property
    def parts(self) -> list[Group]:
        """What some of the requests show besides the cause, where others show it alone: it may be another cause."""
        if all(finding.consequences for finding in self.findings):
            return []
        return grouped(
            replace(finding, cause=finding.consequences[0], consequences=(), otherwise="")
            for finding in self.findings
            if finding.consequences
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Put findings of one cause together, those of the most requests first; new and vanished requests one by one."""
    findings = list(findings)
    causes = {finding.cause for finding in findings if finding.kind == CHANGED}
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        request = "" if finding.kind == CHANGED else finding.request
        cause = finding.otherwise if finding.otherwise in causes else finding.cause
        groups.setdefault((finding.kind, cause, request), []).append(finding)
    found = [Group(kind, cause, tuple(members)) for (kind, cause, _), members in groups.items()]
    return sorted(found, key=lambda group: (-group.count, str(group)))


def titled(findings: Iterable[Finding]) -> list[tuple[str, list[Group]]]:
    """Put findings under the titles that summaries have: what fails first. A title without any is left out."""
    groups = grouped(findings)
    found = (
        ("changed:", [group for group in groups if group.kind == CHANGED and group.fails]),
        ("also changed (not compared):", [group for group in groups if group.kind == CHANGED and not group.fails]),
        ("new, nothing is recorded of them:", [group for group in groups if group.kind == NEW]),
        ("vanished, recorded and not seen:", [group for group in groups if group.kind == VANISHED]),
    )
    return [(title, members) for title, members in found if members]
