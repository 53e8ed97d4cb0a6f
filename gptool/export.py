"""The one pipeline: plan -> one unit of work for each output bundle -> package."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gptool.cache import TileCache
from gptool.errors import CacheError, ExportCancelledError, GptoolError, ParameterError, TooManyTilesError
from gptool.model import BundleAddress, Lod, StorageFormat, Tables
from gptool.package.bundle import WRITERS
from gptool.package.choose import choose_kind
from gptool.package.kind import Kind, StagedBundle
from gptool.package.staging import Staging, check_target, writing
from gptool.package.write import gather_facts, write_result
from gptool.plan import Plan, make_plan
from gptool.recompress import Recompression, recompress_tiles
from gptool.reference import to_wgs84
from gptool.report import DamagedTile, ExportResult, LevelReport, stated_quality
from gptool.request import Selection, parse_storage, whole_number

Progress = Callable[[int, int], None]
"""Called now and then with the tiles that are done and those to do. What it raises ends the export."""

POLL_SECONDS = 0.1
UNITS_IN_HAND = 4
EMPTY = "an empty file, left out"
MOST_WORKERS = 1024


class Unit(NamedTuple):
    """One unit of work: a function of its fields alone that writes one bundle below the folder `tiles`. It pickles."""

    cache: TileCache
    selection: Selection
    lod: Lod
    address: BundleAddress
    recompression: Recompression
    storage: StorageFormat
    checksums: bool
    tiles: Path


class UnitResult(NamedTuple):
    """What a unit of work leaves."""

    bundle: StagedBundle
    report: LevelReport


def export_tiles(
    cache: TileCache | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    levels: str | int | Iterable[int] | None = None,
    export_extent: str | tuple[float, float, float, float] | None = None,
    storage_format_type: str | None = None,
    compression_quality: int | None = None,
    tables: Tables = "efficient",
    max_export_tiles_count: int | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Cut tiles out of a cache into a tile package or a cache raster dataset.

    Parameters
    ----------
    cache : TileCache or path
    output : path
        What to make: a tile package when the name ends in `.tpkx` or `.tpk`, else a folder, a cache raster dataset. It
        appears whole or not at all.
    levels : str, int, iterable of int or None
        Level IDs, as in `0-6` or `1,2,7-9`; None: all levels that hold tiles.
    export_extent : str, 4 floats or None
        `xmin,ymin,xmax,ymax` in the cache's reference: whole tiles that share area with this box. None: all.
    storage_format_type : str or None
        How a dataset stores its tiles: `compactV2` (also when None) or `compact`, or Esri's long names for them.
    compression_quality : int or None
        0..100: recompress JPEG tiles, capped at each tile's own quality. None: every tile is copied as it is.
    tables : {"efficient", "exact"}
        Quantisers that are multiples of each tile's own (smaller at equal quality), or the quality's own table.
    max_export_tiles_count : int or None
        Refuse above that many tiles.
    overwrite : bool
        Replace an existing output.
    workers : int or None
        Threads; None: as many as there are processors.
    progress : callable or None
        See `Progress`.

    Returns
    -------
    ExportResult

    Raises
    ------
    ParameterError
        When the request can't be understood, selects nothing, or selects too much.
    CacheError
        When the cache can't be read.
    OutputError
        When the result can't be written, or exists.
    """
    target, kind = choose_kind(output, parse_storage(storage_format_type))
    recompression = Recompression(compression_quality, tables)
    threads = _processors() if workers is None else whole_number(workers, "workers", 1, MOST_WORKERS)
    if max_export_tiles_count is not None:
        whole_number(max_export_tiles_count, "max export tiles count", 0)
    check_target(target, folder=not kind.is_package, overwrite=overwrite)
    plan = make_plan(cache, levels=levels, export_extent=export_extent)
    _check_apart(target, plan.cache)
    _check_count(plan, max_export_tiles_count)
    with Staging(target, folder=not kind.is_package, overwrite=overwrite) as staging:
        # First: what picture or metadata need should not be found missing after the work.
        facts = gather_facts(kind, plan, target.stem, plan.cache.image.compression_quality)
        kind.metadata(facts)
        staged = staging.folder / target.name
        tiles = staging.folder / "tiles" if kind.is_package else staged / kind.tiles
        with writing(target):
            tiles.mkdir(parents=True)
        results = _run(_units(plan, recompression, kind, tiles), plan.tiles, threads, progress, target)
        reports = _level_reports(plan, results)
        quality = stated_quality(plan, LevelReport.sum(reports.values()))
        with writing(target):
            size = write_result(staged, kind, replace(facts, quality=quality), [result.bundle for result in results])
        staging.commit(staged)
    return ExportResult(target, size, reports, _warnings(plan, kind, levels))


def run_unit(unit: Unit, on_tiles: Callable[[int], None] | None = None) -> UnitResult:
    """Write one output bundle.

    Parameters
    ----------
    unit : Unit
    on_tiles : callable or None
        Called after each batch with its number of tiles; what it raises ends the unit.

    Raises
    ------
    CacheError
        When the bundle can't be read.
    OSError
        When the staged file can't be written.
    """
    report = LevelReport()
    writer = WRITERS[unit.storage](unit.tiles, unit.address, checksums=unit.checksums)
    with unit.cache.open_bundle(unit.address) as bundle, writer:
        for batch in bundle.batches(unit.selection.positions(unit.lod, unit.address, bundle.sizes)):
            result, tally = recompress_tiles(batch, unit.recompression)
            writer.append(result)
            report.add_batch(unit.address, batch, result, tally)
            if on_tiles:
                on_tiles(len(batch.sizes))
    return UnitResult(StagedBundle(unit.address, writer.files), report)


