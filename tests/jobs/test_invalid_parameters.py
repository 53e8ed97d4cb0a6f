"""Invalid parameters: the job fails, and its message names the parameter, the value and what is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.job_checks import run_job, texts_of

ENVELOPE = {"xmin": 1.0, "ymin": 1.0, "xmax": 5000000.0, "ymax": 5000000.0}

INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "unknown level": ({"levels": "9"}, "levels: level is not in the tiling scheme; found 9, expected"),
    "word as levels": (
        {"levels": "all"},
        "levels: value is not a list of levels; found 'all', expected values and ranges such as",
    ),
    "unknown resolution with an exponent": (
        {"exportBy": "Resolution", "levels": "1e-05"},
        "levels: level is not in the tiling scheme; found 1e-05, expected a resolution",
    ),
    "scale far from all levels": (
        {"exportBy": "Scale", "levels": "500000000"},
        "found 500000000, expected a scale of the tiling scheme; the nearest levels are ",
    ),
    "scale as a level ID": ({"levels": "591657527.591555"}, "found 591657527.591555, expected a level ID"),
    "exportBy": (
        {"exportBy": "zoom"},
        "exportBy: invalid choice; found 'zoom', expected LevelID, Resolution or Scale",
    ),
    "tilePackage": ({"tilePackage": "yes"}, "tilePackage: invalid choice; found 'yes', expected true or false"),
    "storageFormatType": ({"storageFormatType": "tpkx"}, "storageFormatType: invalid choice; found 'tpkx'"),
    "compressionQuality above the maximum": (
        {"compressionQuality": "101"},
        "compressionQuality: value is out of range; found 101, expected an integer from 0 to 100",
    ),
    "compressionQuality below the minimum": (
        {"compressionQuality": "-1", "optimizeTilesForSize": "true"},
        "compressionQuality: value is out of range; found -1, expected an integer from 0 to 100",
    ),
    "tables": ({"tables": "best"}, "tables: invalid choice; found 'best', expected efficient or exact"),
    "compressionQuality as a word": (
        {"compressionQuality": "high"},
        "compressionQuality: value is not an integer; found",
    ),
    "extent of three numbers": (
        {"exportExtent": "1,2,3"},
        "exportExtent: value is not an extent; found '1,2,3', expected xmin,ymin,xmax,ymax",
    ),
    "MapImageLayer: names instead of an extent": (
        {"exportExtent": ["xmin", "ymin", "xmax", "ymax", "spatialReference"]},
        "exportExtent: value is not an extent; found ['xmin', 'ymin'",
    ),
    "MapImageLayer: a name instead of an area": (
        {"areaOfInterest": "features"},
        "areaOfInterest: value is not valid JSON (Expecting value: line 1 column 1 (char 0)); found 'features', "
        "expected a",
    ),
    "envelope with NaN": (
        {"exportExtent": '{"xmin":"NaN","ymin":0,"xmax":1,"ymax":1}'},
        "exportExtent: value is not an extent",
    ),
    "envelope without ymax": (
        {"exportExtent": '{"xmin":0,"ymin":0,"xmax":1}'},
        "exportExtent: value is not an extent",
    ),
    "inverted extent": ({"exportExtent": "0,5,5,0"}, "exportExtent: ymin is greater than ymax; found 0.0,5.0,5.0,0.0"),
    "unknown wkid": (
        {"exportExtent": json.dumps({**ENVELOPE, "spatialReference": {"wkid": 999999}})},
        "exportExtent: ",
    ),
    "wkid as a word": (
        {"exportExtent": json.dumps({**ENVELOPE, "spatialReference": {"wkid": "web"}})},
        "exportExtent: wkid: value is not an integer; found 'web'",
    ),
    "extent without tiles": (
        {"levels": "8", "exportExtent": "1e7,1e7,1.1e7,1.1e7"},
        "levels, exportExtent: selection contains no tiles; found level 8, extent 10000000.0,10000000.0,11000000.0,"
        "11000000.0 in the spatial reference of the cache, expected tiles of world, which has levels 0-2, 8",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_parameter_fails_the_job(cache: Path, tmp_path: Path, name: str) -> None:
    sent, message = INVALID[name]
    job = run_job(cache, tmp_path, sent)
    assert job.status == "esriJobFailed"
    first, last = texts_of(job, "Error")
    assert message in first
    assert last == "Failed to execute (ExportTiles)."
    assert not any((tmp_path / "jobs").iterdir()) if (tmp_path / "jobs").exists() else True
