"""Django's own templates, whoever renders them; those of its Jinja backend are told by the Jinja adapter.

Read from django/template/{base,context}.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe
from .._trace.span import Kind

BUILT_IN = frozenset({"True", "False", "None"})
"""What every context holds (`BaseContext`)."""


@final
class DjangoTemplatesAdapter(Adapter):
    """Templates, each with the keys of its context; what a template includes or extends is part of it."""

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.template.base"

    def probes(self) -> Iterable[Probe]:
        from django.template import base

        classes = [base.Template, getattr(base, "PartialTemplate", None)]  # partials came with Django 6.0
        for cls in filter(None, classes):
            yield Probe(cls.render, Kind.TEMPLATE, name=_template_name, applies=_is_outermost, entering=_note_context)


def _template_name(call: Call) -> str:
    """Name a template as it was loaded; one that was made of a string has no name of its own."""
    return call.owner.name or "<template>"


def _is_outermost(call: Call) -> bool:
    parent = call.parent
    return parent is not None and all(span.kind is not Kind.TEMPLATE for span in (parent, *parent.ancestors()))


def _note_context(call: Call) -> None:
    """Note the names that the template was given; context processors add theirs later."""
    keys = {str(key) for given in call["context"].dicts for key in given}
    if call.span is not None:
        call.span.attributes["context"] = sorted(keys - BUILT_IN)
