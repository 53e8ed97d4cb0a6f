"""Examples in the documentation do what they say: every command and Python block is run as it is written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool.demo import make_cache
from helpers.command_line import GPTOOL
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    ((?:\.venv/bin/)?gptool .*)$", re.MULTILINE)
SERVE = re.compile(r"^    \.venv/bin/gptool serve (.*)$", re.MULTILINE)
PASSWORD = "correct horse battery\n"
"""What a command that asks for a password reads."""

TUTORIAL = "docs/tutorial.md"
PAGES = [
    "README.md",
    "docs/arcgis.md",
    "docs/batch.md",
    "docs/choosing-the-quality.md",
    "docs/command-line.md",
    "docs/delta.md",
    "docs/getting-started.md",
    "docs/python.md",
    "docs/rest-service.md",
    "docs/resuming.md",
    TUTORIAL,
    "docs/verify.md",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README's first command leaves it: the demo's cache, and a program in .venv/bin."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "gptool-demo").mkdir()
    make_cache(folder / "gptool-demo" / "world")
    program = folder / ".venv" / "bin" / "gptool"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.join(GPTOOL)} "$@"\n')
    program.chmod(0o755)
    return folder


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Yield the language and text of each example of a page, in their order; the README's two commands are CI's."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [(match.start(), match[1], match[2]) for match in FENCED.finditer(text)]
    found += [(match.start(), "sh", match[1]) for match in INDENTED.finditer(text)]
    for _, language, example in sorted(found):
        if not re.search(r"apt-get|pytest|gptool serve", example):
            yield language, example


def run_examples(found: list[tuple[str, str]], folder: Path) -> list[str]:
    """Run examples: the commands in their order, then the Python blocks as one program. Return what each prints."""
    environment = {**os.environ, "PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"}
    printed = []
    program = "\n".join(example for language, example in found if language == "python")
    commands = [["sh", "-euc", example] for language, example in found if language == "sh"]
    commands += [[sys.executable, "-P", "-c", program]] if program else []
    assert commands
    for command in commands:
        ended = subprocess.run(
            command, cwd=folder, env=environment, input=PASSWORD, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{command[-1]}\n{ended.stderr}"
        printed.append(ended.stdout)
    return printed


@pytest.mark.posix("a shell of POSIX, for which the examples are")
@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL])
def test_examples_run_as_written(page: str, demo: Path, tmp_path: Path) -> None:
    run_examples(list(examples(page)), shutil.copytree(demo, tmp_path / "clone"))


@pytest.mark.posix("a shell of POSIX, for which the examples are")
def test_tutorial_does_what_it_says(demo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(demo, tmp_path / "clone")
    printed = "".join(run_examples(list(examples(TUTORIAL)), folder))
    assert re.findall(r"^exit status (\d)$", printed, re.MULTILINE) == ["1", "1", "1", "2", "1", "2"]
    assert ("they differ\n" in printed, ".part" in printed) == (True, False)
    assert re.search(r"^.*/regions\.toml: 10 exports in [\d.]+ s: 10 exported$", printed, re.MULTILINE)
    packages = {str(path.relative_to(folder)) for path in folder.rglob("*.tpkx")}
    names = "field", "scales", "limited", "overview", "share/maps/2026/world", "reported", "notebook"
    assert packages == {f"{name}.tpkx" for name in (*names, *(f"share/region-{number}" for number in range(10)))}


def test_tutorial_has_twelve_tasks_with_examples() -> None:
    text = (ROOT / TUTORIAL).read_text(encoding="utf-8")
    _, *tasks = re.split(r"^## ", text, flags=re.MULTILINE)
    assert [int(task.partition(".")[0]) for task in tasks] == list(range(1, 13))
    assert all(FENCED.search(task) for task in tasks)


def test_service_of_the_readme_answers(demo: Path, tmp_path: Path) -> None:
    [arguments] = SERVE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    with ServiceProcess(shutil.copytree(demo, tmp_path / "clone"), *shlex.split(arguments)) as service:
        assert RestClient(service.address).json("services/World/ImageServer")["name"] == "World"
