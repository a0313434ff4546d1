"""Which request of a run is which line of a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

from .lines import Line, in_order, line_of
from .patterns import are_similar, fits
from .record import Record
from .volatile import normalised


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """Requests of one test that do not differ in what a baseline holds.

    Attributes:
        line: What they have in common.
        records: The requests.
    """

    line: Line
    records: tuple[Record, ...]


class Pairs(NamedTuple):
    """A test's lines, expected and seen.

    Attributes:
        changed: Those that are the same request, and not the same any more.
        joined: Likewise, where the request is now as another recorded one is.
        new: Those that nothing was expected of.
        vanished: Those that were not seen.
    """

    changed: list[tuple[Line, Seen]]
    joined: list[tuple[Line, Seen]]
    new: list[Seen]
    vanished: list[Line]


def seen_of(records: Iterable[Record]) -> list[Seen]:
    """Put the requests together that are one line, in the order of the file."""
    groups: dict[Line, list[Record]] = {}
    for record in records:
        groups.setdefault(line_of(record), []).append(record)
    return [Seen(line, tuple(groups[line])) for line in in_order(groups)]


def pairs_of(expected: Iterable[Line], seen: Iterable[Seen], awaited: Collection[Line] = ()) -> Pairs:
    """Find out which request is which: equal ones first, then the most alike.

    What is left over joins a pair that has changed, where it is the same request, too: two requests that differed may
    both end the same way now, and two that did not may end differently. Or it ends now as others do that have not
    changed, where there are more of those than one.

    Args:
        expected: The lines that are recorded.
        seen: The requests.
        awaited: The recorded lines that may yet be asked for: these do not end as others do.
    """
    expected, seen = list(expected), list(seen)
    lines = {group.line for group in seen}
    recorded = [line for line in expected if line not in lines]
    fresh = [group for group in seen if group.line not in set(expected)]
    partners = _best(sorted(_likenesses(recorded, fresh)), fresh)
    changed = sorted(partners)
    new = sorted(set(range(len(fresh))) - {at for _, at in partners})
    vanished = [recorded[line] for line in sorted(set(range(len(recorded))) - {line for line, _ in partners})]
    known = [group for group in seen if group.line in set(expected)]
    joined = dict(_joined([line for line in vanished if line not in awaited], known))
    return Pairs(
        [(recorded[line], fresh[at]) for line, at in changed],
        list(joined.items()),
        [fresh[at] for at in new],
        [line for line in vanished if line not in joined],
    )


def _joined(vanished: Sequence[Line], known: Sequence[Seen]) -> Iterator[tuple[Line, Seen]]:
    """Find the lines that were asked for and end as another one does: the first request of a group is that one's."""
    left = {group.line: len(group.records) - 1 for group in known}
    for line in vanished:
        for group in known:
            asking = [record for record in group.records if _is_for(line, group.line, record)]
            if asking and left[group.line]:
                left[group.line] -= 1
                yield line, Seen(group.line, (asking[-1],))
                break


def _is_for(line: Line, other: Line, record: Record) -> bool:
    """Whether a request that is recorded as another line is for what this line is for, too."""
    return line.method == other.method and (line.request == other.request or _is_asked_for(line, record.path))


class _Likeness(NamedTuple):
    rank: int
    differences: tuple[int, int]
    line: int
    seen: int


def _best(likenesses: Sequence[_Likeness], seen: Sequence[Seen]) -> set[tuple[int, int]]:
    """Take the best pairs: each line and each group once, then those left over with the best that is taken.

    A group takes no more lines than it has requests.
    """
    partners: set[tuple[int, int]] = set()
    lines: Counter[int] = Counter()
    groups: Counter[int] = Counter()
    for shares in (False, True):
        for found in likenesses:
            is_free = not lines[found.line], not groups[found.seen]
            has_room = groups[found.seen] < len(seen[found.seen].records)
            if all(is_free) or (shares and any(is_free) and has_room):
                partners.add((found.line, found.seen))
                lines[found.line] += 1
                groups[found.seen] += 1
    return partners


def _likenesses(expected: Sequence[Line], seen: Sequence[Seen]) -> Iterator[_Likeness]:
    for at, line in enumerate(expected):
        for place, group in enumerate(seen):
            rank = _rank(line, group)
            if rank is not None:
                yield _Likeness(rank, _differences(line, group.line), at, place)


def _rank(line: Line, seen: Seen) -> int | None:
    """Say by what two are the same request, the surest first; None where they are not."""
    if line.method != seen.line.method:
        return None
    if line.request == seen.line.request:
        return 0
    if any(_is_asked_for(line, record.path) for record in seen.records):
        return 1
    is_moved = line.handler is not None and line.handler == seen.line.handler
    return 2 if is_moved and are_similar(line.request, seen.line.request) else None


def _is_asked_for(line: Line, path: str) -> bool:
    if line.path is not None:
        return normalised(path) == line.path
    return line.route is not None and fits(line.route, path)


def _differences(one: Line, other: Line) -> tuple[int, int]:
    """Say in how many things two differ, and in how many names."""
    differing = [(getattr(one, name), getattr(other, name)) for name in Line.__slots__]
    differing = [values for values in differing if values[0] != values[1]]
    names = [values for values in differing if isinstance(values[0], tuple)]
    return len(differing), sum(len(set(before) ^ set(after)) for before, after in names)
