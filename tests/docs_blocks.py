"""The code blocks of the documentation: read, run, and written again.

A page is a sequence of fenced blocks. Each has a part to play, or the page is wrong:

- ``python`` or ``toml`` whose first line is a comment with a file's name: a file of the page's project;
- ``python`` with a test in it and no name: the file ``test_page.py``. What holds tests has to pass, unless a
  ``console`` block follows, which then says how to run it;
- ``python`` of any other kind: is executed, one namespace a page; a ``text`` block that follows is what it prints;
- ``console`` that begins with ``$ pytest``: is run in the page's project as it stands there, and what pytest writes
  from its first section on is the rest of the block; what a run with ``--lifecycle-update`` has written is there for
  the runs that follow;
- ``console`` that begins with ``$ python -m examples``: is run, and what it writes is the rest of the block;
- ``json``: is the baseline that those runs have written;
- ``yaml`` that begins with a file's name: a workflow of GitHub Actions or a configuration of pre-commit, whose commands
  are run in the page's project (see `tests.workflows`); a ``markdown`` block that follows is the summary of its steps;
- ``sh``: commands for the reader's shell; `SHELL` holds all there may be;
- ``toml`` without a name: is read.

A file that no test on the page comes after, a test that is not collected or is skipped, and an output that nothing
wrote are mistakes, too.

Sybil finds the blocks. Its evaluators are not used: pytest's own parametrisation names every block by page and line.

``python -m tests.docs_blocks --update`` captures all output again.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from .workflows import commands_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
SHELL = {
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest examples --lifecycle-show",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest -n auto",
    "pip install pytest-lifecycle",
    "python -m pip install pytest-lifecycle fastapi",
    "pytest-lifecycle combine shard-1.json shard-2.json --cov --fail-under 90",
}
"""The commands that are not run here: the first two are what the project's own checks run."""

SCRIPTS = {"pytest": "pytest", "pytest-lifecycle": "pytest_lifecycle"}
"""The commands that a workflow may have, and the modules that do the same."""

OUTPUTS = {("python", "text"), ("yaml", "markdown")}
"""What a block can be the output of, and in what language."""

FILE_NAME = re.compile(r"# (?P<name>[\w/.-]+\.(?:py|toml|yml|yaml))\n")
HAS_TEST = re.compile(r"^\s*(?:async )?def test_", re.MULTILINE)
PLUGINS = ("pytest_lifecycle.plugin", "pytest_asyncio.plugin", "anyio.pytest_plugin", "pytest_trio.plugin")
NEIGHBOURS = {"import snapshot": "inline_snapshot", "(snapshot)": "syrupy"}
"""The snapshot tools that a page's tests use, by what tells of them."""


@dataclass
class Block:
    """One fenced block of a page: where it stands (`start` counts characters), and what is in it."""

    page: Path
    line: int
    start: int
    language: str
    source: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """The file that the block is, if it is one."""
        named = FILE_NAME.match(self.source)
        if named is not None:
            return named["name"]
        return "test_page.py" if _is_test(self) else None


@dataclass
class Job:
    """What is done with a block.

    Attributes:
        kind: file, test, run, example, python, toml, json, shell or yaml.
        block: The block.
        output: The block that holds what it has to write.
        files: The page's project as it stands there.
        module: The test module that a run has to collect.
        before: The code that was executed before.
        updates: The runs before that wrote a baseline: the page's project as it stood there, and the arguments.
    """

    kind: str
    block: Block
    output: Block | None = None
    module: str = ""
    files: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    updates: list[tuple[dict[str, str], list[str]]] = field(default_factory=list)