def _units(plan: Plan, recompression: Recompression, kind: Kind, tiles: Path) -> list[Unit]:
    """Return the units of work, those with most tiles first: threads then end at about the same time."""
    bundles = [(level.lod, bundle) for level in plan.levels for bundle in level.bundles]
    bundles.sort(key=lambda item: (-item[1].tiles, item[1].address))
    return [
        Unit(plan.cache, plan.selection, lod, address, recompression, kind.storage, kind.is_package, tiles)
        for lod, (address, _, _) in bundles
    ]


class _Meter:
    """Counts tiles, and units at work, across threads; stops them."""

    def __init__(self) -> None:
        self.tiles = 0
        self._working, self._stopped = 0, False
        self._changed = threading.Condition()

    def run(self, unit: Unit) -> UnitResult:
        """Work on a unit, unless all was stopped."""
        with self._changed:
            self._check()
            self._working += 1
        try:
            return run_unit(unit, self.add)
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def add(self, tiles: int) -> None:
        with self._changed:
            self._check()
            self.tiles += tiles

    def stop(self) -> None:
        """Stop all units and wait until none is at work.

        The pool can't be relied on for that: an interrupt while it starts a thread makes it forget the thread.
        """
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: self._working == 0)

    def _check(self) -> None:
        if self._stopped:
            raise ExportCancelledError("the export was stopped")


def _run(units: list[Unit], total: int, threads: int, progress: Progress | None, target: Path) -> list[UnitResult]:
    """Work through the units on threads. The first failure, or an interrupt, stops them all."""
    meter, waiting = _Meter(), iter(units)
    results: list[UnitResult] = []
    threads = min(threads, len(units))
    with ThreadPoolExecutor(threads, thread_name_prefix="gptool") as pool:
        pending: set[Future[UnitResult]] = set()
        try:
            while True:
                # A few in hand for each thread: memory stays flat however many units there are.
                for unit in islice(waiting, UNITS_IN_HAND * threads - len(pending)):
                    pending.add(_submit(pool, meter, unit))
                if not pending:
                    return results
                done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
                with writing(target):
                    results.extend(future.result() for future in done)
                if progress:
                    progress(meter.tiles, total)
        except BaseException:
            meter.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _submit(pool: ThreadPoolExecutor, meter: _Meter, unit: Unit) -> Future[UnitResult]:
    try:
        return pool.submit(meter.run, unit)
    except RuntimeError as error:
        raise GptoolError(f"the system gives no more threads: {error}", where="workers") from error


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_apart(target: Path, cache: TileCache) -> None:
    """Refuse a result that would take the place of the cache it comes from, or lie among its tiles."""
    # Not Path.resolve: links that lead in a circle make it raise.
    paths = (cache.location, cache.files.where(cache.tiles), target)
    source, tiles, place = (Path(os.path.realpath(path)) for path in paths)
    if source.is_relative_to(place) or tiles.is_relative_to(place) or place.is_relative_to(tiles):
        raise ParameterError("the output is the cache itself, or a part of it", where=target, expected="another place")


def _check_count(plan: Plan, limit: int | None) -> None:
    if limit is not None and plan.tiles > limit:
        raise TooManyTilesError(
            f"ERROR 001564: Requested tile count({plan.tiles}) exceeds the maximum allowed number of tiles({limit}) "
            f"to be exported for service {plan.cache.name}."
        )


def _level_reports(plan: Plan, results: list[UnitResult]) -> dict[int, LevelReport]:
    """Add the units' reports up by level, and make sure that they are all that was planned."""
    reports = {
        level.lod.level: LevelReport(
            tiles_damaged=level.empty, damaged=[DamagedTile(*tile, EMPTY) for tile in level.empty_listed]
        )
        for level in plan.levels
        if level.tiles or level.empty
    }
    for result in sorted(results):
        reports[result.bundle.address.level].add(result.report)
    for level in plan.filled_levels:
        found = reports[level.lod.level]
        if (found.tiles, found.bytes_read) != (level.tiles, level.bytes):
            raise CacheError(
                f"level {level.lod.level} changed while it was exported",
                where=plan.cache.location,
                found=f"{found.tiles} tiles of {found.bytes_read} bytes",
                expected=f"{level.tiles} of {level.bytes}",
            )
    return reports


def _warnings(plan: Plan, kind: Kind, levels: object) -> tuple[str, ...]:
    """Tell of levels that were asked for by name and hold nothing, of what can't be read, of what is only guessed."""
    empty = [f"level {level.lod.level} holds no tiles in the selection" for level in plan.levels if not level.tiles]
    reference = plan.cache.scheme.reference
    unknown = (
        f"the spatial reference (WKID {reference.wkid or 'none'}) can't be brought to degrees: the package states the "
        "whole world as its extent there"
    )
    guessed = kind.is_package and to_wgs84(reference) is None
    return (*(empty if levels is not None else ()), *plan.left_out, *((unknown,) if guessed else ()))
