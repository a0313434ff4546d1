"""What Sentry says: the envelopes it would send."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.integrations.starlette import StarletteIntegration
from sentry_sdk.transport import Transport

from tests.agreement.reports import Collect, Report, main, route, short
from tests.agreement.sending import Ask


class Kept(Transport):
    """Sends nothing anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [item.payload.json for item in envelope.items if item.payload.json]


def begin(site: str) -> Collect:
    kept = Kept()
    if site == "shop_site":
        integrations = [DjangoIntegration(middleware_spans=True, signals_spans=False)]
    else:
        integrations = [FastApiIntegration(middleware_spans=True), StarletteIntegration(middleware_spans=True)]
    sentry_sdk.init(dsn="http://nobody@localhost/1", transport=kept, traces_sample_rate=1.0, integrations=integrations)

    def collect(ask: Ask) -> Report:
        items, kept.items = kept.items, []
        return read(ask, items)

    return collect


def read(ask: Ask, items: list[dict[str, Any]]) -> Report:
    said = Report()
    for item in items:
        said.raised += [error["type"] for error in item.get("exception", {}).get("values", [])]
        if item.get("type") == "transaction":
            said.status = item["contexts"]["response"]["status_code"]
            if item["transaction_info"]["source"] == "route":
                said.route = route(ask.method, item["transaction"])
            for span in sorted(item["spans"], key=lambda span: span["start_timestamp"]):
                read_span(span, said)
    return said


def read_span(span: dict[str, Any], said: Report) -> None:
    layer = span.get("tags", {}).get("starlette.middleware_name")
    if span["op"] == "middleware.starlette.send":  # once per message; the first is the response's start
        said.out += [layer] if layer not in said.out else []
    elif span["op"] == "middleware.starlette.receive":  # once per layer; the outermost receives from the server
        said.messages += ["in http.request"] if layer == "ServerErrorMiddleware" else []
    else:
        said.steps.append(short(span["description"]))


if __name__ == "__main__":
    main(begin)
