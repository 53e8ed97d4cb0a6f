"""`gptool verify` as a program: its output and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.bundles import Address
from helpers.caches import jpeg_tile, make_cache
from helpers.command_line import errors_and_notes, run, run_on_terminal
from helpers.esri_packages import small_world, tpkx

TILES: dict[Address, bytes] = {(0, 0, 0): jpeg_tile(1), (1, 0, 1): jpeg_tile(2)[:-20]}


def test_package_that_passes(tmp_path: Path) -> None:
    tpkx().write(tmp_path / "World.tpkx")
    done = run("verify", "World.tpkx", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    summary, note = done.stdout.splitlines()
    assert summary.startswith("World.tpkx, .tpkx: every rule holds; ")
    assert summary.endswith(" rules checked, 85 of 85 tiles decoded")
    assert note.startswith("No device")


def test_findings_are_a_table(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", TILES)
    done = run("verify", "cache", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    text = " ".join(done.stdout.split())
    for words in ("Rule", "Severity", "tiles.jpeg", "level 1, row 0, column 1", "Premature end of JPEG file", "qgis"):
        assert words in text
    assert "cache, compact V2 folder: 1 finding; " in text


def test_table_fits_a_narrow_terminal(tmp_path: Path) -> None:
    tpkx().write(tmp_path / "World.tpkx")
    shown = run_on_terminal("verify", "World.tpkx", cwd=tmp_path, stream="stdout")
    assert "every rule holds" in shown
    assert "No device" in shown


def test_long_tables_are_cut(tmp_path: Path) -> None:
    damaged: dict[Address, bytes] = {(7, 0, column): b"no image" for column in range(120)}
    make_cache(tmp_path / "cache", damaged)
    done = run("verify", "cache", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("tiles.format") == 100
    assert "... and 20 more; --json lists them" in done.stdout


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", TILES)
    done = run("verify", "cache", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    value = json.loads(done.stdout)
    assert (value["passed"], value["tiles"], value["tilesChecked"]) == (False, 2, 2)
    [finding] = value["findings"]
    assert (finding["rule"], finding["where"]["level"], finding["where"]["column"]) == ("tiles.jpeg", 1, 1)
    assert json.loads(run("verify", "cache", "--json", "--tiles", "none", cwd=tmp_path).stdout)["passed"]


def test_clients_and_source_are_options(tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", small_world())
    assert run("verify", "cache", "--source", "cache", cwd=tmp_path).returncode == 0
    make_cache(tmp_path / "other", TILES | {(0, 0, 0): jpeg_tile(9)})
    assert "tiles.source-different" in run("verify", "cache", "--source", "other", cwd=tmp_path).stdout
    done = run("verify", "cache", "--client", "fieldmaps", "--client", "gdal", "--json", cwd=tmp_path)
    assert done.returncode == 1
    value = json.loads(done.stdout)
    assert value["clients"] == ["fieldmaps", "gdal"]
    assert {finding["rule"] for finding in value["findings"]} == {"container.kind", "scheme.well-known-text"}


USAGE = {
    "missing package": ("verify nowhere.tpkx", "nowhere.tpkx: cache not found"),
    "missing source": ("verify cache --source nowhere", "nowhere: cache not found"),
    "unknown client": (
        "verify cache --client arcmap",
        "--client: invalid choice; found arcmap, expected fieldmaps, survey123",
    ),
    "unknown tiles": ("verify cache --tiles some", "--tiles: invalid choice; found some, expected all, sample or none"),
    "empty package": ("verify EMPTY", "PACKAGE|CACHE: is empty; expected a path"),
    "no package": ("verify", "PACKAGE|CACHE: is missing"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=list(USAGE))
def test_wrong_usage_exits_with_2(arguments: str, message: str, tmp_path: Path) -> None:
    make_cache(tmp_path / "cache", TILES)
    done = run(*("" if word == "EMPTY" else word for word in arguments.split()), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(errors_and_notes(done))


def test_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "x.tpkx").write_bytes(b"no zip")
    done = run("verify", "x.tpkx", cwd=tmp_path)
    assert done.returncode == 1
    assert "container.readable" in done.stdout
