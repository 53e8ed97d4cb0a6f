"""Tests of opening a cache, and of unusual spatial references, extents and levels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gptool import errors, export_tiles, open_cache
from gptool.model import Extent
from helpers.caches import CDI, conf_text, jpeg_tile, make_cache, make_exploded_cache, square
from helpers.packages import make_tpkx, root_text
from helpers.tile_readers import read_json

ONE = square(0, range(1), range(1))


@pytest.mark.parametrize(
    "location", ["a\0b", "a\ud800b", "a" * 5000], ids=["null byte", "unpaired surrogate", "too long"]
)
@pytest.mark.posix("error numbers of POSIX")
def test_invalid_paths_are_rejected(location: str) -> None:
    with pytest.raises(errors.CacheError, match="cannot be opened") as caught:
        open_cache(location)
    assert str(caught.value).isprintable()


def test_path_in_root_json_that_is_too_long_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text(root_text(tileBundlesPath=json.dumps("a" * 300)))
    with pytest.raises(
        errors.CacheNotFoundError, match=r"root\.json: tileBundlesPath is not an existing folder; found a"
    ):
        open_cache(tmp_path)


REFERENCES = {
    "Moon": "<WKID>104903</WKID>",
    "Mars": "<WKID>104905</WKID>",
    "unknown WKID": "<WKID>987654</WKID>",
    "local grid": '<WKT>LOCAL_CS["grid"]</WKT>',
    "invalid WKT": "<WKT>somewhere</WKT>",
    "none": "",
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("output", ["x.tpkx", "x.tpk", "x"])
def test_spatial_references_without_degrees_are_exported(tmp_path: Path, name: str, output: str) -> None:
    """A .tpkx requires a spatial reference; a package then states the whole world in degrees, with a warning."""
    cache = make_cache(tmp_path / "cache", ONE, conf=conf_text(reference=REFERENCES[name]))
    if output == "x.tpkx" and name == "none":
        with pytest.raises(errors.ConfError, match=r"spatial reference is not stated, which a \.tpkx requires"):
            export_tiles(cache, tmp_path / output)
        return
    result = export_tiles(cache, tmp_path / output)
    is_unknown = name in ("unknown WKID", "invalid WKT")
    assert len(result.warnings) == (is_unknown if output == "x" else 1)
    assert open_cache(result.path).scheme.reference.wkid == open_cache(cache).scheme.reference.wkid
    if output == "x.tpkx":
        box = read_json(result.path, "iteminfo.json")["extent"]
        assert (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) == (-180, -90, 180, 90)


def test_unpaired_surrogate_in_root_json_is_rejected(tmp_path: Path) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=root_text(spatialReference='{"wkt":"\\ud800"}'))
    with pytest.raises(errors.ConfError, match=r"root\.json: is not valid JSON: .*surrogates not allowed"):
        open_cache(package)
    package = make_tpkx(
        tmp_path / "y.tpkx", ONE, root=root_text(spatialReference='{"wkid":3857,"wkt":"\\ud83d\\ude00"}')
    )
    assert open_cache(package).scheme.reference.wkt == "\U0001f600"


@pytest.mark.parametrize(
    ("reference", "declared"),
    [
        ("<WKID>102100</WKID>", True),
        ("<WKID>3857</WKID>", True),
        ("<LatestWKID>3857</LatestWKID>", True),
        ("<WKT>LOCAL</WKT>", True),
        ("<WKID>4326</WKID>", False),
    ],
)
def test_extent_in_another_spatial_reference_is_ignored(tmp_path: Path, reference: str, declared: bool) -> None:
    cache = make_cache(tmp_path / "cache", ONE)
    text = CDI.format(-10, -10, 10, 10).replace(
        "</EnvelopeN>", f"<SpatialReference>{reference}</SpatialReference></EnvelopeN>"
    )
    (cache / "conf.cdi").write_text(text)
    assert open_cache(cache).declared_extent == (Extent(-10, -10, 10, 10) if declared else None)
    wkid = "4326" if "4326" in reference else "102100"
    box = f'{{"xmin":-10,"ymin":-10,"xmax":10,"ymax":10,"spatialReference":{{"wkid":{wkid}}}}}'
    package = make_tpkx(tmp_path / "x.tpkx", ONE, root=root_text(fullExtent=box))
    assert (open_cache(package).declared_extent is not None) == declared


def test_bundle_of_empty_files_has_no_tiles(tmp_path: Path) -> None:
    cache = make_exploded_cache(tmp_path / "cache", {**ONE, (8, 0, 0): b"", (3, 1, 1): b""})
    result = export_tiles(cache, tmp_path / "x.tpkx")
    assert [tile[:3] for tile in result.damaged] == [(3, 1, 1), (8, 0, 0)]
    assert {level: report.tiles for level, report in result.levels.items()} == {0: 1, 3: 0, 8: 0}
    assert export_tiles(cache, tmp_path / "y.tpkx", levels="0").damaged == []
    empty = make_exploded_cache(tmp_path / "empty", {(8, 0, 0): b""})
    with pytest.raises(errors.CacheError, match=r"empty: cache contains no tiles; empty tiles at level 8: 1$"):
        export_tiles(empty, tmp_path / "z.tpkx")
    with pytest.raises(errors.ParameterError, match="contains no tiles; empty tiles at level 8: 1; found level 8"):
        export_tiles(empty, tmp_path / "z.tpkx", levels="8")


@pytest.mark.posix("paths with slashes in messages")
def test_level_outside_the_scheme_is_a_warning(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", ONE | {(4, 1, 1): jpeg_tile(1)}, conf=conf_text(range(3)))
    (cache / "_alllayers" / "L06").mkdir()
    (cache / "_alllayers" / "L06" / ".DS_Store").touch()
    [warning] = export_tiles(cache, tmp_path / "x.tpkx").warnings
    assert warning == f"{cache}/_alllayers/L04: level is not in the tiling scheme, its tiles are skipped"
    assert export_tiles(cache, tmp_path / "y.tpkx", levels="0").warnings == ()  # not requested


def test_cache_named_as_a_vector_tile_folder_is_read(tmp_path: Path) -> None:
    """p12 is the folder of a vector tile package, but it may also be the name of a cache folder."""
    make_cache(tmp_path / "above" / "p12", ONE)
    assert open_cache(tmp_path / "above").name == "p12"
    (tmp_path / "above" / "p12" / "root.json").write_text("{}")
    assert open_cache(tmp_path / "above" / "p12").scheme.lods


def test_empty_path_is_not_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_cache(tmp_path / "cache", ONE))
    with pytest.raises(
        errors.CacheNotFoundError,
        match=r"cache: path is empty; expected a cache folder, a \.tpkx, a \.tpk or a \.mbtiles",
    ):
        open_cache("")
    with pytest.raises(errors.ParameterError, match="output: name is empty"):
        export_tiles(".", "", overwrite=True)


def test_dataset_by_old_esri_software_can_be_overwritten(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "cache", ONE)
    (make_cache(tmp_path / "x", {}) / "conf.xml").rename(tmp_path / "x" / "Conf.xml")
    assert export_tiles(cache, tmp_path / "x", overwrite=True).tiles == 1


@pytest.mark.parametrize(("format_", "bands"), [("LERC", 1), ("JPEG", 3), ("PNG", 4), ("MIXED", 4)])
def test_band_count_is_derived_from_the_format(tmp_path: Path, format_: str, bands: int) -> None:
    text = conf_text(format=format_).replace("<BandCount>3</BandCount>", "")
    path = export_tiles(make_cache(tmp_path / "cache", ONE, conf=text), tmp_path / "x.tpkx").path
    assert read_json(path, "root.json")["tileImageInfo"]["bandCount"] == bands
