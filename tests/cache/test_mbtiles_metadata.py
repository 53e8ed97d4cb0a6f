"""The tiling scheme, format and extent of MBTiles, and metadata that are wrong: what the tiles say counts."""

from __future__ import annotations

from pathlib import Path

import pytest

import gptool
from gptool import export_tiles, open_cache
from gptool.crs.web_mercator import ARCGIS_LEVELS, is_web_mercator
from gptool.model import Extent
from helpers.bundles import Address
from helpers.caches import TILE, jpeg_tile, png_tile, square, world
from helpers.mbtiles import METADATA, make_mbtiles
from helpers.tile_readers import read_tiles

WORLD = world()
HALF_WORLD = 20037508.342787


@pytest.mark.parametrize("side", [256, 512])
def test_scheme_is_that_of_arcgis(tmp_path: Path, side: int) -> None:
    """Tiles of 512 pixels have, at each level, the resolution of the next one."""
    tile = jpeg_tile(1, size=side)
    scheme = open_cache(make_mbtiles(tmp_path / "x.mbtiles", {(0, 0, 0): tile, (7, 3, 9): tile})).scheme
    assert (scheme.tile_rows, scheme.tile_columns, scheme.dpi.text) == (side, side, "96")
    assert (scheme.origin_x.text, scheme.origin_y.text) == ("-20037508.342787", "20037508.342787")
    assert (scheme.reference.wkid, scheme.reference.latest_wkid) == (102100, 3857)
    assert [lod.level for lod in scheme.lods] == list(range(24))
    shift = side // 512
    numbers = [(lod.resolution.text, lod.scale.text) for lod in scheme.lods]
    assert numbers[: 24 - shift] == list(ARCGIS_LEVELS[shift:])
    assert is_web_mercator(scheme)
    for lod in scheme.lods:
        assert lod.scale.value == pytest.approx(lod.resolution.value * 96 * 39.37, rel=1e-6)


MIXED = {(4, 3, 4): png_tile(1), (4, 3, 5): jpeg_tile(2)}
FORMATS = {
    "JPEG": ({(4, 3, 4): jpeg_tile(1)}, "jpg", "JPEG"),
    "PNG": ({(4, 3, 4): png_tile(1)}, "png", "PNG"),
    "MIXED": (MIXED, "png", "MIXED"),
    "none known": ({(4, 3, 4): b"?"}, "jpg", "JPEG"),
    "no tiles": ({}, "png", "PNG"),
}


@pytest.mark.parametrize(("tiles", "stated", "found"), FORMATS.values(), ids=FORMATS)
def test_format_is_that_of_the_tiles(tmp_path: Path, tiles: dict[Address, bytes], stated: str, found: str) -> None:
    path = make_mbtiles(tmp_path / "x.mbtiles", tiles, metadata={"name": "x", "format": stated})
    image = open_cache(path).image
    assert (image.format, image.compression_quality, image.sampled) == (found, 0, len(tiles))
    facts = gptool.info(path).to_json()
    assert (facts["storageFormat"], facts["tileImageInfo"]["sampledTiles"]) == ("MBTiles", len(tiles))


EDGES = square(8, range(122, 134), range(122, 134)) | square(0, range(1), range(1))
BOUNDS: dict[str, tuple[str | None, Extent | None, str | None]] = {
    "the world": ("-180,-85.0511287798,180,85.0511287798", Extent(*2 * (-HALF_WORLD,), *2 * (HALF_WORLD,)), None),
    "in the outermost tiles": ("-8, -8, 8, 8", Extent(-890555.926, -893463.751, 890555.926, 893463.751), None),
    "missing": (None, None, "the metadata state no bounds: the extent is that of the tiles"),
    "south first": ("-8,170,8,179", None, "not west, south"),
    "east first": ("8,-8,-8,8", None, "not west, south, east and north in degrees: the extent is that of the tiles"),
    "north first": ("-8,8,8,-8", None, "not west, south, east and north in degrees"),
    "three numbers": ("-8,-8,8", None, "not west, south, east and north in degrees"),
    "no numbers": ("west,south,east,north", None, "not west, south, east and north in degrees"),
    "infinite": ("-inf,-8,8,inf", None, "not west, south, east and north in degrees"),
    "at a pole": ("-8,86,8,90", None, "not west, south, east and north in degrees"),
    "without tiles": ("20,20,40,40", None, "in which level 8 has no tiles: the extent is that of the tiles instead"),
    "too small": ("-1,-1,1,1", None, "beyond which level 8 has tiles: the extent is that of the tiles instead"),
}


