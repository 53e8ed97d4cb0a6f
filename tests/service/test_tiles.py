"""The reader of single tiles: every kind of cache, files that are kept open, and files that are replaced."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gptool.cache import byte_source, zip_store
from gptool.cache.byte_source import FileRange
from gptool.cache.compact_v2 import CompactV2Cache
from gptool.cache.deflated_member import DeflatedMember
from gptool.model import TileAddress
from gptool.service import tiles
from gptool.service.catalog import CachedService, Catalog
from gptool.service.tiles import TileReader
from gptool.settings import CacheSettings
from helpers.bundles import bundle_bytes, bundle_path
from helpers.caches import jpeg_tile, make_cache, make_exploded_cache, make_v1_cache, world
from helpers.mbtiles import make_mbtiles
from helpers.packages import make_tpk, make_tpkx
from helpers.waiting import TIMEOUT, wait_in_loop_until
from helpers.zips import DEFLATED

WORLD = world()
LEVEL = 8
"""The level whose tiles lie in four bundles, which meet at row and column 128."""

ABSENT = [(8, 0, 0), (8, 127, 0), (8, 1000, 1000), (2, 3, 4), (3, 0, 0), (99, 0, 0)]

CACHES: dict[str, Callable[[Path], Path]] = {
    "compact V2": lambda folder: make_cache(folder / "c", WORLD),
    "compact V1": lambda folder: make_v1_cache(folder / "c", WORLD),
    "exploded": lambda folder: make_exploded_cache(folder / "c", WORLD),
    "tpkx": lambda folder: make_tpkx(folder / "c.tpkx", WORLD),
    "MBTiles": lambda folder: make_mbtiles(folder / "c.mbtiles", WORLD),
    "deflated tpkx": lambda folder: make_tpkx(folder / "c.tpkx", WORLD, compression=DEFLATED),
    "deflated tpk": lambda folder: make_tpk(folder / "c.tpk", WORLD, compression=DEFLATED),
}


def published(location: Path) -> CachedService:
    return Catalog({"World": CacheSettings(location)}).service("World")


async def read(reader: TileReader, service: CachedService, *address: int) -> bytes | None:
    found = await reader.find(service, TileAddress(*address))
    return found and await found.read()


async def etag(reader: TileReader, service: CachedService, *address: int) -> str:
    found = await reader.find(service, TileAddress(*address))
    assert found
    return found.etag


def open_descriptors() -> int:
    """Return the number of descriptors of files of tiles: libraries may open others meanwhile."""
    return sum(
        link.resolve().suffix in (".bundle", ".tpkx", ".jpg", ".png") for link in Path("/proc/self/fd").iterdir()
    )


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Iterator[list[object]]:
    """Yield a list that grows with each call of a method."""
    calls: list[object] = []
    original = getattr(owner, name)

    def call(self: object, *arguments: object) -> object:
        calls.append(arguments)
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, call)
        yield calls


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request check the files."""
    monkeypatch.setattr(tiles, "CHECK_SECONDS", -1.0)


class TestReading:
    @pytest.mark.parametrize("kind", CACHES)
    @pytest.mark.parametrize("resident", [True, False], ids=["resident", "on disk"])
    def test_tiles_are_read_as_stored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, resident: bool
    ) -> None:
        if not resident:
            monkeypatch.setattr(FileRange, "read_resident", byte_source.ByteSource.read_resident)
        service, reader = published(CACHES[kind](tmp_path)), TileReader()

        async def run() -> None:
            for address, tile in list(WORLD.items())[::3]:
                assert await read(reader, service, *address) == tile
            for address in ABSENT:
                assert await read(reader, service, *address) is None

        asyncio.run(run())

    @pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system does not tell which bytes are in memory")
    def test_files_in_memory_are_read_without_a_thread(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            await read(reader, service, 0, 0, 0)
            with counted(monkeypatch, FileRange, "read") as reads:
                assert await read(reader, service, 0, 0, 0) == WORLD[0, 0, 0]
            assert reads == []

        asyncio.run(run())

    def test_many_at_once_open_a_file_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            addresses = [address for address in WORLD if address[0] == LEVEL and address[1] < 128 > address[2]]
            with counted(monkeypatch, CompactV2Cache, "open_square") as opened:
                found = await asyncio.gather(*(read(reader, service, *address) for address in addresses))
            assert found == [WORLD[address] for address in addresses]
            assert len(opened) == 1

        asyncio.run(run())

    def test_while_one_waits_for_the_disk_the_others_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_order: None
    ) -> None:
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()
        entered, released = threading.Event(), threading.Event()
        original = CompactV2Cache.square_stamp

        def slow(cache: CompactV2Cache, first: TileAddress) -> tuple[int, ...] | None:
            entered.set()
            assert released.wait(TIMEOUT)
            return original(cache, first)

        async def run() -> None:
            await read(reader, service, 0, 0, 0)
            monkeypatch.setattr(CompactV2Cache, "square_stamp", slow)
            checking = asyncio.create_task(read(reader, service, 0, 0, 0))
            await asyncio.to_thread(entered.wait, TIMEOUT)
            monkeypatch.setattr(tiles, "CHECK_SECONDS", TIMEOUT)
            assert await asyncio.wait_for(read(reader, service, 0, 0, 0), TIMEOUT) == WORLD[0, 0, 0]
            assert not checking.done()
            released.set()
            assert await checking == WORLD[0, 0, 0]

        try:
            asyncio.run(run())
        finally:
            released.set()


