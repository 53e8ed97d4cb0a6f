"""Ctrl-C in commands that show no progress, and before others show any: one line and exit status 130."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from gptool.cli.main import main
from helpers.command_line import GPTOOL

COMMANDS = {
    "diff": (["diff", "CACHE", "CACHE", "new/x.tpkx"], "gptool.delta.differ.compare"),
    "apply": (["apply", "CACHE", "x.tpkx", "new/y.tpkx"], "gptool.delta.applying.open_delta"),
    "verify": (["verify", "CACHE"], "gptool.verification.verify"),
    "info": (["info", "CACHE", "--levels"], "gptool.plan.info.info"),
    "demo": (["demo", "demo/folder"], "gptool.demo.make_cache"),
    "doctor": (["doctor"], "gptool.cli.doctor.check_environment"),
    "export-tiles": (["export-tiles", "CACHE", "x.tpkx"], "gptool.jobs.job.Job.start"),
    "estimate": (["estimate", "CACHE"], "gptool.jobs.job.Job.start"),
    "samples": (["samples", "CACHE", "new/x.html"], "gptool.samples.functions.prepare_estimate"),
    "samples while scoring": (["samples", "CACHE", "new/x.html"], "gptool.samples.scoring.Scorer.fidelity"),
    "register": (
        ["register", "--server", "https://gis.example.com/server", "--folder", "F", "--caches", "W=CACHE"],
        "gptool.arcgis.registration.register",
    ),
}


def interrupt(*_arguments: Any, **_options: Any) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", COMMANDS)
def test_interrupted_command_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    arguments, interrupted = COMMANDS[command]
    monkeypatch.setattr(interrupted, interrupt)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [argument.replace("CACHE", str(cache)) for argument in arguments])
    assert (done.exit_code, list(tmp_path.iterdir())) == (130, [])
    assert re.fullmatch("Interrupted.*; nothing half-written is left.", done.stderr.splitlines()[-1])


@pytest.mark.posix("terminals")
@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
def test_interrupted_question_for_a_password(tmp_path: Path, key: bytes) -> None:
    """Ctrl-C, and Ctrl-D, while the terminal asks."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    own_terminal = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"  # its keys send signals
    command = [sys.executable, "-P", "-c", f"{own_terminal}; {GPTOOL[-1]}", "user", "users", "anna"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        shown = b""
        while b"Password: " not in shown:
            shown += os.read(master, 1024)
        os.write(master, key)
        while b"Interrupted; nothing is changed." not in shown:
            shown += os.read(master, 1024)
    os.close(master)
    assert (process.returncode, list(tmp_path.iterdir())) == (130, [])
    assert b"Abort" not in shown


IMPORT = """
import sys
class Interrupted:
    def find_spec(name, path=None, target=None):
        if name == "gptool.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
from gptool.__main__ import run
run()
"""


def test_program_is_interrupted_while_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", IMPORT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines() == ["Interrupted; nothing half-written is left."]


def test_package_is_a_program() -> None:
    command = [sys.executable, "-P", "-m", "gptool", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("gptool-export-tiles ")
