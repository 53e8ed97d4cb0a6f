"""Running a prepared export: units of work, then the result put together from their bundles."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from gptool.cache.compact import bundle_path
from gptool.errors import CacheError, translate_os_errors
from gptool.export.notices import tile_notices
from gptool.export.report import DamagedTile, ExportResult, LevelReport, expected_quality, stated_quality
from gptool.export.trial import SizeCount, Trial
from gptool.export.unit import Unit, UnitResult, UnitRunner
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import Recompression
from gptool.model import Lod, Progress
from gptool.output.bundle import UnwrittenBundle
from gptool.output.kind import OutputKind, ResultWriter, collect_result_info
from gptool.output.staging import Staging
from gptool.plan import BundlePlan, Plan
from gptool.text import format_count

EMPTY_FILE_REASON = "empty file, skipped"


def run_export(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    staging: Staging,
    runner: UnitRunner,
    progress: Progress | None = None,
    trial: Trial | None = None,
) -> ExportResult:
    """Write the result of a plan, which appears whole or not at all.

    Parameters
    ----------
    staging : Staging
        Where the result appears.
    runner : UnitRunner
        Runs the units of work.
    progress : Progress or None
        Called with the tiles that are exported.
    trial : Trial or None
        Gets the figures while they arise, and may reject the result.

    Raises
    ------
    TrialRejectedError
        If the trial rejects the result, of which nothing is left then.
    CacheError
        If the cache cannot be read, or changes meanwhile.
    OutputError
        If the result cannot be written.
    """
    target = staging.target
    with staging:
        # Before the work: errors of the thumbnail or the metadata should not be found after it.
        info = collect_result_info(kind, plan, target.stem, expected_quality(plan, recompression))
        staged = staging.folder / target.name
        with translate_os_errors(target):
            writer = kind.open_writer(staged, info, staging.folder)
        reports, planned = _initial_reports(plan), _bundles(plan)
        with writer:
            expected = (bundle for bundle, _ in planned)

            def take(result: UnitResult) -> None:
                _check_unchanged(plan, next(expected), result.report)
                reports[result.bundle.address.level].add(result.report)
                if trial:
                    trial.add(result)
                writer.add_bundle(result.bundle)

            with translate_os_errors(target):
                make_unit = partial(_make_unit, plan, recompression, kind, writer, runner)
                units = [
                    make_unit(lod, bundle)._replace(others=trial.others if trial else ()) for bundle, lod in planned
                ]
            runner.run_units(units, plan.tiles, progress, take, target)
            total = LevelReport.sum(reports.values())
            with translate_os_errors(target):
                size = writer.finish(replace(info, quality=stated_quality(plan, total, recompression)))
        if trial:
            trial.end(size)
        staging.commit(staged)
    return ExportResult(target, size, reports, tuple(tile_notices(total, recompression, is_chosen=trial is not None)))


def count_size(
    plan: Plan, recompression: Recompression, runner: UnitRunner, progress: Progress | None, target: Path
) -> SizeCount:
    """Recompress all tiles of a plan, write nothing, and return the figures.

    Parameters
    ----------
    target : Path
        The result that errors name.

    Raises
    ------
    CacheError
        If the cache cannot be read, or changes meanwhile.
    """
    count, planned = SizeCount(), _bundles(plan)
    expected = (bundle for bundle, _ in planned)

    def take(result: UnitResult) -> None:
        _check_unchanged(plan, next(expected), result.report)
        count.add(result.bundle.address, result.report)

    units = [
        Unit(plan.cache, plan.selection, lod, bundle.address, recompression, UnwrittenBundle, False, ())
        for bundle, lod in planned
    ]
    runner.run_units(units, plan.tiles, progress, take, target)
    return count


def _bundles(plan: Plan) -> list[tuple[BundlePlan, Lod]]:
    """Return the bundles of a plan in the order of their addresses."""
    return sorted((bundle, level.lod) for level in plan.levels for bundle in level.bundles)


def _make_unit(
    plan: Plan,
    recompression: Recompression,
    kind: OutputKind,
    writer: ResultWriter,
    runner: UnitRunner,
    lod: Lod,
    bundle: BundlePlan,
) -> Unit:
    return Unit(
        plan.cache,
        plan.selection,
        lod,
        bundle.address,
        recompression,
        kind.bundle_writer,
        kind.needs_checksums,
        writer.allocate(bundle, sizes_known=not (recompression.is_requested or runner.is_remote)),
    )


def _initial_reports(plan: Plan) -> dict[int, LevelReport]:
    """Return a report per level that the units' reports are added to; it lists the empty files that the plan found."""
    return {
        level.lod.level: LevelReport(
            tiles_damaged=level.empty,
            damaged=[DamagedTile(*tile, EMPTY_FILE_REASON, TileDamage.EMPTY_FILE) for tile in level.empty_listed],
        )
        for level in plan.levels
        if level.tiles or level.empty
    }


def _check_unchanged(plan: Plan, planned: BundlePlan, found: LevelReport) -> None:
    if (found.tiles, found.bytes_read) != (planned.tiles, planned.bytes):
        raise CacheError(
            f"{bundle_path(planned.address)} changed while it was exported",
            where=plan.cache.location,
            found=f"{format_count(found.tiles, 'tile')} of {found.bytes_read} bytes",
            expected=f"{format_count(planned.tiles, 'tile')} of {planned.bytes} bytes",
        )
