"""What OpenTelemetry says: its spans, exported to memory."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.agreement.reports import Collect, Report, main, route, short
from tests.agreement.sending import Ask


def begin(site: str) -> Collect:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    instrument(site)

    def collect(ask: Ask) -> Report:
        spans = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        exporter.clear()
        return read(ask, spans)

    return collect


def instrument(site: str) -> None:
    if site == "shop_site":
        from opentelemetry.instrumentation.django import DjangoInstrumentor

        DjangoInstrumentor().instrument()
    else:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.instrumentation.starlette import StarletteInstrumentor

        FastAPIInstrumentor().instrument()
        StarletteInstrumentor().instrument()


def read(ask: Ask, spans: list[ReadableSpan]) -> Report:
    said = Report()
    server = next((span for span in spans if span.kind == SpanKind.SERVER), None)
    for span in spans:
        attributes = span.attributes or {}
        said.raised += [
            short(str((event.attributes or {})["exception.type"])) for event in span.events if event.name == "exception"
        ]
        if span is server:
            said.status = int(str(attributes["http.status_code"]))
            said.route = route(ask.method, str(attributes["http.route"])) if "http.route" in attributes else None
        elif "asgi.event.type" in attributes and server and span.parent == server.context:
            direction = "in" if span.name.endswith("receive") else "out"
            said.messages.append(f"{direction} {attributes['asgi.event.type']}")
        elif span.name.startswith("BackgroundTask "):
            said.steps.append(span.name.removeprefix("BackgroundTask "))
    return said


if __name__ == "__main__":
    main(begin)
