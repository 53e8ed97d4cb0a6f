"""The export of a cache that was made of others, into a place that is checked before the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gptool.cache import TileCache
from gptool.display.progress_bar import as_progress
from gptool.export.calls import created_parent, make_staging
from gptool.export.prepare import check_separate, prepare
from gptool.export.report import ExportResult
from gptool.export.runners import unit_runner
from gptool.export.unit import UnitRunner
from gptool.model import Progress
from gptool.output.kind import OutputKind
from gptool.output.registry import TILE_PACKAGES
from gptool.output.result_staging import ResultStaging
from gptool.request import read_request
from gptool.request.limits import read_workers
from gptool.request.values import read_boolean
from gptool.system.store_url import Location


@dataclass(frozen=True)
class Target:
    """A place for a result.

    Attributes
    ----------
    staging : ResultStaging
    kind : OutputKind
    runner : UnitRunner
    workers : int
        Threads.
    restart : bool
        Whether what an interrupted run has left is discarded.
    progress : Progress or None
    """

    staging: ResultStaging
    kind: OutputKind
    runner: UnitRunner
    workers: int
    restart: bool
    progress: Progress | None

    def export(self, cache: TileCache, kind: OutputKind | None = None) -> ExportResult:
        """Export all tiles of a cache as they are. The result has the notices of the plan, too.

        Raises
        ------
        CacheError
            If the cache cannot be read.
        OutputError
            If the result cannot be written.
        """
        path = self.staging.target
        request = replace(read_request({}), tile_package=self.kind in TILE_PACKAGES.values())
        prepared = prepare(
            cache,
            request,
            kind=kind or self.kind,
            target=path,
            name=path.name,
            is_export=True,
            progress=self.progress,
        )
        with self.staging:
            result = prepared.export(self.staging, self.runner, self.progress, restart=self.restart)
        return replace(result, messages=(*prepared.notices, *result.messages))


@contextmanager
def open_target(
    path: Location,
    kind: OutputKind,
    sources: Mapping[str, TileCache],
    *,
    overwrite: bool = False,
    restart: bool = False,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> Iterator[Target]:
    """Check the place of a result, and make the folders above it, which are removed on failure.

    Parameters
    ----------
    path : Path or StoreUrl
    kind : OutputKind
    sources : mapping of str to TileCache
        The caches that are read, which the result must not replace, by what an error says of a result that would.
    overwrite, restart, workers, progress
        As of `gptool.export.calls.run_call`.

    Raises
    ------
    ParameterError
        If a value is invalid, or the place is that of a source.
    OutputError
        If the result exists, or cannot be written.
    """
    replaces, restarts = read_boolean(overwrite, "overwrite"), read_boolean(restart, "restart")
    for relation, source in sources.items():
        check_separate(path, source, relation)
    with unit_runner(workers) as runner, created_parent(path):
        staging = make_staging(path, is_folder=not kind.is_file, overwrite=replaces)
        with as_progress(progress) as report:
            yield Target(staging, kind, runner, read_workers(workers), restarts, report)
