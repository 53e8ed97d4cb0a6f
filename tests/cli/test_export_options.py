"""The options of `gptool export-tiles` for scripts: reports, exit status, and what is shown."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gptool.cli.console import with_options
from gptool.text import format_bytes
from helpers.caches import HALF_WAY, jpeg_tile, make_cache, world
from helpers.command_line import GPTOOL, errors_and_notes, run, run_on_terminal
from helpers.gate import Gate
from helpers.waiting import wait_until_delivered
from helpers.web_caches import make_web_cache, pyramid

DAMAGED = 12
"""Damaged tiles of the cache, two more than are listed for people."""


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A cache with damaged tiles among others."""
    tiles = {(4, 0, column): jpeg_tile(column) for column in range(DAMAGED + 2)}
    tiles |= {(4, 0, column): b"\xff\xd8 no more" for column in range(DAMAGED)}
    make_cache(tmp_path / "damaged", tiles)
    return tmp_path / "damaged"


def digests(folder: Path) -> dict[Path, bytes]:
    """Return the SHA-256 of all files below a folder."""
    return {path: sha256(path.read_bytes()).digest() for path in sorted(folder.rglob("*")) if path.is_file()}


def read(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def test_last_line_names_the_quality_for_a_target_size(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--target-size", "1.2 MB", "--report", "r.json", cwd=tmp_path)
    target = read(tmp_path / "r.json")["target"]
    assert (target["targetSize"], target["method"]) == (1_200_000, "recompress")
    assert (tmp_path / "x.tpkx").stat().st_size <= 1_200_000 < target["nextSize"]
    text = f"--compression-quality {target['compressionQuality']} is the highest quality whose result fits"
    assert done.stdout.splitlines()[-1].endswith(f"; {text}")
    assert f"Note: --target-size of 1,200,000 bytes: {text}" in done.stderr


def test_target_size_below_the_smallest(cache: Path, tmp_path: Path) -> None:
    done = run("export-tiles", cache, "x.tpkx", "--target-size", "0.9 MB", cwd=tmp_path)
    error, advice = errors_and_notes(done)
    assert done.returncode == 1
    start = (
        "Error: --target-size: no --compression-quality makes the result fit; found 900,000 bytes, expected at least "
    )
    assert error.startswith(start)
    assert error.endswith(" bytes, the smallest possible size")
    assert advice.startswith("The deepest levels that fit at the lowest quality are --levels ")
    levels = advice.split("--levels ")[1].split()[0]
    run("export-tiles", cache, "x.tpkx", "--target-size", "0.9 MB", "--levels", levels, cwd=tmp_path)
    assert (tmp_path / "x.tpkx").stat().st_size <= 900_000


class TestReport:
    def test_report_of_an_export_states_request_figures_and_verification(self, cache: Path, tmp_path: Path) -> None:
        options = ("--levels", "0-1", "--compression-quality", "50", "--report", "r.json", "--json")
        done = run("export-tiles", cache, "x.tpkx", *options, cwd=tmp_path)
        report, job = read(tmp_path / "r.json"), json.loads(done.stdout)
        assert report["succeeded"] is True
        assert (report["jobId"], report["request"]["compressionQuality"]) == (job["jobId"], 50)
        assert report["result"]["sha256"] == sha256((tmp_path / "x.tpkx").read_bytes()).hexdigest()
        assert report["verification"]["passed"] is True
        assert [level["written"]["tiles"] for level in report["levels"]] == [level["tiles"] for level in job["levels"]]

    @pytest.mark.parametrize(
        ("arguments", "status", "text"),
        [
            (["nowhere", "x.tpkx"], 1, "nowhere: cache not found"),
            (["CACHE", "x.tpkx", "--levels", "99"], 2, "levels: level is not in the tiling scheme; found 99"),
            (["CACHE", "x.tpkx", "--max-export-tiles-count", "1"], 1, "ERROR 001564"),
            (["CACHE", "x.zip"], 2, "x.zip"),
        ],
        ids=["no cache", "level", "limit", "suffix"],
    )
    def test_report_of_a_failed_export_has_parameters_and_reason(
        self, cache: Path, tmp_path: Path, arguments: list[str], status: int, text: str
    ) -> None:
        arguments = [str(cache) if argument == "CACHE" else argument for argument in arguments]
        done = run("export-tiles", *arguments, "--report", "r.json", cwd=tmp_path)
        report = read(tmp_path / "r.json")
        assert (done.returncode, report["succeeded"]) == (status, False)
        assert any(text in message["description"] for message in report["messages"])
        assert report["cache"] == str(tmp_path / arguments[0])
        assert report["output"] == str(tmp_path / arguments[1])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json"]

    def test_missing_folders_of_a_report_are_created(self, cache: Path, tmp_path: Path) -> None:
        for levels, succeeded in (("0", True), ("99", False), ("1", True)):  # a report is replaced by the next
            options = ("--levels", levels, "--report", "a/b/r.json", "--overwrite")
            run("export-tiles", cache, "x.tpkx", *options, cwd=tmp_path)
            assert read(tmp_path / "a/b/r.json")["succeeded"] is succeeded

    @pytest.mark.parametrize(
        ("report", "status", "message"),
        [
            ("x.tpkx", 2, "--report: is not the name of a report; found x.tpkx, expected a name that ends in .json"),
            ("world/conf.xml", 2, "--report: is not the name of a report; found world/conf.xml, expected a name"),
            ("world/r.json", 2, "--report: lies in CACHE; found world/r.json, expected a file beside it"),
            ("link/r.json", 2, "--report: lies in CACHE; found link/r.json, expected a file beside it"),
            ("x/r.json", 2, "--report: lies in OUTPUT; found x/r.json, expected a file beside it"),
            ("folder.json", 2, "--report: is a folder; found folder.json, expected a name that ends in .json"),
            ("", 2, "--report: is empty; expected a path"),
            ("area.json", 2, "--report: is another file than a report; found area.json, expected a new name, or a"),
            ("file/r.json", 1, "file: is not a folder, and so cannot hold the output"),
        ],
    )
    @pytest.mark.posix("symbolic links")
    def test_report_is_refused_before_the_export(
        self, cache: Path, tmp_path: Path, report: str, status: int, message: str
    ) -> None:
        """It would replace a package or a file of the cache, or could not be written after the export."""
        shutil.copytree(cache, tmp_path / "world")
        (tmp_path / "link").symlink_to("world")
        (tmp_path / "folder.json").mkdir()
        (tmp_path / "file").touch()
        (tmp_path / "area.json").write_text('{"rings": []}')
        before = digests(tmp_path)
        assert run("export-tiles", "world/conf.xml", "x.tpkx", "--report", "world/r.json", cwd=tmp_path).returncode == 2
        done = run("export-tiles", "world", "x" if report == "x/r.json" else "x.tpkx", "--report", report, cwd=tmp_path)
        [error] = errors_and_notes(done)
        assert (done.returncode, message in error) == (status, True), error
        assert digests(tmp_path) == before

    @pytest.mark.posix("signals between processes")
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_report_of_an_interrupted_export(self, cache: Path, tmp_path: Path, gate: Gate, number: int) -> None:
        gate.close(after=HALF_WAY)
        arguments = ["export-tiles", str(cache), "x.tpkx", "--report", "r.json", "--workers", "1"]
        with subprocess.Popen([*GPTOOL, *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL) as process, gate:
            gate.wait()
            process.send_signal(number)
            wait_until_delivered(process.pid)
            gate.open()
        report = read(tmp_path / "r.json")
        assert (process.returncode, report["succeeded"]) == (128 + number, False)
        assert report["messages"][1]["description"] == "Cancelled (ExportTiles)."
        assert report["output"] == str(tmp_path / "x.tpkx")


class TestDamage:
    @pytest.mark.parametrize("options", [[], ["--fail-on-damaged"], ["--fail-on-damaged", "--json"]])
    def test_damaged_tiles_fail_on_request_after_the_result_is_written(
        self, damaged: Path, tmp_path: Path, options: list[str]
    ) -> None:
        done = run("export-tiles", damaged, "x.tpkx", *options, cwd=tmp_path)
        assert done.returncode == (1 if options else 0)
        assert (tmp_path / "x.tpkx").exists()
        if options:
            assert errors_and_notes(done)[-1] == f"Error: {tmp_path / 'x.tpkx'}: 12 damaged tiles in the result"
        if "--json" in options:
            assert json.loads(done.stdout)["damaged"] == DAMAGED

    def test_quiet_error_names_the_first_damaged_tile(self, damaged: Path, tmp_path: Path) -> None:
        done = run("export-tiles", damaged, "x.tpkx", "--fail-on-damaged", "--quiet", cwd=tmp_path)
        [line] = done.stderr.splitlines()
        start, _, place = line.partition("; the first is ")
        assert start == f"Error: {tmp_path / 'x.tpkx'}: 12 damaged tiles in the result"
        assert place.startswith("level 4, row 0, column ")

    def test_no_damage_is_no_failure(self, cache: Path, tmp_path: Path) -> None:
        assert run("export-tiles", cache, "x.tpkx", "--fail-on-damaged", cwd=tmp_path).returncode == 0

    def test_list_of_damaged_tiles_names_where_the_others_are(self, damaged: Path, tmp_path: Path) -> None:
        lines = run("export-tiles", damaged, "x.tpkx", "--report", "r.json", cwd=tmp_path).stdout.splitlines()
        assert sum(line.startswith("Damaged: level 4, row 0, column ") for line in lines) == 10
        assert "... and 2 more damaged tiles; listed in r.json" in lines
        assert len(read(tmp_path / "r.json")["damagedTiles"]) == DAMAGED
        lines = run("export-tiles", damaged, "y.tpkx", cwd=tmp_path).stdout.splitlines()
        assert "... and 2 more damaged tiles; --report FILE lists them" in lines


class TestOutput:
    def test_quiet_prints_errors_only(self, damaged: Path, tmp_path: Path) -> None:
        done = run("export-tiles", damaged, "x.tpkx", "--quiet", cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        done = run("export-tiles", damaged, "x.tpkx", "--quiet", cwd=tmp_path)
        assert (done.stdout, "already exists" in done.stderr) == ("", True)

    def test_no_progress_hides_the_bar_but_no_message(self, cache: Path, tmp_path: Path) -> None:
        options = ("--no-progress", "--optimize-tiles-for-size")
        shown = run_on_terminal("export-tiles", str(cache), "x.tpkx", *options, cwd=tmp_path, stream="stderr")
        assert ("tiles/s" in shown, "Note: optimised without loss" in shown) == (False, True)

    def test_missing_folders_are_made_and_taken_back(self, cache: Path, tmp_path: Path) -> None:
        assert run("export-tiles", cache, "a/b/x.tpkx", "--levels", "0", cwd=tmp_path).returncode == 0
        assert (tmp_path / "a/b/x.tpkx").is_file()
        assert run("export-tiles", cache, "c/d/x.tpkx", "--levels", "99", cwd=tmp_path).returncode == 2
        assert not (tmp_path / "c").exists()

    @pytest.mark.posix("shares are read and written on Windows")
    def test_share_of_windows_is_refused(self, cache: Path, tmp_path: Path) -> None:
        done = run("export-tiles", cache, r"\\server\share\x.tpkx", cwd=tmp_path)
        [error] = errors_and_notes(done)
        assert error.startswith("Error: OUTPUT: is the path of a share of Windows; found ")
        assert (done.returncode, list(tmp_path.iterdir())) == (2, [])

    def test_closing_line_states_what_the_package_weighs_beside_its_tiles(self, cache: Path, tmp_path: Path) -> None:
        done = run("export-tiles", cache, "x.tpkx", "--levels", "0-1", cwd=tmp_path)
        tiles = sum(len(tile) for (level, *_), tile in world().items() if level < 2)
        beside = format_bytes((tmp_path / "x.tpkx").stat().st_size - tiles)
        line = done.stdout.splitlines()[-1]
        assert line.endswith(f": {format_bytes(tiles)} of tiles, {beside} of indexes and metadata")


@pytest.mark.parametrize("suffix", [".mbtiles", ".pmtiles", ".gpkg"])
def test_report_of_a_result_for_other_clients(tmp_path: Path, suffix: str) -> None:
    """It has the SHA-256 of the file; there is no storage format, and no verification."""
    make_web_cache(tmp_path / "cache", pyramid())
    done = run("export-tiles", "cache", f"x{suffix}", "--report", "r.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report, data = json.loads((tmp_path / "r.json").read_text()), (tmp_path / f"x{suffix}").read_bytes()
    assert report["result"] == {"name": f"x{suffix}", "size": len(data), "sha256": sha256(data).hexdigest()}
    assert (report["request"]["tilePackage"], report["request"]["storageFormatType"]) == (False, None)
    assert report["verification"] is None


@pytest.mark.parametrize("suffix", [".mbtiles", ".pmtiles", ".gpkg"])
def test_estimate_of_a_result_for_other_clients(tmp_path: Path, suffix: str) -> None:
    make_web_cache(tmp_path / "cache", pyramid())
    done = run("estimate", "cache", "--output", f"x{suffix}", "--json", cwd=tmp_path)
    estimate = json.loads(done.stdout)
    low, high = estimate["totalSizeInterval"]
    assert low < estimate["totalSize"] < high
    assert (estimate["result"], estimate["resultName"]) == (f"a {suffix}", "x")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("exportExtent: invalid", "--export-extent: invalid"),
        ("levels: level is not", "--levels: level is not"),
        ("the levels are levels=0-2 (exportBy=LevelID)", "the levels are --levels 0-2 (--export-by LevelID)"),
        ("areaOfInterest supersedes exportExtent", "--area-of-interest supersedes --export-extent"),
        ("/data/levels/areaOfInterest.json: file", "/data/levels/areaOfInterest.json: file"),
        ("exists; expected a new name, or the overwrite option", "exists; expected a new name, or --overwrite"),
    ],
)
def test_messages_name_options(message: str, shown: str) -> None:
    assert with_options(message) == shown
