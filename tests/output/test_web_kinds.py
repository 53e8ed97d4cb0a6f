"""Results in formats of web maps: the tiles of every source, reproducible, resumable, and refused if they cannot be."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptool import ExportResult, errors, estimate_export_tiles_size, export_tiles
from gptool.model import Phase
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, png_tile, square, world
from helpers.checks import check_nothing_left
from helpers.lerc_tiles import lerc2_tile
from helpers.packages import make_tpk, make_tpkx, root_text
from helpers.tile_readers import COMPACT, COMPACT_V2, read_tiles
from helpers.web_caches import make_web_cache, mixed_pyramid, pyramid
from helpers.web_readers import READERS, read_web_tiles

EXPLODED = "esriMapCacheStorageModeExploded"

SOURCES: dict[str, Callable[[Path, Mapping[Address, bytes]], Path]] = {
    "V2": lambda path, tiles: make_cache(path / "c", tiles, conf=conf_text(tile=256, storage=COMPACT_V2), dead=9),
    "V1": lambda path, tiles: make_v1_cache(path / "c", tiles, conf=conf_text(tile=256, storage=COMPACT)),
    "exploded": lambda path, tiles: make_exploded_cache(path / "c", tiles, conf=conf_text(tile=256, storage=EXPLODED)),
    "tpkx": lambda path, tiles: make_tpkx(path / "c.tpkx", tiles, root=root_text(tile=256)),
    "tpk": lambda path, tiles: make_tpk(path / "c.tpk", tiles, conf=conf_text(tile=256, storage=COMPACT)),
}

each_kind = pytest.mark.parametrize("suffix", READERS)
each_web_kind = pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix != ".gpkg"])


def digest(result: ExportResult) -> str:
    return hashlib.sha256(result.path.read_bytes()).hexdigest()


@each_kind
@pytest.mark.parametrize("source", SOURCES)
def test_tiles_are_those_of_every_source(tmp_path: Path, suffix: str, source: str) -> None:
    cache = SOURCES[source](tmp_path, world())
    (tmp_path / "out").mkdir()
    result = export_tiles(cache, tmp_path / "out" / f"x{suffix}")
    assert read_web_tiles(result.path) == world()
    assert result.size == result.path.stat().st_size
    check_nothing_left(tmp_path / "out", f"x{suffix}")


@each_kind
@pytest.mark.parametrize("quality", [None, 40])
def test_results_are_reproducible(tmp_path: Path, suffix: str, quality: int | None) -> None:
    cache = make_web_cache(tmp_path / "cache", world(), levels=9)
    results = []
    for workers in (1, 3):
        (tmp_path / f"{workers}").mkdir()
        results.append(
            export_tiles(cache, tmp_path / f"{workers}" / f"x{suffix}", workers=workers, compression_quality=quality)
        )
    with ThreadPoolExecutor(2) as executor:
        results.append(
            export_tiles(cache, tmp_path / f"x{suffix}", executor=executor, compression_quality=quality, overwrite=True)
        )
    assert len(set(map(digest, results))) == 1


@each_kind
def test_recompressed_tiles_are_those_of_a_package(tmp_path: Path, suffix: str) -> None:
    cache = make_web_cache(tmp_path / "cache", mixed_pyramid(), format="MIXED")
    result = export_tiles(cache, tmp_path / f"x{suffix}", compression_quality=40, export_extent="0,-1e7,2e7,2e7")
    expected = export_tiles(cache, tmp_path / "x.tpkx", compression_quality=40, export_extent="0,-1e7,2e7,2e7")
    assert read_web_tiles(result.path) == read_tiles(expected.path)
    assert result.total.tiles_recompressed == expected.total.tiles_recompressed > 0


@each_kind
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_sparse_tiles(tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject) -> None:
    """Tiles anywhere in nine levels, many of them equal."""
    folder, tiles = tmp_path_factory.mktemp("sparse"), dict[Address, bytes]()
    for level in data.draw(st.sets(st.integers(0, 12), min_size=1, max_size=5)):
        places = st.tuples(st.integers(0, 2**level - 1), st.integers(0, 2**level - 1))
        near = st.tuples(st.integers(0, min(2**level, 5) - 1), st.integers(0, min(2**level, 300) - 1))
        for row, column in data.draw(st.sets(st.one_of(places, near), min_size=1, max_size=30)):
            tiles[level, row, column] = png_tile(data.draw(st.integers(0, 3)), size=16)
    result = export_tiles(make_web_cache(folder / "cache", tiles, levels=13, format="PNG"), folder / f"x{suffix}")
    assert read_web_tiles(result.path) == tiles
    if suffix == ".mbtiles":
        assert read_tiles(export_tiles(result.path, folder / "back.tpkx").path) == tiles


@each_kind
def test_interrupted_export_is_gone_on_with(tmp_path: Path, suffix: str) -> None:
    """The result has the bytes of an export that was not interrupted."""
    cache = make_web_cache(tmp_path / "cache", square(9, range(120, 400, 40), range(120, 400, 40)), levels=10)
    target = tmp_path / "out" / f"x{suffix}"

    def interrupt(phase: Phase, done: int, total: int) -> None:
        if phase is Phase.EXPORTING and done > total // 2:
            raise KeyboardInterrupt

    for quality in (None, 40):
        expected = digest(export_tiles(cache, tmp_path / f"x{suffix}", compression_quality=quality, overwrite=True))
        with pytest.raises(KeyboardInterrupt):
            export_tiles(cache, target, compression_quality=quality, workers=1, progress=interrupt)
        assert not target.exists()
        result = export_tiles(cache, target, compression_quality=quality)
        assert result.resumed.bundles > 0
        assert digest(result) == expected
        check_nothing_left(target.parent, target.name)
        target.unlink()


@each_kind
@pytest.mark.posix("a limit on the sizes of files")
@pytest.mark.parametrize("limit", [60_000, 240_000])
def test_full_disk_is_an_error(tmp_path: Path, suffix: str, limit: int) -> None:
    """A limit on the sizes of files simulates the full disk: of a staged bundle, and of the result."""
    import resource

    cache = make_web_cache(tmp_path / "cache", square(9, range(100, 160), range(100, 160)), levels=10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "out").mkdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(errors.OutputError, match=rf"x\{suffix}: cannot be written: "):
            export_tiles(cache, tmp_path / "out" / f"x{suffix}", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = [path for path in tmp_path.rglob("*") if path.name.startswith(f"x{suffix}")]
    assert left == []


@each_kind
@pytest.mark.parametrize("tile", [500, 2100, 3000, 6000, 13000, 40000])
@pytest.mark.parametrize("is_random", [False, True])
def test_estimate_bounds_the_size(tmp_path: Path, suffix: str, tile: int, is_random: bool) -> None:
    """Of tiles that are all of one size, and of sizes around it."""
    sizes = [tile * (1 + is_random * (7 * i % 13 - 6) / 8) for i in range(400)]
    tiles = {(6, i // 20, i % 20): (b"\xff\xd8%d" % i).ljust(int(size), b"x") for i, size in enumerate(sizes)}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=7)
    estimate = estimate_export_tiles_size(cache, output=tmp_path / f"x{suffix}")
    size = export_tiles(cache, tmp_path / f"x{suffix}").size
    assert estimate.interval[0] <= size <= estimate.interval[1]
    assert estimate.interval[0] <= estimate.total_size <= estimate.interval[1]
    assert estimate.result == f"a {suffix}"


@each_kind
def test_estimate_of_usual_tiles_is_near(tmp_path: Path, suffix: str) -> None:
    """Within 5 % for different tiles of 8 to 20 kB."""
    tiles = {(6, i // 20, i % 20): (b"\xff\xd8%d" % i).ljust(8000 + 7919 * i % 12000, b"x") for i in range(400)}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=7)
    estimate = estimate_export_tiles_size(cache, output=tmp_path / f"x{suffix}")
    assert estimate.total_size == pytest.approx(export_tiles(cache, tmp_path / f"x{suffix}").size, rel=0.05)


@each_kind
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"storage_format_type": "compactV2"},
            "storage_format_type: has no meaning for a {}; found compactV2, expected none, or the name of a folder",
        ),
        (
            {"target_size": "1GB"},
            "target_size: the size of a {} is only known when it is written; expected a tile package or the name of a "
            "folder as output, or a compression_quality",
        ),
        ({"max_part_size": "1GB"}, "output has the suffix of a file, but the export is divided into parts"),
    ],
)
def test_parameters_without_meaning_are_refused(
    tmp_path: Path, suffix: str, arguments: dict[str, str], message: str
) -> None:
    cache = make_web_cache(tmp_path / "cache", pyramid())
    with pytest.raises(errors.ParameterError) as caught:
        export_tiles(cache, tmp_path / f"x{suffix}", **arguments)  # type: ignore[arg-type]
    assert message.format(suffix) in str(caught.value)
    check_nothing_left(tmp_path, "cache")


def geographic(**changes: object) -> str:
    lods = "<LODInfo><LevelID>0</LevelID><Scale>295828763.8</Scale><Resolution>0.703125</Resolution></LODInfo>"
    return conf_text(tile=256, reference="<WKID>4326</WKID>", x="-180", y="90", lods=lods, **changes)


@each_web_kind
@pytest.mark.parametrize(
    ("tiles", "conf", "message"),
    [
        (square(0, range(1), range(1)), geographic(), "holds tiles of web Mercator's standard scheme only"),
        (square(0, range(1), range(1)), conf_text(tile=256, x="-20000000"), "web Mercator's standard scheme only"),
        ({(0, 0, 0): lerc2_tile(4)}, conf_text(tile=256, format="LERC"), "holds PNG and JPEG tiles only; found LERC"),
        (square(0, range(1), range(1)), conf_text(tile=128), "do not read tiles of this size; found 128 x 128 pixels"),
        (square(0, range(2), range(1)), conf_text(tile=256), "level 0 has tiles outside the square world; found row 1"),
    ],
)
def test_tiles_that_the_format_does_not_hold_are_refused(
    tmp_path: Path, suffix: str, tiles: dict[Address, bytes], conf: str, message: str
) -> None:
    cache = make_cache(tmp_path / "cache", tiles, conf=conf)
    for call in (export_tiles, lambda cache, output: estimate_export_tiles_size(cache, output=output)):
        with pytest.raises(errors.ParameterError) as caught:
            call(cache, tmp_path / f"x{suffix}")
        assert message in str(caught.value)
        assert str(caught.value).startswith(f"{cache}: ")
        assert str(caught.value).endswith(", or another kind of output")
    check_nothing_left(tmp_path, "cache")


@each_web_kind
def test_level_above_the_world_is_refused(tmp_path: Path, suffix: str) -> None:
    """Tiles of 512 pixels of ArcGIS's level 0 are twice the world."""
    lods = "<LODInfo><LevelID>0</LevelID><Scale>591657527.591555</Scale><Resolution>156543.03392800014</Resolution>"
    conf = conf_text(tile=512, lods=f"{lods}</LODInfo>")
    cache = make_cache(tmp_path / "cache", square(0, range(1), range(1)), conf=conf)
    with pytest.raises(errors.ParameterError, match=r"level 0 has no zoom that a .+ can state; found zoom -1"):
        export_tiles(cache, tmp_path / f"x{suffix}")


