"""Profiles of clients, what a verification reports, and the tiles that it decodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rasterio  # type: ignore[import-untyped]

from gptool import verify
from gptool.verification.finding import NOTE
from gptool.verification.profiles import PROFILES
from gptool.verification.registry import RULES
from gptool.verification.rule import Kind
from helpers.bundles import Address
from helpers.caches import conf_text, jpeg_tile, make_cache
from helpers.esri_packages import root_json, small_world, to_json, tpk, tpkx

CLIENTS = ("fieldmaps", "survey123", "arcgis-online", "maps-sdk", "gdal", "qgis")
STANDARD_RESOLUTION = 156543.033928


def rules_of(path: Path, *clients: str) -> set[str]:
    return {finding.rule for finding in verify(path, clients=clients).findings}


def write(path: Path, root: dict[str, Any], tiles: dict[Address, bytes] | None = None) -> Path:
    package = tpkx(tiles)
    package.members["root.json"] = to_json(root)
    return package.write(path)


def test_profiles_are_those_of_the_surface() -> None:
    assert tuple(PROFILES) == CLIENTS


@pytest.mark.parametrize("client", CLIENTS)
def test_profile_names_rules_and_their_sources(client: str) -> None:
    profile = PROFILES[client]
    assert profile.title
    for name, source in profile.rules.items():
        assert source.startswith("https://")
        assert name in {"*", "tiles.*"} or name in RULES


def test_every_rule_of_a_client_alone_is_in_a_profile() -> None:
    for rule in RULES.values():
        if not rule.is_general:
            assert any(profile.contains(rule) for profile in PROFILES.values()), rule.name


@pytest.mark.parametrize("client", CLIENTS)
def test_package_in_the_form_of_esri_passes_for_every_client(client: str, tmp_path: Path) -> None:
    assert rules_of(tpkx().write(tmp_path / "World.tpkx"), client) == set()


def test_reference_other_than_web_mercator_is_refused_by_some(tmp_path: Path) -> None:
    root = root_json()
    wgs84 = {"wkid": 4326, "latestWkid": 4326}
    for holder in (root, root["tileInfo"], root["fullExtent"], root["initialExtent"]):
        holder["spatialReference"] = wgs84
    root["units"] = "esriDecimalDegrees"
    path = write(tmp_path / "World.tpkx", root)
    assert rules_of(path) == set()
    for client in ("survey123", "fieldmaps"):
        [finding] = verify(path, clients=[client]).findings
        assert (finding.rule, finding.clients) == ("scheme.web-mercator-only", (client,))
    assert rules_of(path, "gdal", "maps-sdk", "arcgis-online") == set()


def test_levels_other_than_those_of_the_basemaps_are_refused_by_some(tmp_path: Path) -> None:
    root = root_json()
    for lod in root["tileInfo"]["lods"]:
        lod["resolution"] /= 2
        lod["scale"] /= 2
    root["maxLOD"] = 1
    path = write(tmp_path / "World.tpkx", root, {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2)})
    assert rules_of(path) == set()
    assert rules_of(path, "fieldmaps") == rules_of(path, "survey123") == {"scheme.standard-levels"}


def test_empty_level_and_blanks_in_the_name_are_refused_by_arcgis_online(tmp_path: Path) -> None:
    root = {**root_json(), "name": "My World"}
    tiles = {address: tile for address, tile in small_world().items() if address[0] != 1}
    path = write(tmp_path / "World.tpkx", root, tiles)
    assert rules_of(path) == set()
    assert rules_of(path, "arcgis-online") == {"scheme.gaps", "metadata.name-blanks"}


def test_full_extent_far_beyond_the_tiles_is_refused_by_arcgis_online(tmp_path: Path) -> None:
    """Level 16 of the world has 262,144 bundles."""
    root = root_json(range(17), last=16)
    tiles = {(level, 0, 0): jpeg_tile(level) for level in range(17)}
    path = write(tmp_path / "World.tpkx", root, tiles)
    assert rules_of(path) == set()
    assert rules_of(path, "arcgis-online") == {"extent.tight", "extent.bundle-count"}
    counts = [
        finding.where.level
        for finding in verify(path, clients=["arcgis-online"]).findings
        if finding.rule == "extent.bundle-count"
    ]
    assert counts == [15, 16]


def test_path_of_the_tiles_is_early_for_old_gdal(tmp_path: Path) -> None:
    root = root_json(range(20))
    root = {"tileInfo": root.pop("tileInfo"), **root}
    path = write(tmp_path / "World.tpkx", root)
    assert rules_of(path) == set()
    assert rules_of(path, "gdal") == rules_of(path, "qgis") == {"metadata.tiles-path-early"}
    root["tileBundlesPath"] = "tile"
    assert rules_of(write(path, root)) == {"metadata.tiles-path"}


def test_gdal_needs_an_id_of_the_reference_but_no_scales(tmp_path: Path) -> None:
    """As GDAL itself finds."""
    root = root_json(range(20))
    for lod in root["tileInfo"]["lods"]:
        del lod["scale"]
    path = write(tmp_path / "World.tpkx", root)
    assert rules_of(path) == {"scheme.level-scales"}
    assert rules_of(path, "gdal") == set()
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_epsg() == 3857
    wkt = rasterio.crs.CRS.from_string("+proj=tmerc +lat_0=1 +lon_0=3 +datum=WGS84").to_wkt(version="WKT1_ESRI")
    root = root_json(range(20))
    for place in (root, root["tileInfo"], root["fullExtent"], root["initialExtent"]):
        place["spatialReference"] = {"wkt": wkt}
    path = write(tmp_path / "text.tpkx", root)
    assert rules_of(path, "gdal") == {"scheme.reference-id"}
    with pytest.raises(rasterio.errors.RasterioIOError, match="Invalid Spatial Reference"):
        rasterio.open(path)


def test_form_that_only_esri_writes_is_no_matter_to_gdal(tmp_path: Path) -> None:
    package = tpkx()
    package.fields["root.json"] = {"needed": 20, "attributes": 0}
    path = package.write(tmp_path / "World.tpkx")
    assert rules_of(path, "gdal") == set()
    assert rules_of(path, "fieldmaps") == {"container.version-needed", "container.attributes"}


def test_kinds_that_a_client_does_not_open_are_found(tmp_path: Path) -> None:
    package, folder = tpk().write(tmp_path / "World.tpk"), make_cache(tmp_path / "cache", small_world())
    assert rules_of(package, "gdal") == {"container.kind"}
    assert rules_of(folder, "fieldmaps", "gdal") >= {"container.kind"}


def test_folder_for_gdal_has_a_text_and_a_grid_of_less_than_2_31_pixels(tmp_path: Path) -> None:
    tiles = {(0, 0, 0): jpeg_tile(1)}
    assert rules_of(make_cache(tmp_path / "ids", tiles), "gdal") == {"scheme.well-known-text"}
    reference = "<WKT>PROJCS[]</WKT><WKID>102100</WKID><LatestWKID>3857</LatestWKID>"
    for levels, expected in ((range(24), set()), (range(26), {"scheme.grid-size"})):
        conf = conf_text(levels, reference=reference)
        folder = make_cache(tmp_path / f"{len(levels)}", tiles, conf=conf)
        assert rules_of(folder, "gdal") == expected


def test_findings_name_the_clients_that_are_asked_for(tmp_path: Path) -> None:
    package = tpkx()
    package.members["tile/L01/R0000C0000.bundle"] = b"short"
    path = package.write(tmp_path / "World.tpkx")
    [every] = verify(path).findings
    assert every.clients == CLIENTS
    [some] = verify(path, clients=["qgis", "maps-sdk", "qgis"]).findings
    assert some.clients == ("maps-sdk", "qgis")


@pytest.mark.parametrize(("tiles", "checked"), [("all", 85), ("sample", 1 + 4 + 16 + 16), ("none", 0)])
def test_tiles_that_are_decoded(tiles: Any, checked: int, tmp_path: Path) -> None:
    result = verify(tpkx().write(tmp_path / "World.tpkx"), tiles=tiles)
    assert (result.tiles, result.tiles_checked) == (85, checked)
    assert any(name.startswith("tiles.") for name in result.rules) == (tiles != "none")


def test_sample_is_spread_over_the_bundles_of_a_level(tmp_path: Path) -> None:
    tiles = {(8, row, column): jpeg_tile(row) for row in range(0, 256, 8) for column in range(0, 256, 8)}
    result = verify(make_cache(tmp_path / "cache", tiles), tiles="sample")
    assert result.tiles == 1024
    assert result.tiles_checked == 16


def test_damaged_tile_is_not_found_if_no_tile_is_decoded(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)[:-30]})
    assert verify(folder, tiles="none").passed
    [finding] = verify(folder, tiles="sample").findings
    assert finding.rule == "tiles.jpeg"
    assert finding.found == "Premature end of JPEG file"


def test_json_states_everything(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "cache", {(0, 0, 0): jpeg_tile(1)[:-30], (1, 1, 0): jpeg_tile(2)})
    value = json.loads(json.dumps(verify(folder, clients=["gdal"]).to_json()))
    assert value["location"] == str(folder)
    assert (value["kind"], value["clients"], value["passed"]) == (Kind.COMPACT_V2, ["gdal"], False)
    assert (value["tiles"], value["tilesChecked"], value["findingsOmitted"]) == (2, 2, 0)
    assert value["note"] == NOTE
    assert "No device" in NOTE
    assert [finding["rule"] for finding in value["findings"]] == ["scheme.well-known-text", "tiles.jpeg"]
    assert value["findings"][1] == {
        "rule": "tiles.jpeg",
        "group": "tiles",
        "severity": "error",
        "where": {"file": "_alllayers/L00/R0000C0000.bundle", "level": 0, "row": 0, "column": 0},
        "found": "Premature end of JPEG file",
        "expected": "a JPEG that decodes without a warning",
        "clients": ["gdal"],
    }
    assert "tiles.jpeg" in value["rules"]
