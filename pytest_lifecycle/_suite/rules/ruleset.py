"""The rules of a project, and what a request does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from .forms import Trap
from .language import Allowance, RuleProblem, Sentence, parse
from .scope import Scope
from .steps import Asked, Mention
from .traps import lifespans_not_run, page_of
from .violation import Violation, violation_of

if TYPE_CHECKING:
    from ..._trace.trace import Trace

Predicate = Callable[["Trace"], bool | str | None]


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in Python: what holds for every request of a project.

    Attributes:
        name: What messages call it.
        predicate: Takes a trace. Returns None or True for a request that keeps the rule, False or what was seen for one
            that does not; an assertion that fails is as good.

    Example:
        >>> Rule("orders are not cached", lambda trace: "etag" not in trace.headers).name
        'orders are not cached'
    """

    name: str
    predicate: Predicate

    def check(self, trace: Trace) -> str | None:
        """Say what was seen of a request that does not keep it; None for one that does."""
        try:
            said = self.predicate(trace)
        except AssertionError as error:
            return "; ".join(line.strip() for line in str(error).splitlines()) or "its assertion failed"
        except Exception as error:
            return f"its predicate raised {type(error).__qualname__}: {error}"
        if said is None or said is True:
            return None
        return said if isinstance(said, str) else f"its predicate returned {said!r}"

    def mentions(self) -> Sequence[Mention]:
        """Give nothing: what a predicate looks at is its own affair."""
        return ()

    def __str__(self) -> str:
        return self.name


@final
class Ruleset:
    """All rules of a run.

    Attributes:
        rules: The rules, each once.
        allowed: What does not count, for rules that are built in.
    """

    def __init__(self, rules: Iterable[Sentence | Rule], allowed: Iterable[Allowance] = ()) -> None:
        self.rules: list[Sentence | Rule] = []
        for rule in rules:
            if rule not in self.rules:
                self.rules.append(rule)
        self.allowed = tuple(allowed)

    @classmethod
    def read(cls, given: Iterable[object]) -> Self:
        """Read rules as they are written.

        Raises:
            RuleProblem: One of them cannot be understood, or is neither a string nor a `Rule`.
        """
        rules: list[Sentence | Rule] = []
        allowed = []
        for rule in given:
            if isinstance(rule, Rule):
                rules.append(rule)
                continue
            if not isinstance(rule, str):
                raise RuleProblem(
                    f"{rule!r} is no rule. Write it as a string, or as a `pytest_lifecycle.Rule`.",
                    slug="rule-not-understood",
                )
            said = parse(rule)
            if isinstance(said, Allowance):
                allowed.append(said)
            elif isinstance(said.form, Trap):
                rules += [Sentence(Trap(id_), said.scope) for id_ in said.form.ids]
            else:
                rules.append(said)
        return cls(rules, allowed)

    def violations(self, trace: Trace) -> Iterator[Violation]:
        """Say which rules a request does not keep."""
        for rule in self.rules:
            said = rule.check(trace)
            if said is not None and not self._allows(rule, trace):
                trap = _trap_of(rule)
                yield violation_of(trap or str(rule), trace, said, page_of(trap) if trap else "")

    def lifespan_violations(self, trace: Trace) -> Iterator[Violation]:
        """Say which apps' lifespans are not run, of the trace of a lifespan."""
        scopes = [rule.scope for rule in self.rules if isinstance(rule, Sentence) and _trap_of(rule) == LIFESPAN]
        allowed = [allowance.scope for allowance in self.allowed if LIFESPAN in allowance.trap.ids]
        for path, said in lifespans_not_run(trace):
            if _takes(scopes, path) and not _takes(allowed, path):
                yield violation_of(LIFESPAN, trace, said, page_of(LIFESPAN))

    def mentions(self) -> Iterator[tuple[str, list[Mention]]]:
        """Give each rule with what it names."""
        for rule in self.rules:
            mentions: list[Mention] = list(rule.mentions())
            if isinstance(rule, Sentence):
                mentions.extend(Asked(place, rule.scope.is_anonymous) for place in rule.scope.on)
            if mentions:
                yield str(rule), mentions

    def _allows(self, rule: Sentence | Rule, trace: Trace) -> bool:
        trap = _trap_of(rule)
        return any(trap in allowance.trap.ids and allowance.scope.holds(trace) for allowance in self.allowed)


LIFESPAN: Final = "lifespan-never-run"
"""The one rule that is about startups, not requests."""


def _trap_of(rule: Sentence | Rule) -> str:
    """Give the id of a rule that is built in; an empty string for others."""
    return rule.form.id if isinstance(rule, Sentence) and isinstance(rule.form, Trap) else ""


def _takes(scopes: Iterable[Scope], path: str) -> bool:
    return any(scope.takes(path) for scope in scopes)
