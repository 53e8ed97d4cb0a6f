"""What a worker of an executor does: units of work, from a description that is in a file."""

from __future__ import annotations

import pickle
import secrets
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from gptool import __version__, system
from gptool.cache import TileCache
from gptool.errors import ExportCancelledError, GptoolError, OutputError
from gptool.export.unit import Unit, run_unit
from gptool.export.unit_record import FinishedUnit, UnitResult
from gptool.jpeg.recompression import Recompression
from gptool.model import BundleAddress, Lod
from gptool.output.bundle import BundleWriter, FileRegion
from gptool.request import Selection

DESCRIPTION = "description"
"""The file of the description in the folder that workers see."""

CHECK_SECONDS = 1.0
"""How often a worker looks whether it is to go on."""

KEPT_DESCRIPTIONS = 4


class Description(NamedTuple):
    """What all units of a run have in common; see `gptool.export.unit.Unit`.

    Attributes
    ----------
    version : str
        The version of gptool.
    """

    version: str
    cache: TileCache
    selection: Selection
    recompression: Recompression
    writer: type[BundleWriter]
    others: tuple[Recompression, ...]

    @classmethod
    def of(cls, unit: Unit, version: str) -> Self:
        """Return the description of the units that are like one of them."""
        shared = unit.cache, unit.selection, unit.recompression, unit.writer, unit.others
        return cls(version, *shared)


class Assignment(NamedTuple):
    """What is a unit's own."""

    lod: Lod
    address: BundleAddress
    regions: tuple[FileRegion, ...]
    finished: FinishedUnit | None = None


def run_assignments(folder: Path, assignments: Sequence[Assignment]) -> list[UnitResult]:
    """Run units of work, and return their results.

    A unit writes to files in `folder`, which then get the names of its regions: a unit that runs twice, since its
    worker was believed lost, does no harm.

    Parameters
    ----------
    folder : Path
        Holds the description; nothing more is done when that is gone.
    assignments : sequence of Assignment
        The regions are whole files.

    Raises
    ------
    CacheError
        If a bundle cannot be read.
    OutputError
        If this worker does not see the folder, or has another version of gptool.
    OSError
        If a bundle cannot be written.
    """
    description = _read_description(folder / DESCRIPTION)
    check = _Check(folder / DESCRIPTION)
    return [_run(folder, description, assignment, check) for assignment in assignments]


@lru_cache(KEPT_DESCRIPTIONS)
def _read_description(path: Path) -> Description:
    try:
        found = pickle.loads(path.read_bytes())
    except OSError as error:
        raise OutputError(
            f"cannot be read by the worker on {socket.gethostname()}: {error.strerror}",
            where=path,
            expected="a folder of the output that all workers share under the same path",
        ) from error
    description: Description = found
    if description.version != __version__:
        raise GptoolError(
            f"the worker on {socket.gethostname()} has another version of gptool",
            where="executor",
            found=__version__,
            expected=description.version,
        )
    return description


def _run(folder: Path, description: Description, assignment: Assignment, check: _Check) -> UnitResult:
    check()
    token = secrets.token_hex(8)
    regions = tuple(FileRegion(folder / f"{token}-{i}", 0) for i in range(len(assignment.regions)))
    unit = Unit(
        description.cache,
        description.selection,
        assignment.lod,
        assignment.address,
        description.recompression,
        description.writer,
        regions,
        description.others,
        assignment.finished,
    )
    result = run_unit(unit, check)
    if result.is_taken_over:
        return result
    final = dict(zip(regions, assignment.regions, strict=True))
    for written, wanted in final.items():
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        system.replace(written.path, wanted.path)
    files = tuple(file._replace(region=final[file.region]) for file in result.bundle.files)
    return result._replace(bundle=result.bundle._replace(files=files))


class _Check:
    """Raises ExportCancelledError, also as the progress of a unit, when a file is gone."""

    def __init__(self, path: Path) -> None:
        self._path, self._next = path, 0.0

    def __call__(self, *_progress: object) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + CHECK_SECONDS
            if not self._path.exists():
                raise ExportCancelledError("the export was stopped")
