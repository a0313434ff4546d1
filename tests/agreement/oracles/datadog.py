"""What Datadog says: its spans, taken on their way to an agent that is not there."""

from __future__ import annotations

import os

os.environ |= {
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}

from ddtrace import patch
from ddtrace.trace import Span, TraceFilter, tracer

from tests.agreement.reports import Collect, Report, main, route, short
from tests.agreement.sending import Ask


class Taken(TraceFilter):
    """Keeps every span and lets none of them through."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def process_trace(self, trace: list[Span]) -> None:
        self.spans += trace


def begin(site: str) -> Collect:
    taken = Taken()
    tracer.configure(trace_processors=[taken])
    if site == "shop_site":
        patch(django=True)
    else:
        patch(fastapi=True, starlette=True)

    def collect(ask: Ask) -> Report:
        spans, taken.spans = sorted(taken.spans, key=lambda span: span.start_ns), []
        return read(ask, spans)

    return collect


def read(ask: Ask, spans: list[Span]) -> Report:
    said = Report()
    for span in spans:
        if error := span.get_tag("error.type"):
            said.raised.append(short(error))
        if span.name in ("fastapi.request", "django.request"):
            said.status = int(span.get_tag("http.status_code") or 0)
            said.route = route(ask.method, pattern) if (pattern := span.get_tag("http.route")) else None
        elif span.name != "starlette.request":  # the mounted app's own, told once more
            said.steps.append(short(span.resource))
    return said


if __name__ == "__main__":
    main(begin)
