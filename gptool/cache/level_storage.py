"""The storage format of each level by its files, which decide if conf.xml contradicts them.

It does after an upgrade that was interrupted, or if it was edited by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gptool.cache.base import Bundle, OpenTiles, TileCache
from gptool.cache.compact import BUNDLE_SUFFIX
from gptool.cache.compact_v1 import CompactV1Cache
from gptool.cache.compact_v2 import INDEX_BYTES, CompactV2Cache
from gptool.cache.exploded import ROW, ExplodedCache
from gptool.cache.file_store import FileStore
from gptool.errors import CacheError
from gptool.model import BundleAddress, Lod, StorageFormat, TileAddress, TileWindow

STORAGES: dict[StorageFormat, type[TileCache]] = {
    StorageFormat.EXPLODED: ExplodedCache,
    StorageFormat.COMPACT: CompactV1Cache,
    StorageFormat.COMPACT_V2: CompactV2Cache,
}
"""The reader of each storage format."""

USER_HEADER_SIZE_OFFSET = 40
USER_HEADER_SIZES = {16: StorageFormat.COMPACT, 20 + INDEX_BYTES: StorageFormat.COMPACT_V2}
"""Where the header of a bundle states a size that differs by version, bytes, and these sizes."""

NAMES = {
    StorageFormat.EXPLODED: "exploded tiles",
    StorageFormat.COMPACT: "compact V1 bundles",
    StorageFormat.COMPACT_V2: "compact V2 bundles",
}


@dataclass(frozen=True)
class MixedCache(TileCache):
    """A cache whose levels have different storage formats.

    Attributes
    ----------
    formats : mapping of int to StorageFormat
        The storage format of each level that has another one than `storage`, which most levels have.
    """

    formats: Mapping[int, StorageFormat] = field(default_factory=dict, hash=False)

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles. See `TileCache.bundles`."""
        return self.reader(lod.level).bundles(lod, window)

    def open_bundle(
        self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None
    ) -> AbstractContextManager[Bundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""
        return self.reader(address.level).open_bundle(address, wanted)

    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return numbers that change with the file of a square. See `TileCache.square_stamp`."""
        return self.reader(first.level).square_stamp(first)

    def open_square(self, first: TileAddress) -> AbstractContextManager[OpenTiles]:
        """Open the file of a square of tiles. See `TileCache.open_square`."""
        return self.reader(first.level).open_square(first)

    def skipped_bundles(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Return a message for each incomplete bundle. See `TileCache.skipped_bundles`."""
        return self.reader(lod.level).skipped_bundles(lod, window)

    def by_index(self) -> MixedCache:
        """Return the cache that reads sizes with tiles, if it is in a store. See `TileCache.by_index`."""
        has_v1 = StorageFormat.COMPACT in (self.storage, *self.formats.values())
        return replace(self, is_by_index=True) if has_v1 and self.files.concurrency > 1 else self

    def reader(self, level: int) -> TileCache:
        """Return the reader of a level. See `TileCache.reader`."""
        storage = self.formats.get(level, self.storage)
        values = {each.name: getattr(self, each.name) for each in fields(TileCache)}
        return STORAGES[storage](**{**values, "storage": storage})


def as_stored(cache: TileCache) -> TileCache:
    """Return the cache with the readers that its files require, and a warning for what conf.xml says otherwise."""
    levels = [lod.level for lod in cache.scheme.lods]
    storages = cache.files.map(partial(find_storage, cache), levels)
    found = {level: storage for level, storage in zip(levels, storages, strict=True) if storage}
    others = {level: storage for level, storage in found.items() if storage is not cache.storage}
    if not others:
        return cache
    [(main, _)] = Counter(found.values()).most_common(1)
    values = {each.name: getattr(cache, each.name) for each in fields(TileCache)}
    values |= {"storage": main, "warnings": (*cache.warnings, *_describe(cache, others))}
    formats = {level: storage for level, storage in found.items() if storage is not main}
    return MixedCache(**values, formats=formats) if formats else STORAGES[main](**values)


def _describe(cache: TileCache, others: Mapping[int, StorageFormat]) -> Iterator[str]:
    where = cache.files.where(cache.tiles_folder)
    for storage in sorted(set(others.values())):
        lods = [lod for lod in cache.scheme.lods if others.get(lod.level) is storage]
        levels = ", ".join(cache.scheme.level_ranges(lods))
        noun = "level" if len(lods) == 1 else "levels"
        yield (
            f"{where}: the metadata state the storage format {cache.storage}, but {noun} {levels} "
            f"{'has' if len(lods) == 1 else 'have'} {NAMES[storage]}, which are read"
        )


def find_storage(cache: TileCache, level: int) -> StorageFormat | None:
    """Return the storage format of a level by its files; None if it has no tiles, or is damaged or unreadable."""
    files, folder = cache.files, cache.level_folder(level)
    try:
        names = files.first_names(folder)
    except CacheError:
        return None  # an error when the level is read
    bundle = next((name for name in names if name.lower().endswith(BUNDLE_SUFFIX)), None)
    if bundle is not None:
        return _read_bundle_format(files, f"{folder}/{bundle}")
    return StorageFormat.EXPLODED if any(map(ROW.fullmatch, names)) else None


def _read_bundle_format(files: FileStore, path: str) -> StorageFormat | None:
    return USER_HEADER_SIZES.get(int.from_bytes(files.read_part(path, USER_HEADER_SIZE_OFFSET, 4), "little"))
