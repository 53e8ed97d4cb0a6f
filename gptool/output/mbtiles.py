"""The .mbtiles: a SQLite database of tiles of web Mercator's standard scheme (MBTiles 1.3).

https://github.com/mapbox/mbtiles-spec/blob/master/1.3/spec.md. Tiles are in one plain table, equal ones repeated: the
specification allows a view over tables without repetition, but not every client need expect one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from gptool.model import Message
from gptool.output.bundle import WrittenBundle
from gptool.output.esri_json import summary
from gptool.output.kind import OutputKind, ResultInfo
from gptool.output.sqlite_file import SqliteFile, database_size, encodable
from gptool.output.staged_writer import StagedBundleWriter, StagedWriter, open_staged
from gptool.output.web_tiles import TileFormats, Zooms, attribution, check_web_tiles, web_tile_warnings
from gptool.plan import BundlePlan, Plan

APPLICATION_ID = 0x4D504258
"""`MPBX`, the magic number that SQLite's authors assigned."""

SCHEMA = (
    "CREATE TABLE metadata (name text, value text)",
    "CREATE UNIQUE INDEX metadata_index ON metadata (name)",
    "CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)",
    "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)",
)

FORMATS = {"JPEG": "jpg", "PNG": "png"}

MAX_ZOOM = 30
"""Rows and columns of deeper zooms exceed the 32-bit integers of most clients."""


class MBTiles(OutputKind):
    """The kind of a .mbtiles."""

    has_exact_size: ClassVar[bool] = False

    def check(self, plan: Plan) -> None:
        """Raise ParameterError if the tiles are not of web Mercator's standard scheme, or neither PNG nor JPEG."""
        check_web_tiles(plan, self.suffix, MAX_ZOOM)

    def warnings(self, plan: Plan) -> list[str]:
        """Return warnings about zooms without tiles and the size of tiles."""
        return web_tile_warnings(plan, self.suffix)

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> MBTilesWriter:
        """Create a .mbtiles; see `OutputKind.open_writer`."""
        return MBTilesWriter(path, info, staging)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the expected size; see `OutputKind.result_size`."""
        return database_size(bundles)[1]

    def size_bounds(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> tuple[int, int]:
        """Return the bounds of the size; see `OutputKind.size_bounds`."""
        least, _, greatest = database_size(bundles)
        return least, greatest


MBTILES = MBTiles(".mbtiles", None, StagedBundleWriter)


class MBTilesWriter(StagedWriter):
    """A .mbtiles that is being written: tiles in the order of the staged bundles."""

    def __init__(self, path: Path, info: ResultInfo, staging: Path) -> None:
        super().__init__(staging)
        self._zooms, self._formats = Zooms.of_plan(info.plan), TileFormats()
        self._database = SqliteFile(path, APPLICATION_ID, 0, SCHEMA)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the database if it is not complete."""
        if kind is not None:
            self._database.discard()

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Insert the tiles of a written bundle."""
        zoom = self._zooms.by_level[bundle.address.level]
        with open_staged(bundle) as staged:
            for chunk in staged.in_file_order():
                self._formats.add(chunk.first_bytes())
                rows, columns = bundle.address.rows_and_columns(chunk.positions)
                tms_rows = 2**zoom - 1 - rows
                values = zip(repeat(zoom), columns.tolist(), tms_rows.tolist(), chunk.tiles, strict=False)
                self._database.insert("INSERT INTO tiles VALUES (?, ?, ?, ?)", values)

    def finish(self, info: ResultInfo) -> int:
        """Write the metadata and return the size of the database."""
        self._database.insert("INSERT INTO metadata VALUES (?, ?)", self._metadata(info).items())
        if note := self._formats.note():
            self.messages.append(Message("Warning", f"the .mbtiles holds {note}, and states {self._format} alone"))
        return self._database.finish()

    @property
    def _format(self) -> str:
        return FORMATS[self._formats.majority()]

    def _metadata(self, info: ResultInfo) -> dict[str, str]:
        zooms, note = self._zooms, self._formats.note()
        longitude, latitude = zooms.centre
        stated = {
            "name": info.name,
            "format": self._format,
            "bounds": ",".join(map(str, zooms.bounds)),
            "center": f"{longitude},{latitude},{zooms.first}",
            "minzoom": str(zooms.first),
            "maxzoom": str(zooms.last),
            "attribution": attribution(info.plan),
            "description": summary(info.plan) + (f", {note}" if note else ""),
            "type": "baselayer",
            "version": "1",
        }
        return {name: encodable(value) for name, value in stated.items() if value}
