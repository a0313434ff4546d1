"""Jinja: the templates that are rendered, whichever framework asks for it.

Read from jinja2/environment.py, version 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.span import Kind


@final
class JinjaAdapter(Adapter):
    """Templates, each with the keys of its context; what a template includes or extends is part of it."""

    name = "jinja"
    distribution = "jinja2"
    supports = ">=3.0"
    module = "jinja2.environment"

    def probes(self) -> Iterable[Probe]:
        from jinja2 import Template

        for function in (Template.render, Template.render_async, Template.generate, Template.generate_async):
            yield Probe(function, Kind.TEMPLATE, name=_template_name, applies=_is_outermost, entering=_note_context)


def _template_name(call: Call) -> str:
    """Name a template as it was loaded; one that was made of a string has no name of its own."""
    return call.owner.name or "<template>"


def _is_outermost(call: Call) -> bool:
    parent = call.parent
    return parent is not None and all(span.kind is not Kind.TEMPLATE for span in (parent, *parent.ancestors()))


def _note_context(call: Call) -> None:
    """Note the names that the template was given, not their values."""
    keys = set(call["kwargs"])
    for given in call["args"]:
        if isinstance(given, Mapping):
            keys.update(map(str, given))
    if call.span is not None:
        call.span.attributes["context"] = sorted(keys)
