"""Running a prepared export: units of work, then the result put together from their bundles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gptool.cache.compact import bundle_path
from gptool.errors import CacheError, translate_os_errors
from gptool.export.journal import Journal
from gptool.export.notices import resumption_notices, tile_notices
from gptool.export.report import (
    DamagedTile,
    ExportResult,
    LevelReport,
    TakenOver,
    expected_quality,
    stated_quality,
)
from gptool.export.trial import SizeCount, Trial, TrialRejectedError
from gptool.export.unit import Unit, UnitRunner, UnitSink
from gptool.export.unit_record import FinishedUnit, UnitResult
from gptool.jpeg.damage import TileDamage
from gptool.jpeg.recompression import Recompression
from gptool.model import Lod, Message, Progress
from gptool.output.bundle import UnwrittenBundle, bundle_files
from gptool.output.kind import OutputKind, ResultWriter, collect_result_info
from gptool.plan import BundlePlan, Plan
from gptool.text import format_count

UNFINISHED: tuple[None, None] = None, None

EMPTY_FILE_REASON = "empty tile, skipped"


class MissingTilesError(Exception):
    """Raised if tiles that the index of a compact V1 bundle has turn out to have no bytes, so that they do not exist.

    The plan was made by the index (see `TileCache.by_index`): one whose sizes are read has other tiles.

    Attributes
    ----------
    is_in_place : bool
        Whether the target is the result of an earlier run of the export.
    """

    is_in_place = False


@dataclass
class _Export:
    """One pass over the tiles of a plan that writes a result, with the figures so far."""

    plan: Plan
    kind: OutputKind
    recompression: Recompression
    journal: Journal
    trial: Trial | None
    reports: dict[int, LevelReport]
    taken_over: TakenOver = field(default_factory=TakenOver)

    def __post_init__(self) -> None:
        self.pass_ = self.journal.start_pass(self.recompression, *self.others)
        self.target, self.place = self.journal.staging.target, self.journal.staging.place
        self.bundles = sorted(_bundles(self.plan), key=lambda item: self.kind.order(self.plan, item[0].address))
        self._expected = iter(self.bundles)

    @property
    def others(self) -> tuple[Recompression, ...]:
        return self.trial.others if self.trial else ()

    def take(self, result: UnitResult) -> None:
        """Add the figures of a bundle; the bundles come in their order."""
        _check_unchanged(self.plan, next(self._expected)[0], result.report)
        self.reports[result.bundle.address.level].add(result.report)
        if result.is_taken_over:
            self.taken_over = self.taken_over.add(result.report)
        if self.trial:
            self.trial.add(result)

    def repeat(self) -> ExportResult:
        """Return what an earlier run has found, from its records, or raise TrialRejectedError as it did."""
        end = self.pass_.end
        assert end is not None, "an earlier run has ended the pass"
        try:
            for bundle, _ in self.bundles:
                if bundle.address in self.pass_.finished:
                    self.take(self.pass_.read(bundle.address))
        except MissingTilesError as error:
            error.is_in_place = self.pass_.is_in_place
            raise
        if self.pass_.is_rejected and end["size"] is None:
            raise TrialRejectedError
        if self.trial:
            self.trial.end(end["size"])
        return self.result(end["size"], is_in_place=True)

    def write(self, runner: UnitRunner, progress: Progress | None) -> ExportResult:
        """Write the result, and put it in its place."""
        staging, folder, target = self.journal.staging, self.pass_.folder, self.target
        # Before the work: errors of the thumbnail or the metadata should not be found after it.
        info = collect_result_info(self.kind, self.plan, target.stem, expected_quality(self.plan, self.recompression))
        staged = folder / target.name
        with translate_os_errors(self.place):
            folder.mkdir(exist_ok=True)
            writer = self.kind.open_writer(staged, info, folder)
        with writer:

            def take(result: UnitResult) -> None:
                self.take(result)
                writer.add_bundle(result.bundle)

            with translate_os_errors(self.place):
                units = self._make_units(writer, runner)
            sink = UnitSink(self.pass_.add, take, progress, staging.folder, self.place)
            runner.run_units(units, self.plan.tiles, sink)
            quality = stated_quality(self.plan, LevelReport.sum(self.reports.values()), self.recompression)
            with translate_os_errors(self.place):
                size = writer.finish(replace(info, quality=quality))
        if self.trial:
            self.trial.end(size)
        with translate_os_errors(self.place):
            self.pass_.finish(size, staged)
        staging.commit(staged, progress)
        return self.result(size, writer.messages)

    def _make_units(self, writer: ResultWriter, runner: UnitRunner) -> list[Unit]:
        units, is_known = list[Unit](), True
        has_sizes = not self.recompression.is_requested and not self.plan.cache.is_by_index
        for bundle, lod in self.bundles:
            record, sizes = self.pass_.finished.get(bundle.address, UNFINISHED)
            if has_sizes:
                sizes = _planned_sizes(self.kind, bundle)
            elif is_known and record and self.pass_.has_changed(bundle.address):
                record = sizes = None  # its new size is not known
            # Sizes of bundles behind one that is not finished do not tell their places in the result.
            is_known = is_known and sizes is not None
            is_separate = runner.is_remote or not has_sizes
            regions = writer.allocate(bundle.address, sizes if is_known else None, separate=is_separate)
            finished = record and FinishedUnit(record, writer.places(bundle.address))
            units.append(
                Unit(
                    self.plan.cache,
                    self.plan.selection,
                    lod,
                    bundle.address,
                    self.recompression,
                    self.kind.bundle_writer,
                    regions,
                    self.others,
                    finished,
                )
            )
        return units

    def result(self, size: int, written: Iterable[Message] = (), *, is_in_place: bool = False) -> ExportResult:
        total, found = LevelReport.sum(self.reports.values()), len(self.pass_.finished)
        notices = [
            *self.journal.messages,
            *resumption_notices(self.taken_over, found, is_in_place=is_in_place),
            *tile_notices(total, self.recompression, is_chosen=self.trial is not None),
            *written,
        ]
        return ExportResult(self.target, size, self.reports, tuple(notices), resumed=self.taken_over)


def run_export(
    plan: Plan,
    kind: OutputKind,
    recompression: Recompression,
    journal: Journal,
    runner: UnitRunner,
    progress: Progress | None = None,
    trial: Trial | None = None,
) -> ExportResult:
    """Write the result of a plan, which appears whole or not at all.

    Parameters
    ----------
    journal : Journal
        What earlier runs have finished, and where the result appears.
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
    MissingTilesError
        If the plan was made by indexes, and does not have the tiles that exist.
    CacheError
        If the cache cannot be read, or changes meanwhile.
    OutputError
        If the result cannot be written.
    """
    export = _Export(plan, kind, recompression, journal, trial, initial_reports(plan))
    try:
        if export.pass_.is_rejected or export.pass_.is_in_place:
            return export.repeat()
        return export.write(runner, progress)
    except TrialRejectedError:
        with translate_os_errors(export.place):
            export.pass_.reject(trial.sizes.get(recompression) if trial else None)
        raise


def count_size(
    plan: Plan, recompression: Recompression, runner: UnitRunner, progress: Progress | None, journal: Journal
) -> SizeCount:
    """Recompress all tiles of a plan, write nothing, and return the figures.

    Parameters
    ----------
    journal : Journal
        What earlier runs have counted, and the result that errors name.

    Raises
    ------
    CacheError
        If the cache cannot be read, or changes meanwhile.
    """
    count, planned = SizeCount(), _bundles(plan)
    expected = (bundle for bundle, _ in planned)
    pass_ = journal.start_pass(recompression, writes=False)

    def take(result: UnitResult) -> None:
        _check_unchanged(plan, next(expected), result.report)
        count.add(result.bundle.address, result.report)

    units = []
    for bundle, lod in planned:
        record, _ = pass_.finished.get(bundle.address, UNFINISHED)
        finished = record and FinishedUnit(record, ())
        cache, selection = plan.cache, plan.selection
        units.append(Unit(cache, selection, lod, bundle.address, recompression, UnwrittenBundle, (), (), finished))
    sink = UnitSink(pass_.add, take, progress, journal.staging.folder, journal.staging.place)
    runner.run_units(units, plan.tiles, sink)
    return count


def _bundles(plan: Plan) -> list[tuple[BundlePlan, Lod]]:
    """Return the bundles of a plan in the order of their addresses."""
    return sorted((bundle, level.lod) for level in plan.levels for bundle in level.bundles)


def _planned_sizes(kind: OutputKind, bundle: BundlePlan) -> tuple[int, ...]:
    """Return the sizes of the files of a bundle whose tiles are copied, bytes."""
    return tuple(file.size for file in bundle_files(kind.bundle_writer, *bundle))


def initial_reports(plan: Plan) -> dict[int, LevelReport]:
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
    if plan.cache.is_by_index:  # its files are compared while they are read
        if found.tiles != planned.tiles:
            raise MissingTilesError
        return
    if (found.tiles, found.bytes_read) != (planned.tiles, planned.bytes):
        raise CacheError(
            f"{bundle_path(planned.address)} changed while it was exported",
            where=plan.cache.location,
            found=f"{format_count(found.tiles, 'tile')} of {found.bytes_read} bytes",
            expected=f"{format_count(planned.tiles, 'tile')} of {planned.bytes} bytes",
        )