@pytest.mark.parametrize(("suffix", "deepest"), [(".pmtiles", 26), (".mbtiles", 30)])
def test_levels_beyond_the_deepest_zoom_concern_exports_of_them_only(tmp_path: Path, suffix: str, deepest: int) -> None:
    tiles = {(level, 0, 0): jpeg_tile(level) for level in (0, deepest, deepest + 1)}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=deepest + 2)
    with pytest.raises(
        errors.ParameterError, match=f"no zoom that a {suffix} can state; found zoom {deepest + 1}, expe"
    ):
        export_tiles(cache, tmp_path / f"x{suffix}")
    result = export_tiles(cache, tmp_path / f"x{suffix}", levels=f"0,{deepest}")
    assert read_web_tiles(result.path) == {place: tile for place, tile in tiles.items() if place[0] <= deepest}
    gap = f"zooms 1-{deepest - 1} between the others have no tiles: clients of a {suffix} may show nothing there"
    assert list(result.warnings) == [gap]


@each_web_kind
def test_level_ids_are_no_zooms(tmp_path: Path, suffix: str) -> None:
    """A cache whose level 3 is the whole world: zooms follow from resolutions."""
    lods = "".join(
        f"<LODInfo><LevelID>{level + 3}</LevelID><Scale>{591657527.591555 / 2**level}</Scale>"
        f"<Resolution>{156543.03392800014 / 2**level}</Resolution></LODInfo>"
        for level in range(4)
    )
    tiles = {(level + 3, row, column): tile for (level, row, column), tile in pyramid().items()}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(tile=256, lods=lods))
    assert read_web_tiles(export_tiles(cache, tmp_path / f"x{suffix}").path) == pyramid()


