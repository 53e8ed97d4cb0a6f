"""The unit of work: one output bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from gptool.cache import ReadBuffer, TileBatch, TileCache
from gptool.export.report import LevelReport
from gptool.export.unit_record import FinishedUnit, UnitResult
from gptool.jpeg.recompression import BatchOutcomes, Recompression, recompress_tiles, split_batches
from gptool.model import BundleAddress, Lod, Phase, Progress
from gptool.output.bundle import BundleWriter, FileRegion, WrittenBundle
from gptool.request import Selection

A = TypeVar("A")
B = TypeVar("B")


class OrderedMap(Protocol):
    """A function like `map`: it applies a function to items, here or on other threads, and yields results in order."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterable[B]:
        """Apply the function to each item."""
        ...


class Unit(NamedTuple):
    """One unit of work: all that `run_unit` needs to write one output bundle. It pickles.

    Attributes
    ----------
    writer : type of BundleWriter
        With which the bundle is written.
    regions : tuple of FileRegion
        Where the bundle's files are written.
    others : tuple of Recompression
        Other recompressions of the same tiles, whose results are counted but not written.
    finished : FinishedUnit or None
        What an earlier run has left of the unit, if it has finished it.
    """

    cache: TileCache
    selection: Selection
    lod: Lod
    address: BundleAddress
    recompression: Recompression
    writer: type[BundleWriter]
    regions: tuple[FileRegion, ...]
    others: tuple[Recompression, ...] = ()
    finished: FinishedUnit | None = None


class UnitSink(NamedTuple):
    """Where the results of units go.

    Attributes
    ----------
    record : callable
        Called with each result as soon as its unit is finished, in any thread.
    take : callable
        Called with the results in the order of the units, in the thread that runs them.
    progress : Progress or None
        Called in that thread.
    folder : Path
        A folder for files of the run, beside the result.
    target : Path
        The result that errors of the operating system are reported for.
    """

    record: Callable[[UnitResult], None]
    take: Callable[[UnitResult], None]
    progress: Progress | None
    folder: Path
    target: Path


class UnitRunner(Protocol):
    """Where units of work run: on threads, or on an executor."""

    @property
    def is_remote(self) -> bool:
        """Whether units write files of their own, which are whole, rather than parts of the result."""

    def run_units(self, units: list[Unit], total: int, sink: UnitSink) -> None:
        """Run units of work. The first failure, an interrupt, or an exception of the sink stops them all.

        Parameters
        ----------
        units : list of Unit
        total : int
            The tiles of all units.
        sink : UnitSink
        """


class _Recompressed(NamedTuple):
    """A batch of tiles after a recompression."""

    tiles: TileBatch
    outcomes: BatchOutcomes


def run_unit(unit: Unit, progress: Progress | None = None, ordered_map: OrderedMap = map) -> UnitResult:
    """Write one output bundle, or take over what an earlier run has written.

    Parameters
    ----------
    unit : Unit
    progress : Progress or None
        Called after each batch with the unit's tiles that are done.
    ordered_map : OrderedMap
        Applies the recompression to the batches.

    Raises
    ------
    CacheError
        If the bundle cannot be read.
    OSError
        If it cannot be written.
    """
    if unit.finished and (result := unit.finished.take_over(unit.cache, unit.address)):
        if progress:
            progress(Phase.EXPORTING, result.report.tiles, result.report.tiles)
        return result
    report, others = LevelReport(), tuple(LevelReport() for _ in unit.others)
    writer = unit.writer(unit.address, unit.regions)
    wanted = unit.selection.selected(unit.lod, unit.address)
    with unit.cache.open_bundle(unit.address, wanted) as bundle, writer:
        positions = bundle.present(wanted)
        batches: Iterable[TileBatch]
        if unit.recompression.is_requested:
            batches = split_batches(bundle.batches(positions), unit.recompression)
        else:
            batches, ordered_map = bundle.batches(positions, read_buffer()), map
        recompressions = unit.recompression, *unit.others
        for batch, outputs in ordered_map(partial(_recompress, recompressions), batches):
            writer.append(outputs[0].tiles)
            for figures, output in zip((report, *others), outputs, strict=True):
                figures.add_batch(unit.address, batch, *output)
            if progress:
                progress(Phase.EXPORTING, report.tiles, len(positions))
    return UnitResult(WrittenBundle(unit.address, writer.files), report, others, bundle.stamp)


_of_thread = threading.local()


def read_buffer() -> ReadBuffer:
    """Return this thread's read buffer: a new one for each unit would fragment the memory of the process."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = ReadBuffer()
    buffer: ReadBuffer = _of_thread.buffer
    return buffer


def _recompress(recompressions: tuple[Recompression, ...], batch: TileBatch) -> tuple[TileBatch, list[_Recompressed]]:
    return batch, [_Recompressed(*recompress_tiles(batch, recompression)) for recompression in recompressions]
