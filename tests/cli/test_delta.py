"""`gptool diff` and `gptool apply` as programs: their output and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.caches import jpeg_tile, make_cache, world
from helpers.checks import check_nothing_left
from helpers.command_line import errors_and_notes, run
from helpers.deltas import digests
from helpers.tile_readers import read_tiles

OLD = world()
NEW = {place: tile for place, tile in OLD.items() if place != (8, 122, 122)} | {(8, 124, 124): jpeg_tile(7)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of both states, `old` and `new`."""
    make_cache(tmp_path / "old", OLD)
    make_cache(tmp_path / "new", NEW)
    return tmp_path


def test_counts_are_a_table(folder: Path) -> None:
    done = run("diff", "old", "new", "delta.tpkx", cwd=folder)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["Level", "Added", "Changed", "Deleted", "Unchanged"]
    assert ["8", "0", "1", "1", "142"] in [line.split() for line in lines]
    assert ["All", "0", "1", "1", "163"] in [line.split() for line in lines]
    size = (folder / "delta.tpkx").stat().st_size
    assert lines[-1].startswith(
        f"{folder / 'delta.tpkx'}: tiles: 0 added, 1 changed, 1 deleted, 163 unchanged; {size / 1000:.0f} kB"
    )


def test_json_is_all_that_is_printed(folder: Path) -> None:
    done = run("diff", "old", "new", "delta.tpkx", "--json", "--trust-indexes", cwd=folder)
    value = json.loads(done.stdout)
    assert (value["changed"], value["deleted"], value["base"]["name"]) == (1, 1, "old")
    done = run("apply", "old", "delta.tpkx", "x.tpkx", "--json", cwd=folder)
    value = json.loads(done.stdout)
    assert (value["tiles"], value["size"]) == (len(NEW), (folder / "x.tpkx").stat().st_size)


def test_nothing_changed_is_a_note_and_no_failure(folder: Path) -> None:
    done = run("diff", "old", "old", "delta.tpkx", cwd=folder)
    assert done.returncode == 0
    [note] = errors_and_notes(done)
    assert note.startswith("Note: Nothing changed: the delta has one unchanged tile, so that clients can open it: ")


def test_new_state_is_written(folder: Path) -> None:
    run("diff", "old", "new", "delta.tpkx", cwd=folder)
    done = run("apply", "old", "delta.tpkx", "out", "--storage-format-type", "compact", cwd=folder)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    assert done.stdout.startswith(f"{folder / 'out'}: 164 tiles, ")
    assert digests(read_tiles(folder / "out")) == digests(NEW)


def test_base_is_changed_in_place(folder: Path) -> None:
    run("diff", "old", "new", "delta.tpkx", cwd=folder)
    done = run("apply", "old", "delta.tpkx", "--in-place", cwd=folder)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    assert done.stdout == f"{folder / 'old'}: 164 tiles; 1 bundle updated in place\n"
    assert digests(read_tiles(folder / "old")) == digests(NEW)
    done = run("apply", "old", "delta.tpkx", "--in-place", "--quiet", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (
            ["apply", "new", "delta.tpkx", "x.tpkx"],
            1,
            "new: level 8 is not that of the base of the delta; found 143 tiles",
        ),
        (["apply", "old", "old", "x.tpkx"], 1, "old: is not a delta: it has no delta.json"),
        (["apply", "old", "delta.tpkx"], 2, "OUTPUT: is missing; expected the name of a result, or --in-place"),
        (["apply", "old", "delta.tpkx", "x", "--in-place"], 2, "OUTPUT and --in-place exclude each other"),
        (["apply", "delta.tpkx", "delta.tpkx", "--in-place"], 2, "cannot be changed in place; found a tile package"),
        (
            ["apply", "old", "delta.tpkx", "--in-place", "--storage-format-type", "compact"],
            2,
            "--storage-format-type: ",
        ),
        (["diff", "old", "new", "delta.tpkx"], 1, "output already exists; expected a new name, or --overwrite"),
        (["diff", "old", "absent", "x.tpkx"], 1, "absent: cache not found"),
        (["diff", "old", "new", "x.tpk"], 2, "a delta is a tile package; expected a name that ends in .tpkx"),
        (["diff", "old", "new"], 2, "DELTA.tpkx: is missing"),
    ],
)
def test_failure_is_one_line_and_a_status(folder: Path, arguments: list[str], status: int, text: str) -> None:
    run("diff", "old", "new", "delta.tpkx", cwd=folder)
    done = run(*arguments, cwd=folder)
    [error] = errors_and_notes(done)
    assert error.startswith("Error: ")
    assert text in error
    assert done.returncode == status
    check_nothing_left(folder, "delta.tpkx", "new", "old")


def test_help_has_examples_and_the_exit_status(folder: Path) -> None:
    for command in ("diff", "apply"):
        done = run(command, "--help", cwd=folder)
        assert f"  gptool {command} " in done.stdout
        assert "Exit status: 0 if " in done.stdout
