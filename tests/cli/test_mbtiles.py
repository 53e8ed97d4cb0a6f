"""MBTiles as CACHE of every command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import gptool
from helpers.caches import make_cache, world
from helpers.command_line import errors_and_notes, run
from helpers.mbtiles import make_mbtiles
from helpers.tile_readers import read_tiles
from helpers.web_caches import make_web_cache, pyramid

WORLD = world()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_mbtiles(tmp_path / "world.mbtiles", WORLD)
    return tmp_path


def test_info_states_format_scheme_and_sample(folder: Path) -> None:
    done = run("info", "world.mbtiles", "--levels", cwd=folder)
    assert (done.returncode, errors_and_notes(done)) == (0, [])
    lines = done.stdout.splitlines()
    assert lines[0] == "Cache      world, MBTiles"
    assert lines[1] == "Tiles      JPEG, as 53 sampled tiles, 64 x 64 px"
    size = (folder / "world.mbtiles").stat().st_size
    assert lines[-1].startswith("world: 165 tiles, ")
    assert lines[-1].endswith(f" kB, in a file of {size / 1000:.0f} kB")
    value = json.loads(run("info", "world.mbtiles", "--json", cwd=folder).stdout)
    assert (value["tiles"], value["packageBytes"], value["warnings"]) == (len(WORLD), size, [])
    assert [level["tiles"] for level in value["levels"] if level["tiles"]] == [1, 4, 16, 144]


def test_estimate_is_that_of_the_export(folder: Path) -> None:
    for options in ([], ["--compression-quality", "50"], ["--levels", "8", "--export-extent", "1,1,2e5,2e5"]):
        estimate = json.loads(run("estimate", "world.mbtiles", "--json", *options, cwd=folder).stdout)
        done = run("export-tiles", "world.mbtiles", "x.tpkx", "--overwrite", *options, cwd=folder)
        assert (done.returncode, errors_and_notes(done)) == (0, [])
        assert estimate["totalTilesToExport"] == len(read_tiles(folder / "x.tpkx"))
        assert estimate["totalSize"] == pytest.approx((folder / "x.tpkx").stat().st_size, rel=0.01)


def test_estimate_of_a_copy_has_bounds_without_a_sample(folder: Path) -> None:
    make_web_cache(folder / "web", pyramid())
    last_line = run("estimate", "web", "--output", "x.mbtiles", cwd=folder).stdout.splitlines()[-1]
    assert re.fullmatch(r"33 tiles, about [\d.]+ .B \([\d.]+ .B to [\d.]+ .B\) as a \.mbtiles named x", last_line)


def test_samples_are_those_of_a_cache_folder(folder: Path) -> None:
    make_cache(folder / "world", WORLD)
    values = []
    for cache in ("world.mbtiles", "world"):
        done = run("samples", cache, f"{cache}.html", "--qualities", "30,60", "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        values.append(json.loads(done.stdout))
    assert values[0]["tiles"] == values[1]["tiles"]
    scores = [[{**each, "totalSize": 0, "totalSizeInterval": 0} for each in value["qualities"]] for value in values]
    assert scores[0] == scores[1]  # the sizes differ by those of the metadata


def test_batch(folder: Path) -> None:
    text = (
        '[exports.a]\ncache = "world.mbtiles"\noutput = "a.tpkx"\n[exports.b]\ncache = "world.mbtiles"\noutput = "b"\n'
    )
    (folder / "batch.toml").write_text(text)
    done = run("batch", "batch.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert read_tiles(folder / "a.tpkx") == read_tiles(folder / "b") == WORLD


def test_parts_and_processes(folder: Path) -> None:
    result = gptool.export_tiles(folder / "world.mbtiles", folder / "parts", max_part_tiles=60)
    tiles = [read_tiles(folder / "parts" / part.name) for part in result.parts]
    assert sum(map(len, tiles)) == len(WORLD)
    assert {address: tile for part in tiles for address, tile in part.items()} == WORLD
    with ProcessPoolExecutor(2) as executor:
        gptool.export_tiles(folder / "world.mbtiles", folder / "x.tpkx", executor=executor)
    gptool.export_tiles(folder / "world.mbtiles", folder / "expected" / "x.tpkx")
    assert (folder / "x.tpkx").read_bytes() == (folder / "expected" / "x.tpkx").read_bytes()


def test_output_that_is_the_cache_is_refused(folder: Path) -> None:
    before = (folder / "world.mbtiles").read_bytes()
    for output in ("world.mbtiles", "world.mbtiles/x.tpkx"):
        assert run("export-tiles", "world.mbtiles", output, "--overwrite", cwd=folder).returncode != 0
    assert (folder / "world.mbtiles").read_bytes() == before


@contextmanager
def in_a_file(path: Path) -> Iterator[Path]:
    path.write_bytes(b"no database")
    yield path
    path.unlink()


EXPECTED = "expected a .tpkx, a .tpk or a cache folder, such as"
NOT_VERIFIED = {
    ".mbtiles": f"MBTiles are not verified; {EXPECTED} an export of it",
    ".pmtiles": f"PMTiles are not verified; {EXPECTED} one with the same tiles",
    ".gpkg": f"GeoPackages are not verified; {EXPECTED} one with the same tiles",
}


@pytest.mark.parametrize("suffix", NOT_VERIFIED)
class TestVerify:
    @pytest.mark.parametrize("is_damaged", [False, True])
    def test_files_of_other_formats_are_wrong_usage(self, tmp_path: Path, suffix: str, is_damaged: bool) -> None:
        gptool.export_tiles(make_web_cache(tmp_path / "cache", pyramid()), tmp_path / f"x{suffix}")
        if is_damaged:
            (tmp_path / f"x{suffix}").write_bytes(b"no database")
        done = run("verify", f"x{suffix}", "--json", cwd=tmp_path)
        expected = [f"Error: x{suffix}: {NOT_VERIFIED[suffix]}"]
        assert (done.returncode, done.stdout, errors_and_notes(done)) == (2, "", expected)

    def test_so_are_those_in_stores(self, suffix: str) -> None:
        url = f"s3://tiles/x{suffix.upper()}"
        with pytest.raises(gptool.errors.ParameterError) as caught:
            gptool.verify(url)
        assert str(caught.value) == f"{url}: {NOT_VERIFIED[suffix]}"

    def test_missing_file_is_said_to_be_missing(self, tmp_path: Path, suffix: str) -> None:
        done = run("verify", f"x{suffix}", cwd=tmp_path)
        assert done.returncode == 2
        assert f"x{suffix}: cache not found; expected" in "".join(errors_and_notes(done))


def test_verify_takes_it_as_source(folder: Path) -> None:
    run("export-tiles", "world.mbtiles", "x.tpkx", cwd=folder)
    done = run("verify", "x.tpkx", "--source", "world.mbtiles", cwd=folder)
    assert done.returncode == 0, done.stdout
    make_mbtiles(folder / "other.mbtiles", {**WORLD, (2, 0, 0): WORLD[2, 1, 1]})
    done = run("verify", "x.tpkx", "--source", "other.mbtiles", cwd=folder)
    assert done.returncode == 1
    assert "tiles.source-different" in done.stdout


@pytest.mark.parametrize("command", ["info", "estimate"])
def test_error_is_one_line(folder: Path, command: str) -> None:
    with in_a_file(folder / "x.mbtiles"):
        done = run(command, "x.mbtiles", cwd=folder)
    assert done.returncode == 1
    assert errors_and_notes(done) == [
        f"Error: {folder / 'x.mbtiles'}: is not an SQLite database; found a file that starts with "
        "6e 6f 20 64 61 74 61 62, expected an MBTiles file, which is one"
    ]