@each_web_kind
def test_warnings(tmp_path: Path, suffix: str) -> None:
    """Zooms without tiles, tiles of 512 pixels, and tiles in several formats."""
    tiles = square(3, range(1), range(1)) | {(8, 0, 0): png_tile(1), (8, 0, 1): b"unknown"}
    cache = make_web_cache(tmp_path / "cache", tiles, levels=9, tile=512, format="MIXED")
    texts = [message.description for message in export_tiles(cache, tmp_path / f"x{suffix}").messages]
    assert f"the tiles have 512 x 512 pixels: clients of a {suffix} that assume 256 must be told" in texts
    assert f"zooms 4-7 between the others have no tiles: clients of a {suffix} may show nothing there" in texts
    assert any("holds 1 tile in JPEG and 1 tile in PNG and 1 tile in another format" in text for text in texts)


@pytest.mark.posix("names that are no text")
@each_kind
def test_name_that_is_no_text(tmp_path: Path, suffix: str) -> None:
    result = export_tiles(make_web_cache(tmp_path / "cache", pyramid()), tmp_path / f"\udcff{suffix}")
    assert read_web_tiles(result.path) == pyramid()


@pytest.mark.parametrize("suffix", [".mbtiles", ".gpkg"])
def test_error_of_sqlite_is_an_error_of_the_output(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of SQLite is an error of the output, and leaves nothing."""
    cache = make_web_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)})

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(errors.OutputError, match="cannot be written: "):
        export_tiles(cache, tmp_path / f"x{suffix}")
    check_nothing_left(tmp_path, "cache")
