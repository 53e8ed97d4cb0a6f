"""Rules of a package and the cache that it was exported from: the same tiles, or coarser quantisations of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from gptool import _bundle, _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Relation
from gptool.cache import Bundle, TileBatch, TileCache
from gptool.model import PACKET_TILES, BundleAddress, Lod, TileWindow, TilingScheme
from gptool.verification.contents import Contents
from gptool.verification.finding import Where
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, Rule
from gptool.verification.tile_rules import TileProblem

SCHEME = Rule("scheme.source", "The tiling scheme is that of the source, number by number.", kinds=ALL)
DIFFERENT = Rule("tiles.source-different", "Every tile is the source's or a coarser quantisation of it.", kinds=ALL)
MISSING = Rule(
    "tiles.source-missing", "No tile of the source within the levels and the full extent is missing.", kinds=ALL
)
UNKNOWN = Rule("tiles.source-unknown", "There are no tiles that the source does not have.", kinds=ALL)
READABLE = Rule("tiles.source-readable", "The tiles of the source can be read.", kinds=ALL)

RULES = (SCHEME, DIFFERENT, MISSING, UNKNOWN, READABLE)

EXPECTED = "the tile of the source, or a coarser quantisation of it"
RELATIONS = {
    Relation.UNREADABLE: "a tile that differs from the source's, one of which cannot be decoded",
    Relation.OTHER_SHAPE: "another size, other components or sampling factors",
    Relation.FINER_STEPS: "a quantisation step that is finer than the source's",
    Relation.OTHER_COEFFICIENTS: "a coefficient that requantisation does not give",
}


def check_source_scheme(scheme: TilingScheme, source: TilingScheme, recorder: Recorder) -> bool:
    """Check that two tiling schemes are the same. Return False if their tiles cannot be compared."""
    pairs = {
        "origin": ((str(scheme.origin_x), str(scheme.origin_y)), (str(source.origin_x), str(source.origin_y))),
        "rows and columns": ((scheme.tile_rows, scheme.tile_columns), (source.tile_rows, source.tile_columns)),
        "dpi": (str(scheme.dpi), str(source.dpi)),
    }
    known = {lod.level: lod for lod in source.lods}
    for lod in scheme.lods:
        other = known.pop(lod.level, None)
        pairs[f"level {lod.level}"] = (_lod_text(lod), _lod_text(other))
    pairs |= {f"level {level}": ("none", _lod_text(lod)) for level, lod in known.items()}
    for name, (found, expected) in pairs.items():
        recorder.require(found == expected, SCHEME, Where(member=name), str(found), f"{expected}, as the source")
    return pairs["rows and columns"][0] == pairs["rows and columns"][1]


def _lod_text(lod: Lod | None) -> str:
    return f"resolution {lod.resolution}, scale {lod.scale}" if lod else "none"


class SourceBundle:
    """The tiles of the source at the place of a bundle."""

    def __init__(self, stack: ExitStack, source: TileCache, address: BundleAddress) -> None:
        self._bundle: Bundle | None = None
        self.sizes: NDArray[np.uint32] = np.zeros(PACKET_TILES, np.uint32)
        lod = source.scheme.lod(address.level)
        window = TileWindow(address.row, address.row, address.column, address.column)
        if lod is not None and address in source.bundles(lod, window):
            self._bundle = stack.enter_context(source.open_bundle(address))
            self.sizes = self._bundle.sizes

    def read(self, positions: NDArray[np.int64]) -> TileBatch:
        """Return the tiles at these positions, in their order; all of them exist."""
        assert self._bundle is not None or not len(positions)
        parts = list(self._bundle.batches(positions)) if self._bundle is not None else []
        if not parts:
            return TileBatch.contiguous(positions, np.empty(0, np.uint8), np.empty(0, np.uint32))
        starts = np.cumsum([0, *(len(part.source) for part in parts[:-1])], dtype=np.uint64)
        found = np.concatenate([part.positions for part in parts])
        offsets = np.concatenate([part.offsets + start for part, start in zip(parts, starts, strict=True)])
        order = np.argsort(found)[np.argsort(np.argsort(positions))]
        sizes = np.concatenate([part.sizes for part in parts])
        return TileBatch(found[order], np.concatenate([part.source for part in parts]), offsets[order], sizes[order])


def compare_batch(batch: TileBatch, originals: TileBatch) -> list[TileProblem]:
    """Return the tiles of a batch that are neither the source's nor coarser quantisations.

    Parameters
    ----------
    batch, originals : TileBatch
        The tiles and those of the source, at the same positions.
    """
    kinds, _ = _bundle.inspect(batch.source, batch.offsets, batch.sizes)
    other_kinds, _ = _bundle.inspect(originals.source, originals.offsets, originals.sizes)
    both = (kinds == TileKind.JPEG) & (other_kinds == TileKind.JPEG)
    problems = []
    jpegs = np.flatnonzero(both)
    relations = _jpeg.compare_batch(
        *(originals.source, originals.offsets[jpegs], originals.sizes[jpegs]),
        *(batch.source, batch.offsets[jpegs], batch.sizes[jpegs]),
    )
    for i in np.flatnonzero(relations > Relation.COARSER).tolist():
        position = int(batch.positions[jpegs[i]])
        problems.append(TileProblem(position, DIFFERENT, RELATIONS[Relation(relations[i])], EXPECTED))
    for i in np.flatnonzero(~both).tolist():
        if batch.tile(i) != originals.tile(i):
            found = f"{batch.sizes[i]} bytes that differ from the source's {originals.sizes[i]}"
            problems.append(TileProblem(int(batch.positions[i]), DIFFERENT, found, "the bytes of the source's tile"))
    return problems


def missing_tiles(
    source: SourceBundle, address: BundleAddress, window: TileWindow, present: NDArray[np.bool_]
) -> list[int]:
    """Return the positions of the source's tiles in a bundle that lie in the window and are not present.

    Parameters
    ----------
    source : SourceBundle
    address : BundleAddress
    window : TileWindow
    present : bool[16384]
    """
    rows, columns = address.rows_and_columns(np.arange(PACKET_TILES))
    inside = (rows >= window.row_min) & (rows <= window.row_max)
    inside &= (columns >= window.column_min) & (columns <= window.column_max)
    missing: list[int] = np.flatnonzero(inside & (source.sizes > 0) & ~present).tolist()
    return missing


def expected_windows(cache: TileCache, contents: Contents) -> Iterator[tuple[Lod, TileWindow]]:
    """Yield the levels that have tiles, with the window of the full extent, or of the tiles if none is stated."""
    for level in contents.filled_levels:
        lod, extent = cache.scheme.lod(level), cache.declared_extent
        if lod is None:
            continue
        window = cache.scheme.window(lod, extent) if extent else contents.levels[level].window
        if window is not None:
            yield lod, window