class TestReplacedFiles:
    @pytest.mark.posix("files that are replaced while they are open")
    @pytest.mark.parametrize("kind", ["compact V2", "compact V1", "exploded"])
    def test_replaced_file_is_read(self, tmp_path: Path, in_order: None, kind: str) -> None:
        old, new = {(0, 0, 0): jpeg_tile(1)}, {(0, 0, 0): jpeg_tile(2)}
        make = {"compact V2": make_cache, "compact V1": make_v1_cache, "exploded": make_exploded_cache}[kind]
        service, reader = published(make(tmp_path / "c", old)), TileReader()

        async def run() -> None:
            first = await etag(reader, service, 0, 0, 0)
            assert await read(reader, service, 0, 0, 0) == old[0, 0, 0]
            assert await etag(reader, service, 0, 0, 0) == first
            other = make(tmp_path / "other", new)
            for path in sorted(path.relative_to(other) for path in (other / "_alllayers").rglob("*.*")):
                (other / path).replace(tmp_path / "c" / path)
            assert await read(reader, service, 0, 0, 0) == new[0, 0, 0]
            assert await etag(reader, service, 0, 0, 0) != first

        asyncio.run(run())

    @pytest.mark.posix("files that are removed while they are open")
    def test_file_that_is_written_in_place_is_read(self, tmp_path: Path, in_order: None) -> None:
        cache = make_cache(tmp_path / "c", {(0, 0, 0): jpeg_tile(1)})
        bundle = bundle_path(cache / "_alllayers", 0, 0, 0)
        service, reader = published(cache), TileReader()

        async def run() -> None:
            first = await etag(reader, service, 0, 0, 0)
            bundle.write_bytes(bundle_bytes({(0, 0): jpeg_tile(2), (0, 1): jpeg_tile(3)}))
            assert await read(reader, service, 0, 0, 0) == jpeg_tile(2)
            assert await read(reader, service, 0, 0, 1) == jpeg_tile(3)
            assert await etag(reader, service, 0, 0, 0) != first
            bundle.unlink()
            assert await read(reader, service, 0, 0, 0) is None

        asyncio.run(run())

    def test_tags_differ_between_tiles(self, tmp_path: Path) -> None:
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            tags = {await etag(reader, service, *address) for address in WORLD}
            assert len(tags) == len(WORLD)

        asyncio.run(run())


@pytest.mark.posix("a list of open descriptors")
class TestBounds:
    def test_open_files_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiles, "MAX_FILES", 2)
        service, reader = published(make_exploded_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            before = open_descriptors()
            for address, tile in list(WORLD.items())[::9]:
                assert await read(reader, service, *address) == tile
            assert open_descriptors() == before + 2

        asyncio.run(run())

    def test_idle_files_are_closed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiles, "IDLE_SECONDS", 0.05)
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            before = open_descriptors()
            for _ in range(2):
                for address, tile in list(WORLD.items())[::9]:
                    assert await read(reader, service, *address) == tile
                await wait_in_loop_until(lambda: open_descriptors() == before)

        asyncio.run(run())

    def test_file_that_is_read_stays_open_until_it_was_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tiles, "MAX_FILES", 1)
        monkeypatch.setattr(FileRange, "read_resident", byte_source.ByteSource.read_resident)
        service, reader = published(make_cache(tmp_path / "c", WORLD)), TileReader()

        async def run() -> None:
            before = open_descriptors()
            found = await reader.find(service, TileAddress(0, 0, 0))
            assert found
            assert await read(reader, service, 1, 0, 0) == WORLD[1, 0, 0]
            assert await found.read() == WORLD[0, 0, 0]
            del found
            assert open_descriptors() == before + 1

        asyncio.run(run())


class TestDeflatedMembers:
    def test_each_is_decompressed_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        service, reader = published(CACHES["deflated tpkx"](tmp_path)), TileReader()

        async def run() -> None:
            with counted(monkeypatch, DeflatedMember, "_decompress") as first:
                await read(reader, service, 8, 122, 122)
            with counted(monkeypatch, DeflatedMember, "_decompress") as again:
                for row in range(127, 121, -1):
                    assert await read(reader, service, 8, row, 123) == WORLD[8, row, 123]
            assert first
            assert not again

        asyncio.run(run())

    def test_temporary_files_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        service, reader = published(CACHES["deflated tpkx"](tmp_path)), TileReader()
        monkeypatch.setattr(tiles, "MAX_TEMPORARY_BYTES", 1_000_000)

        async def run() -> None:
            for address in WORLD:
                assert await read(reader, service, *address) == WORLD[address]
                sizes = [file.tiles.source.temporary_bytes for file in reader._files.values()]
                assert sum(sizes) == reader._temporary_bytes <= 1_000_000
            assert len(sizes) > 1

        asyncio.run(run())

    @pytest.mark.parametrize("problem", ["too large", "no room"])
    def test_tiles_are_read_without_a_temporary_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
    ) -> None:
        service, reader = published(CACHES["deflated tpkx"](tmp_path)), TileReader()
        if problem == "too large":
            monkeypatch.setattr(zip_store, "MAX_INFLATED", 1000)
        else:
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))

        async def run() -> None:
            found = await asyncio.gather(*(read(reader, service, *address) for address in WORLD))
            assert found == list(WORLD.values())
            assert reader._temporary_bytes == 0

        asyncio.run(run())


def test_replaced_cache_is_another_one(tmp_path: Path) -> None:
    """A service is known by its identity, so that files of its predecessor are not used."""
    old = published(make_cache(tmp_path / "old", {(0, 0, 0): jpeg_tile(1)}))
    new = published(make_cache(tmp_path / "new", {(0, 0, 0): jpeg_tile(2)}))
    reader = TileReader()

    async def run() -> None:
        assert await read(reader, old, 0, 0, 0) == jpeg_tile(1)
        assert await read(reader, new, 0, 0, 0) == jpeg_tile(2)
        assert await read(reader, replace(old), 0, 0, 0) == jpeg_tile(1)

    asyncio.run(run())
