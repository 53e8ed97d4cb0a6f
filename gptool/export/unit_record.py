"""The record of a finished unit of work, and how it is taken over from a journal by a later run.

A unit is not taken over because the journal says that it is finished, but because the bytes that it has written are
found: their CRC-32 is that of the record. So nothing depends on what a power loss has left of the files.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib

from gptool.cache import TileCache
from gptool.export.report import DamagedTile, LevelReport
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.quality_steps import QualityStep
from gptool.model import PACKET_SIZE, BundleAddress
from gptool.output.bundle import FileRegion, WrittenBundle, WrittenFile

NUMBERS = (
    *("tiles", "bytes_read", "bytes_written", "tiles_damaged", "tiles_with_foreign_tables"),
    *("optimised_bytes_read", "optimised_bytes_written"),
    *("pngs", "pngs_optimised", "png_bytes_read", "png_bytes_written"),
)
COUNTERS = ("outcomes", "qualities", "capped")
"""The figures of a `LevelReport` in their order in a record, before the quality steps of unchanged tiles and the
damaged tiles."""

_numbers_of, _counters_of = attrgetter(*NUMBERS), attrgetter(*COUNTERS, "unchanged")
# A record is made between two bundles, when little of this is in the processor's caches: few steps matter.

CHUNK_BYTES = 1 << 20
"""Bytes that are read at a time when a CRC-32 is compared."""


class UnitResult(NamedTuple):
    """The record of a finished unit of work.

    Attributes
    ----------
    bundle : WrittenBundle
    report : LevelReport
        Its figures.
    others : tuple of LevelReport
        Those of each of the other recompressions.
    stamp : tuple of int
        The state of the bundle's files in the cache, see `gptool.cache.base.Bundle`.
    is_taken_over : bool
        Whether an earlier run has finished the unit.
    """

    bundle: WrittenBundle
    report: LevelReport
    others: tuple[LevelReport, ...]
    stamp: tuple[int, ...]
    is_taken_over: bool = False


class RecordPlace(NamedTuple):
    """Where a record is in a journal: the offset and the length of its JSON, bytes."""

    journal: Path
    offset: int
    length: int

    def read(self, address: BundleAddress) -> UnitResult:
        """Return the record, whose files have no regions. The journal has been checked when it was opened.

        Raises
        ------
        OSError
            If the journal cannot be read.
        """
        with self.journal.open("rb") as file:
            file.seek(self.offset)
            return decode_result(address, json.loads(file.read(self.length)))


class FinishedUnit(NamedTuple):
    """A unit of work that an earlier run has finished: its record, and all regions where its files may be."""

    record: RecordPlace
    places: tuple[tuple[FileRegion, ...], ...]

    def take_over(self, cache: TileCache, address: BundleAddress) -> UnitResult | None:
        """Return the record of the unit; None if the bundle has changed in the cache, or a file is not as it was.

        Raises
        ------
        CacheError
            If the cache cannot be read.
        OSError
            If the journal cannot be read.
        """
        result = self.record.read(address)
        if bundle_stamp(cache, address) != result.stamp:
            return None
        files = result.bundle.files
        for regions in self.places if files else ((),):
            if all(map(_is_written, files, regions)):
                found = tuple(file._replace(region=region) for file, region in zip(files, regions, strict=True))
                return result._replace(bundle=WrittenBundle(address, found), is_taken_over=True)
        return None


def bundle_stamp(cache: TileCache, address: BundleAddress) -> tuple[int, ...]:
    """Return the state of a bundle's files in the cache. Raises CacheError if they cannot be read."""
    with cache.open_bundle(address, np.zeros(PACKET_SIZE**2, np.bool_)) as bundle:
        return bundle.stamp


_of_thread = threading.local()


def _is_written(file: WrittenFile, region: FileRegion) -> bool:
    """Return True if a region has the bytes of a file."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = memoryview(bytearray(CHUNK_BYTES))
    buffer: memoryview = _of_thread.buffer
    crc32, left = 0, file.size
    try:
        with region.path.open("rb", buffering=0) as source:
            source.seek(region.start)
            while left and (count := source.readinto(buffer[: min(left, CHUNK_BYTES)])):
                crc32, left = isal_zlib.crc32(buffer[:count], crc32), left - count
            is_whole = not left and (region.start > 0 or not source.read(1))
    except OSError:  # it is not there
        return False
    return is_whole and crc32 == file.crc32


def encode_result(result: UnitResult) -> dict[str, Any]:
    """Return the record of a unit as JSON, without its address and the regions of its files."""
    return {
        "stamp": result.stamp,
        "files": [(file.name, file.size, file.crc32) for file in result.bundle.files],
        "reports": [encode_report(report) for report in (result.report, *result.others)],
    }


def decode_result(address: BundleAddress, values: dict[str, Any]) -> UnitResult:
    """Return the record that `encode_result` has encoded."""
    files = tuple(WrittenFile(name, FileRegion(Path(), 0), size, crc32) for name, size, crc32 in values["files"])
    report, *others = map(decode_report, values["reports"])
    return UnitResult(WrittenBundle(address, files), report, tuple(others), tuple(values["stamp"]), is_taken_over=True)


def encode_report(report: LevelReport) -> list[Any]:
    """Return the figures as JSON."""
    counters = [list(counter.items()) for counter in _counters_of(report)]
    return [_numbers_of(report), *counters, [(*tile, tile.code) for tile in report.damaged]]


def decode_report(values: list[Any]) -> LevelReport:
    """Return the figures that `encode_report` has encoded."""
    numbers, *counters, unchanged, damaged = values
    figures = dict(zip(NUMBERS, numbers, strict=True))
    figures |= {name: Counter(dict(items)) for name, items in zip(COUNTERS, counters, strict=True)}
    return LevelReport(
        **figures,
        unchanged=Counter({QualityStep(*step): count for step, count in unchanged}),
        damaged=[
            DamagedTile(level, row, column, reason, TileDamage(code)) for level, row, column, reason, code in damaged
        ],
    )
