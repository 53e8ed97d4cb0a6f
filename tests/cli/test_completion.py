"""Completion of commands, options, choices and files, by the shells that the documentation names."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool.cli.main import COMMANDS
from helpers.command_line import GPTOOL, read_terminal
from helpers.waiting import wait_until

pytestmark = pytest.mark.posix("a shell of POSIX")

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
SET_UP = 'eval "$(_GPTOOL_COMPLETE=bash_source gptool)"'
START, END = "\x01", "\x05"
"""The keys that move to the start and the end of a line: Ctrl-A and Ctrl-E."""

COMPLETED = {
    "gptool exp": "gptool export-tiles",
    "gptool doc": "gptool doctor",
    "gptool export-tiles --compr": "gptool export-tiles --compression-quality",
    "gptool export-tiles --export-by Res": "gptool export-tiles --export-by Resolution",
    "gptool export-tiles --export-by res": "gptool export-tiles --export-by Resolution",
    "gptool estimate --tables ex": "gptool estimate --tables exact",
    "gptool verify --client field": "gptool verify --client fieldmaps",
    "gptool info caches/rel": "gptool info caches/relief/",
    "gptool export-tiles caches/relief out/nor": "gptool export-tiles caches/relief out/north.tpkx",
    "gptool export-tiles caches/relief x.tpkx --area-of-interest nor": (
        "gptool export-tiles caches/relief x.tpkx --area-of-interest north.geojson"
    ),
    "gptool batch nig": "gptool batch nightly.toml",
    "gptool estimate caches/relief --output out/nor": "gptool estimate caches/relief --output out/north.tpkx",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files to complete, with the program in bin."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "caches" / "relief").mkdir(parents=True)
    (folder / "out").mkdir()
    for name in ("out/north.tpkx", "north.geojson", "nightly.toml"):
        (folder / name).touch()
    program = folder / "bin" / "gptool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(GPTOOL)} "$@"\n')
    program.chmod(0o755)
    return folder


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **variables}


@pytest.fixture(scope="module")
def bash(folder: Path) -> Iterator[int]:
    """The terminal of an interactive bash in which the completion is set up."""
    pty = pytest.importorskip("pty")
    program = shutil.which("bash")
    if not program:
        pytest.skip("bash is not installed")
    master, slave = pty.openpty()
    variables = environment(folder, TERM="dumb", INPUTRC=os.devnull, PS1="$ ", HOME=str(folder), HISTFILE="")
    command = [program, "--norc", "--noprofile", "-i"]
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        os.write(master, f"{SET_UP}; echo ready > ready\n".encode())
        wait_until((folder / "ready").exists)
        yield master
        os.write(master, b"exit\n")
        read_terminal(master)
        process.wait()


@pytest.mark.parametrize("line", COMPLETED)
def test_bash_completes(folder: Path, bash: int, line: str) -> None:
    """The completed line is not run, but printed: the keys after the tabulator make it the argument of echo."""
    printed, done = folder / "printed", folder / "done"
    for path in (printed, done):
        path.unlink(missing_ok=True)
    os.write(bash, f"{line}\t{START}echo {END} > printed; echo > done\n".encode())
    wait_until(done.exists)
    assert printed.read_text().split() == COMPLETED[line].split()


def test_all_commands_are_offered_with_their_summaries(folder: Path) -> None:
    variables = environment(folder, _GPTOOL_COMPLETE="zsh_complete", COMP_WORDS="gptool ", COMP_CWORD="1")
    offered = subprocess.run(["gptool"], env=variables, capture_output=True, text=True, check=True).stdout.splitlines()
    assert offered[::3] == ["plain"] * len(COMMANDS)
    assert offered[1::3] == list(COMMANDS)
    assert offered[2::3] == [listed.summary for listed in COMMANDS.values()]


@pytest.mark.parametrize(
    ("shell", "start"),
    [("bash", "_gptool_completion()"), ("zsh", "#compdef gptool"), ("fish", "function _gptool_completion;")],
)
def test_script_of_each_documented_shell(folder: Path, shell: str, start: str) -> None:
    instruction = f"_GPTOOL_COMPLETE={shell}_source gptool"
    assert instruction in PAGE.read_text(encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", instruction], env=environment(folder), capture_output=True, text=True, check=True
    )
    assert done.stdout.lstrip().startswith(start)
