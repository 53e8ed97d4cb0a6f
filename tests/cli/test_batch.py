"""`gptool batch`: many exports that one file describes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gptool import export_tiles
from gptool.batch import BatchExport, BatchRun, Outcome, read_batch
from gptool.model import Phase, Progress
from helpers.caches import HALF_WAY
from helpers.checks import check_nothing_left, check_package
from helpers.command_line import GPTOOL, errors_and_notes, run, run_on_terminal
from helpers.gate import Gate
from helpers.tile_readers import read_cache, read_dataset, read_tpk
from helpers.waiting import wait_until

AREA = {"type": "Polygon", "coordinates": [[[0.001, 0.001], [0.001, 9], [9, 0.001], [0.001, 0.001]]]}
FILE = """
[defaults]
cache = "world"
compressionQuality = 50

[exports.shallow]
output = "shallow.tpkx"
levels = "0-2"

[exports.nowhere]
cache = "nowhere"
output = "nowhere.tpkx"

[exports.original]
output = "original"
levels = [1, 2]
compressionQuality = ""
storageFormatType = "compact"

[exports.area]
output = "area.tpk"
areaOfInterest = "area.geojson"
maxExportTilesCount = 29
tables = "exact"

[exports.many]
output = "many.tpkx"
maxExportTilesCount = 28
"""
THREE = "".join(f'[exports.{name}]\ncache = "world"\noutput = "{name}.tpkx"\n' for name in "abc")
NOT_FOUND = "cache not found; expected a cache folder, a .tpkx, a .tpk or a .mbtiles"
OUTPUTS = {"shallow.tpkx", "original", "area.tpk"}
STATUS_LINE = re.compile(r"^ *(\w+) +([\d,]+|-) +(\S+ \w?B|-) +(\w[\w ]*?) +\d+\.\d *$", re.MULTILINE)


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
    """A folder of a cache, an area, and the file of a batch."""
    folder = tmp_path / "nightly"
    shutil.copytree(cache, folder / "world")
    (folder / "area.geojson").write_text(json.dumps(AREA))
    write(folder, FILE)
    return folder


def write(folder: Path, text: str) -> Path:
    path = folder / "batch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def statuses(table: str) -> dict[str, str]:
    """Return the status of each export, as the table shows it."""
    return {match[1]: match[4] for match in STATUS_LINE.finditer(table)}


def outputs(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir()} - {"world", "area.geojson", "batch.toml", "batch.toml.lock"}
    return {name for name in names if not name.startswith(".gptool-")}  # of exports that were interrupted


@pytest.mark.parametrize("jobs", [1, 3])
def test_exports_run_and_are_summarised(folder: Path, tmp_path: Path, jobs: int) -> None:
    done = run("batch", folder / "batch.toml", "--jobs", jobs, cwd=tmp_path)
    assert done.returncode == 1  # two of them fail, which the others do not mind
    expected = {"shallow": "exported", "nowhere": "failed", "original": "exported", "area": "exported"}
    assert statuses(done.stdout) == {**expected, "many": "failed"}
    assert list(statuses(done.stdout)) == list({**expected, "many": "failed"})
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(rf"{re.escape(str(folder / 'batch.toml'))}: 5 exports in [\d.]+ s: 3 exported, 2 failed", last)
    assert outputs(folder) == OUTPUTS
    check_package(folder / "shallow.tpkx", levels={0, 1, 2})
    source = read_cache(folder / "world")
    assert read_dataset(folder / "original") == {key: tile for key, tile in source.items() if key[0] in (1, 2)}
    assert len(read_tpk(folder / "area.tpk")) == 29
    errors = [line for line in errors_and_notes(done) if ": failed: " in line]
    assert f"nowhere: failed: {folder / 'nowhere'}: {NOT_FOUND}" in errors
    assert any(line.startswith("many: failed: ERROR 001564: ") for line in errors)
    assert any(line.startswith("many: Tiles per level: 0: 1,") for line in errors_and_notes(done))


def test_results_are_those_of_single_exports(folder: Path, tmp_path: Path) -> None:
    run("batch", "batch.toml", "--jobs", 2, cwd=folder)
    (tmp_path / "single").mkdir()
    for name, arguments in {
        "shallow.tpkx": {"levels": "0-2", "compression_quality": 50},
        "area.tpk": {"area_of_interest": AREA, "compression_quality": 50, "tables": "exact"},
    }.items():
        export_tiles(folder / "world", tmp_path / "single" / name, **arguments)  # type: ignore[arg-type]
        assert (folder / name).read_bytes() == (tmp_path / "single" / name).read_bytes()


def test_success_of_all_is_exit_status_0(folder: Path) -> None:
    text = FILE.partition("[exports.nowhere]")[0]
    write(folder, text)
    assert run("batch", "batch.toml", cwd=folder).returncode == 0
    again = run("batch", "batch.toml", cwd=folder)
    assert again.returncode == 1
    assert "output already exists; expected a new name, or overwrite = true\n" in again.stderr
    write(folder, f"{text}overwrite = true\n")
    assert run("batch", "batch.toml", cwd=folder).returncode == 0


def test_json_has_the_figures_of_each_export(folder: Path) -> None:
    done = run("batch", "batch.toml", "--json", cwd=folder)
    printed = json.loads(done.stdout)
    assert (done.returncode, printed["file"]) == (1, str(folder / "batch.toml"))
    by_name = {export["name"]: export for export in printed["exports"]}
    assert list(by_name) == ["shallow", "nowhere", "original", "area", "many"]
    shallow, nowhere = by_name["shallow"], by_name["nowhere"]
    assert (shallow["status"], shallow["error"], shallow["output"]) == ("exported", None, str(folder / "shallow.tpkx"))
    assert shallow["result"]["size"] == (folder / "shallow.tpkx").stat().st_size
    assert [level["tiles"] for level in shallow["result"]["levels"]] == [1, 4, 16]
    assert (nowhere["status"], nowhere["result"]) == ("failed", None)
    assert (nowhere["error"], nowhere["advice"]) == (f"{folder / 'nowhere'}: {NOT_FOUND}", [])
    assert by_name["many"]["advice"][0].startswith("Tiles per level: 0: 1, ")


def test_messages_name_their_export(folder: Path) -> None:
    write(folder, '[exports.gap]\ncache = "world"\noutput = "gap.tpkx"\nlevels = "2-3"\n')
    assert (
        errors_and_notes(run("batch", "batch.toml", cwd=folder))[0] == "gap: Warning: level 3 holds no selected tiles"
    )


EXPORT = '[exports.a]\ncache = "world"\noutput = "a.tpkx"\n'


@pytest.mark.parametrize("name", ["batch.toml", "nowhere.toml"])
def test_wrong_file_is_found_before_anything_runs(folder: Path, name: str) -> None:
    path = write(folder, f"{THREE}[exports.d]\nlvels = 1").with_name(name)
    done = run("batch", name, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    [error] = errors_and_notes(done)
    assert error.startswith(f"Error: {path}: ")
    check_nothing_left(folder, "world", "area.geojson", "batch.toml")


def test_wrong_key_is_answered_with_the_names_of_keys(folder: Path) -> None:
    write(folder, f"{EXPORT}level = 1")
    [error] = errors_and_notes(run("batch", "batch.toml", cwd=folder))
    assert "exportBy, nearestLevel, exportExtent, areaOfInterest" in error
    assert "--" not in error


@contextmanager
def running(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a batch, whose standard error goes to a file."""
    command = [*GPTOOL, "batch", "batch.toml", *options]
    with (
        errors_file(folder).open("w") as errors,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        yield process


def errors_file(folder: Path) -> Path:
    return folder.parent / "errors"


def wait_until_stopping(folder: Path) -> None:
    """Wait until a run has taken note of a signal: what the gate holds must not be finished."""
    wait_until(lambda: "Stopping the exports that are running\n" in errors_file(folder).read_text())


def test_jobs_run_at_once(folder: Path, gate: Gate) -> None:
    write(folder, THREE)
    with running(folder, "--jobs", "2") as process:
        with gate.closed():
            wait_until(lambda: len(list(folder.glob(".gptool-*.part"))) == 2)
        assert process.communicate()[0]
        assert process.returncode == 0
    check_nothing_left(folder, "world", "area.geojson", "batch.toml", "batch.toml.lock", "a.tpkx", "b.tpkx", "c.tpkx")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.posix("signals between processes")
def test_interrupt_tells_what_was_done(folder: Path, gate: Gate, number: signal.Signals, status: int) -> None:
    write(folder, THREE.replace("[exports.b]", "levels = 0\n[exports.b]"))
    with running(folder) as process, gate:
        gate.close(after=1 + HALF_WAY)  # after the only batch of the first export
        gate.wait()
        process.send_signal(number)
        wait_until_stopping(folder)
        gate.open()
        table, _ = process.communicate()
    assert (process.returncode, "Traceback" in errors_file(folder).read_text()) == (status, False)
    assert statuses(table) == {"a": "exported", "b": "interrupted", "c": "not started"}
    assert table.splitlines()[-1].endswith(" s: 1 exported, 1 interrupted, 1 not started")
    assert outputs(folder) == {"a.tpkx"}
    again = run("batch", folder / "batch.toml", cwd=folder.parent)
    assert statuses(again.stdout) == {"a": "failed", "b": "exported", "c": "exported"}
    assert "b: Note: Resumed an interrupted run of this export: " in again.stderr
    check_nothing_left(folder, "world", "area.geojson", "batch.toml", "batch.toml.lock", "a.tpkx", "b.tpkx", "c.tpkx")


@pytest.mark.posix("signals between processes")
def test_interrupt_stops_all_jobs(folder: Path, gate: Gate) -> None:
    write(folder, THREE)
    with running(folder, "--jobs", "2") as process, gate:
        gate.close()
        wait_until(lambda: len(list(folder.glob(".gptool-*.part"))) == 2)
        gate.wait(2)
        process.send_signal(signal.SIGINT)
        wait_until_stopping(folder)
        gate.open()
        table, _ = process.communicate()
    assert process.returncode == 130
    assert statuses(table) == {"a": "interrupted", "b": "interrupted", "c": "not started"}
    assert not outputs(folder)


def test_second_run_is_refused_until_the_first_has_ended(folder: Path, gate: Gate) -> None:
    write(folder, f"{EXPORT}overwrite = true")
    with running(folder) as process:
        gate.close()
        gate.wait()
        second = run("batch", folder / "batch.toml", cwd=folder.parent)
        assert (second.returncode, second.stdout) == (1, "")
        path = folder / "batch.toml"
        expected = f"found process {process.pid}, expected one run of the file at a time"
        assert errors_and_notes(second) == [f"Error: {path}: is already running; {expected}"]
        process.kill()  # the lock ends with the process, however it ends
        process.wait()
        gate.open()
    assert run("batch", "batch.toml", cwd=folder).returncode == 0


@pytest.mark.posix("symbolic links, which Windows lets only administrators make")
def test_lock_is_not_written_through_a_link(folder: Path) -> None:
    (folder / "precious").write_text("precious")
    (folder / "batch.toml.lock").symlink_to("precious")
    done = run("batch", "batch.toml", cwd=folder)
    assert (done.returncode, "batch.toml.lock: cannot be written: " in done.stderr) == (1, True)
    assert (folder / "precious").read_text() == "precious"


def test_progress_is_shown_on_a_terminal_only(folder: Path) -> None:
    text = FILE.partition("[exports.nowhere]")[0] + "overwrite = true"
    write(folder, text)
    shown = run_on_terminal("batch", "batch.toml", cwd=folder, stream="stderr")
    assert "21 of 21 tiles" in shown
    done = run("batch", "batch.toml", cwd=folder)
    [line] = done.stderr.splitlines()
    assert re.fullmatch(r"shallow: exported in [\d.]+ s: 21 tiles, [\d.]+ [kM]B", line)


def test_internal_error_ends_one_export_only(folder: Path) -> None:
    @contextmanager
    def show(export: BatchExport) -> Iterator[Progress]:
        def progress(phase: Phase, done: int, total: int, /) -> None:
            assert export.name != "b", "a fault"

        yield progress

    ended: list[Outcome] = []
    batch_run = BatchRun(read_batch(write(folder, THREE)), 2, show, ended.append, pytest.fail)
    batch_run.run()
    assert [outcome.status for outcome in batch_run.outcomes.values()] == ["exported", "failed", "exported"]
    assert str(batch_run.outcomes["b"].error).startswith("internal error: AssertionError: a fault")
    assert sorted(ended, key=lambda outcome: outcome.export.name) == list(batch_run.outcomes.values())
