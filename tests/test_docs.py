"""Every code block of the documentation runs, and writes what the documentation says it writes."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import pytest_lifecycle
from pytest_lifecycle._errors import SLUGS

from .docs_blocks import PAGES, ROOT, SHELL, Job, blocks_of, comparable, jobs_of, written

JOBS = [job for page in PAGES for job in jobs_of(page)]
FRAMEWORKS = frozenset({"a2wsgi", "django", "fastapi", "flask", "httpx2", "starlette", "trio"})
MODULES = [module.name for module in pkgutil.walk_packages(pytest_lifecycle.__path__, "pytest_lifecycle.")]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: str(job.block))
def test_a_block_does_what_it_says(job: Job, tmp_path: Path) -> None:
    missing = [name for name in sorted(_frameworks(job)) if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    real = written(job, tmp_path)
    if job.output is not None:
        assert comparable(real) == comparable(job.output.source)


def _frameworks(job: Job) -> frozenset[str]:
    sources = [job.block.source] if job.block.language == "python" else []
    sources += [*job.before, *(source for name, source in job.files.items() if name.endswith(".py"))]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return FRAMEWORKS.intersection(module.partition(".")[0] for module in modules)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_passed_over(page: Path) -> None:
    blocks = blocks_of(page)
    jobs = list(jobs_of(page))
    done = {job.block.line for job in jobs} | {job.output.line for job in jobs if job.output is not None}
    assert done == {block.line for block in blocks}
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks)
    assert str(ROOT) not in text


def test_the_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [command for command in sorted(SHELL) if ".venv" in command and command not in text.splitlines()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not _leads_somewhere(page, link)]
    assert broken == []


def _leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith(("https://", "http://")):
        return True
    path, _, heading = link.partition("#")
    target = page if not path else (page.parent / path).resolve()
    if not heading or not target.exists():
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {_anchor(title) for title in headings}


def _anchor(title: str) -> str:
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")


def test_every_message_has_a_paragraph_and_every_paragraph_a_message() -> None:
    page = (ROOT / "docs/reference/messages.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## (.+)$", page, re.MULTILINE)) == sorted(SLUGS)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.parent != ROOT}
    assert pages == set(re.findall(r"[\w/-]+\.md", navigation))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=;~! ]", requirement)[0] for requirement in requirements}
    page = (ROOT / "docs/explanation/dependencies.md").read_text(encoding="utf-8").lower()
    assert [
        name for name in sorted(names) if re.search(rf"\b{re.escape(name.split('-python')[0])}\b", page) is None
    ] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_docstrings_have_examples() -> None:
    found = [test for name in MODULES for test in doctest.DocTestFinder().find(importlib.import_module(name))]
    assert {test.name.rpartition(".")[2] for test in found if test.examples} >= {"Client", "Trace", "observe"}
