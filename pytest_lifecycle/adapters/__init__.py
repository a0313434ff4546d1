"""What each library's functions mean, one file a library, and the list of them."""

from __future__ import annotations

from .._observe.contract import Adapter
from .._observe.probe import Call, Expected, Probe, Step, handler_chain, name_of
from .._trace.declared import ANY, WEBSOCKET, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.facts import Refusal, Validation, ValidationIssue, Verdict
from .._trace.span import Kind, Span


def builtin_adapters() -> list[Adapter]:
    """Give the adapters that come with the plugin, the most general first."""
    from ._builtin import Builtin

    return Builtin().adapters()


__all__ = [
    "ANY",
    "WEBSOCKET",
    "Adapter",
    "Call",
    "Declared",
    "DeclaredMiddleware",
    "DeclaredRoute",
    "Expected",
    "Kind",
    "Probe",
    "Refusal",
    "Span",
    "Step",
    "Validation",
    "ValidationIssue",
    "Verdict",
    "builtin_adapters",
    "handler_chain",
    "name_of",
]
