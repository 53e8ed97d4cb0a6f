"""Exports of caches in stores, from a server that counts requests and bytes, and fails on purpose."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gptool import export_tiles, open_cache
from gptool.cache import object_client
from gptool.cache.object_client import MAX_RETRIES
from gptool.cache.object_requests import MAX_AHEAD
from gptool.cache.object_source import MAX_UNUSED, REQUEST_BYTES
from gptool.errors import CacheError, CacheUnavailableError, notes
from gptool.plan import make_plan
from helpers.caches import conf_text, make_cache, make_exploded_cache, make_v1_cache, square, world
from helpers.checks import check_nothing_left
from helpers.object_server import SECRET, Fault, ObjectServer
from helpers.packages import make_tpk, make_tpkx
from helpers.plans import make_request
from helpers.tile_readers import COMPACT, read_tiles
from helpers.waiting import wait_until

INDEX = 64 + 131072
"""Bytes of the header and the index of a compact V2 bundle."""

SOURCES: dict[str, Callable[[Path], Path]] = {
    "V2": lambda bucket: make_cache(bucket / "cache", world()),
    "V1": lambda bucket: make_v1_cache(bucket / "cache", world(), conf=conf_text(storage=COMPACT)),
    "exploded": lambda bucket: make_exploded_cache(bucket / "cache", world()),
    "tpkx": lambda bucket: make_tpkx(bucket / "cache.tpkx", world()),
    "tpk": lambda bucket: make_tpk(bucket / "cache.tpk", world()),
}


def locations(server: ObjectServer, source: Path) -> dict[str, str]:
    """Return the URLs of a cache in the bucket."""
    return {"s3": f"s3://tiles/{source.name}", "http": f"{server.url}/tiles/{source.name}"}


@pytest.mark.parametrize("quality", [None, 50], ids=["copied", "recompressed"])
@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize("make_source", SOURCES.values(), ids=SOURCES)
def test_result_is_that_of_the_same_cache_on_a_disk(
    tmp_path: Path,
    store_server: ObjectServer,
    bucket: Path,
    make_source: Callable[[Path], Path],
    scheme: str,
    quality: int | None,
) -> None:
    source = make_source(bucket)
    expected, found = tmp_path / "disk" / "x.tpkx", tmp_path / "store" / "x.tpkx"
    on_disk = export_tiles(source, expected, compression_quality=quality)
    from_store = export_tiles(locations(store_server, source)[scheme], found, compression_quality=quality)
    assert found.read_bytes() == expected.read_bytes()
    assert (from_store.tiles, from_store.bytes_read) == (on_disk.tiles, on_disk.bytes_read)
    check_nothing_left(tmp_path / "store", "x.tpkx")


def bundle_reads(server: ObjectServer, source: str) -> list[tuple[int, int]]:
    return [asked.range for asked in server.files if asked.range and asked.path.endswith(source)]


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_export_needs_one_request_for_an_index_and_one_for_tiles_next_to_each_other(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, scheme: str
) -> None:
    source = make_cache(bucket / "cache", square(8, range(64), range(64)))
    cache = open_cache(locations(store_server, source)[scheme])
    store_server.asked.clear()
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="8")
    reads = bundle_reads(store_server, "R0000C0000.bundle")
    thumbnail_reads = 4  # the thumbnail reads four rows of tiles
    assert [read for read in reads if read == (0, INDEX)] == [(0, INDEX)]
    tiles = [read for read in reads if read != (0, INDEX)]
    assert len(tiles) <= -(-result.bytes_read // REQUEST_BYTES) + thumbnail_reads
    assert store_server.sent <= 1.2 * (result.bytes_read + INDEX) + 100_000


def test_few_tiles_are_read_by_ranges_that_are_nearly_full(
    tmp_path: Path, store_server: ObjectServer, bucket: Path
) -> None:
    source = make_cache(bucket / "cache", square(8, range(100), range(100)))
    cache = open_cache(locations(store_server, source)["s3"])
    plan = make_plan(cache, make_request(levels="8", exportExtent="-20037508,19000000,-19000000,20037508"))
    (bundle,) = plan.levels[0].bundles
    assert 0 < bundle.tiles < 100
    store_server.asked.clear()
    with cache.open_bundle(bundle.address) as opened:
        positions = opened.present(plan.selection.selected(plan.levels[0].lod, bundle.address))
        rows = len(np.unique(positions // 128))
        for batch in opened.batches(positions):
            assert len(batch.sizes)
    assert store_server.sent <= (1 + MAX_UNUSED) * bundle.bytes + 4 * rows
    assert len(bundle_reads(store_server, ".bundle")) <= rows
    assert store_server.sent < (bucket / "cache/_alllayers/L08/R0000C0000.bundle").stat().st_size / 50


def test_package_is_opened_by_its_end_and_read_in_place(
    tmp_path: Path, store_server: ObjectServer, bucket: Path
) -> None:
    tiles = world()
    source = make_tpkx(bucket / "cache.tpkx", tiles)
    cache = open_cache(locations(store_server, source)["s3"])
    small = 400_000  # the end, root.json, and four bytes of a bundle of each level
    assert store_server.sent < small
    store_server.asked.clear()
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="1")
    assert store_server.sent <= 1.2 * (result.bytes_read + INDEX) + 1000
    reads = bundle_reads(store_server, "cache.tpkx")
    assert len(reads) <= 3  # index, tiles, thumbnail


def test_levels_that_are_not_selected_are_not_listed(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    source = make_cache(bucket / "cache", world())
    cache = open_cache(locations(store_server, source)["s3"])
    store_server.asked.clear()
    export_tiles(cache, tmp_path / "x.tpkx", levels="2")
    listed = [asked for asked in store_server.asked if asked.range is None]
    assert not listed  # the listing of a short level is known since the cache was opened


ROWS, COLUMNS = 300, 20
"""Of a level of exploded tiles; its rows are in three packets."""

FIRST_PACKET = "-20037508,18000000,-17000000,20037508"
"""A part of the first packet of level 9."""


def test_only_rows_of_the_selected_packets_are_listed(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    tiles = square(9, range(ROWS), range(COLUMNS))
    source = make_exploded_cache(bucket / "cache", tiles, conf=conf_text(range(10)))
    cache = open_cache(locations(store_server, source)["s3"])
    store_server.asked.clear()
    result = export_tiles(cache, tmp_path / "x.tpkx", levels="9", export_extent=FIRST_PACKET)
    assert 0 < result.tiles < ROWS * COLUMNS / 4
    listed = [asked.path for asked in store_server.asked if asked.range is None]
    rows = {path for path in listed if "/R" in path}
    assert max(rows) == "tiles/cache/_alllayers/L09/R0000007f"
    assert len(listed) == len(set(listed)) <= 128 + 3  # the folder of the cache, that of its levels, and the level
    thumbnail = 60_000
    assert store_server.sent <= 1.2 * result.bytes_read + thumbnail


def test_requests_are_in_flight_together(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    """Also those for the indexes of bundles, which the plan needs."""
    tiles = square(8, range(0, 256, 40), range(0, 256, 40))
    source = make_cache(bucket / "cache", tiles)
    store_server.fault = Fault(seconds=0.05)
    export_tiles(locations(store_server, source)["s3"], tmp_path / "x.tpkx", levels="8", workers=1)
    assert 4 <= store_server.most_in_flight <= 2 * MAX_AHEAD


@pytest.mark.parametrize("make_source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_connections_that_are_cut_are_repeated(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, make_source: Callable[[Path], Path], scheme: str
) -> None:
    source = make_source(bucket)
    store_server.fault = Fault(sent=0.5, applies=lambda number, _: number % 10 == 3)
    export_tiles(locations(store_server, source)[scheme], tmp_path / "x.tpkx")
    assert read_tiles(tmp_path / "x.tpkx") == world()


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_overloaded_store_is_asked_again(tmp_path: Path, store_server: ObjectServer, bucket: Path, scheme: str) -> None:
    source = SOURCES["V2"](bucket)
    store_server.fault = Fault(status=503, applies=lambda number, _: number % 4 == 2)
    export_tiles(locations(store_server, source)[scheme], tmp_path / "x.tpkx")
    assert read_tiles(tmp_path / "x.tpkx") == world()


FAULTS = {
    "503": (Fault(status=503), "the store answers with status 503, Service Unavailable"),
    "416": (Fault(status=416), "the store answers with status 416"),
    "403": (Fault(status=403), "access is denied by the store; found status 403, expected credentials"),
    "404": (Fault(status=404), "object not found"),
    "cut": (Fault(sent=0.5), "the connection was cut"),
    "lies": (Fault(lies=7), "the store sent another range than that requested|the connection was cut"),
}


@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_store_that_fails_is_one_clear_error(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, fault: Fault, message: str, scheme: str
) -> None:
    source = SOURCES["V2"](bucket)
    cache = open_cache(locations(store_server, source)[scheme])
    fault.applies = lambda _number, path: path.endswith("L08/R0080C0080.bundle")
    store_server.fault = fault
    with pytest.raises(CacheError, match=message) as caught:
        export_tiles(cache, tmp_path / "out" / "x.tpkx", levels="8")
    assert re.match(rf"{re.escape(str(cache.location))}/_alllayers/L08/R0080C0080.bundle: ", str(caught.value))
    assert SECRET not in str(caught.value)
    assert not (tmp_path / "out").exists()
    tried = len([asked for asked in store_server.asked if asked.path.endswith("L08/R0080C0080.bundle")])
    assert tried <= 4 * (MAX_RETRIES + 1)


@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize(
    ("kind", "changed"),
    [("V2", "_alllayers/L08/R0080C0080.bundle"), ("V1", "_alllayers/L08/R0080C0080.bundle"), ("tpkx", "")],
)
def test_object_that_is_replaced_meanwhile_is_an_error(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, kind: str, changed: str, scheme: str
) -> None:
    source = SOURCES[kind](bucket)
    plan = make_plan(locations(store_server, source)[scheme], make_request(levels="8"))
    path = source / changed
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(0, 0))
    with pytest.raises(CacheError, match="object was modified or replaced while it was read"):
        export_tiles(plan.cache, tmp_path / "out" / "x.tpkx", levels="8")
    assert not (tmp_path / "out").exists()


def test_export_goes_on_when_the_store_answers_again(
    tmp_path: Path, store_server: ObjectServer, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is kept, and nothing secret in it; the second export reads the rest only."""
    monkeypatch.setitem(object_client.RETRY, "max_retries", 1)
    SOURCES["V2"](bucket)
    cache, target = f"http://me:pass-word@127.0.0.1:{store_server.port}/tiles/cache", tmp_path / "out" / "x.tpkx"
    plan = make_plan(cache, make_request())

    def fails(_number: int, path: str) -> bool:
        """Fail for one bundle, once another one is finished."""
        if path.endswith("L08/R0080C0080.bundle"):
            wait_until(lambda: any(b'"unit"' in path.read_bytes() for path in target.parent.glob("*/journal.jsonl")))
            return True
        return False

    store_server.fault = Fault(status=503, applies=fails)
    with pytest.raises(CacheUnavailableError, match="status 503") as caught:
        export_tiles(plan.cache, target)
    assert notes(caught.value)[0].startswith("Finished bundles are kept beside the output")
    kept = [path for path in target.parent.rglob("*") if path.is_file()]
    assert [path.name for path in kept].count("journal.jsonl") == 1
    assert not [path for path in kept if b"pass-word" in path.read_bytes()]
    store_server.fault = Fault()
    result = export_tiles(plan.cache, target)
    assert result.resumed.bundles > 0
    assert read_tiles(target) == world()
    check_nothing_left(tmp_path / "out", "x.tpkx")


def test_server_without_ranges_is_an_error(store_server: ObjectServer, bucket: Path) -> None:
    source = SOURCES["tpkx"](bucket)
    store_server.ranges = False
    with pytest.raises(CacheError, match=r"cache\.tpkx: the server does not send ranges of files"):
        open_cache(locations(store_server, source)["http"])


def test_server_without_tags_is_read(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    source = SOURCES["tpkx"](bucket)
    store_server.tags = False
    export_tiles(locations(store_server, source)["http"], tmp_path / "x.tpkx")
    assert read_tiles(tmp_path / "x.tpkx") == world()
