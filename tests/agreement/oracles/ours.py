"""What pytest-lifecycle says: observed from outside, like any other client's requests."""

from __future__ import annotations

from contextlib import ExitStack

from pytest_lifecycle import Kind, Trace, observe
from tests.agreement.reports import Collect, Report, main, route
from tests.agreement.sending import Ask

observation = ExitStack()


def begin(site: str) -> Collect:
    traces = observation.enter_context(observe())

    def collect(ask: Ask) -> Report:
        return read(traces[-1])

    return collect


def read(trace: Trace) -> Report:
    return Report(
        status=trace.status,
        route=route(*trace.route.split(" ")) if trace.route else "none",
        raised=[error.type for error in trace.exceptions],
        handled_by=[error.handled_by for error in trace.exceptions if error.handled_by],
        steps=["routing" if span.kind == Kind.ROUTING else span.name for span in trace.spans()],
        out=trace.middleware_out,
        messages=[f"{message.direction} {message.type}" for message in trace.messages],
    )


if __name__ == "__main__":
    with observation:
        main(begin)
