"""A cache folder: where its conf.xml and its tiles are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gptool.cache.base import TileCache
from gptool.cache.compact import CompactV2Cache
from gptool.cache.conf import read_cdi, read_conf
from gptool.errors import CacheError, CacheNotFoundError
from gptool.model import StorageFormat

TILES_FOLDER = "_alllayers"


def open_cache(location: str | os.PathLike[str]) -> TileCache:
    """Open a tile cache for reading.

    Parameters
    ----------
    location : path
        The cache folder: the one with conf.xml, or one above it.

    Returns
    -------
    TileCache

    Raises
    ------
    CacheNotFoundError
        When there is nothing, no conf.xml, or no _alllayers folder.
    ConfError
        When conf.xml or conf.cdi is broken.
    CacheError
        When the cache can't be read, or its storage format is not one of those this version reads.
    """
    folder = Path(location)
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=folder) from None
    except OSError as error:
        raise CacheError(f"can't be opened: {error.strerror}", where=folder) from error
    if not is_folder:
        raise CacheError("not a cache", where=folder, found="a file", expected="a cache folder")
    conf_path = _find(folder, "conf.xml")
    if conf_path is None:
        raise CacheNotFoundError("no conf.xml in it or one folder down", where=folder, expected="a tile cache's folder")
    conf = read_conf(conf_path)
    if conf.storage is not StorageFormat.COMPACT_V2:
        raise CacheError("storage format", where=conf_path, found=conf.storage, expected=StorageFormat.COMPACT_V2)
    tiles = _find(conf_path.parent, TILES_FOLDER)
    if tiles is None or not tiles.is_dir():
        raise CacheNotFoundError(f"no {TILES_FOLDER} folder in it or one folder down", where=conf_path.parent)
    cdi = _entry(conf_path.parent, "conf.cdi")
    extent = read_cdi(cdi) if cdi else None
    return CompactV2Cache(conf_path.parent.absolute(), conf.scheme, conf.image, conf.storage, extent, tiles.absolute())


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise CacheError(f"can't be listed: {error.strerror}", where=folder) from error


def _entry(folder: Path, name: str) -> Path | None:
    """Return the entry of that name in any letter case: Esri writes both Conf.xml and conf.xml."""
    return next((entry for entry in _list(folder) if entry.name.lower() == name), None)


def _find(folder: Path, name: str) -> Path | None:
    """Return the entry of that name in the folder, else the one and only in the folders just below."""
    here = _entry(folder, name)
    if here is not None:
        return here
    below = [found for sub in _list(folder) if sub.is_dir() and (found := _entry(sub, name))]
    if len(below) > 1:
        raise CacheError(f"several {name}", where=folder, found=", ".join(map(str, below)), expected="one")
    return below[0] if below else None
