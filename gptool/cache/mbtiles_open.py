"""Opening an MBTiles file: its levels, the image format and size of its tiles, and its extent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gptool.cache.database import Database, DatabaseStore
from gptool.cache.mbtiles import MBTilesCache
from gptool.cache.mbtiles_listing import attach_listing
from gptool.cache.mbtiles_metadata import UNSUPPORTED, compare, read_bounds, read_metadata, sample_warnings
from gptool.cache.mbtiles_sample import Sample, take_sample
from gptool.cache.mbtiles_table import TileTable
from gptool.crs.web_mercator import ARCGIS_LEVELS, standard_scheme
from gptool.errors import CacheError, CacheNotFoundError
from gptool.model import ImageInfo, StorageFormat

MBTILES_SUFFIX = ".mbtiles"

MAX_LEVEL = 30
"""Maximum zoom level: the grid has 2^30 columns, whose tiles are 37 mm wide."""

MAX_LISTED_ZOOMS = 100

COLUMNS = ("zoom_level", "tile_column", "tile_row", "tile_data")
ORDERS = (("tile_column", "tile_row"), ("tile_row", "tile_column"))
PROBES = {
    "zoom_level = ? AND {0} = ? AND {1} BETWEEN ? AND ?": re.compile(
        r"\([^()]+=\? AND [^()]+=\? AND ([^()]+)>\? AND \1<\?\)"
    ),
    "zoom_level = ? AND ({0}, {1}) >= (?, ?) AND ? ORDER BY {0}, {1}": re.compile(r"\([^()<>]+=\? AND [^=]+>"),
}
"""Conditions on tiles, and how SQLite describes that it finds these by an index: a range of a column (or row), and the
next tile of a level.
"""

INDEX = "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)"
NO_INDEX = (
    "table tiles has no index of level, column and row: each process that reads it makes a temporary one first; if the "
    "file is to be read often"
)


def open_mbtiles(files: DatabaseStore) -> MBTilesCache:
    """Return the cache in an MBTiles file.

    Raises
    ------
    CacheNotFoundError
        If the database has no table or view of tiles.
    CacheError
        If it cannot be read, has no index, or has tiles that are no PNG or JPEG.
    """
    location = files.location
    with files.connect() as database:
        table = _find_table(database)
        if not table.is_indexed:
            attach_listing(database)
        levels, other_levels = _list_levels(database)
        warnings = [] if table.is_indexed else [f"{NO_INDEX}, one statement adds it: {INDEX}"]
        metadata = read_metadata(database)
        sample = take_sample(database, table, levels)
        sample.check(location)
        _check_stated_format(metadata, sample, database)
        scheme = standard_scheme(sample.side[0], max(len(ARCGIS_LEVELS), max(levels, default=0) + 1))
        window = table.window(database, levels[-1]) if levels else None
        extent, warning = read_bounds(metadata, scheme, window and (levels[-1], window))
    warnings += [*compare(metadata, sample, levels), *sample_warnings(sample), *filter(None, [warning])]
    stated = (metadata or {}).get("format", "")
    image_format = sample.format or ("JPEG" if stated.lower() in ("jpg", "jpeg") else "PNG")
    return MBTilesCache(
        files,
        "",
        location.stem,
        location,
        scheme,
        ImageInfo(image_format, 0, None, None, sample.count),
        StorageFormat.MBTILES,
        extent,
        None,
        warnings=tuple(f"{location}: {text}" for text in warnings),
        table=table,
        other_levels=tuple(f"{location}: {text}" for text in other_levels),
    )


def _find_table(database: Database) -> TileTable:
    """Return how the tiles are found. Raises CacheError if not even a temporary index can be made."""
    kind = database.value("SELECT type FROM sqlite_master WHERE name = 'tiles' AND type IN ('table', 'view')")
    names = {name for (name,) in database.rows("SELECT name FROM pragma_table_info('tiles')")}
    missing = [name for name in COLUMNS if name not in names]
    if kind is None or missing:
        what = "has no table or view tiles" if kind is None else f"{kind} tiles has no column {missing[0]}"
        raise CacheNotFoundError(what, where=database.where, expected="an MBTiles file of images")
    for order in ORDERS:
        if all(_uses_index(database, probe.format(*order), pattern) for probe, pattern in PROBES.items()):
            return TileTable(*order, is_unique=_has_unique_index(database))
    if kind == "table" and _has_row_ids(database):
        return TileTable(is_indexed=False)
    how = "cannot be read by an index of" if kind == "view" else "has no index of"
    raise CacheError(
        f"{kind} tiles {how} level, column and row, without which it is not read in reasonable time",
        where=database.where,
        expected="such an index of the table, or of a table below the view, and one of the ids of images; a view "
        "without UNION and computed columns",
    )


def _has_row_ids(database: Database) -> bool:
    try:
        database.run("SELECT rowid FROM main.tiles LIMIT 0")
    except CacheError:
        return False
    return True


def _uses_index(database: Database, condition: str, pattern: re.Pattern[str]) -> bool:
    """Return True if SQLite finds the tiles of a condition by searches in an index only, the first as in a pattern."""
    statement = f"EXPLAIN QUERY PLAN SELECT tile_data FROM tiles WHERE {condition}"
    steps = [row[3] for row in database.rows(statement, 0, 0, 0, 0)]
    searches = [step for step in steps if step.startswith("SEARCH") and "AUTOMATIC" not in step]
    return bool(steps) and len(searches) == len(steps) and pattern.search(steps[0]) is not None


def _has_unique_index(database: Database) -> bool:
    """Return True if a unique index ensures that there is one tile at an address; `map` is below the usual views."""
    columns = "SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(list.name) ORDER BY name)"
    statement = f"""
        SELECT 1 FROM (VALUES ('tiles'), ('map')) AS relation, pragma_index_list(relation.column1) AS list
        WHERE list."unique" AND NOT list.partial AND ({columns}) = 'tile_column,tile_row,zoom_level'"""
    return database.value(statement) is not None


def _list_levels(database: Database) -> tuple[list[int], list[str]]:
    """Return the levels that have tiles, ascending, and warnings for what is no level."""
    levels, others = list[int](), list[str]()
    zoom = database.value("SELECT zoom_level FROM tiles WHERE zoom_level IS NOT NULL ORDER BY zoom_level LIMIT 1")
    while zoom is not None and len(levels) + len(others) < MAX_LISTED_ZOOMS:
        if isinstance(zoom, int) and 0 <= zoom <= MAX_LEVEL:
            levels.append(zoom)
        else:
            others.append(f"tiles of level {zoom!r:.50} are skipped, as levels are integers from 0 to {MAX_LEVEL}")
        zoom = database.value("SELECT zoom_level FROM tiles WHERE zoom_level > ? ORDER BY zoom_level LIMIT 1", zoom)
    if database.value("SELECT 1 FROM tiles WHERE zoom_level IS NULL LIMIT 1"):
        others.append("tiles without a level are skipped")
    return levels, others


def _check_stated_format(metadata: Mapping[str, str] | None, sample: Sample, database: Database) -> None:
    """Raise CacheError if the metadata state a format that is not supported, and the tiles none that is."""
    stated = (metadata or {}).get("format", "")
    if sample.format is None and stated.lower() in UNSUPPORTED:
        what = f"{UNSUPPORTED[stated.lower()]} are not supported"
        raise CacheError(what, where=database.where, found=f"format {stated}", expected="PNG or JPEG tiles")
