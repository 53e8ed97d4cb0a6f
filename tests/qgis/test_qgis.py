"""The plugin in QGIS itself, without windows."""

from __future__ import annotations

import json
import math
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gptool
from gptool.qgis.descriptions import ALGORITHMS
from helpers.caches import HALF_WAY, jpeg_tile, make_cache
from helpers.checks import check_nothing_left
from helpers.command_line import GPTOOL
from helpers.gate import HOOK, Gate
from helpers.qgis import Qgis
from helpers.tile_readers import read_dataset, read_package, read_tpk
from helpers.waiting import wait_until, wait_until_delivered

TRIANGLE = [[[0, 0], [60, 0], [0, 60], [0, 0]]]
POLYGON = {"type": "Polygon", "coordinates": TRIANGLE}


def write_layer(path: Path, crs: str | None = None, polygon: Any = POLYGON) -> Path:
    """Write a layer of one polygon."""
    layer: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": polygon}],
    }
    if crs:
        layer["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(layer))
    return path


@pytest.fixture
def expected(cache: Path, tmp_path: Path) -> Path:
    """Where an export by gptool itself is written, to compare with."""
    (tmp_path / "expected").mkdir()
    return tmp_path / "expected" / "x.tpkx"


def test_algorithms_are_listed(qgis: Qgis) -> None:
    listed = qgis.call("list").stdout.partition("Export Tiles (gptool)\n")[2].partition("\n\n")[0]
    names = {line.split("\t")[1]: line.split("\t")[2] for line in listed.splitlines()}
    assert names == {f"gptool:{algorithm.name}": algorithm.label for algorithm in ALGORITHMS}


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_help_describes_all_parameters_and_outputs(qgis: Qgis, algorithm: Any) -> None:
    shown = qgis.call("help", f"gptool:{algorithm.name}").stdout
    for parameter in algorithm.parameters:
        assert f"\n{parameter.name}: {parameter.label}\n\t{parameter.help}\n" in shown
        assert all(f": {choice}\n" in shown for choice in parameter.choices)
    for output in algorithm.outputs:
        assert f"\n{output.name}: <output" in shown


class TestExport:
    def test_result_is_that_of_the_program(self, qgis: Qgis, cache: Path, tmp_path: Path, expected: Path) -> None:
        done = qgis.run(
            "exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", LEVELS="0-2", COMPRESSION_QUALITY=40, TABLES="exact"
        )
        gptool.export_tiles(cache, expected, levels="0-2", compression_quality=40, tables="exact")
        assert (tmp_path / "x.tpkx").read_bytes() == expected.read_bytes()
        size = expected.stat().st_size
        assert done["results"] == {"OUTPUT": str(tmp_path / "x.tpkx"), "TOTAL_SIZE": size, "TOTAL_TILES": 21}
        assert done["log"]["info"][-1] == f"{tmp_path / 'x.tpkx'}: 21 tiles, {size:,} bytes"

    def test_extent_in_its_own_reference(self, qgis: Qgis, cache: Path, tmp_path: Path, expected: Path) -> None:
        qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", EXPORT_EXTENT="10,40,50,60 [EPSG:4326]")
        box = {"xmin": 10, "ymin": 50, "xmax": 40, "ymax": 60, "spatialReference": {"wkid": 4326}}
        gptool.export_tiles(cache, expected, export_extent=box)
        assert (tmp_path / "x.tpkx").read_bytes() == expected.read_bytes()
        assert len(read_package(tmp_path / "x.tpkx")) < 165

    def test_extent_without_a_reference_has_that_of_the_cache(
        self, qgis: Qgis, cache: Path, tmp_path: Path, expected: Path
    ) -> None:
        qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", EXPORT_EXTENT="-9e6,1e6,-7e6,2e6")
        gptool.export_tiles(cache, expected, export_extent="-9e6,-7e6,1e6,2e6")
        assert (tmp_path / "x.tpkx").read_bytes() == expected.read_bytes()

    @pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326"])
    def test_area_in_degrees(self, qgis: Qgis, cache: Path, tmp_path: Path, expected: Path, crs: str | None) -> None:
        layer = write_layer(tmp_path / "area.geojson", crs)
        qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", AREA_OF_INTEREST=layer)
        gptool.export_tiles(cache, expected, area_of_interest=POLYGON)
        assert (tmp_path / "x.tpkx").read_bytes() == expected.read_bytes()

    @pytest.mark.parametrize("target", ["EPSG:3035", "PROJ:+proj=laea +lat_0=30 +lon_0=20 +datum=WGS84"])
    def test_area_in_another_reference(
        self, qgis: Qgis, cache: Path, tmp_path: Path, expected: Path, target: str
    ) -> None:
        """One with a code, in which the program gets it, and one without, which QGIS transforms to degrees."""
        triangle = {"type": "Polygon", "coordinates": [[[10, 40], [30, 40], [10, 60], [10, 40]]]}
        layer, moved = write_layer(tmp_path / "area.geojson", polygon=triangle), tmp_path / "area.gpkg"
        pairs = [f"INPUT={layer}", f"TARGET_CRS={target}", f"OUTPUT={moved}"]
        assert qgis.call("run", "native:reprojectlayer", "--", *pairs).returncode == 0
        qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", AREA_OF_INTEREST=moved)
        gptool.export_tiles(cache, expected, area_of_interest=triangle)
        assert read_package(tmp_path / "x.tpkx") == read_package(expected)

    def test_kind_of_result_is_that_of_the_name(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        qgis.run("exporttiles", CACHE=cache / "conf.xml", OUTPUT=tmp_path / "x.tpk", LEVELS=1)
        assert len(read_tpk(tmp_path / "x.tpk")) == 4
        names = {"OUTPUT": tmp_path / "dataset", "STORAGE_FORMAT_TYPE": "CompactV2", "LEVELS": "1"}
        qgis.run("exporttiles", CACHE=tmp_path / "x.tpk", **names)
        assert len(read_dataset(tmp_path / "dataset")) == 4
        done = qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "parts", MAX_PART_TILES=100)
        assert (tmp_path / "parts" / "manifest.json").is_file()
        assert done["results"]["TOTAL_TILES"] == 165

    def test_relative_paths_and_temporary_output(self, qgis: Qgis, cache: Path) -> None:
        done = qgis.run("exporttiles", cwd=cache.parent, CACHE=cache.name, OUTPUT="TEMPORARY_OUTPUT", LEVELS=1)
        assert done["results"]["OUTPUT"].endswith("OUTPUT.tpkx")

    def test_existing_output_is_replaced_on_request(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        (tmp_path / "x.tpkx").write_bytes(b"mine")
        parameters = {"CACHE": cache, "OUTPUT": tmp_path / "x.tpkx", "LEVELS": "0"}
        error = qgis.fail("exporttiles", **parameters)
        expected = 'output already exists; expected a new name, or "Replace an existing output"'
        assert error.splitlines()[0] == f"{tmp_path / 'x.tpkx'}: {expected}"
        assert (tmp_path / "x.tpkx").read_bytes() == b"mine"
        qgis.run("exporttiles", **parameters, OVERWRITE="true")
        assert len(read_package(tmp_path / "x.tpkx")) == 1

    def test_warnings_are_in_the_log(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        done = qgis.run("exporttiles", CACHE=cache, OUTPUT=tmp_path / "x.tpkx", LEVELS="1,3")
        assert done["log"]["warning"] == ["level 3 holds no selected tiles"]


class TestOthers:
    @pytest.mark.parametrize("is_package", [True, False])
    def test_estimate_is_that_of_the_program(self, qgis: Qgis, cache: Path, is_package: bool) -> None:
        done = qgis.run("estimatesize", CACHE=cache, LEVELS="0-2", OPTIMIZE_TILES_FOR_SIZE=1, TILE_PACKAGE=is_package)
        expected = gptool.estimate_export_tiles_size(
            cache, levels="0-2", optimize_tiles_for_size=True, tile_package=is_package
        )
        assert done["results"] == {"TOTAL_SIZE": expected.total_size, "TOTAL_TILES": 21}

    def test_verification(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        gptool.export_tiles(cache, tmp_path / "x.tpkx", levels="0-1")
        done = qgis.run("verifypackage", PACKAGE=tmp_path / "x.tpkx", CLIENTS=["gdal", "qgis"], SOURCE=cache)
        assert done["results"] == {"PASSED": True, "FINDINGS": 0}
        rules = len(gptool.verify(tmp_path / "x.tpkx", clients=("gdal", "qgis"), source=cache).rules)
        assert f"every rule holds; {rules} rules checked" in done["log"]["info"][-1]

    def test_findings_are_a_result(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        make_cache(tmp_path / "other", {(0, 0, 0): jpeg_tile(5)})
        done = qgis.run("verifypackage", PACKAGE=tmp_path / "other", SOURCE=cache, TILES="all")
        expected = gptool.verify(tmp_path / "other", source=cache)
        assert done["results"] == {"PASSED": False, "FINDINGS": len(expected.findings)}
        assert len(done["log"]["warning"]) == len(expected.findings) > 0

    def test_sample_compressions(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        done = qgis.run("samplecompressions", CACHE=cache, LEVELS="0-1", QUALITIES="30,60", COUNT=3, OUTPUT=page)
        expected = gptool.sample_compressions(cache, levels="0-1", qualities=(30, 60), count=3)
        assert expected.recommended is not None
        assert done["results"] == {"OUTPUT": str(page), "RECOMMENDED_QUALITY": expected.recommended.quality}
        assert "<html" in page.read_text(encoding="utf-8")


class TestProgram:
    def test_error_of_the_program_is_that_of_the_algorithm(self, qgis: Qgis, tmp_path: Path) -> None:
        for algorithm, parameter in [("estimatesize", "CACHE"), ("verifypackage", "PACKAGE")]:
            error = qgis.fail(algorithm, **{parameter: tmp_path / "none"})
            assert error.startswith(f"{tmp_path / 'none'}: cache not found; expected a cache folder")

    def test_missing_program_is_explained(self, qgis: Qgis, cache: Path) -> None:
        error = qgis.fail("estimatesize", path="/usr/bin:/bin", CACHE=cache)
        assert error.startswith("The program gptool is not on the PATH of QGIS; install it, or set its path: Settings")

    def test_program_of_the_setting(self, qgis: Qgis, cache: Path, tmp_path: Path) -> None:
        settings = qgis.profile / "QGIS" / "QGIS3.ini"
        text = settings.read_text(encoding="utf-8")
        program = tmp_path / "other gptool"
        program.write_text(f'#!/bin/sh\ntouch "$0.called"\nexec "{qgis.gptool}" "$@"\n')
        program.chmod(0o755)
        try:
            settings.write_text(f"{text}\n[Processing]\nConfiguration\\GPTOOL_PROGRAM={program}\n", encoding="utf-8")
            qgis.run("estimatesize", CACHE=cache, LEVELS=0)
        finally:
            settings.write_text(text, encoding="utf-8")
        assert (tmp_path / "other gptool.called").exists()


VALUES = """
def extent(*sides, reference):
    return QgsReferencedRectangle(QgsRectangle(*sides), reference)

def polygons(kind, *texts, crs="EPSG:4326"):
    layer = QgsVectorLayer(f"{kind}?crs={crs}", "layer", "memory")
    features = [QgsFeature() for _ in texts]
    for feature, text in zip(features, texts):
        if text:
            feature.setGeometry(QgsGeometry.fromWkt(text))
    layer.dataProvider().addFeatures(features)
    return layer

oblique = QgsCoordinateReferenceSystem.fromProj("+proj=laea +lat_0=30 +lon_0=20 +datum=WGS84")
curve = "CURVEPOLYGON(COMPOUNDCURVE(CIRCULARSTRING(0 0,30 30,60 0),(60 0,0 0)))"
half = 20037508.342787001
edge = f"POLYGON((0 0,{half} 0,{half} {half},0 {half},0 0))"
cases = {
    "no number": {"COMPRESSION_QUALITY": QVariant()},
    "an expression without a value": {"COMPRESSION_QUALITY": QgsProperty.fromExpression("NULL")},
    "an expression": {"COMPRESSION_QUALITY": QgsProperty.fromExpression("40 + 2")},
    "a float": {"COMPRESSION_QUALITY": 42.0},
    "an extent in a reference without a code": {"EXPORT_EXTENT": extent(-1e6, -1e6, 1e6, 1e6, reference=oblique)},
    "z": {"AREA_OF_INTEREST": polygons("PolygonZ", "POLYGONZ((0 0 5,60 0 5,0 60 5,0 0 5))")},
    "curves": {"AREA_OF_INTEREST": polygons("CurvePolygon", curve)},
    "several": {"AREA_OF_INTEREST": polygons("Polygon", "POLYGON((0 0,60 0,0 60,0 0))", None)},
    "edges of tiles": {"AREA_OF_INTEREST": polygons("Polygon", edge, crs="EPSG:3857")},
    "no features": {"AREA_OF_INTEREST": polygons("Polygon")},
    "no reference": {"AREA_OF_INTEREST": polygons("Polygon", "POLYGON((0 0,60 0,0 60,0 0))", crs="")},
}
outcomes = {}
for name, values in cases.items():
    feedback = QgsProcessingFeedback(False)
    algorithm = registry.createAlgorithmById("gptool:estimatesize")
    results, _ = algorithm.run({"CACHE": sys.argv[1], **values}, QgsProcessingContext(), feedback)
    outcomes[name] = [results, feedback.textLog()]
print(json.dumps(outcomes))
"""

HALF = 20037508.342787001
ARC = [[30 - 30 * math.cos(math.pi * i / 180), 30 * math.sin(math.pi * i / 180)] for i in range(181)]
LAEA = (
    'PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Lambert_Azimuthal_Equal_Area"],PARAMETER["latitude_of_center",30],'
    'PARAMETER["longitude_of_center",20],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
SELECTIONS: dict[str, dict[str, Any]] = {
    "no number": {},
    "an expression without a value": {},
    "an expression": {"compression_quality": 42},
    "a float": {"compression_quality": 42},
    "an extent in a reference without a code": {
        "export_extent": {"xmin": -1e6, "ymin": -1e6, "xmax": 1e6, "ymax": 1e6, "spatialReference": {"wkt": LAEA}}
    },
    "z": {"area_of_interest": POLYGON},
    "curves": {"area_of_interest": {"type": "Polygon", "coordinates": [[*ARC, [0, 0]]]}},
    "several": {"area_of_interest": POLYGON},
    "edges of tiles": {"export_extent": f"0,0,{HALF},{HALF}"},
}
"""The same selections for gptool itself."""


def test_values_of_other_kinds(qgis: Qgis, cache: Path) -> None:
    """In one process: values that a model, an expression or a layer in memory has."""
    outcomes = json.loads(qgis.run_python(VALUES, cache))
    for name, selection in SELECTIONS.items():
        estimate = gptool.estimate_export_tiles_size(cache, **selection)
        expected = {"TOTAL_SIZE": estimate.total_size, "TOTAL_TILES": estimate.total_tiles_to_export}
        assert outcomes.pop(name)[0] == expected, name
    assert "contains no polygon; found no features" in outcomes.pop("no features")[1]
    error = "Area of interest: the layer has no spatial reference; set that of its coordinates."
    assert error in outcomes.pop("no reference")[1]
    assert not outcomes


CANCELLED = """
cache, output, stopped = sys.argv[1:]
ask_to_stop = execution.ask_to_stop
def stop(process):
    ask_to_stop(process)
    with open(stopped + ".new", "w") as file:
        file.write(str(process.pid))
    os.rename(stopped + ".new", stopped)
execution.ask_to_stop = stop

feedback = QgsProcessingFeedback(False)
feedback.progressChanged.connect(lambda percent: percent > 0 and feedback.cancel())
algorithm = registry.createAlgorithmById("gptool:exporttiles")
parameters = {"CACHE": cache, "OUTPUT": output, "COMPRESSION_QUALITY": 50}
results, is_done = algorithm.run(parameters, QgsProcessingContext(), feedback)
plugin.unload()
assert registry.providerById("gptool") is None
print(json.dumps([results, is_done, feedback.textLog()]))
"""


def test_cancelled_algorithm_stops_the_program(qgis: Qgis, cache: Path, tmp_path: Path, gate: Gate) -> None:
    program, output, stopped = tmp_path / "bin" / "gptool", tmp_path / "x.tpkx", tmp_path / "stopped"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={HOOK} exec {shlex.join(GPTOOL)} "$@"\n')
    program.chmod(0o755)
    environment = {**gate.environment, "PYTHONPATH": "", "PATH": f"{program.parent}:{qgis.environment['PATH']}"}
    arguments = [cache, output, stopped]
    with gate.closed(after=HALF_WAY), ThreadPoolExecutor() as executor:
        running = executor.submit(qgis.run_python, CANCELLED, *arguments, **environment)
        wait_until(lambda: stopped.exists() or running.done())
        if stopped.exists():
            wait_until_delivered(int(stopped.read_text()))
        gate.open()
        results, is_done, log = json.loads(running.result())
    assert (results, is_done) == ({}, False)
    assert re.search(r"Cancelled\. Terminated after exporting [1-9]\d* of 165 tiles\.\n", log)
    kept = "Finished bundles are kept beside the output: the same export goes on with them, or anew with "
    assert f'{kept}"Discard what an interrupted run has finished".' in log
    assert not output.exists()
    again = qgis.run("exporttiles", CACHE=cache, OUTPUT=output, COMPRESSION_QUALITY=50)
    assert any(line.startswith("Resumed an interrupted run of this export: ") for line in again["log"]["info"])
    assert len(read_package(output)) == 165
    program.unlink()
    program.parent.rmdir()
    stopped.unlink()
    check_nothing_left(tmp_path, "x.tpkx")