@pytest.mark.parametrize(("bounds", "extent", "warning"), BOUNDS.values(), ids=BOUNDS)
def test_bounds_are_the_extent_unless_tiles_contradict(
    tmp_path: Path, bounds: str | None, extent: Extent | None, warning: str | None
) -> None:
    metadata = {"name": "x", "format": "jpg"} | ({} if bounds is None else {"bounds": bounds})
    path = make_mbtiles(tmp_path / "x.mbtiles", EDGES, metadata=metadata)
    cache = open_cache(path)
    assert tuple(cache.declared_extent or ()) == pytest.approx(tuple(extent or ()), abs=0.01)
    assert len(cache.warnings) == (warning is not None)
    assert all(text.startswith(f"{path}: ") and str(warning) in text for text in cache.warnings)
    of_tiles = Extent(*2 * (-939258.2035,), *2 * (939258.2035,))
    expected = of_tiles.intersection(extent) if extent else of_tiles
    assert expected
    assert tuple(gptool.info(path).full_extent or ()) == pytest.approx(tuple(expected), abs=0.01)


WRONG: dict[str, tuple[dict[str, object] | None, str]] = {
    "format": ({"format": "png"}, "state the format png, but the tiles are JPEG"),
    "unknown format": ({"format": "tiff"}, "state the format tiff, but the tiles are JPEG"),
    "format of vector tiles": ({"format": "pbf"}, "state the format pbf, but the tiles are JPEG"),
    "no format": ({"format": ""}, "the metadata state no format"),
    "no name": ({"name": None}, "the metadata state no name"),
    "minzoom": ({"minzoom": "3"}, "the metadata state minzoom 3, but there are tiles of levels 0 to 8"),
    "maxzoom": ({"maxzoom": "deep"}, "the metadata state maxzoom deep, but there are tiles of levels 0 to 8"),
    "scheme": ({"scheme": "xyz"}, "the metadata state the scheme xyz, but rows of MBTiles count from the south"),
    "no table": (None, "there are no metadata; formats, sizes and extent are those of the tiles"),
    "bounds that are a blob": ({"bounds": b"\xff\xfe"}, "which are not west, south, east and north"),
    "long value": ({"bounds": "1," * 100_000}, "which are not west, south, east and north"),
}


@pytest.mark.parametrize(("changes", "warning"), WRONG.values(), ids=WRONG)
def test_wrong_metadata_are_reported_and_tiles_exported(
    tmp_path: Path, changes: dict[str, object] | None, warning: str
) -> None:
    metadata = None if changes is None else {**METADATA, **changes}
    path = make_mbtiles(tmp_path / "x.mbtiles", WORLD, metadata=metadata)
    [text] = gptool.info(path).warnings
    assert warning in text
    assert len(text) < 600
    result = export_tiles(path, tmp_path / "x.tpkx")
    assert [message.description for message in result.messages if message.type == "Warning"] == [text]
    assert read_tiles(result.path) == WORLD


def test_tiles_of_several_sizes_are_reported(tmp_path: Path) -> None:
    path = make_mbtiles(tmp_path / "x.mbtiles", EDGES | {(8, 0, 0): jpeg_tile(1, size=2 * TILE)})
    cache = open_cache(path)
    assert cache.scheme.tile_rows == TILE
    assert "1 of 128 x 128 pixels); 64 x 64 is taken for all" in " ".join(cache.warnings)
