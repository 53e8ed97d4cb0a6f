"""Packages have the form of those that Esri's programs make, row by row; so have Esri's own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gptool import export_tiles, open_cache
from helpers.caches import conf_text, jpeg_tile, make_cache, world
from helpers.esri_form import TPK_ROWS, TPKX_ROWS, Package, Row, local_headers, tpkx_members, zip_records
from helpers.tile_readers import read_tiles

PACKAGES, ARCMAPS = ("esri-usa.tpkx", "arcgis-pro-googlemaps.tpkx"), "states_filled.tpk"
SOURCES = (*PACKAGES, ARCMAPS, "esri-sample-cache-v2-jpeg", "relief-v2-jpeg", "mixed-v2")

REPACKED = (zip_records, local_headers, tpkx_members)
"""What differs in esri-usa.tpkx: another program has put it together again, with entries for folders."""

REFERENCE = (
    "<XOrigin>-20037700</XOrigin><YOrigin>-30241100</YOrigin><XYScale>148923141.92838538</XYScale>"
    "<ZOrigin>-100000</ZOrigin><ZScale>10000</ZScale><MOrigin>-100000</MOrigin><MScale>10000</MScale>"
    "<XYTolerance>0.001</XYTolerance><ZTolerance>0.001</ZTolerance><MTolerance>0.001</MTolerance>"
    "<HighPrecision>true</HighPrecision><WKID>{}</WKID>"
)


def row_name(row: Row) -> str:
    return row.__name__


# ---- a cache that is made here ----


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    """Packages of a cache that states a former id of web Mercator, and a domain: copied, and recompressed."""
    folder = tmp_path_factory.mktemp("form")
    cache = make_cache(folder / "world", world(), conf=conf_text(reference=REFERENCE.format(102113)))
    names = {f"{quality}{suffix}": quality for quality in (None, 50) for suffix in (".tpkx", ".tpk")}
    paths = {
        name: export_tiles(cache, folder / name, compression_quality=quality).path for name, quality in names.items()
    }
    return {name: Package.read(path) for name, path in paths.items()}


@pytest.mark.parametrize("quality", [None, 50])
@pytest.mark.parametrize("row", TPKX_ROWS, ids=row_name)
def test_tpkx_has_the_form_of_esris(exported: dict[str, Package], quality: int | None, row: Row) -> None:
    assert list(row(exported[f"{quality}.tpkx"])) == []


@pytest.mark.parametrize("quality", [None, 50])
@pytest.mark.parametrize("row", TPK_ROWS, ids=row_name)
def test_tpk_has_the_form_of_arcmaps(exported: dict[str, Package], quality: int | None, row: Row) -> None:
    assert list(row(exported[f"{quality}.tpk"])) == []


def test_domain_is_that_of_the_cache(exported: dict[str, Package]) -> None:
    reference = exported["None.tpkx"].json("root.json")["spatialReference"]
    assert (reference["falseX"], reference["xyUnits"]) == ("-20037700", "148923141.92838538")
    assert b"<XYScale>148923141.92838538</XYScale>" in exported["None.tpk"].parts["v101/Layers/conf.cdi"]


def test_domain_may_stand_in_conf_cdi_alone(tmp_path: Path) -> None:
    cache = make_cache(tmp_path / "world", world(), conf=conf_text(reference="<WKID>102100</WKID>"))
    envelope = "<EnvelopeN><XMin>-1</XMin><YMin>-1</YMin><XMax>1</XMax><YMax>1</YMax>{}</EnvelopeN>"
    reference = f"<SpatialReference>{REFERENCE.format(102100)}</SpatialReference>"
    (cache / "conf.cdi").write_text(envelope.format(reference))
    package = Package.read(export_tiles(cache, tmp_path / "x.tpkx").path)
    assert package.json("root.json")["spatialReference"]["xyUnits"] == "148923141.92838538"


@pytest.mark.parametrize(
    ("reference", "x", "expected"),
    [
        *((f"<WKID>{alias}</WKID>", None, (102100, 3857)) for alias in (102100, 3857, 102113, 3785, 900913)),
        ("<LatestWKID>3857</LatestWKID>", None, (102100, 3857)),
        ("<WKID>3857</WKID>", "-20037000", (3857, 3857)),
        ("<WKID>102113</WKID>", "0", (102113, 102113)),
        ("<WKID>4326</WKID>", None, (4326, 4326)),
    ],
)
def test_aliases_of_web_mercator_are_one_in_its_tiling_scheme(
    tmp_path: Path, reference: str, x: str | None, expected: tuple[int, int]
) -> None:
    conf = conf_text(reference=reference, **({"x": x} if x else {}))
    cache = make_cache(tmp_path / "world", {(1, 0, 1): b"\xff\xd8\xff"}, conf=conf)
    root = json.loads(Package.read(export_tiles(cache, tmp_path / "x.tpkx").path).parts["root.json"])
    for node in (root, root["tileInfo"], root["initialExtent"], root["fullExtent"]):
        assert tuple(node["spatialReference"].values())[:2] == expected
    has_domain = expected != (4326, 4326)
    assert ("falseX" in root["spatialReference"]) == has_domain  # the default of others is not known


# ---- packages of packages ----


def read_root(path: Path) -> dict[str, Any]:
    """Return root.json with its numbers as texts: clients compare LODs one by one."""
    with zipfile.ZipFile(path) as package:
        value: dict[str, Any] = json.loads(package.read("root.json"), parse_float=str, parse_int=str)
        return value


@pytest.mark.parametrize("source", PACKAGES)
def test_root_json_of_an_unchanged_package_is_repeated(samples: Path, tmp_path: Path, source: str) -> None:
    before, after = (
        read_root(path) for path in (samples / source, export_tiles(samples / source, tmp_path / "x.tpkx").path)
    )
    assert after.pop("name") == "x"
    before.pop("name")
    assert after == before


@pytest.mark.parametrize("source", PACKAGES)
def test_part_of_a_package_states_its_own_extent_and_levels(samples: Path, tmp_path: Path, source: str) -> None:
    result = export_tiles(samples / source, tmp_path / "x.tpkx", levels="2-4", export_extent="-1e7,0,0,1e7")
    before, after = read_root(samples / source), read_root(result.path)
    changed = {key for key in before if after[key] != before[key]}
    scales = {"minScale", "maxScale"} & before.keys()
    assert changed == {"name", "minLOD", "maxLOD", "initialExtent", "fullExtent"} | scales
    assert (after["minLOD"], after["maxLOD"]) == ("2", "4")


# ---- Esri's samples ----


@pytest.fixture(scope="module")
def of_samples(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    """Exports of the samples, by source and suffix."""
    folder = tmp_path_factory.mktemp("samples")
    found = {}
    for source in SOURCES:
        for suffix in (".tpkx", ".tpk"):
            found[source + suffix] = Package.read(export_tiles(samples / source, folder / f"{source}{suffix}").path)
    return found


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("row", TPKX_ROWS, ids=row_name)
def test_tpkx_of_a_sample(of_samples: dict[str, Package], source: str, row: Row) -> None:
    assert list(row(of_samples[f"{source}.tpkx"])) == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("row", TPK_ROWS, ids=row_name)
def test_tpk_of_a_sample(of_samples: dict[str, Package], source: str, row: Row) -> None:
    assert list(row(of_samples[f"{source}.tpk"])) == []


@pytest.mark.parametrize("source", PACKAGES)
@pytest.mark.parametrize("row", TPKX_ROWS, ids=row_name)
def test_packages_of_esri_pass_the_same_checks(samples: Path, source: str, row: Row) -> None:
    deviations = list(row(Package.read(samples / source)))
    assert bool(deviations) == (source == "esri-usa.tpkx" and row in REPACKED)


@pytest.mark.parametrize("row", TPK_ROWS, ids=row_name)
def test_package_of_arcmap_passes_the_same_checks(samples: Path, row: Row) -> None:
    assert list(row(Package.read(samples / ARCMAPS))) == []


# ---- metadata of another size than planned ----


@pytest.mark.parametrize("suffix", [".tpkx", ".tpk"])
@pytest.mark.parametrize(
    ("own", "declared", "request_", "stated"), [(100, 0, 100, 100), (90, 5, 50, 50), (9, 90, 30, 9)]
)
def test_quality_has_other_digits_than_expected(
    tmp_path: Path, suffix: str, own: int, declared: int, request_: int, stated: int
) -> None:
    """The package is put together again then, and has no gap: 50 under a declared 5, 9 where 30 was expected."""
    tiles = {(8, row, column): jpeg_tile(row + 9 * column, own) for row in range(2) for column in range(200)}
    cache = make_cache(tmp_path / "cache", tiles, conf=conf_text(quality=declared))
    result = export_tiles(cache, tmp_path / f"x{suffix}", compression_quality=request_)
    assert open_cache(result.path).image.compression_quality == stated
    assert read_tiles(result.path).keys() == tiles.keys()
    rows = TPKX_ROWS if suffix == ".tpkx" else TPK_ROWS
    assert [deviation for row in rows for deviation in row(Package.read(result.path))] == []
    assert result.size == result.path.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", f"x{suffix}"]
