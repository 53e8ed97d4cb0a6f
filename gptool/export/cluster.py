"""Units of work on an executor, such as the workers of a Dask cluster.

Only addresses and records pass through the executor: the cache, the selection and the recompression are in a file
beside the output, which each worker reads once. The file is also the sign to go on: workers stop when it is gone.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gptool import __version__
from gptool.errors import ExecutorError, GptoolError, translate_os_errors
from gptool.export.cluster_worker import DESCRIPTION, Assignment, Description, run_assignments
from gptool.export.unit import Unit, UnitSink
from gptool.export.unit_record import UnitResult
from gptool.model import PACKET_TILES, Phase

PREFIX = "units-"
"""Of the names of folders that workers see."""

POLL_SECONDS = 0.2

TASKS_PER_SLOT, RESULTS_PER_SLOT = 2, 64
"""Tasks that wait or run per slot, so that no worker waits for the next one, and tasks whose results are not taken."""

MAX_TASK_UNITS, MIN_TASKS_PER_SLOT = 64, 8
"""Small units are passed on together, but so that each slot has some tasks: they take different times."""

STOP_SECONDS = 30
"""How long tasks may take to notice that they are to stop."""

GroupResults = Future[list[UnitResult]]


@dataclass(frozen=True)
class Cluster:
    """Runs units of work on an executor.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Its workers must see the cache and the folder of the output under the same paths, and have this version of
        gptool.
    slots : callable
        Returns how many tasks run at once. It is called again and again: a cluster may grow.
    parameter : str
        The parameter that errors name.
    """

    executor: Executor
    slots: Callable[[], int]
    parameter: str = "executor"

    @property
    def is_remote(self) -> bool:
        """Whether units write files of their own: others may write to the same file from another machine."""
        return True

    def run_units(self, units: list[Unit], total: int, sink: UnitSink) -> None:
        """Run units of work; see `UnitRunner.run_units`."""
        if not units:
            return
        with _folder(units[0], sink) as folder:
            pending: deque[GroupResults] = deque()
            try:
                self._run(folder, units, total, sink, pending)
            except BaseException:
                _stop(folder, pending)
                raise

    def _run(self, folder: Path, units: list[Unit], total: int, sink: UnitSink, pending: deque[GroupResults]) -> None:
        groups, done, recorded = _groups(units, total, self.slots()), 0, set[GroupResults]()
        while True:
            slots = max(self.slots(), 1)
            unfinished = sum(not future.done() for future in pending)
            capacity = min(TASKS_PER_SLOT * slots - unfinished, RESULTS_PER_SLOT * slots - len(pending))
            for group in islice(groups, max(capacity, 0)):
                pending.append(self._submit(folder, group))
            if not pending:
                return
            wait([future for future in pending if not future.done()], POLL_SECONDS, FIRST_COMPLETED)
            with translate_os_errors(sink.target):
                for future in pending:
                    if future.done() and future not in recorded:
                        for result in self._result(future):
                            sink.record(result)
                        recorded.add(future)
                while pending and pending[0] in recorded:
                    future = pending.popleft()
                    recorded.remove(future)
                    for result in future.result():
                        sink.take(result)
                        done += result.report.tiles
            if sink.progress:
                sink.progress(Phase.EXPORTING, done, total)

    def _submit(self, folder: Path, units: Sequence[Unit]) -> GroupResults:
        assignments = [Assignment(unit.lod, unit.address, unit.regions, unit.finished) for unit in units]
        try:
            return self.executor.submit(run_assignments, folder, assignments)
        except RuntimeError as error:  # also of an executor that is shut down or broken
            raise self._error(error) from error

    def _result(self, future: GroupResults) -> list[UnitResult]:
        try:
            return future.result()
        except (GptoolError, OSError):
            raise
        except CancelledError as error:  # without a text
            raise ExecutorError("its tasks were cancelled, or its scheduler was lost", where=self.parameter) from error
        except Exception as error:  # of the executor: a lost worker, or what the worker lacks
            raise self._error(error) from error

    def _error(self, error: Exception) -> ExecutorError:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return ExecutorError(f"a task failed: {text}", where=self.parameter)


def _groups(units: list[Unit], total: int, slots: int) -> Iterator[list[Unit]]:
    """Yield the units of each task: as many as have the tiles of a full bundle, if they are alike."""
    by_tiles, by_slots = PACKET_TILES * len(units) // max(total, 1), len(units) // (MIN_TASKS_PER_SLOT * max(slots, 1))
    size = max(min(by_tiles, by_slots, MAX_TASK_UNITS), 1)
    return (units[first : first + size] for first in range(0, len(units), size))


@contextmanager
def _folder(unit: Unit, sink: UnitSink) -> Iterator[Path]:
    """Create the folder that workers see, with the description of what all units have in common; remove it afterwards.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    with translate_os_errors(sink.target):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=sink.folder))
    try:
        with translate_os_errors(sink.target):
            (folder / DESCRIPTION).write_bytes(pickle.dumps(Description.of(unit, __version__)))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(folder: Path, pending: deque[GroupResults]) -> None:
    """Tell the workers to stop, and wait until no task runs: the files that they write are about to be removed.

    Tasks are not cancelled at first: those of Dask go on unnoticed then.
    """
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for future in wait(pending, STOP_SECONDS).not_done:
        future.cancel()
