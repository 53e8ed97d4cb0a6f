"""The new state of one bundle, in place, by storage format. Each step leaves a bundle, or tile, that can be read."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, system
from gptool._bundle import TileKind
from gptool.cache import Bundle, TileBatch, TileCache, compact_v1
from gptool.cache.compact import BUNDLE_SUFFIX, SIZE_FIELD_BYTES, CompactCache
from gptool.cache.compact_v1 import INDEX_SUFFIX, CompactV1Cache
from gptool.cache.exploded import ExplodedCache
from gptool.delta.overlays import AppliedCache
from gptool.delta.runs import Run
from gptool.errors import BundleError
from gptool.export.unit import read_buffer
from gptool.model import PACKET_SIZE, PACKET_TILES, BundleAddress
from gptool.output.bundle import (
    BundleWriter,
    CompactV1Writer,
    CompactV2Writer,
    bundle_files,
    bundle_regions,
    write_all,
)

SUFFIXES = {TileKind.PNG: ".png", TileKind.JPEG: ".jpg"}
"""Of the names of new tiles."""


class UpdateSizes(NamedTuple):
    """Bytes of a bundle's tiles before and after an update, bytes that the update writes anew, and its tiles."""

    old: int
    new: int
    staged: int
    tiles: int


def update_sizes(state: AppliedCache, address: BundleAddress) -> UpdateSizes:
    """Return what the update of a bundle takes of the disk."""
    reader, old = state.source.reader(address.level), 0
    with state.open_bundle(address) as bundle:
        new, added = (int(bundle.sizes[mask].sum(dtype=np.int64)) for mask in (slice(None), bundle.from_changes))
        tiles = int(np.count_nonzero(bundle.sizes))
    if address in state.stamps:
        with state.source.open_bundle(address) as bundle:
            old = int(bundle.sizes.sum(dtype=np.int64))
    if isinstance(reader, ExplodedCache):
        return UpdateSizes(old, new, 0, tiles)
    if isinstance(reader, CompactV1Cache):  # nothing is removed from its file
        return UpdateSizes(old, old + added, old + added, tiles)
    return UpdateSizes(old, new, bundle_files(CompactV2Writer, address, tiles, new)[0].size, tiles)


def update_v2(reader: CompactCache, state: AppliedCache, address: BundleAddress, staged: Path) -> None:
    """Write a compact V2 bundle anew and rename it to its place."""
    target = Path(str(reader.files.where(reader.find_bundle(address, BUNDLE_SUFFIX))))
    if not _write(CompactV2Writer, state, address, staged):
        _remove(target)
        return
    move_new(staged / bundle_files(CompactV2Writer, address, 0, 0)[0].name, target)


def update_v1(reader: CompactV1Cache, state: AppliedCache, address: BundleAddress, staged: Path) -> None:
    """Append the changed tiles to a copy of a compact V1 bundle, rename it to its place, and then the new index.

    The old index is true of the new file, too: it has all old tiles where they were.
    """
    paths = (reader.find_bundle(address, suffix) for suffix in (BUNDLE_SUFFIX, INDEX_SUFFIX))
    data, index = (Path(str(reader.files.where(path))) for path in paths)
    staged_data, staged_index = (staged / file.name for file in bundle_files(CompactV1Writer, address, 0, 0))
    if address in state.stamps:
        is_filled = _append_v1(state, address, (data, index), (staged_data, staged_index))
    else:
        is_filled = _write(CompactV1Writer, state, address, staged)
    if is_filled:
        move_new(staged_data, data)
        move_new(staged_index, index)
    else:
        _remove(index)
        _remove(data)


def update_exploded(reader: ExplodedCache, state: AppliedCache, address: BundleAddress, staged: Path) -> None:
    """Write the changed tiles as new files, rename each to its place, and remove the deleted ones."""
    with state.open_bundle(address) as bundle:
        changed = np.flatnonzero(bundle.from_changes)
        gone = state.deleted_tiles(address) & ~bundle.from_changes
        # Before the first change: each one makes the lists of the folders read again.
        found = {int(i): reader.find_tile(address.tile(int(i))) for i in (*changed, *np.flatnonzero(gone))}
        folders = {row: reader.find_row(address.level, row) for row in {address.tile(i).row for i in found}}
        for batch in bundle.batches(changed, read_buffer()):
            suffixes = _suffixes(batch, state.image.format)
            for i, position in enumerate(batch.positions.tolist()):
                tile = address.tile(position)
                path = found[position] or f"{folders[tile.row]}/C{tile.column:08x}{suffixes[i]}"
                new = staged / f"{position:x}-{address.level}-{address.row:x}-{address.column:x}"
                new.write_bytes(batch.tile(i))
                move_new(new, Path(str(reader.files.where(path))))
    for position in np.flatnonzero(gone).tolist():
        if (old := found[position]) is not None:
            _remove(Path(str(reader.files.where(old))))


