"""What two lists of names differ in: what was taken out, what was put in, what stands elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Give the names that are not among the others, as often as they are missing there."""
    left = Counter(others)
    missing = []
    for name in names:
        if left[name]:
            left[name] -= 1
        else:
            missing.append(name)
    return missing


def moved(before: Sequence[str], after: Sequence[str], noun: str) -> str | None:
    """Say how the order of what both lists hold differs; None where it does not."""
    old, new = _without_each(before, without(before, after)), _without_each(after, without(after, before))
    if old == new:
        return None
    swapped = [at for at, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    if len(swapped) == 2:
        first, second = swapped
        if second == first + 1:
            return f"{noun} {old[first]} no longer runs before {old[second]}"
        return f"{noun} {old[first]} and {old[second]} changed places"
    for at, name in enumerate(old):
        rest = old[:at] + old[at + 1 :]
        for place in range(len(new)):
            if new[place] == name and new[:place] + new[place + 1 :] == rest:
                neighbour = new[place - 1] if place > at else new[place + 1]
                return f"{noun} {name} moved {'inside' if place > at else 'outside'} {neighbour}"
    return f"{noun} in another order: {' > '.join(new)}, was {' > '.join(old)}"


def _without_each(names: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    """Leave out each unwanted name once for each time it is given, the last ones first."""
    return without(names[::-1], unwanted)[::-1]


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Join names as a sentence does; of many, only some."""
    if len(names) > limit:
        names = [*names[: limit - 1], f"{len(names) - limit + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
