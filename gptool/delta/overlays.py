"""Two caches made of others, which are exported like any: the changed tiles of a cache, and a base with a delta."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle, ReadBuffer, TileBatch, TileCache
from gptool.cache.base import OpenTiles
from gptool.cache.compact import bundle_path, select_bundles
from gptool.errors import CacheError
from gptool.model import PACKET_TILES, BundleAddress, Lod, TileAddress, TileWindow

NO_TILES: NDArray[np.bool_] = np.zeros(PACKET_TILES, np.bool_)


class ChangedBundle(NamedTuple):
    """The changed tiles of a bundle.

    Attributes
    ----------
    mask : bytes
        A compressed bit for each tile: 20 bytes for most bundles.
    stamp : tuple of int
        The state of the files of the bundle when its tiles were compared.
    """

    mask: bytes
    stamp: tuple[int, ...]


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask, bool[16384], in few bytes."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpack_mask(data: bytes) -> NDArray[np.bool_]:
    """Return the mask of `pack_mask`."""
    return np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8)).astype(np.bool_)


def cache_values(cache: TileCache) -> dict[str, Any]:
    """Return the attributes that all caches have."""
    return {each.name: getattr(cache, each.name) for each in fields(TileCache)}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Overlay(TileCache):
    """A cache whose bundles are made of those of another one, `source`."""

    source: TileCache

    def unknown_levels(self) -> list[str]:
        """Return a message for each level of unknown resolution. See `TileCache.unknown_levels`."""
        return self.source.unknown_levels()

    def skipped_bundles(self, lod: Lod, window: TileWindow | None = None) -> list[str]:
        """Return a message for each incomplete bundle. See `TileCache.skipped_bundles`."""
        return self.source.skipped_bundles(lod, window)

    def square_stamp(self, first: TileAddress) -> tuple[int, ...] | None:
        """Return numbers that change with the file of a square. See `TileCache.square_stamp`."""
        return self.source.square_stamp(first)

    def open_square(self, first: TileAddress) -> AbstractContextManager[OpenTiles]:
        """Refuse to open single tiles, which no export does."""
        raise NotImplementedError(f"{type(self).__name__} is exported, not served")


@dataclass(frozen=True, eq=False, kw_only=True)
class ChangedTiles(_Overlay):
    """The tiles of a cache that are not, or not so, in an older state of it.

    Attributes
    ----------
    source : TileCache
    changed : mapping of int to mapping of BundleAddress to ChangedBundle
        By level.
    """

    changed: Mapping[int, Mapping[BundleAddress, ChangedBundle]] = field(repr=False)

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles with such tiles. See `TileCache.bundles`."""
        return select_bundles(self.changed.get(lod.level, {}), window)

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[Bundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""
        changed = self.changed[address.level][address]
        mask = unpack_mask(changed.mask)
        with self.source.open_bundle(address, mask if wanted is None else mask & wanted) as bundle:
            check_stamp(self.source, address, bundle.stamp, changed.stamp)
            yield _SelectedBundle(bundle, mask)


class _SelectedBundle(Bundle):
    """Some tiles of a bundle."""

    def __init__(self, bundle: Bundle, mask: NDArray[np.bool_]) -> None:
        self._bundle, self.stamp = bundle, bundle.stamp
        self.sizes = np.where(mask, bundle.sizes, np.uint32(0))

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read tiles. See `Bundle.batches`."""
        return self._bundle.batches(positions, buffer)


def check_stamp(cache: TileCache, address: BundleAddress, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise CacheError if the files of a bundle have changed since its tiles were compared."""
    if found != expected:
        raise CacheError(f"{bundle_path(address)} changed after its tiles were compared", where=cache.location)


@dataclass(frozen=True, eq=False, kw_only=True)
class AppliedCache(_Overlay):
    """The new state: a base, without the tiles that a delta deletes, under the tiles of the delta.

    Attributes
    ----------
    source : TileCache
        The base.
    changes : TileCache
        The tiles of the delta.
    filled : set of BundleAddress
        The bundles of the delta.
    deleted : mapping of BundleAddress to bytes
        The masks of deleted tiles.
    stamps : mapping of BundleAddress to tuple of int
        The bundles of the base, with the state of their files when they were checked.
    """

    changes: TileCache
    filled: frozenset[BundleAddress] = field(repr=False)
    deleted: Mapping[BundleAddress, bytes] = field(repr=False)
    stamps: Mapping[BundleAddress, tuple[int, ...]] = field(repr=False)

    def bundles(self, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
        """Return the sorted addresses of bundles. See `TileCache.bundles`."""
        return sorted({*base_bundles(self.source, lod, window), *self.changes.bundles(lod, window)})

    @contextmanager
    def open_bundle(self, address: BundleAddress, wanted: NDArray[np.bool_] | None = None) -> Iterator[AppliedBundle]:
        """Open a bundle and read its index. See `TileCache.open_bundle`."""
        with ExitStack() as stack:
            base = changes = None
            if address in self.stamps:
                base = stack.enter_context(self.source.open_bundle(address, wanted))
                check_stamp(self.source, address, base.stamp, self.stamps[address])
            if address in self.filled:
                changes = stack.enter_context(self.changes.open_bundle(address, wanted))
            yield AppliedBundle(base, changes, self.deleted_tiles(address))

    def deleted_tiles(self, address: BundleAddress) -> NDArray[np.bool_]:
        """Return the tiles of a bundle that the delta deletes, bool[16384]."""
        mask = self.deleted.get(address)
        return NO_TILES if mask is None else unpack_mask(mask)


class AppliedBundle(Bundle):
    """A bundle of the base, without deleted tiles, under one of a delta; either may not exist."""

    def __init__(self, base: Bundle | None, changes: Bundle | None, deleted: NDArray[np.bool_]) -> None:
        self._base, self._changes = base, changes
        self.sizes = np.zeros(PACKET_TILES, np.uint32) if base is None else base.sizes.copy()
        self.stamp = (base.stamp if base else ()) + (changes.stamp if changes else ())
        self.sizes[deleted] = 0
        self.from_changes = np.zeros(PACKET_TILES, np.bool_) if changes is None else changes.sizes > 0
        if changes is not None:
            self.sizes[self.from_changes] = changes.sizes[self.from_changes]
        if base is not None and base.empty is not None:
            self.empty = base.empty & (self.sizes == 0)

    def batches(self, positions: NDArray[np.int64], buffer: ReadBuffer | None = None) -> Iterator[TileBatch]:
        """Read the tiles of the base, then those of the delta. See `Bundle.batches`."""
        of_changes = self.from_changes[positions]
        for bundle, part in ((self._base, positions[~of_changes]), (self._changes, positions[of_changes])):
            if bundle is not None and len(part):
                yield from bundle.batches(part, buffer)


def base_bundles(base: TileCache, lod: Lod, window: TileWindow | None = None) -> list[BundleAddress]:
    """Return the bundles of a level; none if the cache has no such level."""
    return base.bundles(lod, window) if base.scheme.lod(lod.level) else []
