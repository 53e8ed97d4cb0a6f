"""Opening a cache: a folder or a package, what it states of itself, and where its tiles are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gptool.cache.base import TileCache
from gptool.cache.compact import CompactV2Cache
from gptool.cache.compact_v1 import CompactV1Cache
from gptool.cache.conf import read_cdi, read_conf
from gptool.cache.exploded import ExplodedCache
from gptool.cache.files import Files, FolderFiles, entry, find, parent
from gptool.cache.root import read_root, vector_tiles
from gptool.cache.scheme import Conf
from gptool.cache.zip_files import open_zip
from gptool.errors import CacheError, CacheNotFoundError
from gptool.model import Extent, StorageFormat

TILES_FOLDER = "_alllayers"
TPK_FOLDER = "v101"
VTPK_FOLDER = "p12"

KINDS: dict[StorageFormat, type[TileCache]] = {
    StorageFormat.EXPLODED: ExplodedCache,
    StorageFormat.COMPACT: CompactV1Cache,
    StorageFormat.COMPACT_V2: CompactV2Cache,
}


def open_cache(location: str | os.PathLike[str]) -> TileCache:
    """Open a tile cache for reading.

    Parameters
    ----------
    location : path
        A `.tpkx`, a `.tpk`, or a cache folder: the one with conf.xml, or one above it.

    Returns
    -------
    TileCache

    Raises
    ------
    CacheNotFoundError
        When there is nothing, no conf.xml or root.json, or no folder of tiles.
    ConfError
        When conf.xml, conf.cdi or root.json is broken.
    CacheError
        When the cache can't be read, or is none of images.
    """
    files = _files(location)
    vector = entry(files, "", VTPK_FOLDER)
    if vector is not None and entry(files, vector, "root.json") is not None:
        raise vector_tiles(files.location)
    root = entry(files, "", "root.json")
    if root is not None and entry(files, "", "conf.xml") is None:
        return _open_tpkx(files, root)
    top = entry(files, "", TPK_FOLDER) or ""
    conf = find(files, top, "conf.xml")
    if conf is None:
        raise CacheNotFoundError(
            "no conf.xml in it or one folder down", where=files.where(top), expected="a tile cache or tile package"
        )
    return _open_conf(files, conf)


def _files(name: str | os.PathLike[str]) -> Files:
    location = Path(name)
    if not os.fspath(name):
        raise CacheNotFoundError("no cache is named", where="cache", found=repr(""))
    try:
        mode = location.stat().st_mode
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=location) from None
    except OSError as error:
        raise CacheError(f"can't be opened: {error.strerror}", where=location) from error
    except ValueError as error:  # bytes that no path can have
        raise CacheError(f"can't be opened: {error}", where=repr(str(location))) from None
    if stat.S_ISDIR(mode):
        return FolderFiles(location.absolute())
    if stat.S_ISREG(mode):
        return open_zip(location.absolute())
    raise CacheError("neither a file nor a folder", where=location)


def _open_tpkx(files: Files, path: str) -> TileCache:
    root = read_root(files.read_small(path), files.where(path))
    if not files.is_folder(root.tiles):
        raise CacheNotFoundError("no folder of tiles where root.json says", where=files.location, found=root.tiles)
    return _make(files, files.location, root.conf, root.full_extent, root.tiles)


def _open_conf(files: Files, path: str) -> TileCache:
    conf = read_conf(files.read_small(path), files.where(path))
    folder = parent(path)
    tiles = find(files, folder, TILES_FOLDER)
    if tiles is None or not files.is_folder(tiles):
        raise CacheNotFoundError(f"no {TILES_FOLDER} folder in it or one folder down", where=files.where(folder))
    cdi = entry(files, folder, "conf.cdi")
    extent = read_cdi(files.read_small(cdi), files.where(cdi), conf.scheme) if cdi else None
    location = files.where(folder) if isinstance(files, FolderFiles) else files.location
    return _make(files, location, conf, extent, tiles)


def _make(files: Files, location: Path, conf: Conf, extent: Extent | None, tiles: str) -> TileCache:
    name = location.name if isinstance(files, FolderFiles) else location.stem
    fields = (conf.scheme, conf.image, conf.storage, extent, conf.document)
    return KINDS[conf.storage](files, tiles, name, location, *fields)
