"""Areas in files of GDAL's formats, and as well-known text, for callers who may name files."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from gptool import estimate_export_tiles_size
from gptool.errors import ParameterError
from gptool.request.area import RequestedArea, read_area
from gptool.request.area_files import path_or_json
from gptool.request.polygons import build_polygons
from gptool.tool import estimate_export_tiles_size_job

SHELL = [(10.0, 50.0), (14.0, 50.0), (14.0, 53.0), (10.0, 53.0)]
HOLE = [(11.0, 51.0), (12.0, 51.0), (12.0, 52.0), (11.0, 52.0)]
DONUT = shapely.Polygon(SHELL, [HOLE])
ISLAND = shapely.box(20, 50, 21, 51)

KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>areas</name><Placemark><name>donut</name><Polygon>
<outerBoundaryIs><LinearRing><coordinates>{shell}</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>{hole}</coordinates></LinearRing></innerBoundaryIs>
</Polygon></Placemark><Placemark><Point><coordinates>1,2,0</coordinates></Point></Placemark></Document></kml>
"""


def coordinates(ring: list[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y},7" for x, y in [*ring, ring[0]])


def shapes_of(area: RequestedArea) -> dict[int | None, shapely.Geometry]:
    polygons, repairs = build_polygons(area.polygons)
    assert repairs == []
    return {reference and reference.wkid: polygon for reference, polygon in polygons.items()}


class TestFormats:
    @pytest.fixture(autouse=True)
    def pyogrio(self) -> Any:
        return pytest.importorskip("pyogrio")

    def write(self, path: Path, geometries: list[Any], crs: str | None, **options: Any) -> Path:
        import pyogrio.raw

        wkb = np.array([None if geometry is None else shapely.to_wkb(geometry) for geometry in geometries], object)
        kind = "Polygon" if path.suffix == ".shp" else "Unknown"
        pyogrio.raw.write(path, wkb, [np.arange(len(wkb))], ["n"], geometry_type=kind, crs=crs, **options)
        return path

    @pytest.mark.parametrize("name", ["area.shp", "area.gpkg", "area.fgb", "area.gml"])
    @pytest.mark.parametrize("epsg", [4326, 25833])
    def test_polygons_and_spatial_reference(self, tmp_path: Path, name: str, epsg: int) -> None:
        project = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform
        donut, island = (shapely.transform(shape, lambda xy: np.stack(project(*xy.T), 1)) for shape in (DONUT, ISLAND))
        path = self.write(tmp_path / name, [donut, shapely.MultiPolygon([island])], f"EPSG:{epsg}")
        area = read_area(path)
        polygons, _ = build_polygons(area.polygons)
        [(reference, shape)] = polygons.items()
        assert reference is not None
        assert pyproj.CRS.from_user_input(reference.wkid or reference.wkt).equals(epsg, ignore_axis_order=True)
        assert shape.symmetric_difference(donut | island).area < 1e-9 * donut.area
        assert len(area.polygons) == 2

    def test_kml(self, tmp_path: Path) -> None:
        path = tmp_path / "area.kml"
        path.write_text(KML.format(shell=coordinates(SHELL), hole=coordinates(HOLE)))
        area = read_area(path)
        assert area.warnings == ("areaOfInterest: layer 'areas', feature 1: skipped, as it is no area; found a Point",)
        assert shapes_of(area)[4326].equals(DONUT)

    def test_all_layers_of_a_geopackage(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "area.gpkg", [DONUT, None, shapely.Point(1, 2)], "EPSG:4326", layer="one")
        self.write(path, [ISLAND], "EPSG:3857", layer="two\x1b[31m", append=True)
        area = read_area(path)
        assert [polygon.name for polygon in area.polygons] == [
            "layer 'one', feature 0",
            "layer 'two\\x1b[31m', feature 0",
        ]
        assert [text.rpartition("found ")[2] for text in area.warnings] == ["no geometry", "a Point"]
        assert list(shapes_of(area)) == [4326, 3857]

    @pytest.mark.filterwarnings("ignore:'crs' was not provided")
    def test_shapefile_without_a_spatial_reference_has_that_of_the_cache(self, tmp_path: Path, cache: Path) -> None:
        path = self.write(tmp_path / "area.shp", [shapely.box(1, 1, 5e6, 5e6)], None)
        assert list(shapes_of(read_area(path))) == [None]
        warning = f"areaOfInterest: {path}: states no spatial reference, so that its coordinates are those of the cache"
        assert read_area(path).warnings == (warning,)
        (tmp_path / "area.prj").write_text("unreadable")
        assert read_area(path).warnings == (warning,)
        estimate = estimate_export_tiles_size(cache, area_of_interest=str(path))
        assert any("states no spatial reference" in message.description for message in estimate.messages)
        box = estimate_export_tiles_size(cache, export_extent=(1, 1, 5e6, 5e6))
        assert estimate.total_tiles_to_export == box.total_tiles_to_export

    @pytest.mark.parametrize("content", [b"", b"\x00\x00\x27\x0a\xff\xfe", b"hello", b"PK\x03\x04 no zip", b"<kml>"])
    @pytest.mark.parametrize("name", ["area.shp", "area.gpkg", "area.kml", "area.txt"])
    def test_damaged_files_are_rejected(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ParameterError, match=rf"^areaOfInterest: .*{name}: "):
            read_area(tmp_path / name)

    def test_truncated_shapefile_is_rejected(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "area.shp", [DONUT, ISLAND], "EPSG:4326")
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(ParameterError, match=rf": file is truncated; found {size - 50} bytes, expected {size} "):
            read_area(path)

    def test_advice_of_gdal_about_its_own_options_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "area.txt").write_text("hello")
        with pytest.raises(ParameterError) as caught:
            read_area(tmp_path / "area.txt")
        assert "DRIVER" not in str(caught.value)

    def test_file_without_polygons_is_rejected(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "area.gpkg", [shapely.Point(1, 2)], "EPSG:4326")
        with pytest.raises(ParameterError, match=r"^areaOfInterest: .*area\.gpkg: .*not a polygon; found a Point"):
            read_area(path)


