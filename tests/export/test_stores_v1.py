"""Exports of compact V1 bundles in stores: tiles are read once, with their sizes, whatever the order of the tiles."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from gptool import export_tiles, open_cache
from gptool.cache import object_client
from gptool.cache.compact_v1 import TILES_OFFSET
from gptool.cache.object_source import REQUEST_BYTES
from gptool.errors import CacheError, CacheUnavailableError, TooManyTilesError
from gptool.export.prepare import SIZES_READ
from helpers.bundles import Address, bundle_path
from helpers.caches import conf_text, jpeg_tile, large_tile, make_cache, make_v1_cache, square
from helpers.checks import check_nothing_left
from helpers.object_server import Fault, ObjectServer
from helpers.tile_readers import COMPACT, read_tiles
from helpers.waiting import wait_until

V1 = conf_text(range(10), storage=COMPACT)
HEADS = TILES_OFFSET + 81_936
"""Bytes of the header and the index of a bundle."""

THUMBNAIL_REQUESTS = 4

NEAR_THE_ORIGIN = "-20037508,18000000,-17000000,20037508"
"""26 rows and 38 columns of level 9."""


def make_source(bucket: Path, tiles: dict[Address, bytes]) -> Path:
    return make_v1_cache(bucket / "cache", tiles, conf=V1)


@pytest.mark.parametrize(("extent", "most_unused"), [(None, 1.01), (NEAR_THE_ORIGIN, 1.2)], ids=["all", "some"])
def test_tiles_are_read_once(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, extent: str | None, most_unused: float
) -> None:
    """Sizes are not read beforehand, although there is no other way to know them."""
    tile = large_tile(1)
    make_source(bucket, {(9, row, column): tile for row in range(60) for column in range(60)})
    cache = open_cache("s3://tiles/cache")
    store_server.asked.clear()
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="9", export_extent=extent)
    thumbnail = THUMBNAIL_REQUESTS * 4 * len(tile)
    assert store_server.sent <= most_unused * result.bytes_read + HEADS + thumbnail
    reads = [asked.range for asked in store_server.files if asked.path.endswith(".bundle") and asked.range]
    groups = 1 if extent is None else 38  # the tiles of a column are next to each other
    assert len(reads) <= 1 + THUMBNAIL_REQUESTS + groups + result.bytes_read // (REQUEST_BYTES - len(tile))


def test_headers_of_full_bundles_are_not_read(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    tile = b"\xff\xd8\xff\xda\x00\x02".ljust(98) + b"\xff\xd9"
    make_source(bucket, {(9, row, column): tile for row in range(128) for column in range(128)})
    cache = open_cache("s3://tiles/cache")
    store_server.asked.clear()
    result = export_tiles(cache, tmp_path / "dataset", levels="9")
    assert result.tiles == 128 * 128
    reads = [asked.range for asked in store_server.files if asked.path.endswith(".bundle") and asked.range]
    assert reads == [(TILES_OFFSET, result.bytes_read + 4 * result.tiles)]


def rewrite(cache: Path, layout: str) -> None:
    """Change the layout of the tiles of a bundle: the bytes of a tile, and where an entry of the index leads to."""
    path = bundle_path(cache / "_alllayers", 9, 0, 0)
    data, index = path.read_bytes(), bytearray(path.with_suffix(".bundlx").read_bytes())
    places = {128 * column + row: (row, column) for row in range(8) for column in range(8)}
    offsets = {entry: int.from_bytes(index[16 + 5 * entry :][:5], "little") for entry in places}
    order = sorted(offsets, key=lambda entry: offsets[entry])
    if layout in {"shuffled", "rewritten"}:
        random.Random(5).shuffle(order)
    body, found = bytearray(data[:TILES_OFFSET]), dict[int, int]()
    for number, entry in enumerate(order):
        tile = data[offsets[entry] : offsets[entry] + 4 + int.from_bytes(data[offsets[entry] :][:4], "little")]
        found[entry] = len(body)
        if layout == "rewritten":
            body += b"" if number % 3 else b"\xee" * 5000
            found[entry] = len(body)
        if (number % 5 == 2 and layout in {"removed", "no bytes"}) or layout == "all removed":
            tile = bytes(4) + (tile[4:] if layout != "no bytes" else b"")
        body += tile
    if layout == "shared":
        found = {entry: found[order[number // 4 * 4]] for number, entry in enumerate(order)}
    if layout == "within others":  # the entry leads to a size that is part of the tile before it
        at = found[order[10]] + 200
        body[at : at + 4] = struct.pack("<I", len(body) - at - 4)
        found[order[11]] = at
    if layout == "without header of sizes":
        found = {entry: at - 65536 for entry, at in found.items()}
        body[60:TILES_OFFSET] = b""
        index[16 : 16 + 5 * 16384] = bytes(5 * 16384)
    for entry, at in found.items():
        index[16 + 5 * entry : 21 + 5 * entry] = at.to_bytes(5, "little")
    path.write_bytes(body + b"\xee" * 300)
    path.with_suffix(".bundlx").write_bytes(index)


LAYOUTS = (
    "shuffled",
    "rewritten",
    "shared",
    "within others",
    "no bytes",
    "removed",
    "all removed",
    "without header of sizes",
)


@pytest.mark.parametrize("quality", [None, 50], ids=["copied", "recompressed"])
@pytest.mark.parametrize("name", ["x.tpkx", "x.tpk", "dataset"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_result_of_any_layout_is_that_of_the_same_cache_on_a_disk(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, layout: str, name: str, quality: int | None
) -> None:
    source = make_source(bucket, square(9, range(8), range(8)) | square(8, range(120, 130), range(2)))
    rewrite(source, layout)
    on_disk = export_tiles(source, tmp_path / "disk" / name, compression_quality=quality)
    from_store = export_tiles("s3://tiles/cache", tmp_path / "store" / name, compression_quality=quality)
    assert files(tmp_path / "store" / name) == files(tmp_path / "disk" / name)
    assert (from_store.tiles, from_store.bytes_read) == (on_disk.tiles, on_disk.bytes_read)
    assert (SIZES_READ in [message.description for message in from_store.messages]) == ("removed" in layout)
    assert from_store.resumed.bundles == 0
    check_nothing_left(tmp_path / "store", name)


def files(path: Path) -> dict[Path, bytes]:
    paths = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {each.relative_to(path): each.read_bytes() for each in paths}


def test_tiles_of_levels_in_other_formats_are_read_with_them(
    tmp_path: Path, store_server: ObjectServer, bucket: Path
) -> None:
    old, new = square(3, range(4), range(4)), square(4, range(4), range(4))
    make_cache(bucket / "cache", new)
    make_source(bucket, old)
    export_tiles("s3://tiles/cache", tmp_path / "x.tpkx")
    assert read_tiles(tmp_path / "x.tpkx") == old | new


def test_limit_counts_the_tiles_that_exist(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    source = make_source(bucket, square(9, range(8), range(8)))
    rewrite(source, "removed")
    tiles = export_tiles(source, tmp_path / "disk.tpkx").tiles
    assert export_tiles("s3://tiles/cache", tmp_path / "x.tpkx", max_export_tiles_count=tiles).tiles == tiles < 64
    with pytest.raises(TooManyTilesError, match=rf"\({tiles}\)"):
        export_tiles("s3://tiles/cache", tmp_path / "y.tpkx", max_export_tiles_count=tiles - 1)


def test_cache_whose_tiles_all_have_no_bytes_is_an_error(
    tmp_path: Path, store_server: ObjectServer, bucket: Path
) -> None:
    source = make_source(bucket, {(9, 0, 0): jpeg_tile(1)})
    path = bundle_path(source / "_alllayers", 9, 0, 0)
    path.write_bytes(path.read_bytes()[:TILES_OFFSET] + bytes(100))
    with pytest.raises(CacheError, match="s3://tiles/cache: the selected tiles have no bytes"):
        export_tiles("s3://tiles/cache", tmp_path / "out" / "x.tpkx")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("has_removed_tile", [False, True])
def test_interrupted_copy_is_gone_on_with(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, has_removed_tile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(object_client.RETRY, "max_retries", 1)
    tiles = {(9, row, column): jpeg_tile(row + column) for row in (0, 1, 128, 129) for column in range(4)}
    source = make_source(bucket, tiles)
    if has_removed_tile:
        with bundle_path(source / "_alllayers", 9, 128, 0).open("r+b") as file:
            file.seek(TILES_OFFSET)
            file.write(bytes(4))
    export_tiles("s3://tiles/cache", tmp_path / "expected" / "x.tpkx")
    target = tmp_path / "out" / "x.tpkx"

    def fails(_number: int, path: str) -> bool:
        """Fail for the second bundle, once the first one is finished."""
        if path.endswith("R0080C0000.bundle"):
            wait_until(lambda: any(b'"unit"' in each.read_bytes() for each in target.parent.glob("*/journal.jsonl")))
            return True
        return False

    cache = open_cache("s3://tiles/cache")
    store_server.fault = Fault(status=503, applies=fails)
    with pytest.raises(CacheUnavailableError):
        export_tiles(cache, target)
    store_server.fault = Fault()
    result = export_tiles(cache, target)
    assert (result.resumed.bundles > 0) != has_removed_tile  # which the second export finds, and begins again
    assert files(target) == files(tmp_path / "expected" / "x.tpkx")
    check_nothing_left(tmp_path / "out", "x.tpkx")


def test_bundle_that_is_replaced_meanwhile_is_an_error(
    tmp_path: Path, store_server: ObjectServer, bucket: Path
) -> None:
    source = make_source(bucket, square(9, range(4), range(4)))
    path = bundle_path(source / "_alllayers", 9, 0, 0)

    def replaces(_number: int, asked: str) -> bool:
        if asked.endswith(".bundle") and path.stat().st_mtime_ns:
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
            os.utime(path, ns=(0, 0))
        return False

    cache = open_cache("s3://tiles/cache")
    store_server.fault = Fault(applies=replaces)
    with pytest.raises(CacheError, match="object was modified or replaced while it was read"):
        export_tiles(cache, tmp_path / "out" / "x.tpkx")
    assert not (tmp_path / "out").exists()
