"""The .pmtiles: an archive of tiles of web Mercator's standard scheme for web servers (PMTiles version 3).

https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md. Tiles are in the order of their ids, with each content
once. A bundle is a run of ids, as it is a square of 2^7 tiles on a grid of such squares: bundles are exported in the
order of the Hilbert curve through them. Tiles come first, behind the space of the header and the root directory; leaf
directories and metadata follow, so that no byte is written twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import numpy as np

from gptool.model import PACKET_SIZE, BundleAddress, Message
from gptool.output.bundle import WrittenBundle
from gptool.output.esri_json import summary
from gptool.output.json_text import Json, to_json_bytes
from gptool.output.kind import OutputKind, ResultInfo
from gptool.output.pmtiles_contents import ContentStore, EntryList
from gptool.output.pmtiles_directory import (
    ENTRY,
    FIRST_BYTES,
    HEADER,
    MAX_ROOT_BYTES,
    Section,
    compress,
    encode_directory,
    encode_header,
    hilbert_places,
    tile_ids,
)
from gptool.output.staged_writer import StagedBundleWriter, StagedWriter, open_staged
from gptool.output.web_tiles import TileFormats, Zooms, attribution, check_web_tiles, web_tile_warnings, zoom
from gptool.plan import BundlePlan, Plan

MAX_ZOOM = 26
"""The deepest zoom whose ids JavaScript's numbers hold."""

BUNDLE_ZOOMS = PACKET_SIZE.bit_length() - 1
"""The zooms from a tile of the size of a bundle to its tiles."""

TILE_TYPES = {"PNG": 2, "JPEG": 3}

LEAF_ENTRIES = 4096
"""Entries of a leaf directory, or a multiple if the root directory has no room for that many leaves."""

ENTRY_BYTES, MAX_ENTRY_BYTES, METADATA_BYTES = 4, 24, 2048
"""Compressed bytes of an entry, usual and at most, and bytes of the metadata at most."""


class PMTiles(OutputKind):
    """The kind of a .pmtiles."""

    has_exact_size: ClassVar[bool] = False

    def check(self, plan: Plan) -> None:
        """Raise ParameterError if the tiles are not of web Mercator's standard scheme, or neither PNG nor JPEG."""
        check_web_tiles(plan, self.suffix, MAX_ZOOM)

    def warnings(self, plan: Plan) -> list[str]:
        """Return warnings about zooms without tiles and the size of tiles."""
        return web_tile_warnings(plan, self.suffix)

    def order(self, plan: Plan, address: BundleAddress) -> tuple[int, ...]:
        """Return a bundle's place in the order of the ids of its tiles."""
        lod = plan.cache.scheme.lod(address.level)
        assert lod is not None, "the level is one of the plan"
        bundles = max(zoom(plan.cache.scheme, lod) - BUNDLE_ZOOMS, 0)
        row, column = (np.array([number // PACKET_SIZE]) for number in (address.row, address.column))
        return address.level, int(hilbert_places(bundles, column, row)[0])

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> PMTilesWriter:
        """Create a .pmtiles; see `OutputKind.open_writer`."""
        return PMTilesWriter(path, info, staging)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        """Return the size if no tiles are equal; see `OutputKind.result_size`."""
        return FIRST_BYTES + sum(bundle.bytes + ENTRY_BYTES * bundle.tiles for bundle in bundles)

    def size_bounds(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> tuple[int, int]:
        """Return the bounds of the size, the lower one if all tiles are equal; see `OutputKind.size_bounds`."""
        all_bundles = list(bundles)
        greatest = sum(bundle.bytes + MAX_ENTRY_BYTES * bundle.tiles for bundle in all_bundles)
        return FIRST_BYTES, FIRST_BYTES + greatest + METADATA_BYTES


PMTILES = PMTiles(".pmtiles", None, StagedBundleWriter)


class PMTilesWriter(StagedWriter):
    """A .pmtiles that is being written: tiles in the order of their ids, since bundles come in their order."""

    def __init__(self, path: Path, info: ResultInfo, staging: Path) -> None:
        super().__init__(staging)
        self._path, self._zooms, self._formats = path, Zooms.of_plan(info.plan), TileFormats()
        self._entries = EntryList(staging / "entries")
        self._contents = ContentStore(path, FIRST_BYTES, staging / "contents", info.plan.tiles)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the files, and remove the archive if it is not complete."""
        if kind is None:
            self._contents.close()
            return
        with suppress(OSError):  # closing writes what is left, which fails again on a full disk
            self._contents.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def add_bundle(self, bundle: WrittenBundle) -> None:
        """Append the tiles of a written bundle."""
        address, first_bytes = bundle.address, bytearray()
        with open_staged(bundle) as staged:
            rows, columns = address.rows_and_columns(staged.positions)
            ids = tile_ids(self._zooms.by_level[address.level], columns, rows)
            order = np.argsort(ids)
            for i, tile_id in zip(order.tolist(), ids[order].tolist(), strict=True):
                tile = staged.read(i)
                first_bytes.append(tile[0])
                self._entries.add(tile_id, self._contents.add(tile), len(tile))
        self._formats.add(np.frombuffer(first_bytes, np.uint8))
        self._entries.flush()

    def finish(self, info: ResultInfo) -> int:
        """Write directories, metadata and header, and return the size of the archive."""
        self._entries.flush(is_end=True)
        root, leaf_bytes = self._write_directories()
        metadata = compress(to_json_bytes(self._metadata(info)))
        self._contents.append(metadata)
        tiles = Section(FIRST_BYTES, self._contents.size)
        leaves = Section(tiles.offset + tiles.length, leaf_bytes)
        header = encode_header(
            (Section(HEADER.size, len(root)), Section(sum(leaves), len(metadata)), leaves, tiles),
            (self._entries.tiles, self._entries.count, self._contents.count),
            TILE_TYPES[self._formats.majority()],
            (self._zooms.first, self._zooms.last),
            self._zooms.bounds,
            self._zooms.centre,
        )
        if note := self._formats.note():
            stated = self._formats.majority()
            self.messages.append(Message("Warning", f"the .pmtiles holds {note}, and states {stated} alone"))
        self._contents.finish(header + root)
        return self._path.stat().st_size

    def _write_directories(self) -> tuple[bytes, int]:
        """Append the leaf directories; return the root directory and their bytes: 0 if it holds all entries itself."""
        if self._entries.count <= LEAF_ENTRIES:
            [entries] = self._entries.parts(LEAF_ENTRIES)
            root = encode_directory(entries)
            if len(root) <= MAX_ROOT_BYTES:
                return root, 0
        size = LEAF_ENTRIES
        while True:
            pointers, written = list[tuple[int, int, int, int]](), 0
            for entries in self._entries.parts(size):
                leaf = encode_directory(entries)
                self._contents.append(leaf)
                pointers.append((int(entries["id"][0]), written, len(leaf), 0))
                written += len(leaf)
            root = encode_directory(np.array(pointers, ENTRY))
            if len(root) <= MAX_ROOT_BYTES:
                return root, written
            self._contents.truncate()
            size *= 2

    def _metadata(self, info: ResultInfo) -> Json:
        note = self._formats.note()
        stated: dict[str, Json] = {
            "name": info.name,
            "description": summary(info.plan) + (f", {note}" if note else ""),
            "attribution": attribution(info.plan),
            "type": "baselayer",
            "version": "1",
        }
        return {name: value for name, value in stated.items() if value}