class TestWithoutPyogrio:
    @pytest.fixture(autouse=True)
    def without_pyogrio(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("pyogrio", "pyogrio.raw"):
            monkeypatch.setitem(sys.modules, name, None)

    def test_message_names_the_extra_and_a_command(self, tmp_path: Path) -> None:
        (tmp_path / "area.shp").write_bytes(b"\x00\x00\x27\x0a\xff\xfe")
        with pytest.raises(ParameterError) as caught:
            read_area(tmp_path / "area.shp")
        assert str(caught.value) == (
            f"areaOfInterest: {tmp_path / 'area.shp'}: the file is no JSON, and pyogrio, which reads other formats, is "
            "not installed; expected pip install 'gptool-export-tiles[areas]', or GeoJSON: ogr2ogr -f GeoJSON -t_srs "
            "EPSG:4326 area.geojson area.shp"
        )

    def test_json_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "area.shp").write_text(" \n" + json.dumps({"rings": [[[0, 0], [0, 1], [1, 1]]]}))
        assert len(read_area(tmp_path / "area.shp").polygons) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "value is not valid JSON"),
        ("", "file is empty; expected JSON"),
        (" \n", "file is empty; expected JSON"),
        ("42", "value is not a JSON object; found '42'"),
        ("null\n", "value is not a JSON object"),
        ('{"xmin": 0, "ymin": 0, "xmax": 1}', "geometry, envelope: ymax is missing; expected xmin, ymin, xmax and"),
        ("[]", "value is not a JSON object"),
        (
            '{"type": "Polygon", "coordinates": [[[500, 91]]]}',
            "polygon, ring 0, vertex 0: coordinates of GeoJSON are not",
        ),
        ('{"rings": [[["a"]]]}', "geometry, ring 0: ring has an invalid vertex"),
        ('{"x": 1}', "geometry: not a polygon; found a point"),
    ],
)
def test_errors_in_json_name_the_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "area.json"
    path.write_text(content)
    with pytest.raises(ParameterError) as caught:
        read_area(path)
    assert str(caught.value).startswith(f"areaOfInterest: {path}: {message}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_encodings_of_json(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16."""
    (tmp_path / "area.json").write_bytes(json.dumps({"rings": [[[0, 0], [0, 1], [1, 1]]]}).encode(encoding))
    assert len(read_area(tmp_path / "area.json").polygons) == 1


@pytest.mark.posix("named pipes")
class TestPipes:
    """A pipe can be read only once: `--area-of-interest <(ogr2ogr ...)`."""

    def read(self, path: Path, data: bytes) -> RequestedArea:
        os.mkfifo(path)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(path.write_bytes, data)
            try:
                return read_area(path)
            finally:
                writing.result(timeout=60)

    @pytest.mark.parametrize("vertices", [3, 100_000])
    def test_json_is_read_to_the_end(self, tmp_path: Path, vertices: int) -> None:
        ring = [[i, i % 7] for i in range(vertices)]
        area = self.read(tmp_path / "pipe", json.dumps({"rings": [ring]}).encode())
        assert len(area.polygons[0].rings[0]) == vertices

    def test_other_formats_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match=r"pipe: input is a pipe without JSON; expected JSON, or a file"):
            self.read(tmp_path / "pipe", b"SQLite format 3")


