"""A cache folder is brought to the new state of a delta: each bundle is written beside it and renamed, metadata last.

After a kill at any moment, each compact bundle is in the old or in the new state, and so is each tile of an exploded
cache. The next run tells them by their hashes. The mark beside the tiles, which names the delta, is there from the
first change on: it allows exploded bundles of which only some tiles are in the new state.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gptool import system
from gptool.cache import TileCache, open_cache
from gptool.cache.compact import CompactCache
from gptool.cache.compact_v1 import CompactV1Cache
from gptool.cache.exploded import ExplodedCache
from gptool.cache.folder_store import FolderStore
from gptool.cache.zip_store import ZipStore
from gptool.delta.check import CheckedBase, Leniency, check_base
from gptool.delta.metadata import update_metadata
from gptool.delta.overlays import AppliedCache
from gptool.delta.package import Delta
from gptool.delta.results import ApplyResult
from gptool.delta.threads import BundleThreads
from gptool.delta.updates import UpdateSizes, remove_empty_folders, update_exploded, update_sizes, update_v1, update_v2
from gptool.errors import OutputError, ParameterError, translate_os_errors
from gptool.model import BundleAddress, Message, Phase, Progress
from gptool.output.staging_folder import StagingFolder
from gptool.plan import count_tiles
from gptool.request import read_request
from gptool.text import format_bytes

MARK, TILES = "delta", "tiles"
"""Names in the staging folder: the file that names the delta, and the folder of bundles that are being written."""

NOTE = "Each tile is in its old or its new state; the same command completes the new state."


def update_in_place(base: TileCache, delta: Delta, workers: int, progress: Progress | None) -> ApplyResult:
    """Bring a cache folder to the new state of a delta.

    Raises
    ------
    ParameterError
        If the base is not a folder on a disk.
    CacheError
        If the base cannot be read, or is not that of the delta.
    OutputError
        If the base cannot be written, or another run is changing it.
    """
    folder = _folder_of(base)
    with translate_os_errors(folder):
        staging = StagingFolder.open(folder)
    update = _Update(base, delta, folder, staging)
    try:
        checked = update.check(workers, progress)
        count = update.run(checked, workers, progress)
    except BaseException as error:
        update.end(is_complete=False)
        if update.has_begun:
            error.add_note(NOTE)
        raise
    update.end(is_complete=True)
    messages = () if count else (Message("Informative", "The base was in the new state already; no bundle changed"),)
    return ApplyResult(Path(str(base.location)), delta.document, None, count, messages)


def _folder_of(base: TileCache) -> Path:
    """Return the folder of level folders. Raises ParameterError for packages and caches in stores."""
    if not isinstance(base.files, FolderStore) or base.conf_xml is None:
        found = "a tile package" if isinstance(base.files, ZipStore) else "a cache without conf.xml or not on a disk"
        expected = "a cache folder with conf.xml, or an output in place of --in-place"
        raise ParameterError("cannot be changed in place", where=base.location, found=found, expected=expected)
    return Path(os.path.realpath(base.files.where(base.tiles_folder)))


class _Update:
    """A run that holds the lock of a folder of tiles."""

    def __init__(self, base: TileCache, delta: Delta, folder: Path, staging: StagingFolder) -> None:
        self._base, self._delta, self._folder, self._staging = base, delta, folder, staging
        self._mark = staging.path / MARK
        self._left = self._mark.read_text("ascii", "replace") if self._mark.is_file() else None
        self.has_begun = self._left == delta.identity

    def check(self, workers: int, progress: Progress | None) -> CheckedBase:
        """Check the base, which an interrupted run of the same delta may have changed."""
        request = read_request({})
        tiles = sum(count_tiles(cache, request, progress).tiles for cache in (self._base, self._delta.cache))
        leniency = Leniency(new=True, partly=self.has_begun)
        return check_base(self._base, self._delta, tiles, workers=workers, progress=progress, leniency=leniency)

    def run(self, checked: CheckedBase, workers: int, progress: Progress | None) -> int:
        """Update the bundles that are not in the new state, then the metadata. Return the number of the bundles."""
        state = self._delta.state_of(self._base, checked.stamps)
        sizes = [update_sizes(state, address) for address in checked.outdated]
        self._check_space(sizes, workers)
        with translate_os_errors(self._folder):
            self._begin()
            done, total = 0, sum(size.tiles for size in sizes)
            with BundleThreads(workers) as threads:
                updates = threads.map(partial(self._update, state), checked.outdated)
                for _, size in zip(updates, sizes, strict=True):
                    done += size.tiles
                    if progress:
                        progress(Phase.UPDATING, done, total)
            remove_empty_folders(self._base, self._delta.document.deletions)
            update_metadata(open_cache(self._base.location), state, self._staging.path)
        return len(sizes)

    def _begin(self) -> None:
        self._staging.clear(keep=(MARK,))
        (self._staging.path / TILES).mkdir()
        if not self.has_begun:
            system.replace_private(self._mark, self._delta.identity.encode())
            self.has_begun = True

    def _check_space(self, sizes: list[UpdateSizes], workers: int) -> None:
        """Refuse before any change what does not fit on the disk: the growth, and the largest bundles as new files."""
        growth = sum(size.new - size.old for size in sizes)
        needed = max(growth, 0) + sum(sorted((size.staged for size in sizes), reverse=True)[:workers])
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise OutputError(
                "the disk has not enough space for the new state",
                where=self._folder,
                found=f"{format_bytes(free)} free",
                expected=f"{format_bytes(needed)}",
            )

    def _update(self, state: AppliedCache, check: Callable[[], None], address: BundleAddress) -> None:
        check()
        reader, staged = self._base.reader(address.level), self._staging.path / TILES
        if isinstance(reader, ExplodedCache):
            update_exploded(reader, state, address, staged)
        elif isinstance(reader, CompactV1Cache):
            update_v1(reader, state, address, staged)
        else:
            assert isinstance(reader, CompactCache), "a folder has one of three storage formats"
            update_v2(reader, state, address, staged)

    def end(self, *, is_complete: bool) -> None:
        """Release the lock. The mark stays while the cache may be between both states."""
        if is_complete or not (self.has_begun or self._left):
            self._staging.remove()
        else:
            self._staging.clear(keep=(MARK,))
            self._staging.release()
