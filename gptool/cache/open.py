"""Opening a cache: the store of its files, its description, and the reader of its storage format."""

from __future__ import annotations

import os
import reprlib
import stat

from gptool import system
from gptool.cache.base import TileCache
from gptool.cache.conf_xml import read_conf_cdi, read_conf_xml
from gptool.cache.database import DatabaseStore, open_database
from gptool.cache.description import CacheDescription
from gptool.cache.file_store import CACHE_DESCRIPTION, FileStore
from gptool.cache.folder_store import FolderStore
from gptool.cache.level_storage import STORAGES, as_stored
from gptool.cache.mbtiles_open import MBTILES_SUFFIX, open_mbtiles
from gptool.cache.object_store import open_object_store
from gptool.cache.paths import find_entry, find_entry_or_below, parent_folder
from gptool.cache.root_json import read_root_json, vector_tiles_error
from gptool.cache.zip_store import ZipStore, open_zip
from gptool.errors import CacheError, CacheNotFoundError
from gptool.model import Extent
from gptool.system.store_url import LOCATIONS, AnyLocation, Location, StoreUrl, hide_secrets, read_location

TILES_FOLDER = "_alllayers"
TPK_FOLDER = "v101"
VTPK_FOLDER = "p12"

RESULTS_ONLY = (".pmtiles", ".gpkg")
"""Suffixes of files that exports write for other programs."""


def as_tile_cache(cache: TileCache | AnyLocation) -> TileCache:
    """Return a tile cache, opened if it is given by its location. Raises as `open_cache`."""
    return cache if isinstance(cache, TileCache) else open_cache(cache)


def open_cache(location: AnyLocation) -> TileCache:
    """Open a tile cache for reading.

    Parameters
    ----------
    location : path or str
        A `.tpkx`, a `.tpk`, or a cache folder: one that contains conf.xml, a folder above it, or the conf.xml itself.
        Or the URL of one in an object store or on a web server. Or the path of a `.mbtiles`.

    Returns
    -------
    TileCache

    Raises
    ------
    CacheNotFoundError
        If the location does not exist, or contains no conf.xml or root.json, or no folder or table of tiles.
    ConfError
        If conf.xml, conf.cdi or root.json is invalid.
    CacheError
        If the cache cannot be read, or is not a cache of images.
    """
    files = open_store(location)
    if isinstance(files, DatabaseStore):
        return open_mbtiles(files)
    vector_folder = find_entry(files, "", VTPK_FOLDER)
    if vector_folder is not None and find_entry(files, vector_folder, "root.json") is not None:
        raise vector_tiles_error(files.location)
    root_json = find_entry(files, "", "root.json")
    if root_json is not None and find_entry(files, "", "conf.xml") is None:
        return _open_root_json(files, root_json)
    top = find_entry(files, "", TPK_FOLDER) or ""
    conf_xml = find_entry_or_below(files, top, "conf.xml")
    if conf_xml is None and find_entry(files, "", "manifest.json") is not None:
        raise CacheNotFoundError(
            "is not a cache, but has a manifest of parts",
            where=files.location,
            expected="the path of one of its packages, such as NAME-overview.tpkx",
        )
    if conf_xml is None:
        raise CacheNotFoundError(
            "not a cache: it has no root.json, and neither it nor a folder directly in it has a conf.xml",
            where=files.where(top),
            expected=CACHE_DESCRIPTION,
        )
    return _open_conf_xml(files, conf_xml)


def open_store(location: AnyLocation) -> FileStore:
    """Return the store of the files of a cache. Raises as `open_cache`."""
    path = cache_location(location)
    is_mbtiles = path.suffix.lower() == MBTILES_SUFFIX
    if isinstance(path, StoreUrl):
        if is_mbtiles:
            raise CacheError("MBTiles cannot be read from a store", where=path, expected="a copy of it on a local disk")
        return open_object_store(path)
    if foreign := system.foreign_path(path):
        expected = LOCATIONS if system.is_url(path) else foreign[1]
        raise CacheNotFoundError(foreign[0], where=hide_secrets(str(location)), expected=expected)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise CacheNotFoundError("cache not found", where=path.absolute(), expected=CACHE_DESCRIPTION) from None
    except OSError as error:
        raise CacheError(f"cannot be opened: {error.strerror}", where=path) from error
    except ValueError as error:  # characters that are not allowed in a path
        raise CacheError(f"cannot be opened: {error}", where=repr(str(path))) from None
    if stat.S_ISDIR(mode):
        return FolderStore(path.absolute())
    if path.name.lower() == "conf.xml":
        return FolderStore(path.absolute().parent)
    if stat.S_ISREG(mode) and is_mbtiles:
        return open_database(path.absolute())
    if stat.S_ISREG(mode) and path.suffix.lower() in RESULTS_ONLY:
        what = f"a {path.suffix.lower()} is written, but not read"
        raise CacheError(what, where=path.absolute(), expected=CACHE_DESCRIPTION)
    if stat.S_ISREG(mode):
        return open_zip(path.absolute())
    raise CacheError("is neither a file nor a folder", where=path)


def cache_location(location: AnyLocation) -> Location:
    """Return the path or URL of a cache.

    Raises
    ------
    CacheNotFoundError
        If it is neither, is empty, or is a URL without a bucket or host.
    """
    if not isinstance(location, str | os.PathLike | StoreUrl):
        found = reprlib.repr(location)
        raise CacheNotFoundError("value is not a path", where="cache", found=found, expected=CACHE_DESCRIPTION)
    if not isinstance(location, StoreUrl) and not os.fspath(location):
        raise CacheNotFoundError("path is empty", where="cache", expected=CACHE_DESCRIPTION)
    try:
        return read_location(location)
    except ValueError as error:
        raise CacheNotFoundError(str(error), where="cache", expected=LOCATIONS) from None


def _open_root_json(files: FileStore, path: str) -> TileCache:
    root = read_root_json(files.read_small_file(path), files.where(path))
    if not files.is_folder(root.tiles_folder):
        raise CacheNotFoundError(
            "tileBundlesPath is not an existing folder",
            where=files.where(path),
            found=root.tiles_folder,
            expected="the path of the folder of level folders",
        )
    return _make_cache(files, files.location, root.description, root.full_extent, root.tiles_folder)


def _open_conf_xml(files: FileStore, path: str) -> TileCache:
    description = read_conf_xml(files.read_small_file(path), files.where(path))
    folder = parent_folder(path)
    tiles_folder = find_entry_or_below(files, folder, TILES_FOLDER)
    if tiles_folder is None or not files.is_folder(tiles_folder):
        raise CacheNotFoundError(
            f"contains no {TILES_FOLDER} folder, nor do its subfolders",
            where=files.where(folder),
            expected="a folder of level folders",
        )
    extent = None
    if cdi := find_entry(files, folder, "conf.cdi"):
        extent, domain = read_conf_cdi(files.read_small_file(cdi), files.where(cdi), description.scheme)
        description = description.with_domain(domain)
    location = files.location if isinstance(files, ZipStore) else files.where(folder)
    return _make_cache(files, location, description, extent, tiles_folder)


def _make_cache(
    files: FileStore, location: Location, description: CacheDescription, extent: Extent | None, tiles_folder: str
) -> TileCache:
    name = location.stem if isinstance(files, ZipStore) else location.name
    cache = STORAGES[description.storage](
        files,
        tiles_folder,
        name,
        location,
        description.scheme,
        description.image,
        description.storage,
        extent,
        description.conf_xml,
        description.root_json,
        description.warnings,
    )
    return as_stored(cache)
