"""What New Relic says: the transactions that its agent would send, in the mode that sends nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ |= {"NEW_RELIC_DEVELOPER_MODE": "true", "NEW_RELIC_APP_NAME": "oracle", "NEW_RELIC_LOG_LEVEL": "error"}

import newrelic.agent
from newrelic.core.stats_engine import StatsEngine

from tests.agreement.reports import Collect, Report, main, short
from tests.agreement.sending import Ask


def begin(site: str) -> Collect:
    newrelic.agent.initialize()
    look_nowhere()
    newrelic.agent.register_application(timeout=10)
    transactions: list[Any] = []
    StatsEngine.record_transaction = lambda self, transaction: transactions.append(transaction)

    def collect(ask: Ask) -> Report:
        said = Report()
        for transaction in transactions:
            read(transaction, said)
        transactions.clear()
        return said

    return collect


def look_nowhere() -> None:
    """Keep the agent from asking the network which cloud it is in; it does so even where it sends nothing."""
    utilization = newrelic.agent.global_settings().utilization
    for name in [name for name in vars(utilization) if name.startswith("detect_")]:
        setattr(utilization, name, False)


def read(transaction: Any, said: Report) -> None:
    """Add what a transaction says: the request is one, and each background task is one of its own."""
    said.raised += [short(error.type) for error in transaction.errors]
    attributes = {attribute.name: attribute.value for attribute in transaction.agent_attributes}
    if transaction.type == "WebTransaction":
        said.status = int(attributes["response.status"])
        said.steps += [
            short(node.name or "<template>")
            for node in walk(transaction.root)
            if node.group in ("Function", "Template/Render")  # not Python/WSGI, which are phases of its own
        ]
    else:
        said.steps.append(short(transaction.path.rpartition("/")[2]))


def walk(node: Any) -> Iterator[Any]:
    for child in node.children:
        yield child
        yield from walk(child)


if __name__ == "__main__":
    main(begin)
