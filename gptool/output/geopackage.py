"""The .gpkg: a SQLite database of tiles of any tiling scheme (OGC 12-128r19, GeoPackage 1.4, clause 2.2).

The first tile of each level is at the origin of the scheme; the tile matrix set reaches from there beyond the tiles.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from gptool.crs.definition import UNDEFINED_ID, SrsDefinition, srs_definition
from gptool.model import Message
from gptool.output.bundle import WrittenBundle
from gptool.output.esri_json import summary
from gptool.output.kind import OutputKind, ResultInfo
from gptool.output.sqlite_file import SqliteFile, database_size, encodable
from gptool.output.staged_writer import StagedBundleWriter, StagedWriter, open_staged
from gptool.output.tile_matrices import TileMatrixSet
from gptool.output.web_tiles import TileFormats, check_tile_format
from gptool.plan import BundlePlan, Plan
from gptool.text import format_count

APPLICATION_ID, USER_VERSION = 0x47504B47, 10300
"""`GPKG` (requirement 2), and version 1.3, which more programs know than 1.4; what is written is the same in both."""

TABLE = "tiles"

LAST_CHANGE = "1970-01-01T00:00:00.000Z"
"""A constant, so that equal requests give equal bytes."""

ZOOM_OTHER = "gpkg_zoom_other", "http://www.geopackage.org/spec131/#extension_zoom_other_intervals", "read-write"

SCHEMA = (
    "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, "
    "organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, "
    "description TEXT)",
    "CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, "
    "identifier TEXT UNIQUE, description TEXT DEFAULT '', "
    "last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), "
    "min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER, "
    "CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))",
    "CREATE TABLE gpkg_tile_matrix_set (table_name TEXT NOT NULL PRIMARY KEY, srs_id INTEGER NOT NULL, "
    "min_x DOUBLE NOT NULL, min_y DOUBLE NOT NULL, max_x DOUBLE NOT NULL, max_y DOUBLE NOT NULL, "
    "CONSTRAINT fk_gtms_table_name FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name), "
    "CONSTRAINT fk_gtms_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))",
    "CREATE TABLE gpkg_tile_matrix (table_name TEXT NOT NULL, zoom_level INTEGER NOT NULL, "
    "matrix_width INTEGER NOT NULL, matrix_height INTEGER NOT NULL, tile_width INTEGER NOT NULL, "
    "tile_height INTEGER NOT NULL, pixel_x_size DOUBLE NOT NULL, pixel_y_size DOUBLE NOT NULL, "
    "CONSTRAINT pk_ttm PRIMARY KEY (table_name, zoom_level), "
    "CONSTRAINT fk_tmm_table_name FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name))",
    "CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, "
    "definition TEXT NOT NULL, scope TEXT NOT NULL, "
    "CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))",
    f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, "
    "tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL, UNIQUE (zoom_level, tile_column, tile_row))",
)
"""Annex C of the standard. The ids of rows are not kept by a sequence: nothing refers to them."""

WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)

REQUIRED_REFERENCES = (
    SrsDefinition("Undefined Cartesian SRS", UNDEFINED_ID, "NONE", UNDEFINED_ID, "undefined"),
    SrsDefinition("Undefined geographic SRS", 0, "NONE", 0, "undefined"),
    SrsDefinition("WGS 84", 4326, "EPSG", 4326, WGS84),
)
"""The rows that requirement 11 asks for."""


class GeoPackage(OutputKind):
    """The kind of a .gpkg."""

    has_exact_size: ClassVar[bool] = False

    def check(self, plan: Plan) -> None:
        """Raise ParameterError if tiles are neither PNG nor JPEG, or no extent is that of whole tiles of all levels."""
        check_tile_format(plan, self.suffix)
        TileMatrixSet.of_plan(plan)

    def warnings(self, plan: Plan) -> list[str]:
        """Return a warning about an unknown spatial reference."""
        if srs_definition(plan.cache.scheme.reference) is None:
            return [f"the cache states no spatial reference that is known: the {self.suffix} states an undefined one"]
        return []

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> GeoPackageWriter:
        """Create a .gpkg; see `OutputKind.open_writer`."""
        return GeoPackageWriter(path, staging)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the expected size; see `OutputKind.result_size`."""
        return database_size(bundles)[1]

    def size_bounds(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> tuple[int, int]:
        """Return the bounds of the size; see `OutputKind.size_bounds`."""
        least, _, greatest = database_size(bundles)
        return least, greatest


GEOPACKAGE = GeoPackage(".gpkg", None, StagedBundleWriter)


class GeoPackageWriter(StagedWriter):
    """A .gpkg that is being written: tiles in the order of the staged bundles."""

    def __init__(self, path: Path, staging: Path) -> None:
        super().__init__(staging)
        self._formats = TileFormats()
        self._database = SqliteFile(path, APPLICATION_ID, USER_VERSION, SCHEMA)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the database if it is not complete."""
        if kind is not None:
            self._database.discard()

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Insert the tiles of a written bundle."""
        level = bundle.address.level
        with open_staged(bundle) as staged:
            for chunk in staged.in_file_order():
                self._formats.add(chunk.first_bytes())
                rows, columns = bundle.address.rows_and_columns(chunk.positions)
                values = zip(repeat(level), columns.tolist(), rows.tolist(), chunk.tiles, strict=False)
                self._database.insert(f"INSERT INTO {TABLE} VALUES (NULL, ?, ?, ?, ?)", values)

    def finish(self, info: ResultInfo) -> int:
        """Write the metadata and return the size of the database."""
        plan = info.plan
        definition = srs_definition(plan.cache.scheme.reference) or REQUIRED_REFERENCES[0]
        references = {each.srs_id: each for each in (definition, *REQUIRED_REFERENCES)}
        matrices, srs_id = TileMatrixSet.of_plan(plan), definition.srs_id
        texts = encodable(info.name), encodable(summary(plan))
        self._insert("gpkg_spatial_ref_sys", *((*each, None) for _, each in sorted(references.items())))
        self._insert("gpkg_contents", (TABLE, "tiles", *texts, LAST_CHANGE, *plan.extent(), srs_id))
        self._insert("gpkg_tile_matrix_set", (TABLE, srs_id, *matrices.extent))
        self._insert("gpkg_tile_matrix", *((TABLE, *matrix) for matrix in matrices.matrices))
        if matrices.has_other_intervals:
            self._insert("gpkg_extensions", (TABLE, "tile_data", *ZOOM_OTHER))
        if self._formats.unknown:
            tiles = format_count(self._formats.unknown, "tile")
            self.messages.append(Message("Warning", f"the .gpkg holds {tiles} in another format than PNG and JPEG"))
        return self._database.finish()

    def _insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        places = ", ".join("?" * len(rows[0]))
        self._database.insert(f"INSERT INTO {table} VALUES ({places})", rows)
