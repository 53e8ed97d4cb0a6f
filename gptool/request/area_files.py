"""Areas in files and as well-known text, for callers who may name files: JSON, or formats of GDAL through pyogrio."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gptool import system
from gptool.errors import ParameterError
from gptool.model import SpatialReference
from gptool.request.area_members import PARAMETER, Member, RequestedPolygon, SkippedMember, read_ring, signed_area
from gptool.request.spatial_reference import read_spatial_reference
from gptool.request.values import MAX_JSON_LENGTH, format_value, is_absent
from gptool.system.store_url import hide_secrets

WELL_KNOWN_TEXT = re.compile(
    r"\s*(?:SRID=(?P<srid>\d{1,9});\s*)?(?P<text>(?:MULTI)?POLYGON\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY).*)",
    re.IGNORECASE | re.DOTALL,
)
"""An area, with the WKID that PostGIS puts before it."""

OTHER_TEXT = re.compile(r"\s*(?:SRID=\d+;\s*)?([A-Z]{5,})\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY$)", re.IGNORECASE)
"""The start of well-known text in general, with the type of its geometry."""

SRID = re.compile(r"\s*SRID\s*=", re.IGNORECASE)

BOX = re.compile(r"(?:[-+0-9.eE\s]+,){3}[-+0-9.eE\s]+")

JSON_START = "{", "["

EXPECTED_TEXT = "POLYGON or MULTIPOLYGON, in the spatial reference of the cache or with SRID=WKID; before it"
EXPECTED_FILE = "the path of a file, JSON, or well-known text"
BOX_OPTION = "polygons; exportExtent takes a box"

MAX_START = 1024
"""Bytes from which the kind of a file is recognised."""

SHAPEFILE_HEADER = 100
"""Bytes of the header of a shapefile."""

AUTHORITY_CODE = re.compile(r"(?:EPSG|ESRI):([0-9]{1,9})", re.IGNORECASE)


def path_or_json(value: Any) -> Any:
    """Return the path of a file, or the polygons of a well-known text as JSON, for callers who may read files.

    Other values, among them JSON as a text, are returned unchanged.

    Raises
    ------
    ParameterError
        If a well-known text is invalid or that of no polygon, or if the value is the text of a box.
    """
    if not isinstance(value, str) or is_absent(value) or value.lstrip().startswith(JSON_START):
        return value
    area = WELL_KNOWN_TEXT.fullmatch(value)
    if area:
        reference = {"spatialReference": {"wkid": int(area["srid"])}} if area["srid"] else {}
        return {"rings": _read_rings(area["text"])} | reference
    if BOX.fullmatch(value):
        raise ParameterError("is a box, not an area", where=PARAMETER, found=format_value(value), expected=BOX_OPTION)
    if OTHER_TEXT.match(value):
        raise ParameterError(
            "well-known text is no polygon", where=PARAMETER, found=format_value(value), expected=EXPECTED_TEXT
        )
    if foreign := system.foreign_path(value):
        raise ParameterError(foreign[0], where=PARAMETER, found=hide_secrets(value), expected=EXPECTED_FILE)
    if SRID.match(value):
        raise ParameterError(
            "well-known text has an invalid SRID", where=PARAMETER, found=format_value(value), expected=EXPECTED_TEXT
        )
    return Path(value)


def read_json_file(path: os.PathLike[str]) -> str | None:
    """Return the text of a file of JSON; None if it does not start as JSON does.

    Raises
    ------
    ParameterError
        If the file cannot be read. The message does not name it.
    """
    try:
        if Path(path).is_dir():
            return None  # as a file geodatabase is
        with Path(path).open("rb") as file:
            return _read_text(file)
    except FileNotFoundError:
        raise ParameterError(
            "file not found", expected="the path of a file of polygons, JSON, or well-known text"
        ) from None
    except OSError as error:
        raise ParameterError(f"file cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"file is not valid {error.encoding.upper()} at byte {error.start}", expected="JSON in UTF-8"
        ) from None


def _read_text(file: BinaryIO) -> str | None:
    """Return the text of a file of JSON; None if it does not start as JSON does. A pipe can be read only once."""
    start = file.read(MAX_START)
    if not start.strip():
        raise ParameterError("file is empty", expected="JSON, or another format with polygons")
    encoding = json.detect_encoding(start)
    if _seems_json(start, encoding):
        return (start + file.read(4 * MAX_JSON_LENGTH)).decode(encoding)
    if not file.seekable():
        raise ParameterError("input is a pipe without JSON", expected="JSON, or a file for other formats")
    return None


def _seems_json(start: bytes, encoding: str) -> bool:
    """Return True for the start of an object or a list, and for a whole JSON text of another kind."""
    text = start.decode(encoding, errors="ignore").lstrip()
    if text.startswith(JSON_START):
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def read_other_file(path: os.PathLike[str]) -> Iterator[Member]:
    """Yield the polygons of all layers of a file in another format, such as a shapefile, GeoPackage or KML.

    Raises
    ------
    ParameterError
        If pyogrio is not installed, the file is truncated, or GDAL cannot read it. The message does not name it.
    """
    try:
        import pyogrio.raw
        from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
    except ImportError:
        raise ParameterError(
            "the file is no JSON, and pyogrio, which reads other formats, is not installed",
            expected="pip install 'gptool-export-tiles[areas]', or GeoJSON: ogr2ogr -f GeoJSON -t_srs EPSG:4326 "
            f"area.geojson {Path(path).name}",
        ) from None
    _check_shapefile(Path(path))
    try:
        for layer, geometry_type in pyogrio.list_layers(path).tolist():
            if geometry_type is not None:
                meta, _, geometries, _ = pyogrio.raw.read(path, layer=layer, columns=[], force_2d=True)
                yield from _read_layer(f"layer {format_value(layer)}", geometries, _reference_of(meta["crs"]))
    except (DataSourceError, DataLayerError, GeometryError) as error:
        raise ParameterError(
            _gdal_text(str(error), is_folder=Path(path).is_dir()),
            expected="JSON, or a format of GDAL with polygons, such as a shapefile, GeoPackage or KML",
        ) from None


def _gdal_text(error: str, *, is_folder: bool) -> str:
    """Return what is wrong with a file or folder that GDAL cannot read."""
    if "not recognized as being in a supported file format" in error:
        known = "a folder, but no dataset" if is_folder else "neither JSON nor in another format"
        return f"is {known} that GDAL reads"
    return f"file cannot be read: {error.partition('; It might help')[0]}"


def _check_shapefile(path: Path) -> None:
    """Raise ParameterError if a shapefile is shorter than it states: GDAL takes the missing features as empty ones.

    The length of the file, in words of 16 bits, follows at byte 24 of its header (ESRI Shapefile Technical
    Description, 1998).
    """
    if path.suffix.lower() != ".shp" or not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(SHAPEFILE_HEADER)
    size, stated = path.stat().st_size, 2 * int.from_bytes(header[24:28], "big")
    if len(header) == SHAPEFILE_HEADER and size < stated:
        raise ParameterError(
            "file is truncated", found=f"{size} bytes", expected=f"{stated} bytes, as its header states"
        )


def _reference_of(crs: str | None) -> SpatialReference | None:
    """Return the spatial reference of a layer; None, for that of the cache, if the layer has none."""
    code = AUTHORITY_CODE.fullmatch(crs) if crs else None
    value: Any = int(code[1]) if code else {"wkt": crs} if crs else None
    return read_spatial_reference(value, PARAMETER)


def _read_layer(layer: str, geometries: Any, reference: SpatialReference | None) -> Iterator[Member]:
    """Yield the members of a layer, whose geometries are well-known binary or None."""
    import shapely

    for i, geometry in enumerate(shapely.from_wkb(geometries, on_invalid="ignore")):
        name = f"{layer}, feature {i}"
        parts = [] if geometry is None else shapely.get_parts(geometry).tolist()
        polygons = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
        if polygons:
            rings = [read_ring(ring, name) for polygon in polygons for ring in _rings(polygon)]
            yield RequestedPolygon(name, rings, reference)
        else:
            yield SkippedMember(name, "no geometry" if geometry is None else f"a {geometry.geom_type}")


def _rings(polygon: Any) -> Iterator[list[list[float]]]:
    """Yield the rings of a polygon of shapely: the outer one clockwise, holes counter-clockwise."""
    for i, ring in enumerate((polygon.exterior, *polygon.interiors)):
        points = np.array(ring.coords)[:, :2]
        yield (points if (signed_area(points) > 0) == (i > 0) else points[::-1]).tolist()


def _read_rings(text: str) -> list[list[list[float]]]:
    """Return the rings of a well-known text in the order and direction of Esri's JSON."""
    import shapely

    try:
        geometry = shapely.from_wkt(text)
    except shapely.errors.GEOSException as error:
        raise ParameterError(
            f"invalid well-known text: {str(error).partition(': ')[2]}",
            where=PARAMETER,
            found=format_value(text),
            expected=EXPECTED_TEXT,
        ) from None
    parts = shapely.get_parts(geometry).tolist()
    return [ring for polygon in parts if not polygon.is_empty for ring in _rings(polygon)]
