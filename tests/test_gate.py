"""The gate itself: it holds batches in this process and in others, and lets them pass when told to."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gptool import export_tiles
from helpers.caches import HALF_WAY
from helpers.command_line import GPTOOL
from helpers.gate import Gate
from helpers.waiting import TIMEOUT

CLOSES_AND_WAITS = """
import sys
from pathlib import Path
from helpers.gate import Gate
gate = Gate(Path(sys.argv[1]))
gate.close()
print("closed", flush=True)
sys.stdin.read()
"""


def start_export(cache: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a program that exports the cache."""
    return subprocess.Popen([*GPTOOL, "export-tiles", str(cache), "x.tpkx"], cwd=folder, stdout=subprocess.DEVNULL)


def test_open_gate_holds_nothing(cache: Path, tmp_path: Path, gate: Gate) -> None:
    export_tiles(cache, tmp_path / "x.tpkx")
    assert gate.arrivals == [os.getpid()] * 7


def test_batches_of_this_process_are_held(cache: Path, tmp_path: Path, gate: Gate) -> None:
    counts: list[tuple[int, int]] = []

    def look_and_open() -> None:
        with gate:
            gate.wait()
            counts.append((gate.held, len(gate.arrivals)))

    gate.close(after=HALF_WAY)
    other = threading.Thread(target=look_and_open)
    other.start()
    export_tiles(cache, tmp_path / "x.tpkx", workers=1)
    other.join()
    assert counts == [(1, HALF_WAY + 1)]
    assert len(gate.arrivals) == 7


def test_batches_of_another_process_are_held(cache: Path, tmp_path: Path, gate: Gate) -> None:
    gate.close()
    with start_export(cache, tmp_path) as process, gate:
        gate.wait()
        assert set(gate.arrivals) == {process.pid}
        gate.let_pass(HALF_WAY)
        gate.wait()
        assert len(gate.arrivals) > HALF_WAY
        assert process.poll() is None
    assert process.returncode == 0
    assert (tmp_path / "x.tpkx").exists()


def test_gate_opens_when_the_program_that_closed_it_dies(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gate"
    command = [sys.executable, "-c", CLOSES_AND_WAITS, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as closer:
        assert closer.stdout
        assert closer.stdout.readline().strip() == b"closed"
        gate = Gate(folder)
        for name, value in gate.environment.items():
            monkeypatch.setenv(name, value)
        with start_export(cache, tmp_path) as process:
            gate.wait()
            closer.kill()
            assert process.wait(TIMEOUT) == 0


def test_waiting_for_a_batch_that_does_not_come_fails(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.waiting.TIMEOUT", 0.0)
    with gate.closed(), pytest.raises(AssertionError, match="the gate holds 0 batches, not 1"):
        gate.wait()