def blocks_of(page: Path) -> list[Block]:
    """Find the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    document = Document(text, str(page))
    regions = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)\n"))(document)
    blocks = []
    for region in sorted(regions, key=lambda region: region.start):
        language, source = region.lexemes["language"].strip(), region.lexemes["source"]
        line = text.count("\n", 0, region.start) + 1
        blocks.append(Block(page, line, region.start + source.offset, language, str(source)))
    return blocks


def jobs_of(page: Path) -> Iterator[Job]:
    """Say what is to be done with each block of a page.

    Raises:
        ValueError: A block has no part to play.
    """
    files: dict[str, str] = {}
    executed: list[str] = []
    unused: list[Block] = []
    updates: list[tuple[dict[str, str], list[str]]] = []
    blocks = blocks_of(page)
    for position, block in enumerate(blocks):
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        name = block.file_name
        if block.language in ("python", "toml") and name is not None:
            files[name] = block.source
            runs_itself = _is_test(block) and not (following is not None and _is_run(following))
            unused = [] if runs_itself else [*unused, block]
            yield Job("test" if runs_itself else "file", block, files=dict(files), module=name)
        elif block.language == "python":
            output = following if following is not None and following.language == "text" else None
            yield Job("python", block, output, before=list(executed))
            executed.append(block.source)
        elif _is_run(block):
            unused = []
            before = blocks[position - 1] if position else block
            module = before.file_name or "" if _is_test(before) else ""
            yield Job("run", block, block, files=dict(files), module=module, updates=list(updates))
            if "--lifecycle-update" in _arguments(block):
                updates.append((dict(files), _arguments(block)))
        elif block.language == "yaml" and name is not None:
            unused = []
            output = following if following is not None and following.language == "markdown" else None
            yield Job("yaml", block, output, files=dict(files), updates=list(updates))
        elif block.language == "console" and block.source.startswith("$ python -m examples"):
            yield Job("example", block, block)
        elif block.language == "json" and updates:
            yield Job("json", block, block, updates=list(updates))
        elif block.language == "toml":
            yield Job("toml", block)
        elif block.language == "sh":
            yield Job("shell", block)
        elif (blocks[position - 1].language if position else "", block.language) not in OUTPUTS:
            raise ValueError(f"{block}: nothing is known to do with this block ({block.language!r}).")
    if unused:
        raise ValueError(f"{unused[0]}: no test on this page uses this file.")


def _is_test(block: Block) -> bool:
    return block.language == "python" and HAS_TEST.search(block.source) is not None


def _is_run(block: Block) -> bool:
    return block.language == "console" and block.source.startswith("$ pytest")


def _arguments(block: Block) -> list[str]:
    return shlex.split(block.source.partition("\n")[0])[2:]


# -- doing it


def written(job: Job, folder: Path) -> str:
    """Do a job and give what it writes, in full.

    Raises:
        AssertionError: It is wrong in itself, whatever it writes.
    """
    block = job.block
    for files, arguments in job.updates:
        _pytest(files, arguments, folder)
    if job.kind == "toml" or (job.kind == "file" and block.language == "toml"):
        tomllib.loads(block.source)
    elif job.kind == "file":
        compile(block.source, str(block), "exec")
    elif job.kind == "shell":
        unknown = [line for line in block.source.splitlines() if line not in SHELL]
        assert not unknown, f"{block}: commands that no check runs: {unknown}"
    elif job.kind == "python":
        return _executed([*job.before, block.source])
    elif job.kind == "test":
        code, text = _pytest(job.files, [job.module], folder)
        assert code == 0, f"{block}: the tests fail\n{text}"
        assert re.search(r"^=+ \d+ passed in ", text, re.MULTILINE), f"{block}: not all tests run\n{text}"
    elif job.kind == "yaml":
        return _steps(job, folder)
    elif job.kind == "example":
        return _example(block.source.partition("\n")[0])
    elif job.kind == "json":
        return (folder / "baseline.json").read_text(encoding="utf-8")
    elif job.kind == "run":
        command = block.source.partition("\n")[0]
        code, text = _pytest(job.files, _arguments(block), folder)
        assert code in (0, 1), f"{block}: pytest could not run\n{text}"
        assert job.module in text, f"{block}: {job.module} is not run\n{text}"
        return f"{command}\n{_from_first_section(text)}"
    return ""


def _executed(sources: list[str]) -> str:
    namespace: dict[str, object] = {"__name__": "__docs__"}
    output = io.StringIO()
    for source in sources:
        output = io.StringIO()  # only what the last one prints is compared
        with contextlib.redirect_stdout(output):
            exec(compile(source, "<docs>", "exec"), namespace)
    return output.getvalue()


def _pytest(files: dict[str, str], arguments: list[str], folder: Path) -> tuple[int, str]:
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    is_async = any("async def test_" in source for source in files.values())
    plugins = [name for name in PLUGINS[: None if is_async else 1] if find_spec(name.partition(".")[0]) is not None]
    plugins += [plugin for sign, plugin in NEIGHBOURS.items() if any(sign in source for source in files.values())]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"--rootdir={folder}", *arguments],
        cwd=folder,
        env=_environment([folder, ROOT], plugins),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
    )
    return done.returncode, done.stdout.replace(str(folder), "/shop")


def _environment(paths: Sequence[Path], plugins: Sequence[str]) -> dict[str, str]:
    """Give the environment of a run: what differs from machine to machine is left out."""
    hidden = ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "PYTEST_XDIST_WORKER", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return environment | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": " ".join(f"-p {name}" for name in (*plugins, "no:cacheprovider")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "COLUMNS": "80",
        "PY_COLORS": "0",
    }


def _steps(job: Job, folder: Path) -> str:
    """Run the commands of a workflow, each of which has to end well, and give the summary that they write."""
    summary = folder / "summary.md"
    scripts = [f'{name}() {{ {shlex.quote(sys.executable)} -m {module} "$@"; }}\n' for name, module in SCRIPTS.items()]
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder), "GITHUB_STEP_SUMMARY": str(summary)}
    environment = _environment([folder, ROOT], [*PLUGINS[:1], "xdist"]) | github
    for command in commands_of(job.block.source):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "".join([*scripts, command])],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{job.block}: {command} fails\n{done.stdout}{done.stderr}"
    return summary.read_text(encoding="utf-8") if summary.exists() else ""


def _example(command: str) -> str:
    arguments = shlex.split(command)[2:]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment([ROOT], PLUGINS[:1]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
    )
    assert done.returncode == 0, f"{command} fails\n{done.stdout}{done.stderr}"
    return f"{command}\n{done.stdout}"


def _from_first_section(text: str) -> str:
    """Leave out what stands before the first section, and the summary, which says everything again."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.fullmatch(r"=+ .+ =+", line)]
    summaries = [number for number in heads if " short test summary info " in lines[number]]
    kept = lines[heads[1] : summaries[0]] + lines[heads[-1] :] if summaries else lines[heads[1] :]
    return "\n".join(line.rstrip() for line in kept) + "\n"


def comparable(text: str) -> str:
    """Take out what differs from run to run: times, addresses, and the rulers that their widths move."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    text = re.sub(r" *\b\d+(?:\.\d+)? ?(?:ms|s)\b", " TIME", text)
    return "\n".join(re.sub(r"([=_-])\1{2,}", r"\1\1\1", line).rstrip() for line in text.strip().splitlines())


def update() -> None:
    """Capture all output again."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for job in reversed(list(jobs_of(page))):
            old = job.output
            if old is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                new = written(job, Path(folder))
            if comparable(new) != comparable(old.source):
                assert text[old.start :].startswith(f"{old.source}```")
                text = text[: old.start] + new + text[old.start + len(old.source) :]
                print(f"updated {old}")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    assert sys.argv[1:] == ["--update"], __doc__
    update()
