"""Running an export in parts: one export after the other, each of which appears whole or not at all."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gptool.errors import translate_os_errors
from gptool.export.file_digest import sha256_of
from gptool.export.fingerprint import export_fingerprint
from gptool.export.journal import open_journal
from gptool.export.left_parts import remove_leftover
from gptool.export.notices import resumption_notices, tile_notices
from gptool.export.parts import Parts, PlannedPart
from gptool.export.parts_journal import FinishedPart, PartsJournal
from gptool.export.report import ExportResult, LevelReport, TakenOver
from gptool.export.run import initial_reports, run_export
from gptool.export.trial import SizeCount, Trial, TrialRejectedError, overhead
from gptool.export.unit import UnitRunner
from gptool.export.unit_record import bundle_stamp
from gptool.model import Phase, Progress
from gptool.output.staging import Staging
from gptool.output.staging_folder import staging_path
from gptool.plan import Plan


def export_parts(
    parts: Parts, staging: Staging, runner: UnitRunner, progress: Progress | None = None, *, restart: bool = False
) -> ExportResult:
    """Write the parts of an export and, last, their manifest.

    Parameters
    ----------
    staging : Staging
        Where the folder of the parts appears; its context is entered.
    runner : UnitRunner
        Runs the units of work of each part.
    progress : Progress or None
        Called with the tiles of all parts that are exported.
    restart : bool
        Whether to discard the parts that an interrupted run has finished.

    Raises
    ------
    ParameterError
        If a single tile exceeds the limits of a part.
    CacheError
        If the cache cannot be read, or changes meanwhile.
    OutputError
        If the result cannot be written, or exists.
    """
    with translate_os_errors(staging.target):
        journal = PartsJournal(staging, _request_json(parts), restart=restart)
    with journal:
        return _PartsExport(parts, journal, runner, progress).run()


def _request_json(parts: Parts) -> dict[str, Any]:
    request = parts.request
    fingerprint = export_fingerprint(request.plan, request.kind, request.recompression, None, request.name)
    return {"fingerprint": fingerprint, "maxPartTiles": request.limits.tiles, "maxPartSize": request.limits.size}


@dataclass
class _PartsExport:
    """An export in parts that is running.

    Attributes
    ----------
    kept : int
        The parts that an earlier run has finished.
    taken_over : TakenOver
        What was taken over of other parts.
    tiles : int
        The tiles of the parts that are finished.
    shown : int
        The tiles that progress was shown of.
    total : int
        The tiles of all parts.
    """

    parts: Parts
    journal: PartsJournal
    runner: UnitRunner
    progress: Progress | None
    kept: int = 0
    taken_over: TakenOver = field(default_factory=TakenOver)
    tiles: int = 0
    shown: int = 0
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(part.plan.tiles for part in self.parts.planned)

    def run(self) -> ExportResult:
        """Write all parts and the manifest."""
        journal, target = self.journal, self.journal.staging.target
        if journal.is_in_place:
            return self._result(list(journal.finished.values()), is_in_place=True)
        done, waiting = list[FinishedPart](), deque(self.parts.planned)
        while waiting:
            part = waiting.popleft()
            finished = self._finish(part)
            if isinstance(finished, int):
                waiting.extendleft(reversed(self.parts.divide_further(part, finished)))
                self.total = self.tiles + sum(other.plan.tiles for other in waiting)
            else:
                done.append(finished)
                self.shown = self.tiles = self.tiles + part.plan.tiles
        result = self._result(done)
        with translate_os_errors(target):
            journal.finish(self.parts.manifest(result.parts).to_bytes())
        return result

    def _finish(self, part: PlannedPart) -> FinishedPart | int:
        """Return a part that is in its place, or its size as far as it is known if that is too large."""
        name = f"{part.name}{self.parts.request.kind.suffix}"
        target = self.journal.folder / name
        if part.key in self.journal.too_large:
            return self.journal.too_large[part.key]
        source = _source_digest(part.plan)
        with translate_os_errors(target):
            if found := self.journal.find(name, source, self._count_hashed):
                if staging_path(target).is_dir():
                    remove_leftover(staging_path(target))
                self.kept += 1
                return found._replace(resumed=_taken_over(part.plan))
        with (
            self.journal.unrecorded(name),
            Staging(target, is_folder=False, overwrite=False, resumable=True) as staging,
        ):
            exported = self._export(part, staging)
            with translate_os_errors(target):
                if isinstance(exported, int):
                    self.journal.reject(part.key, exported)
                    return exported
                entry = self.parts.entry(part, exported.size, sha256_of(target, self._count_hashed))
                self.taken_over = _sum((self.taken_over, exported.resumed))
                bundles = _taken_over(part.plan).bundles
                finished = FinishedPart(entry, source, bundles, exported.levels, exported.resumed)
                self.journal.add(finished)
        return finished

    def _export(self, part: PlannedPart, staging: Staging) -> ExportResult | int:
        """Return the result of a part, or its size as far as it is known if that is too large."""
        request, limit = self.parts.request, self.parts.request.limits.size
        plan, kind, recompression = part.plan, request.kind, request.recompression
        trial = None
        info = request.info(plan, part.name)
        if limit is not None and recompression.is_requested:
            trial = Trial(kind, info, recompression, (), limit)
        fingerprint = export_fingerprint(plan, kind, recompression, limit, part.name)
        with open_journal(staging, plan.cache, fingerprint, restart=False) as journal:
            try:
                return run_export(plan, kind, recompression, journal, self.runner, self._count_exported, trial)
            except TrialRejectedError:
                assert trial is not None, "only trials are rejected"
                assert limit is not None
                known = trial.sizes.get(recompression)
                found = known or overhead(kind, info) + _extrapolated(plan, trial.counts[recompression])
                return max(found, limit + 1)

    def _count_exported(self, phase: Phase, done: int, total: int, /) -> None:
        self.shown = self.tiles + done
        if self.progress:
            self.progress(phase, self.shown, self.total)

    def _count_hashed(self, _phase: Phase, _done: int, _total: int, /) -> None:
        """Show the same progress as before; it may stop the export."""
        if self.progress:
            self.progress(Phase.EXPORTING, self.shown, self.total)

    def _result(self, done: list[FinishedPart], *, is_in_place: bool = False) -> ExportResult:
        request, levels = self.parts.request, initial_reports(self.parts.request.plan)
        for part in done:
            for level, report in part.levels.items():
                levels.setdefault(level, LevelReport()).add(report)
        entries = tuple(part.entry for part in done)
        size = sum(entry.size for entry in entries) + len(self.parts.manifest(entries).to_bytes())
        notices = [
            *self.journal.messages,
            *resumption_notices(self.taken_over, self.taken_over.bundles, self.kept, is_in_place=is_in_place),
            *tile_notices(LevelReport.sum(levels.values()), request.recompression),
        ]
        resumed = _taken_over(request.plan) if is_in_place else _sum(part.resumed for part in done)
        return ExportResult(self.journal.staging.target, size, levels, tuple(notices), resumed=resumed, parts=entries)


def _taken_over(plan: Plan) -> TakenOver:
    """Return all bundles and tiles of a plan."""
    return TakenOver(sum(len(level.bundles) for level in plan.levels), plan.tiles)


def _sum(taken_over: Iterable[TakenOver]) -> TakenOver:
    return TakenOver(*map(sum, zip(TakenOver(), *taken_over, strict=True)))


def _source_digest(plan: Plan) -> str:
    """Return a digest of the state of a plan's bundles in the cache."""
    digest = hashlib.sha256()
    for level in plan.levels:
        for bundle in level.bundles:
            digest.update(repr((bundle.address, bundle_stamp(plan.cache, bundle.address))).encode())
    return digest.hexdigest()


def _extrapolated(plan: Plan, count: SizeCount) -> int:
    """Return the bytes of all tiles of a plan in the result, from those of some of its bundles."""
    read = sum(report.bytes_read for report in count.levels.values())
    return plan.bytes * count.bytes // max(read, 1)
