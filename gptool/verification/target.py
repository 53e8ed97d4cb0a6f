"""The package or cache that is verified: its kind, its files, and its reader if it can be opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gptool.cache import TileCache, open_cache
from gptool.cache.file_store import MAX_SMALL_FILE, FileStore
from gptool.cache.mbtiles_open import MBTILES_SUFFIX
from gptool.cache.open import TPK_FOLDER, cache_location, open_store
from gptool.cache.paths import find_entry
from gptool.cache.zip_store import ZipStore
from gptool.errors import CacheError, CacheNotFoundError, GptoolError, ParameterError
from gptool.model import StorageFormat
from gptool.system.store_url import AnyLocation, Location, StoreUrl
from gptool.verification.raw_zip import RawZip, read_raw_zip
from gptool.verification.rule import Kind

FOLDER_KINDS = {
    StorageFormat.COMPACT_V2: Kind.COMPACT_V2,
    StorageFormat.COMPACT: Kind.COMPACT,
    StorageFormat.EXPLODED: Kind.EXPLODED,
}

OTHER_FORMATS = {
    MBTILES_SUFFIX: ("MBTiles", "an export of it"),
    ".pmtiles": ("PMTiles", "one with the same tiles"),
    ".gpkg": ("GeoPackages", "one with the same tiles"),
}
"""Suffixes of files that are no packages of Esri, to which no rule applies; their names, and what to verify instead."""


@dataclass(frozen=True)
class Target:
    """A package or cache.

    Attributes
    ----------
    path : Path or StoreUrl
    kind : Kind
    files : FileStore or None
        None if the package cannot be read at all.
    records : RawZip or None
        The records of a package's zip; None for a folder.
    cache : TileCache or None
        None if it cannot be opened.
    error : GptoolError or None
        Why the files or the cache cannot be opened.
    """

    path: Location
    kind: Kind
    files: FileStore | None
    records: RawZip | None
    cache: TileCache | None
    error: GptoolError | None

    @property
    def other_kinds(self) -> list[Kind]:
        """The kinds that levels of a folder have, other than its own, which its metadata state."""
        if self.cache is None or self.kind not in FOLDER_KINDS.values():
            return []
        storages = {self.cache.reader(lod.level).storage for lod in self.cache.scheme.lods}
        return sorted({FOLDER_KINDS[storage] for storage in storages} - {self.kind})

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a document; None if it does not exist, is too large or cannot be read.

        Checksums are not compared: a rule of the container does.
        """
        if self.files is None or not self.files.is_file(path):
            return None
        try:
            with self.files.open(path) as source:
                return source.read(0, source.size).tobytes() if source.size <= MAX_SMALL_FILE else None
        except CacheError:
            return None


def open_target(location: AnyLocation) -> Target:
    """Open a package or cache, as far as that is possible.

    Raises
    ------
    ParameterError
        If it is a file of another format than Esri's, see `OTHER_FORMATS`.
    CacheNotFoundError
        If the location does not exist.
    """
    path = cache_location(location)
    other = OTHER_FORMATS.get(path.suffix.lower())
    if other and _may_be_file(path):
        name, replacement = other
        expected = f"a .tpkx, a .tpk or a cache folder, such as {replacement}"
        raise ParameterError(f"{name} are not verified", where=path, expected=expected)
    path = path.absolute() if isinstance(path, Path) else path
    try:
        files = open_store(location)
        records = _read_records(files) if isinstance(files, ZipStore) else None
    except CacheNotFoundError:
        raise
    except GptoolError as error:
        return Target(path, _kind_by_name(path), None, None, None, error)
    try:
        cache: TileCache | None = open_cache(location)
        failure: GptoolError | None = None
    except GptoolError as error:
        cache, failure = None, error
    return Target(path, _kind(path, files, cache), files, records, cache, failure)


def _may_be_file(path: Location) -> bool:
    try:
        return isinstance(path, StoreUrl) or path.is_file()
    except OSError:  # a folder that cannot be read: opening the file says so
        return False


def _read_records(files: ZipStore) -> RawZip:
    with files.open_package() as package:
        return read_raw_zip(package)


def _kind(location: Location, files: FileStore, cache: TileCache | None) -> Kind:
    try:
        if find_entry(files, "", "root.json") and not find_entry(files, "", "conf.xml"):
            return Kind.TPKX
        if isinstance(files, ZipStore):
            return Kind.TPK if find_entry(files, "", TPK_FOLDER) else _kind_by_name(location)
    except GptoolError:
        return _kind_by_name(location)
    return FOLDER_KINDS[cache.storage] if cache else Kind.COMPACT_V2


def _kind_by_name(location: Location) -> Kind:
    return Kind.TPK if location.suffix.lower() == ".tpk" else Kind.TPKX
