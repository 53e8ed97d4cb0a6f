"""How the plugin runs the program and reads its results: with the program, without QGIS."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gptool
from gptool.qgis.gptool_export_tiles import execution
from gptool.qgis.gptool_export_tiles.command_line import ProgramError
from gptool.qgis.gptool_export_tiles.execution import Ended, run
from gptool.qgis.gptool_export_tiles.results import MAX_LISTED, read_results
from gptool.qgis.gptool_export_tiles.stop import ask_to_stop
from helpers.caches import HALF_WAY, jpeg_tile, make_cache
from helpers.checks import check_nothing_left
from helpers.command_line import GPTOOL
from helpers.gate import HOOK, Gate
from helpers.tile_readers import read_package
from helpers.waiting import wait_until_delivered

HOOK_FILE = str(HOOK / "sitecustomize.py")
GATED = [sys.executable, "-P", "-c", f"import runpy; runpy.run_path({HOOK_FILE!r}); {GPTOOL[-1]}"]
"""The program with the gate, which the environment would not bring: the program does not get PYTHONPATH."""


class Feedback:
    """What QGIS's feedback would show."""

    def __init__(self, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self.percents: list[float] = []
        self.texts: list[str] = []
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.isCanceled = is_cancelled
        self.setProgress, self.setProgressText = self.percents.append, self.texts.append
        self.pushInfo, self.pushWarning = self.infos.append, self.warnings.append


def run_program(*arguments: object, feedback: Any = None, program: list[str] = GPTOOL) -> Ended:
    labels = {"--overwrite": '"Replace an existing output"', "--levels": '"Levels"'}
    return run([*program, *map(str, arguments)], labels, feedback or Feedback())


def test_progress_and_messages_are_shown(cache: Path, tmp_path: Path) -> None:
    feedback = Feedback()
    options = ["--json", "--json-progress", "--levels=1,3", "--compression-quality=50"]
    ended = run_program("export-tiles", *options, "--", cache, tmp_path / "x.tpkx", feedback=feedback)
    assert (ended.status, ended.last_lines, ended.is_stopped) == (0, [], False)
    assert feedback.texts[-1] == "Exporting"
    assert feedback.percents == sorted(feedback.percents)
    assert feedback.percents[-1] == 100
    assert feedback.warnings == ["level 3 holds no selected tiles"]
    assert feedback.infos == []
    assert ended.output is not None
    results = read_results("export-tiles", ended.output)
    size = (tmp_path / "x.tpkx").stat().st_size
    assert results.values == {"OUTPUT": str(tmp_path / "x.tpkx"), "TOTAL_SIZE": size, "TOTAL_TILES": 4}
    assert results.summary == f"{tmp_path / 'x.tpkx'}: 4 tiles, {size:,} bytes"


def test_error_names_the_parameters_of_the_dialog(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").write_bytes(b"mine")
    feedback = Feedback()
    ended = run_program("export-tiles", "--json", "--", cache, tmp_path / "x.tpkx", feedback=feedback)
    assert ended.status == 1
    expected = 'output already exists; expected a new name, or "Replace an existing output"'
    assert ended.last_lines == [f"{tmp_path / 'x.tpkx'}: {expected}"]
    assert feedback.infos == feedback.warnings == []
    assert (tmp_path / "x.tpkx").read_bytes() == b"mine"


def test_error_keeps_its_advice(cache: Path) -> None:
    ended = run_program("estimate", "--json", "--max-export-tiles-count=9", "--", cache)
    assert (ended.status, ended.output is None) == (1, False)
    assert ended.last_lines[0].startswith("ERROR 001564: Requested tile count(165) exceeds")
    assert any('"Levels"' in line for line in ended.last_lines[1:])


def test_paths_are_in_utf8(cache: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "Straße 地図").mkdir()
    ended = run_program("estimate", "--json", "--", folder / "keiner")
    assert ended.last_lines[0].startswith(f"{folder / 'keiner'}: cache not found")
    done = run_program("export-tiles", "--json", "--levels=0", "--", cache, folder / "x.tpkx")
    assert done.output is not None
    assert done.output["path"] == str(folder / "x.tpkx")


def test_what_is_no_progress_is_a_message() -> None:
    lines = ['{"phase": "x"}', '{"phase": "x", "done": 1, "total": "?"}', "{broken", "Warning: w", "Note: n", "other"]
    feedback = Feedback()
    program = [sys.executable, "-c", f"import sys; sys.stderr.write({chr(10).join(lines)!r}); print('no JSON')"]
    ended = run(program, {}, feedback)
    assert ended == Ended(0, None, [], is_stopped=False)
    assert feedback.infos == [*lines[:3], "n", "other"]
    assert feedback.warnings == ["w"]


def test_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="gptool: cannot be started: "):
        run([str(tmp_path / "gptool")], {}, Feedback())


@pytest.mark.posix("signals between processes")
@pytest.mark.parametrize("handling", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"])
def test_cancelled_export_stops_and_can_be_gone_on_with(
    cache: Path, tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch, handling: Any
) -> None:
    """Also if a shell has started QGIS in the background, so that it and the program ignore SIGINT."""

    def stop(process: subprocess.Popen[bytes]) -> None:
        assert not (tmp_path / "x.tpkx").exists()
        ask_to_stop(process)
        wait_until_delivered(process.pid)
        gate.open()

    monkeypatch.setattr(execution, "ask_to_stop", stop)
    arguments = ["export-tiles", "--json", "--compression-quality=50", "--workers=1", "--", cache, tmp_path / "x.tpkx"]
    previous = signal.signal(signal.SIGINT, handling)
    try:
        with gate.closed(after=HALF_WAY):
            ended = run_program(*arguments, feedback=Feedback(lambda: gate.held > 0), program=GATED)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (ended.status, ended.is_stopped) == (128 + signal.SIGTERM, True)
    assert re.fullmatch(r"Terminated after exporting [1-9]\d* of 165 tiles\.", ended.last_lines[0])
    assert ended.last_lines[-1].startswith("Finished bundles are kept beside the output: ")
    assert not (tmp_path / "x.tpkx").exists()
    again = run_program(*arguments)
    assert again.output is not None
    assert again.output["resumed"]["bundles"] > 0
    assert len(read_package(tmp_path / "x.tpkx")) == 165
    check_nothing_left(tmp_path, "x.tpkx")


DEAF = """
import signal, sys, time
for name in ("SIGTERM", "SIGBREAK"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
print("ready", file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_program_that_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "STOP_SECONDS", 0.0)
    feedback = Feedback()
    feedback.isCanceled = lambda: feedback.infos == ["ready"]
    ended = run([sys.executable, "-c", DEAF], {}, feedback)
    assert (ended.is_stopped, ended.output, ended.last_lines) == (True, None, [])
    assert ended.status != 0


def test_findings_are_warnings(cache: Path, tmp_path: Path) -> None:
    make_cache(tmp_path / "other", {(0, 0, 0): jpeg_tile(5)})
    package = tmp_path / "x.tpkx"
    gptool.export_tiles(tmp_path / "other", package)
    ended = run_program("verify", "--json", f"--source={cache}", "--", package)
    assert ended.status == 1
    assert ended.output is not None
    results = read_results("verify", ended.output)
    assert results.values == {"PASSED": False, "FINDINGS": 1}
    [finding] = ended.output["findings"]
    assert results.warnings == [
        f"{finding['rule']} (error): {finding['where']['file']}, level 0, row 0, column 0: "
        f"found {finding['found']}, expected {finding['expected']}"
    ]
    assert results.summary.startswith(f"{package}: ")


def test_long_lists_are_cut(cache: Path) -> None:
    finding = {"rule": "r", "severity": "warning", "where": {}, "found": "f", "expected": "e"}
    many = {"findings": [finding] * 150, "findingsOmitted": 7, "passed": False}
    results = read_results("verify", {**many, "location": "x", "summary": "s", "note": "n."})
    assert results.values["FINDINGS"] == 157
    assert results.warnings[0] == "r (warning): package: found f, expected e"
    assert results.warnings[MAX_LISTED:] == ["... and 57 more findings"]


def test_damaged_tiles_are_warnings(tmp_path: Path) -> None:
    tiles = {(2, 1, column): jpeg_tile(column)[: 300 if column else None] for column in range(2)}
    make_cache(tmp_path / "damaged", tiles)
    arguments = ["--compression-quality=50", "--", tmp_path / "damaged", tmp_path / "x.tpkx"]
    ended = run_program("export-tiles", "--json", *arguments)
    assert ended.output is not None
    [warning] = read_results("export-tiles", ended.output).warnings
    assert warning.startswith("Damaged: level 2, row 1, column 1: damaged JPEG: ")


def test_estimate_from_a_sample_states_its_accuracy() -> None:
    output = {"totalSize": 5000, "totalTilesToExport": 1, "totalSizeInterval": [4900, 5100], "sampledTiles": 12}
    results = read_results("estimate", {**output, "result": "a .tpkx"})
    assert results.summary == "1 tile, about 5,000 bytes (4,900 to 5,100, from a sample of 12 tiles) as a .tpkx"


def test_samples_without_a_recommendation(tmp_path: Path) -> None:
    results = read_results("samples", {"path": "x.html", "recommended": None, "copiedSize": 9})
    assert results == ({"OUTPUT": "x.html"}, [], "x.html: no quality is recommended")
