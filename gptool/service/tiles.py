"""Reader of single stored tiles, which keeps the files that were read last open."""

from __future__ import annotations

import asyncio
import hashlib
import time
import weakref
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, replace

from gptool.cache import TileCache
from gptool.cache.base import OpenTiles
from gptool.model import TileAddress
from gptool.service.catalog import CHECK_SECONDS, CachedService

MAX_FILES = 128
"""Maximum number of open files. The index of a bundle takes 192 KiB."""

MAX_TEMPORARY_BYTES = 1 << 30
"""Maximum size of all temporary files, to which members of packages are decompressed."""

IDLE_SECONDS = 10.0
"""How long a file stays open that is not read: on Windows, the folder of an open file cannot be renamed."""

TAG_BYTES = 8

Key = tuple[int, TileAddress]
"""The identity of a cache, and the first tile of a square that is in one file (`TileCache.square_size`)."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class OpenFile:
    """An open file of tiles, which is closed when nothing refers to this object any more.

    Attributes
    ----------
    service : CachedService
        The cache. As long as it is referred to, no other one has its identity.
    stamp : tuple of int
        See `TileCache.square_stamp`.
    tag : str
        A digest of the address and the stamp.
    tiles : OpenTiles
    checked : float
        When the stamp was compared with that of the file on the disk.
    """

    service: CachedService
    stamp: tuple[int, ...]
    tag: str
    tiles: OpenTiles
    checked: float


class StoredTile:
    """A tile that a cache contains.

    Attributes
    ----------
    etag : str
        Its entity tag (RFC 9110, 8.8.3), which follows from the address, the file and the index entry.
    """

    __slots__ = ("_file", "_offset", "_size", "etag")

    def __init__(self, file: OpenFile, offset: int, size: int) -> None:
        self._file, self._offset, self._size = file, offset, size
        self.etag = f'"{file.tag}-{offset:x}-{size:x}"'

    async def read(self) -> bytes:
        """Return the bytes of the tile.

        Raises
        ------
        CacheError
            If they cannot be read.
        """
        source = self._file.tiles.source
        data = source.read_resident(self._offset, self._size)
        return data if data is not None else (await asyncio.to_thread(source.read, self._offset, self._size)).tobytes()


class TileReader:
    """Reader of the tiles of published caches. It is used in the thread of one event loop."""

    def __init__(self) -> None:
        self._files: OrderedDict[Key, OpenFile] = OrderedDict()
        self._checks: dict[Key, asyncio.Task[OpenFile | None]] = {}
        self._temporary_bytes = 0
        self._closes_idle = False

    async def find(self, service: CachedService, address: TileAddress) -> StoredTile | None:
        """Return a tile, or None if the cache does not contain it.

        Raises
        ------
        CacheError
            If the index cannot be read.
        """
        level, row, column = address
        size = service.cache.reader(level).square_size
        rows, columns = row % size, column % size
        key = id(service), TileAddress(level, row - rows, column - columns)
        file, now = self._files.get(key), time.monotonic()
        if file is None or now - file.checked > CHECK_SECONDS:
            if file:
                file.checked = now  # while one caller waits for the disk, the others go on
            file = await self._check(key, service)
            if file is None:
                return None
        else:
            self._files.move_to_end(key)
        position = rows * size + columns
        tile_size = int(file.tiles.sizes[position])
        return StoredTile(file, int(file.tiles.offsets[position]), tile_size) if tile_size else None

    async def _check(self, key: Key, service: CachedService) -> OpenFile | None:
        """Return a file that was compared with the disk just now, opened if necessary; callers wait for the same."""
        if key not in self._checks:
            self._checks[key] = asyncio.create_task(self._open_current(key, service))
            self._checks[key].add_done_callback(lambda _: self._checks.pop(key))
        return await asyncio.shield(self._checks[key])  # whoever is cancelled does not cancel the others

    async def _open_current(self, key: Key, service: CachedService) -> OpenFile | None:
        first = key[1]
        if service.cache.scheme.lod(first.level) is None:
            return None
        stamp = await asyncio.to_thread(service.cache.square_stamp, first)
        file = self._files.get(key)
        if file and file.stamp == stamp:
            file.checked = time.monotonic()
            return file
        if file:
            self._discard(key)
        if stamp is None:
            return None
        file = await asyncio.to_thread(_open, service, first, stamp)
        if not self._closes_idle:
            self._closes_idle = True
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)
        self._files[key] = file
        self._temporary_bytes += file.tiles.source.temporary_bytes
        while len(self._files) > MAX_FILES or self._temporary_bytes > MAX_TEMPORARY_BYTES:
            self._discard(next(iter(self._files)))
        return file

    def _close_idle(self) -> None:
        """Close files that were not read for some time, periodically as long as there are any."""
        oldest = time.monotonic() - IDLE_SECONDS
        for key in [key for key, file in self._files.items() if file.checked < oldest]:
            self._discard(key)
        self._closes_idle = bool(self._files)
        if self._closes_idle:
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)

    def _discard(self, key: Key) -> None:
        self._temporary_bytes -= self._files.pop(key).tiles.source.temporary_bytes


def _open(service: CachedService, first: TileAddress, stamp: tuple[int, ...]) -> OpenFile:
    reader: TileCache = service.cache.reader(first.level)
    reader = replace(reader, files=reader.files.decompressed_once())
    tag = hashlib.blake2b(repr((first, stamp)).encode(), digest_size=TAG_BYTES).hexdigest()
    with ExitStack() as stack:
        file = OpenFile(service, stamp, tag, stack.enter_context(reader.open_square(first)), time.monotonic())
        weakref.finalize(file, stack.pop_all().close)
    return file
