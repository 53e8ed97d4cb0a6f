"""The operation, once: everything that is known before a byte is copied, then the estimate or the export."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gptool.cache import TileCache, as_tile_cache
from gptool.errors import ParameterError
from gptool.export.estimate import Estimate, estimate_plan
from gptool.export.fingerprint import export_fingerprint
from gptool.export.journal import open_journal
from gptool.export.notices import plan_notices
from gptool.export.parts import Parts, PartsRequest, check_parts_kind, part_limits
from gptool.export.parts_run import export_parts
from gptool.export.report import ExportResult
from gptool.export.run import MissingTilesError, run_export
from gptool.export.target_search import TargetRequest, choose_by_estimate, export_to_target
from gptool.export.unit import UnitRunner
from gptool.jpeg.recompression import Recompression
from gptool.model import Message, Progress
from gptool.output.kind import OutputKind
from gptool.output.registry import kind_for_request
from gptool.output.result_staging import ResultStaging
from gptool.output.staging import Staging
from gptool.plan import Plan, make_plan, read_sizes
from gptool.plan.limit import check_count
from gptool.png.optimisation import require_oxipng
from gptool.request import Request
from gptool.system.store_url import AnyLocation, Location, StoreUrl

SIZES_READ = (
    "Tiles that the indexes of compact V1 bundles list have no bytes: the sizes of all tiles were read, and the export "
    "was begun again with those that exist"
)
"""The message of an export that could not do without reading sizes beforehand."""

MAX_COUNTED = 2
"""Multiple of the limit up to which tiles that an index lists are read, to see whether they exist: so a refusal takes
no longer than a few exports that are allowed."""


@dataclass(frozen=True, slots=True)
class PreparedExport:
    """An export that is planned and checked.

    Attributes
    ----------
    plan : Plan
        The tiles and bytes that the request takes of the cache.
    kind : OutputKind
        The kind of result.
    recompression : Recompression
        What is done to JPEG and PNG tiles.
    notices : tuple of Message
        What users should know before the work.
    target_size : int or None
        Bytes that the result must not exceed; `recompression` has no quality then, which is still to be chosen.
    parts : Parts or None
        The parts that the result is divided into, if there are parts.
    """

    plan: Plan
    kind: OutputKind
    recompression: Recompression
    notices: tuple[Message, ...]
    target_size: int | None = None
    parts: Parts | None = None

    def estimate(self, progress: Progress | None = None, *, name: str | None = None) -> Estimate:
        """Return how many bytes the result will have, with the estimate's own notices. Nothing is written.

        Parameters
        ----------
        name : str or None
            The name of the result, without suffix, which its metadata state; by default that of the cache. Parts are
            prepared with their name.
        progress : Progress or None
            Called with the tiles of the sample that are recompressed.

        Raises
        ------
        CacheError
            If the tiles of the sample cannot be read.
        TargetSizeError
            If nothing fits the target size, as far as the estimate can say.
        """
        if self.parts is not None:
            return self.parts.estimate()
        name, target = name or self.plan.cache.name, self._target()
        if target is None:
            return estimate_plan(self.plan, self.kind, self.recompression, name, progress)
        choice = choose_by_estimate(target, name, progress)
        estimate = estimate_plan(self.plan, self.kind, choice.recompression, name, progress)
        return replace(estimate, target=choice, messages=(choice.message(estimate.total_size),))

    def export(
        self, staging: ResultStaging, runner: UnitRunner, progress: Progress | None = None, *, restart: bool = False
    ) -> ExportResult:
        """Write the result, and return it with its own notices.

        See `gptool.export.run.run_export`, for a target size `gptool.export.target_search.export_to_target`, and for
        parts `gptool.export.parts_run.export_parts`.

        Parameters
        ----------
        staging : ResultStaging
            Where the result appears; its context is entered. If it is resumable, what an earlier run of the same
            export has finished is taken over.
        runner : UnitRunner
        progress : Progress or None
        restart : bool
            Whether to discard what an earlier run has left.
        """
        if self.parts is not None:
            assert isinstance(staging, Staging), "parts are not written to stores"
            return export_parts(self.parts, staging, runner, progress, restart=restart)
        name = staging.target.stem
        fingerprint = export_fingerprint(self.plan, self.kind, self.recompression, self.target_size, name)
        try:
            return self._export(fingerprint, staging, runner, progress, restart=restart)
        except MissingTilesError as error:
            sized, restart = replace(self, plan=read_sizes(self.plan, progress)), not error.is_in_place
            result = sized._export(fingerprint, staging, runner, progress, restart=restart)
            return replace(result, messages=(Message("Informative", SIZES_READ), *result.messages))

    def _export(
        self,
        fingerprint: str,
        staging: ResultStaging,
        runner: UnitRunner,
        progress: Progress | None,
        *,
        restart: bool,
    ) -> ExportResult:
        """Write the result, not divided into parts."""
        target = self._target()
        with open_journal(staging, self.plan.cache, fingerprint, restart=restart) as journal:
            if target is not None:
                return export_to_target(target, journal, runner, progress)
            return run_export(self.plan, self.kind, self.recompression, journal, runner, progress)

    def _target(self) -> TargetRequest | None:
        if self.target_size is None:
            return None
        return TargetRequest(self.plan, self.kind, self.recompression, self.target_size)


def prepare(
    cache: TileCache | AnyLocation,
    request: Request,
    *,
    kind: OutputKind | None = None,
    target: Location | None = None,
    name: str | None = None,
    limit: int | None = None,
    service: str | None = None,
    is_export: bool = False,
    progress: Progress | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> PreparedExport:
    """Plan and check an export.

    Parameters
    ----------
    cache : TileCache or path
    request : Request
    kind : OutputKind or None
        The kind of result; by default the one that the request asks for.
    target : Path, StoreUrl or None
        Where the result will appear, if it is written.
    name : str or None
        The name with which those of parts begin; by default that of the cache.
    limit : int or None
        The maximum number of tiles of the result, or of each of its parts.
    service : str or None
        The service that the limit belongs to; by default the cache's name is shown.
    is_export : bool
        Whether all tiles will be read: sizes that stand before them in a store need not be read beforehand then, and
        are bounds in the plan. See `TileCache.by_index`.
    progress : Progress or None
        Called with the tiles that are counted.
    on_plan : callable or None
        Called with the plan before it is checked.

    Raises
    ------
    ParameterError
        If the request does not fit the cache, selects no tile, or the target is a part of the cache; or if the kind of
        result cannot hold the tiles or be written for a target size; or if PNG tiles are to be optimised and the
        package for that is not installed; or if a part cannot be as small as requested.
    TooManyTilesError
        If the request selects more tiles than the limit.
    CacheError
        If the cache cannot be read.
    """
    if request.optimize_png:
        require_oxipng()
    limits, tile_cache = part_limits(request, limit), as_tile_cache(cache)
    if is_export and limits is None and request.target_size is None:
        tile_cache = tile_cache.by_index()
    plan = make_plan(tile_cache, request, progress)
    if plan.cache.is_by_index and limit is not None and limit < plan.tiles <= MAX_COUNTED * limit:
        plan = read_sizes(plan, progress)
    if on_plan:
        on_plan(plan)
    kind = kind or kind_for_request(request.storage, tile_package=request.tile_package)
    check_target_size(kind, request)
    kind.check(plan)
    if limits is None or limit == 0:
        check_count(plan, limit, service, progress)
    if target is not None:
        check_separate(target, plan.cache)
    quality = request.quality if request.optimize else None
    recompression = Recompression.for_cache(
        plan.cache.image,
        quality=quality,
        tables=request.tables,
        optimize=request.optimize,
        optimize_png=request.optimize_png,
    )
    notices = plan_notices(plan, kind, recompression, request)
    parts = None
    if limits is not None:
        check_parts_kind(request, kind)
        parts = Parts(PartsRequest(plan, kind, recompression, limits, name or plan.cache.name), progress)
        notices.append(Message("Informative", f"The result is divided into {parts.text}"))
    return PreparedExport(plan, kind, recompression, tuple(notices), request.target_size, parts)


def check_target_size(kind: OutputKind, request: Request) -> None:
    """Reject a target size for a kind of result whose size is not known before it is written."""
    if request.target_size is not None and not kind.has_exact_size:
        raise ParameterError(
            f"the size of a {kind.description} is only known when it is written",
            where="targetSize",
            expected="a tile package or the name of a folder as output, or a compressionQuality",
        )


def check_separate(target: Location, cache: TileCache, relation: str = "is the cache or a part of it") -> None:
    """Reject a target that would replace the cache or lie among its tiles, with `relation` as what the error says."""
    if isinstance(cache.location, StoreUrl) != isinstance(target, StoreUrl):
        return
    paths = (str(cache.location), str(cache.files.where(cache.tiles_folder)), str(target))
    # Not Path.resolve: a cycle of symbolic links makes it raise.
    texts = paths if isinstance(target, StoreUrl) else map(os.path.realpath, paths)
    source, tiles, place = map(Path, texts)
    if source.is_relative_to(place) or tiles.is_relative_to(place) or place.is_relative_to(tiles):
        raise ParameterError(f"the output {relation}", where=target, expected="another location")
