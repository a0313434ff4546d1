"""What an API view declares: who may ask, and which of its routes nobody wrote.

Read from rest_framework/{views,permissions}.py; 3.15 to 3.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._observe.probe import name_of
from ._drf_views import api_class

CHECKS = (
    ("authentication_classes", "get_authenticators"),
    ("permission_classes", "get_permissions"),
    ("throttle_classes", "get_throttles"),
)
"""The attributes of a view that name its checks, each with the method that makes them."""


def checks_of(view: Any) -> tuple[str, ...]:
    """Name the checks that a view's class declares, in the order they run; what its own methods give is unknown."""
    cls = api_class(view)
    if cls is None:
        return ()
    from rest_framework.views import APIView

    names: list[str] = []
    for attribute, method in CHECKS:
        if getattr(cls, method) is getattr(APIView, method):
            for check in view.initkwargs.get(attribute, getattr(cls, attribute)):
                names += map(name_of, _parts_of(check))
    return tuple(names)


def is_for_suffix(view: Any, pattern: str) -> bool:
    """Whether a route is the one that REST framework adds for a format's suffix, such as ``/books.json``.

    Read from rest_framework/urlpatterns.py, `apply_suffix_patterns`.
    """
    if api_class(view) is None:
        return False
    from rest_framework.settings import api_settings

    parameter = api_settings.FORMAT_SUFFIX_KWARG
    return f"\\.(?P<{parameter}>" in pattern or f"<drf_format_suffix:{parameter}>" in pattern


def _parts_of(check: Any) -> Iterator[Any]:
    """Give what a permission is made of by `&`, `|` and `~`; of any other check itself."""
    held = vars(check) if not isinstance(check, type) else {}
    operands = [held[name] for name in ("op1_class", "op2_class") if name in held]
    if not operands:
        yield check
    for operand in operands:
        yield from _parts_of(operand)