class TestWellKnownText:
    @pytest.mark.parametrize(
        "shape",
        [DONUT, ISLAND, shapely.MultiPolygon([DONUT, ISLAND]), DONUT.reverse(), shapely.force_3d(DONUT, 5.0)],
    )
    @pytest.mark.parametrize("change", [str.upper, str.lower, lambda text: f"\n  {text}".replace(" (", "(")])
    def test_polygons_are_in_the_spatial_reference_of_the_cache(self, shape: Any, change: Any) -> None:
        area = read_area(path_or_json(change(shape.wkt)))
        [(reference, read)] = shapes_of(area).items()
        assert reference is None
        assert read.equals(shapely.force_2d(shape))

    def test_the_wkid_of_postgis_is_read(self) -> None:
        [(wkid, read)] = shapes_of(read_area(path_or_json(f"SRID=25833; {DONUT.wkt}"))).items()
        assert wkid == 25833
        assert read.equals(DONUT)

    def test_it_selects_tiles(self, cache: Path) -> None:
        estimate = estimate_export_tiles_size(cache, area_of_interest=shapely.box(1, 1, 5e6, 5e6).wkt)
        box = estimate_export_tiles_size(cache, export_extent=(1, 1, 5e6, 5e6))
        assert estimate.total_tiles_to_export == box.total_tiles_to_export

    @pytest.mark.parametrize("text", ["POLYGON ((0 0, 1 1", "POLYGON ((0 0, 1 1, 2 0))", "MULTIPOLYGON (x)"])
    def test_invalid_text_is_rejected(self, cache: Path, text: str) -> None:
        with pytest.raises(
            ParameterError, match=r"^area_of_interest: invalid well-known text: .*; found 'M?U?L?T?I?POLYG"
        ):
            estimate_export_tiles_size(cache, area_of_interest=text)

    def test_empty_polygon_is_rejected(self, cache: Path) -> None:
        with pytest.raises(ParameterError, match=r"^area_of_interest: geometry: not a polygon; found no ring with"):
            estimate_export_tiles_size(cache, area_of_interest="POLYGON EMPTY")

    def test_other_texts_are_names_of_files(self) -> None:
        for name in ("polygon.json", "POLYGON", "multipolygons of 2024.shp", "area (1).json"):
            assert path_or_json(name) == Path(name)
        for value in (None, "", " ", '{"a": 1}', "[1]", {"rings": []}):
            assert path_or_json(value) == value

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("POINT (1 2)", "well-known text is no polygon"),
            ("SRID=abc;POLYGON ((0 0, 1 1, 2 0, 0 0))", "well-known text has an invalid SRID"),
            ("SRID=4326 POLYGON ((0 0, 1 1, 2 0, 0 0))", "well-known text has an invalid SRID"),
            ("SRID=4326;POINT (1 2)", "well-known text is no polygon"),
            ("GEOMETRYCOLLECTION (POLYGON ((0 0, 1 1, 2 0, 0 0)))", "well-known text is no polygon"),
            ("linestring z(0 0 0, 1 1 1)", "well-known text is no polygon"),
            ("0, 0, 1e3, 1.5", "is a box, not an area"),
        ],
    )
    def test_other_values_are_no_names_of_files(self, text: str, what: str) -> None:
        with pytest.raises(ParameterError, match=f"^areaOfInterest: {what}; found"):
            path_or_json(text)

    @pytest.mark.parametrize("text", ["POLYGON ((0 0, 1 1, 2 0, 0 0))", "/etc/hostname", "area.shp"])
    def test_clients_of_a_service_send_json_only(self, cache: Path, text: str) -> None:
        job = estimate_export_tiles_size_job({"areaOfInterest": text}, cache=cache)
        assert job.status == "esriJobFailed"
        assert "areaOfInterest: value is not valid JSON" in job.messages[1].description