def _suffixes(batch: TileBatch, declared: str) -> list[str]:
    """Return the suffixes for the files of tiles."""
    default = ".png" if declared.startswith("PNG") else ".jpg"
    kinds, _ = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    return [SUFFIXES.get(TileKind(kind), default) for kind in kinds.tolist()]


def _write(kind: type[BundleWriter], state: AppliedCache, address: BundleAddress, staged: Path) -> bool:
    """Write a bundle into the staging folder. Return False if it has no tiles."""
    with state.open_bundle(address) as bundle:
        positions = np.flatnonzero(bundle.sizes)
        if not len(positions):
            return False
        with kind(address, bundle_regions(staged, kind, address)) as writer:
            for batch in bundle.batches(positions, read_buffer()):
                writer.append(batch)
    return True


def _append_v1(state: AppliedCache, address: BundleAddress, old: tuple[Path, Path], staged: tuple[Path, Path]) -> bool:
    """Write a copy of a bundle with the changed tiles at its end, and its index. Return False if it has no tiles."""
    with state.open_bundle(address) as bundle:
        if not bundle.sizes.any():
            return False
        staged[0].parent.mkdir(exist_ok=True)
        shutil.copyfile(old[0], staged[0])
        entries = np.frombuffer(bytearray(old[1].read_bytes()), np.uint8)
        index = entries[compact_v1.INDEX_HEADER.size : compact_v1.INDEX_END].reshape(PACKET_TILES, -1)
        with io.FileIO(staged[0], "r+") as file:
            _set_absent(file, index, np.flatnonzero(state.deleted_tiles(address) & ~bundle.from_changes), old[0])
            _append_tiles(file, index, bundle, np.flatnonzero(bundle.from_changes))
            _set_header(file, bundle.sizes)
    staged[1].write_bytes(entries.tobytes())
    return True


def _append_tiles(file: io.FileIO, index: NDArray[np.uint8], bundle: Bundle, positions: NDArray[np.int64]) -> None:
    end = file.seek(0, io.SEEK_END)
    for batch in bundle.batches(positions, read_buffer()):
        sizes = batch.sizes.astype(np.int64) + SIZE_FIELD_BYTES
        _set_entries(index, batch.positions, end + np.cumsum(sizes) - sizes)
        write_all(file, _bundle.pack(batch.source, batch.offsets, batch.sizes).data)
        end += int(sizes.sum())


def _set_absent(file: io.FileIO, index: NDArray[np.uint8], positions: NDArray[np.int64], path: Path) -> None:
    """Let the entries of absent tiles point to their own words of 0 before the tiles."""
    file.seek(compact_v1.HEADER.size)
    words = np.frombuffer(file.read(SIZE_FIELD_BYTES * PACKET_TILES), "<u4")
    numbers = _numbers(positions)
    if len(words) < PACKET_TILES or words[numbers].any():
        raise BundleError(
            "bundle has no words of 0 for absent tiles behind its header",
            where=path,
            expected="a bundle as of ArcGIS; apply the delta to an output",
        )
    _set_entries(index, positions, compact_v1.HEADER.size + SIZE_FIELD_BYTES * numbers)


def _set_entries(index: NDArray[np.uint8], positions: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
    data = entries.astype("<u8").view(np.uint8).reshape(-1, 8)
    index[_numbers(positions)] = data[:, : compact_v1.OFFSET_BYTES]


def _numbers(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of entries, which count column by column."""
    return positions % PACKET_SIZE * PACKET_SIZE + positions // PACKET_SIZE


def _set_header(file: io.FileIO, sizes: NDArray[np.uint32]) -> None:
    """Write the size of the file, and the number and the largest of the tiles, into the header."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    fields = list(compact_v1.HEADER.unpack(file.read(compact_v1.HEADER.size)))
    fields[2], fields[4], fields[5] = int(sizes.max()), SIZE_FIELD_BYTES * int(np.count_nonzero(sizes)), size
    file.seek(0)
    write_all(file, memoryview(compact_v1.HEADER.pack(*fields)))


def move_new(staged: Path, target: Path) -> None:
    """Move a new file, whose bytes are on the disk then, to its place."""
    system.flush(staged)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.copymode(target, staged)
    system.replace(staged, target)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def remove_empty_folders(base: TileCache, runs: Iterable[Run]) -> None:
    """Remove folders of levels and rows that have no tiles any more, after all bundles are updated."""
    rows = dict.fromkeys((level, row) for level, row, _, _ in runs)
    levels = dict.fromkeys(level for level, _ in rows)
    readers = {level: base.reader(level) for level in levels}
    exploded = ((readers[level], level, row) for level, row in rows)
    folders = [reader.find_row(level, row) for reader, level, row in exploded if isinstance(reader, ExplodedCache)]
    for folder in (*folders, *(reader.level_folder(level) for level, reader in readers.items())):
        with suppress(OSError):  # it has other files
            Path(str(base.files.where(folder))).rmdir()
