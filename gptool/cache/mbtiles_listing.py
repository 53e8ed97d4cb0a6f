"""An index for MBTiles that have none: a temporary database that lists the tiles, one in each process."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from gptool import system
from gptool.cache.database import Database, State, current_state, file_uri
from gptool.errors import CacheError

NAME = "listing"
MAX_LISTINGS = 8
"""Listings that a process keeps; the least recently used are discarded first."""

TILES = """
    CREATE TEMP VIEW tiles AS SELECT listed.zoom_level, listed.tile_column, listed.tile_row, stored.tile_data
    FROM listing.listed JOIN main.tiles AS stored ON stored.rowid = listed.id"""
"""A view that stands for the table of tiles in all statements of a connection, as SQLite looks for it first."""

Key = tuple[int, Path, State]
"""The process, the database and its state."""

_folders: OrderedDict[Key, Path] = OrderedDict()
_lock = Lock()


@atexit.register
def _remove_all() -> None:
    """Remove the listings of this process, not those of another that it was forked from."""
    for key, folder in _folders.items():
        if key[0] == os.getpid():
            system.remove_folder(folder)


def attach_listing(database: Database) -> None:
    """Let the statements of a connection find tiles by a temporary index, which is made if it does not exist yet.

    Raises
    ------
    CacheError
        If the tiles have no row ids, or the temporary file cannot be written.
    """
    key = os.getpid(), database.where, current_state(database.where)
    with _lock:
        if key in _folders:
            _folders.move_to_end(key)
        else:
            _folders[key] = _make_listing(database)
            while len(_folders) > MAX_LISTINGS:
                system.remove_folder(_folders.popitem(last=False)[1])
        database.run(f"ATTACH '{file_uri(_folders[key] / NAME)}?mode=ro' AS listing")
    database.run(TILES)


def _make_listing(database: Database) -> Path:
    """Return the folder of a new listing."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="gptool-mbtiles-"))
    except OSError as error:
        what = f"needs a temporary file, which cannot be written: {error.strerror}"
        raise CacheError(what, where=database.where) from error
    try:
        database.run(f"ATTACH '{file_uri(folder / NAME)}?mode=rwc' AS listing")
        for setting in ("journal_mode = OFF", "synchronous = OFF"):
            database.run(f"PRAGMA listing.{setting}")
        database.run(
            "CREATE TABLE listing.listed AS SELECT zoom_level, tile_column, tile_row, rowid AS id FROM main.tiles"
        )
        database.run("CREATE INDEX listing.by_column ON listed (zoom_level, tile_column, tile_row, id)")
        database.run("DETACH listing")
    except BaseException:
        system.remove_folder(folder)
        raise
    return folder
