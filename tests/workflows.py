"""The commands in a workflow of GitHub Actions, and in a configuration of pre-commit."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

SETUP = "python -m pip install "
"""How a command begins that prepares the machine; it is not run here, where all is installed."""

ACTIONS = {"checkout", "setup-python", "upload-artifact", "download-artifact"}
"""The actions that leave the files of one folder as they are, or bring them together there."""

EXPRESSION = re.compile(r"\$\{\{ matrix\.(\w+) \}\}")


def commands_of(text: str) -> list[str]:
    """Give what is run, in order.

    Raises:
        AssertionError: It is neither, or has what GitHub would not take.
    """
    data = yaml.safe_load(text)
    if "repos" in data:
        return [hook["entry"] for repo in data["repos"] for hook in repo["hooks"] if hook["language"] == "system"]
    assert data.keys() >= {"name", True, "jobs"}, data.keys()  # to YAML 1.1, "on" is true
    return [command for job in _in_order(data["jobs"]) for command in _commands(job)]


def _in_order(jobs: dict[str, Any]) -> Iterator[Any]:
    done: set[str] = set()
    for name, job in jobs.items():
        assert job.get("needs", name) in {*done, name}, f"{name} needs what does not stand before it"
        done.add(name)
        yield job


def _commands(job: dict[str, Any]) -> Iterator[str]:
    assert job.keys() <= {"runs-on", "strategy", "steps", "needs", "if"}, job.keys()
    matrix = job.get("strategy", {}).get("matrix", {})
    for values in itertools.product(*matrix.values()):
        chosen = dict(zip(matrix, values, strict=True))
        for step in job["steps"]:
            assert step.keys() <= {"name", "uses", "run", "with", "if"}, step.keys()
            if "uses" in step:
                assert step["uses"].removeprefix("actions/").partition("@")[0] in ACTIONS, step["uses"]
            elif not step["run"].startswith(SETUP):
                yield EXPRESSION.sub(lambda found, chosen=chosen: chosen[found[1]], step["run"])  # type: ignore[misc]
