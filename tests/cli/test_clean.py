"""`gptool clean`: what it lists, what it removes, and what it never touches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles
from gptool.output.staging_folder import LOCK, OLD, staging_path
from gptool.system import lock_file, release_lock
from helpers.caches import HALF_WAY
from helpers.checks import check_nothing_left
from helpers.command_line import GPTOOL, run
from helpers.gate import Gate
from helpers.tile_readers import read_dataset

DAY = 86_400


def clean(folder: Path, *options: str) -> list[dict[str, Any]]:
    leftovers: list[dict[str, Any]] = json.loads(run("clean", folder, *options, "--json", cwd=folder).stdout)[
        "leftovers"
    ]
    return leftovers


def make_old(folder: Path, days: float) -> None:
    """Let all files of a leftover be some days old."""
    then = time.time() - days * DAY
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


@pytest.fixture
def leftover(cache: Path, tmp_path: Path, gate: Gate) -> Path:
    """What a killed export of x.tpkx has left."""
    arguments = [*GPTOOL, "export-tiles", str(cache), "x.tpkx", "--compression-quality", "50", "--workers", "1"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen(arguments, cwd=tmp_path) as process, gate:
        gate.wait()
        process.kill()
    return staging_path(tmp_path / "x.tpkx")


@pytest.mark.posix("processes that are killed")
class TestKilledExport:
    def test_is_listed(self, leftover: Path, tmp_path: Path) -> None:
        make_old(leftover, 3)
        [found] = clean(tmp_path)
        size = sum(path.stat().st_size for path in leftover.rglob("*") if path.is_file() and path.name != LOCK)
        assert found.pop("age") == pytest.approx(3 * DAY, abs=60)
        assert found == {
            "path": str(leftover),
            "output": "x.tpkx",
            "bundles": HALF_WAY,
            "size": size,
            "inUse": False,
            "removed": False,
        }
        printed = run("clean", ".", cwd=tmp_path).stdout
        assert printed.splitlines()[-1].startswith(".: 1 interrupted export, ")
        assert [line.split()[:2] for line in printed.splitlines() if "x.tpkx" in line] == [["x.tpkx", str(HALF_WAY)]]
        assert "3 d" in printed
        assert leftover.exists()

    def test_is_removed_if_it_is_old_enough(self, leftover: Path, tmp_path: Path) -> None:
        make_old(leftover, 3)
        assert [found["removed"] for found in clean(tmp_path, "--older-than", "4d")] == [False]
        assert leftover.exists()
        assert [found["removed"] for found in clean(tmp_path, "--older-than", "60h")] == [True]
        check_nothing_left(tmp_path)
        assert clean(tmp_path) == []

    def test_is_gone_on_with_after_a_list(self, leftover: Path, cache: Path, tmp_path: Path) -> None:
        clean(tmp_path, "--older-than", "1h")
        result = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=50)
        assert result.resumed.bundles == HALF_WAY
        check_nothing_left(tmp_path, "x.tpkx")


def test_running_export_is_never_touched(cache: Path, tmp_path: Path, gate: Gate) -> None:
    arguments = [*GPTOOL, "export-tiles", str(cache), "x.tpkx", "--compression-quality", "50", "--workers", "1"]
    gate.close(after=HALF_WAY)
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        with gate:
            gate.wait()
            make_old(staging_path(tmp_path / "x.tpkx"), 30)
            [found] = clean(tmp_path, "--older-than", "0s")
            assert (found["inUse"], found["removed"]) == (True, False)
        assert process.wait() == 0
    check_nothing_left(tmp_path, "x.tpkx")


def test_old_dataset_is_put_back(cache: Path, tmp_path: Path) -> None:
    """An overwrite was killed between its two renames."""
    old = export_tiles(cache, tmp_path / "x", levels="0").path
    before = read_dataset(old)
    staging = staging_path(old)
    (staging / OLD).mkdir(parents=True)
    old.rename(staging / OLD / "x")
    (staging / "journal.jsonl").write_text("nonsense")
    [found] = clean(tmp_path, "--older-than", "0s")
    assert (found["output"], found["removed"]) == ("x", True)
    assert read_dataset(old) == before
    check_nothing_left(tmp_path, "x")


def test_folder_of_version_0_1_0_has_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".gptool-a1b2c3.part" / "x").mkdir(parents=True)
    (tmp_path / ".gptool-a1b2c3.part" / "x" / "conf.xml").write_text("x")
    make_old(tmp_path / ".gptool-a1b2c3.part", 1)
    assert [(found["output"], found["removed"]) for found in clean(tmp_path, "--older-than", "2d")] == [(None, False)]
    assert [found["removed"] for found in clean(tmp_path, "--older-than", "2h")] == [True]
    check_nothing_left(tmp_path)


def test_other_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a.part").mkdir()
    (tmp_path / ".gptool-x.part").write_text("a file")
    (tmp_path / "below" / ".gptool-y.part").mkdir(parents=True)
    assert clean(tmp_path, "--older-than", "0s") == []
    check_nothing_left(tmp_path, "a.part", ".gptool-x.part", "below")


@pytest.mark.parametrize(("age", "status"), [("7", 2), ("d", 2), ("-1d", 2), ("1 w", 0), ("2W", 0)])
def test_age_has_a_unit(tmp_path: Path, age: str, status: int) -> None:
    done = run("clean", ".", f"--older-than={age}", cwd=tmp_path)
    assert done.returncode == status
    if status:
        assert f"value is not an age; found {age}, expected one such as 7d, 12h or 90m" in done.stderr


def test_folder_must_exist(tmp_path: Path) -> None:
    done = run("clean", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "nowhere: is not a folder; expected the folder of outputs" in done.stderr


@pytest.mark.posix("forks")
def test_lock_ends_with_its_process_although_others_were_forked(tmp_path: Path) -> None:
    """A pool of processes that was forked meanwhile, and outlives the export, does not keep the lock."""
    ready, wait = os.pipe(), os.pipe()
    if (owner := os.fork()) == 0:
        assert lock_file(tmp_path / "lock") is not None
        if os.fork() == 0:
            os.close(wait[1])
            os.write(ready[1], b"x")
            os.read(wait[0], 1)  # until the test ends
            os._exit(0)
        os.read(wait[0], 1)
    os.read(ready[0], 1)
    assert lock_file(tmp_path / "lock") is None
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    file = lock_file(tmp_path / "lock")
    assert file is not None
    release_lock(file)
    os.close(wait[1])
