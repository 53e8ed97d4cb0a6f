"""The check of a base: whether its tiles are those that a delta was made from, and give the stated result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptool.cache import Bundle, TileCache
from gptool.delta.compare import both_levels
from gptool.delta.digests import LevelHash, hash_bundle, hash_tiles
from gptool.delta.document import BundleState, CacheState
from gptool.delta.overlays import NO_TILES, base_bundles, unpack_mask
from gptool.delta.package import Delta
from gptool.delta.threads import BundleThreads
from gptool.errors import CacheError
from gptool.model import PACKET_SIZE, BundleAddress, Lod, Phase, Progress
from gptool.text import format_count

NO_CHANGE = BundleState(None, None)


class CheckedBundle(NamedTuple):
    """The hashes of a bundle of the base.

    Attributes
    ----------
    address : BundleAddress
    found : str or None
        Of its tiles as they are.
    applied : str or None
        With the tiles of the delta.
    stamp : tuple of int or None
        The state of its files; None if there are none.
    tiles : int
        Those that were read, of the base and the delta.
    missing : int or None
        The position of a tile that the delta deletes and the base does not have.
    """

    address: BundleAddress
    found: str | None
    applied: str | None
    stamp: tuple[int, ...] | None
    tiles: int
    missing: int | None


@dataclass
class CheckedBase:
    """A base that a delta fits.

    Attributes
    ----------
    stamps : dict of BundleAddress to tuple of int
        Its bundles, with the state of their files.
    outdated : list of BundleAddress
        The bundles that the delta changes and that are not in the new state yet.
    """

    stamps: dict[BundleAddress, tuple[int, ...]] = field(default_factory=dict)
    outdated: list[BundleAddress] = field(default_factory=list)


class Leniency(NamedTuple):
    """What a base may have besides the old state.

    Attributes
    ----------
    new : bool
        Bundles that are in the new state.
    partly : bool
        Bundles of which some tiles are: an interrupted run has begun them.
    """

    new: bool = False
    partly: bool = False


STRICT = Leniency()


def check_base(
    base: TileCache, delta: Delta, tiles: int, *, workers: int, progress: Progress | None, leniency: Leniency = STRICT
) -> CheckedBase:
    """Check all tiles of a base against a delta.

    Parameters
    ----------
    base : TileCache
    delta : Delta
    tiles : int
        The tiles of the base and the delta, for the progress.
    workers : int
        Threads.
    progress : Progress or None
        Called after each bundle.
    leniency : Leniency

    Raises
    ------
    CacheError
        If the base cannot be read or is not that of the delta, or if the delta does not give the result that it states.
    """
    checked, done, lods = CheckedBase(), 0, both_levels(base, delta.cache)
    for counts in delta.document.levels:
        if counts.level not in {lod.level for lod in lods}:
            raise _wrong_base(base, counts.level, "no such level in the tiling scheme", "the level")
    with BundleThreads(workers * base.files.concurrency) as threads:
        for lod in lods:
            level = _Level(base, delta, lod, leniency)
            for bundle in threads.map(partial(_check_bundle, base, delta, level.existing), level.addresses):
                level.add(bundle, checked)
                done += bundle.tiles
                if progress:
                    progress(Phase.COMPARING, done, tiles)
            level.check()
    return checked


def check_counts(base: TileCache, counts: dict[int, int], expected: CacheState) -> None:
    """Check the numbers of tiles of a base, which its indexes state, before its tiles are read. Raises CacheError."""
    stated = {level.level: level.tiles for level in expected.levels}
    for level in sorted(counts.keys() | stated.keys()):
        if counts.get(level, 0) != stated.get(level, 0):
            raise _wrong_base(base, level, _tiles(counts.get(level, 0)), _tiles(stated.get(level, 0)))


class _Level:
    """One level of a base, while its bundles are checked."""

    def __init__(self, base: TileCache, delta: Delta, lod: Lod, leniency: Leniency) -> None:
        self._base, self._delta, self._level, self._leniency = base, delta, lod.level, leniency
        # Of a level that only the new state has, an interrupted run may have written bundles.
        self.existing = frozenset(base.bundles(lod) if leniency.new else base_bundles(base, lod))
        touched = (address for address in delta.document.bundles if address.level == lod.level)
        filled = (address for address in delta.filled if address.level == lod.level)
        self.addresses = sorted({*self.existing, *touched, *filled})
        self._hashes = LevelHash(), LevelHash()

    def add(self, bundle: CheckedBundle, checked: CheckedBase) -> None:
        """Add a bundle. Raises CacheError if it is neither in the old state nor in another one that is allowed."""
        stated = self._delta.document.bundles.get(bundle.address)
        base_digest = bundle.found
        if stated is not None:
            is_new = self._leniency.new and bundle.found == stated.result
            is_partly = self._leniency.partly and bundle.applied == stated.result
            if bundle.found != stated.base and not is_new and not is_partly:
                raise self._wrong_bundle(bundle, stated)
            if bundle.applied != stated.result:
                raise self._damaged_delta(bundle, stated)
            if bundle.found != stated.result:
                checked.outdated.append(bundle.address)
            base_digest = stated.base
        if bundle.stamp is not None:
            checked.stamps[bundle.address] = bundle.stamp
        self._hashes[0].add(bundle.address, base_digest)
        self._hashes[1].add(bundle.address, bundle.applied)

    def check(self) -> None:
        """Check the hashes of the whole level. Raises CacheError."""
        base, result = (each.hexdigest() for each in self._hashes)
        document = self._delta.document
        expected = [
            state and state.sha256 for state in (s.level(self._level) for s in (document.base, document.result))
        ]
        if base != expected[0]:
            raise _wrong_base(self._base, self._level, _hash_text(base), _hash_text(expected[0]))
        if result != expected[1]:
            raise self._damaged(_hash_text(result), _hash_text(expected[1]))

    def _damaged(self, found: str, expected: str) -> CacheError:
        return CacheError(
            f"the tiles of level {self._level} do not give the result that the delta states: it is damaged",
            where=self._delta.cache.location,
            found=found,
            expected=expected,
        )

    def _damaged_delta(self, bundle: CheckedBundle, stated: BundleState) -> CacheError:
        place = _place_text(bundle.address)
        return self._damaged(f"{_hash_text(bundle.applied)} of {place}", f"{_hash_text(stated.result)} of these")

    def _wrong_bundle(self, bundle: CheckedBundle, stated: BundleState) -> CacheError:
        level = bundle.address.level
        if bundle.missing is not None:
            tile = bundle.address.tile(bundle.missing)
            place = f"level {level}, row {tile.row}, column {tile.column}"
            return _wrong_base(
                self._base, level, f"no tile at {place}", f"the tile at {place}, which the delta deletes"
            )
        place = _place_text(bundle.address)
        return _wrong_base(
            self._base, level, f"{_hash_text(bundle.found)} of {place}", f"{_hash_text(stated.base)} of these"
        )


def _check_bundle(
    base: TileCache, delta: Delta, existing: frozenset[BundleAddress], check: Callable[[], None], address: BundleAddress
) -> CheckedBundle:
    deleted = delta.deleted.get(address)
    with ExitStack() as stack:
        bundle = stack.enter_context(base.open_bundle(address)) if address in existing else None
        found, present, digests = _hash(address, bundle, check)
        applied, tiles = found, int(np.count_nonzero(present))
        gone = NO_TILES if deleted is None else unpack_mask(deleted)
        if address in delta.filled or deleted is not None:
            changes = stack.enter_context(delta.cache.open_bundle(address)) if address in delta.filled else None
            _, added, changed_digests = _hash(address, changes, check)
            tiles += int(np.count_nonzero(added))
            merged = np.where(added[:, None], changed_digests, digests)
            applied = hash_bundle(address, (present & ~gone) | added, merged)
        stamp = bundle.stamp if bundle else None
    missing = np.flatnonzero(gone & ~present)
    return CheckedBundle(address, found, applied, stamp, tiles, int(missing[0]) if len(missing) else None)


def _hash(
    address: BundleAddress, bundle: Bundle | None, check: Callable[[], None]
) -> tuple[str | None, NDArray[np.bool_], NDArray[np.uint8]]:
    """Return the hash of a bundle, its tiles, and their hashes."""
    if bundle is None:
        return None, NO_TILES, np.zeros((1, 1), np.uint8)
    present, digests = bundle.sizes > 0, hash_tiles(bundle, check)
    return hash_bundle(address, present, digests), present, digests


def _place_text(address: BundleAddress) -> str:
    last = PACKET_SIZE - 1
    return f"rows {address.row} to {address.row + last}, columns {address.column} to {address.column + last}"


def _wrong_base(base: TileCache, level: int, found: str, expected: str) -> CacheError:
    what = f"level {level} is not that of the base of the delta"
    return CacheError(what, where=base.location, found=found, expected=expected)


def _tiles(count: int) -> str:
    return format_count(count, "tile")


def _hash_text(digest: str | None) -> str:
    return "no tiles" if digest is None else f"tiles with the hash {digest}"
