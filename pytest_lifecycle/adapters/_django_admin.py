"""Django's admin site: who may see it.

Read from django/contrib/admin/sites.py; 4.2 to 6.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, nested_code
from ._django_refusals import refused_by_guard


@final
class DjangoAdminAdapter(Adapter):
    """Views of the admin, and those of a project's own that `admin_view` wraps."""

    name = "django"
    distribution = "django"
    supports = ">=4.2"
    module = "django.contrib.admin.sites"

    def probes(self) -> Iterable[Probe]:
        from django.contrib.admin.sites import AdminSite

        for code in nested_code(AdminSite.admin_view, "inner"):
            yield Probe(code, span=False, leaving=_seen)


def _seen(call: Call) -> None:
    """Note the refusal where the site sent the visitor to its login page: it imports that only then."""
    around = call.parent
    if around is not None and call.error is None and "redirect_to_login" in call.values:
        refused_by_guard(around, call.frame, "AdminSite.admin_view")
