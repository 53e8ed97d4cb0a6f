"""The search for the highest quality whose result fits a target size.

An estimate says where to start. Then the result is exported, and the sizes of the next steps up are counted on the way:
either the result fits and the next step would not, or the sizes that are known now correct the estimate.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace

from gptool.errors import TargetSizeError
from gptool.export.journal import Journal
from gptool.export.report import ExportResult
from gptool.export.run import count_size, run_export
from gptool.export.size_estimates import SizeEstimates
from gptool.export.target import TargetChoice, quality_ladder
from gptool.export.target_levels import target_size_error
from gptool.export.trial import SizeCount, Trial, TrialRejectedError
from gptool.export.unit import UnitRunner
from gptool.jpeg.recompression import Recompression
from gptool.model import Progress
from gptool.output.kind import OutputKind, collect_result_info
from gptool.plan import Plan

GUESSES = 8
"""Passes that start where the estimate says; further ones halve what is left."""

NEXT_STEPS = 2
"""Steps above a guess whose sizes are counted with it; the second only if the estimate says that it may fit."""


@dataclass(frozen=True)
class TargetRequest:
    """What a search is about.

    Attributes
    ----------
    plan : Plan
    kind : OutputKind
    base : Recompression
        That of the request, see `quality_ladder`.
    size : int
        The target, bytes.
    """

    plan: Plan
    kind: OutputKind
    base: Recompression
    size: int


def choose_by_estimate(request: TargetRequest, name: str, progress: Progress | None = None) -> TargetChoice:
    """Return the choice for a target size as an estimate says, without recompressing all tiles.

    Raises
    ------
    TargetSizeError
        If nothing fits, as far as the estimate can say.
    CacheError
        If the tiles of the sample cannot be read.
    """
    return _Search(request, name, progress).estimate()


def export_to_target(
    request: TargetRequest, journal: Journal, runner: UnitRunner, progress: Progress | None = None
) -> ExportResult:
    """Write the result with the highest quality that fits a target size; see `gptool.export.run.run_export`.

    Raises
    ------
    TargetSizeError
        If nothing fits.
    CacheError
        If the cache cannot be read, or changes meanwhile.
    OutputError
        If the result cannot be written.
    """
    search = _Search(request, journal.staging.target.stem, progress)

    def export(recompression: Recompression, trial: Trial) -> ExportResult:
        return run_export(request.plan, request.kind, recompression, journal, runner, progress, trial)

    def count(recompression: Recompression) -> SizeCount:
        return count_size(request.plan, recompression, runner, progress, journal)

    return search.run(export, count)


class _Search:
    """A search, which knows of some steps of the ladder whether they fit."""

    def __init__(self, request: TargetRequest, name: str, progress: Progress | None) -> None:
        plan, kind = request.plan, request.kind
        self._request, self._ladder = request, quality_ladder(request.base)
        self._info = collect_result_info(kind, plan, name, plan.cache.image.compression_quality)
        self._estimates = SizeEstimates(kind, self._info, progress)
        self._fits: dict[int, bool] = {}
        self._sizes: dict[int, int] = {}
        self._lowest: SizeCount | None = None
        self._passes = 0
        if not self._ladder[-1].is_requested:
            self._record(len(self._ladder) - 1, self._estimates.of(self._ladder[-1]).size)

    @property
    def _fitting(self) -> int:
        """The highest step that is known to fit; -1 if none is."""
        return max((step for step, fits in self._fits.items() if fits), default=-1)

    @property
    def _exceeding(self) -> int:
        """The lowest step above it that is known to exceed the target; the number of steps if none is."""
        known = (step for step, fits in self._fits.items() if not fits and step > self._fitting)
        return min(known, default=len(self._ladder))

    def estimate(self) -> TargetChoice:
        """Return the choice as the estimate says."""
        step = self._estimated_step()
        if step < 0 and self._estimates.of(self._ladder[0]).low > self._request.size:
            raise self._estimated_error()
        return self._choice(max(step, 0))

    def run(
        self, export: Callable[[Recompression, Trial], ExportResult], count: Callable[[Recompression], SizeCount]
    ) -> ExportResult:
        """Return the result, which `export` writes. `count` counts its size alone."""
        while self._exceeding > 0:
            step = self._next_step()
            if step < 0:
                if self._estimates.of(self._ladder[0]).least > self._request.size:
                    raise self._estimated_error()
                self._count_lowest(count)
                continue
            others = [self._ladder[other] for other in self._others(step)]
            trial = Trial(self._request.kind, self._info, self._ladder[step], others, self._request.size)
            self._passes += 1
            try:
                result = export(self._ladder[step], trial)
            except TrialRejectedError:
                self._learn(step, trial)
            else:
                self._learn(step, trial)
                choice = self._choice(step)
                return replace(result, target=choice, messages=(choice.message(result.size), *result.messages))
        if self._lowest is None:
            self._count_lowest(count)
        assert self._lowest is not None
        raise self._error(self._lowest, is_exact=True)

    def _next_step(self) -> int:
        """Return the step to export next; -1 if none is expected to fit."""
        fitting, exceeding = self._fitting, self._exceeding
        if exceeding - fitting == 1:
            return fitting
        return self._estimated_step() if self._passes < GUESSES else (fitting + exceeding) // 2

    def _estimated_step(self) -> int:
        """Return the highest step that fits, as far as is known or estimated."""
        steps = range(self._fitting + 1, self._exceeding)

        def size(step: int) -> int:
            return self._estimates.of(self._ladder[step]).size

        return self._fitting + bisect_right(steps, self._request.size, key=size)

    def _others(self, step: int) -> list[int]:
        """Return the steps above one that is exported whose sizes must be known before it can be the choice."""
        above = range(step + 1, min(step + 1 + NEXT_STEPS, self._exceeding))
        low = {other: self._estimates.of(self._ladder[other]).low for other in above[1:]}
        return [other for other in above if low.get(other, 0) <= self._request.size]

    def _learn(self, step: int, trial: Trial) -> None:
        """Take over what a trial has found out; it has no sizes if it was rejected before its end."""
        if not trial.sizes:
            self._fits[step] = False
            for recompression, count in trial.counts.items():
                self._estimates.learn_part(recompression, count)
        for recompression, size in trial.sizes.items():
            self._record(self._ladder.index(recompression), size)
            self._estimates.learn(recompression, trial.counts[recompression].levels)

    def _record(self, step: int, size: int) -> None:
        self._sizes[step], self._fits[step] = size, size <= self._request.size

    def _count_lowest(self, count: Callable[[Recompression], SizeCount]) -> None:
        self._passes += 1
        lowest, self._lowest = self._ladder[0], count(self._ladder[0])
        self._record(0, self._lowest.result_size(self._request.kind, self._info, lowest))
        self._estimates.learn(lowest, self._lowest.levels)

    def _choice(self, step: int) -> TargetChoice:
        above = self._ladder[step + 1] if step + 1 < len(self._ladder) else None
        return TargetChoice(self._request.size, self._ladder[step], above, self._sizes.get(step + 1), self._passes)

    def _estimated_error(self) -> TargetSizeError:
        lowest = self._ladder[0]
        estimate = self._estimates.of(lowest)
        return self._error(self._estimates.count(lowest), is_exact=estimate.low == estimate.high)

    def _error(self, lowest: SizeCount, *, is_exact: bool) -> TargetSizeError:
        request = self._request
        return target_size_error(request.size, request.kind, self._info, self._ladder[0], lowest, is_exact=is_exact)
