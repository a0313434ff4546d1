"""What the parts of the plugin say of a regression, taken out of what pytest writes."""

from __future__ import annotations

import re

from .shop import difference

PARTS = ("baseline", "rules", "coverage")
GROUND = "Where this is as it should be"
BROKEN = "rule broken: "


def said_by_parts(before: list[str], after: list[str]) -> dict[str, list[str]]:
    """Give what each part says that has something to say, of the lines of a run before and one after it."""
    known, found = _sections(before), _sections(after)
    baseline = [line for line in found.get("lifecycle baseline", []) if not line.startswith(GROUND)]
    rules = [*_first_of_each_rule(found.get("FAILURES", [])), *found.get("lifecycle rules", [])]
    title = "lifecycle: route coverage"
    coverage = difference("", known[title], found[title])[1:]
    return {part: said for part, said in zip(PARTS, (baseline, rules, coverage), strict=True) if said}


def _sections(lines: list[str]) -> dict[str, list[str]]:
    """Part lines at their rulers; how wide a column is depends on its cells, so that is levelled."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in filter(None, lines):
        ruler = re.fullmatch(r"=+ (.+?) =+", line)
        if ruler is not None:
            title = ruler[1]
        else:
            found.setdefault(title, []).append(re.sub(r"(?<=\S) {2,}", "  ", line))
    return found


def _first_of_each_rule(lines: list[str]) -> list[str]:
    """Give what is said where a rule is first broken; the other tests say the same."""
    found: dict[str, list[str]] = {}
    said: list[str] = []
    for line in lines:
        if line.startswith(BROKEN):
            said = [line]
            found.setdefault(line, said)
        elif line.startswith("  "):
            said.append(line)
        else:
            said = []
    return [line for said in found.values() for line in said]
