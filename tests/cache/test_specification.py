"""Documents that follow the tile package specification to the letter, where Esri's programs write more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rasterio

from gptool import export_tiles, open_cache
from helpers.caches import square
from helpers.packages import make_tpkx, root_text
from helpers.tile_readers import read_json, read_tiles

TILES = square(0, range(1), range(1)) | square(1, range(2), range(2))


def changed_root(**members: Any) -> str:
    """Return a root.json with other members; None removes one."""
    root = json.loads(root_text([0, 1]))
    root |= members
    return json.dumps({key: value for key, value in root.items() if value is not None})


def tile_info(**members: Any) -> dict[str, Any]:
    info: dict[str, Any] = json.loads(root_text([0, 1]))["tileInfo"]
    return {**info, **members}


def test_scales_are_computed_from_resolutions(tmp_path: Path) -> None:
    """The specification's table of LODs has level and resolution only."""
    lods = [{"level": level, "resolution": 156543.03392800014 / 2**level} for level in range(2)]
    package = make_tpkx(tmp_path / "x.tpkx", TILES, root=changed_root(tileInfo=tile_info(lods=lods)))
    scales = [lod.scale.value for lod in open_cache(package).scheme.lods]
    assert scales == pytest.approx([591657527.591555, 295828763.795777], rel=1e-9)
    result = export_tiles(package, tmp_path / "y.tpkx")
    assert read_tiles(result.path) == TILES
    stated = [lod["scale"] for lod in read_json(result.path, "root.json")["tileInfo"]["lods"]]
    assert stated == scales


def test_scales_of_degrees(tmp_path: Path) -> None:
    """1:295,828,763.7957775 at 0.7031249999999999 degrees: level 0 of ArcGIS's scheme for WGS 84."""
    lods = [{"level": 0, "resolution": 0.7031249999999999}]
    reference = {"wkid": 4326}
    info = tile_info(lods=lods, origin={"x": -180, "y": 90}, spatialReference=reference)
    root = changed_root(tileInfo=info, spatialReference=reference)
    package = make_tpkx(tmp_path / "x.tpkx", square(0, range(1), range(1)), root=root)
    assert open_cache(package).scheme.lods[0].scale.value == pytest.approx(295828763.7957775, rel=1e-9)


def test_compression_is_the_quality(tmp_path: Path) -> None:
    root = changed_root(tileImageInfo={"format": "JPEG", "compression": 62})
    package = make_tpkx(tmp_path / "x.tpkx", TILES, root=root)
    assert open_cache(package).image.compression_quality == 62
    image = read_json(export_tiles(package, tmp_path / "y.tpkx").path, "root.json")["tileImageInfo"]
    assert image["compressionQuality"] == 62


@pytest.mark.parametrize("member", ["tileImageInfo", "storageInfo", "initialExtent", "fullExtent", "layers", "units"])
def test_optional_members_may_be_absent(tmp_path: Path, member: str) -> None:
    package = make_tpkx(tmp_path / "x.tpkx", TILES, root=changed_root(**{member: None}))
    result = export_tiles(package, tmp_path / "y.tpkx")
    assert read_tiles(result.path) == TILES
    assert member in read_json(result.path, "root.json")


def test_numbers_may_be_texts(tmp_path: Path) -> None:
    lods = [
        {
            "level": str(level),
            "resolution": str(156543.03392800014 / 2**level),
            "scale": str(591657527.591555 / 2**level),
        }
        for level in range(2)
    ]
    info = tile_info(
        lods=lods, rows="64", cols="64", dpi="96", origin={"x": "-20037508.342787", "y": "20037508.342787"}
    )
    reference = {"wkid": "102100", "latestWkid": "3857"}
    root = changed_root(tileInfo=info, spatialReference=reference, minLOD="0", maxLOD="1")
    package = make_tpkx(tmp_path / "x.tpkx", TILES, root=root)
    result = export_tiles(package, tmp_path / "y.tpkx")
    assert read_tiles(result.path) == TILES
    written = read_json(result.path, "root.json")
    assert (written["minLOD"], written["spatialReference"]["wkid"]) == (0, 102100)
    assert written["tileInfo"]["lods"][1]["scale"] == 295828763.7957775
    with rasterio.open(result.path) as image:
        assert image.crs.to_epsg() == 3857


def test_root_json_that_is_nested_too_deeply_is_rejected(tmp_path: Path) -> None:
    deep = json.loads("[" * 80 + "]" * 80)
    package = make_tpkx(tmp_path / "x.tpkx", TILES, root=changed_root(layers=deep))
    with pytest.raises(ValueError, match=r"root\.json is nested too deeply; expected at most 64"):
        export_tiles(package, tmp_path / "y.tpkx")
