"""The journal of an export: which units of work are finished, beside the files that they have written.

The first line is the fingerprint of the export. Then there is a line for each finished unit of each pass over the
tiles: an export has one pass, the search for a target size one for each recompression that it tries. Files of a pass
are in a folder of their own: what late workers of another run may write never gets into a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gptool import system
from gptool.cache import TileCache
from gptool.errors import (
    CacheError,
    CacheUnavailableError,
    ExecutorError,
    ExportInterruptedError,
    OutputExistsError,
    translate_os_errors,
)
from gptool.export.fingerprint import pass_key
from gptool.export.journal_file import END, JOURNAL, JournalFile, read_lines
from gptool.export.left_parts import LeftParts
from gptool.export.unit_record import RecordPlace, UnitResult, bundle_stamp, encode_result
from gptool.jpeg.recompression import Recompression
from gptool.model import BundleAddress, Message
from gptool.output.result_staging import ResultStaging
from gptool.output.staging import RESTART_OPTION, Staging
from gptool.system.store_url import Location, StoreUrl

FORMAT = 1
"""The version of the format of journals."""

KEPT = "Finished bundles are kept {place}: the same export goes on with them, or anew with {option}."
"""The note of an interruption."""

DISCARDED = (
    "Bundles that an interrupted run had finished were discarded: the request, the cache or the version of gptool has "
    "changed since"
)


@dataclass
class Pass:
    """One pass over the tiles of an export, as far as it is in the journal.

    Attributes
    ----------
    folder : Path
        For the files that are written.
    finished : dict of BundleAddress to (RecordPlace, tuple of int)
        The records of the units that earlier runs have finished, with the sizes of their files, bytes.
    end : dict or None
        How an earlier run ended the pass: `size`, the bytes of the result or None, and `stamp`, that of the result
        (see `Staging.stamp`), or None if the result was rejected. It counts only as long as the bundles are those that
        were read then.
    """

    journal: Journal
    key: str
    folder: Path
    finished: dict[BundleAddress, tuple[RecordPlace, tuple[int, ...]]] = field(default_factory=dict)
    end: dict[str, Any] | None = None

    @cached_property
    def is_rejected(self) -> bool:
        """Whether an earlier run has rejected the result."""
        return self.end is not None and self.end["stamp"] is None and not self._has_changed()

    @cached_property
    def is_in_place(self) -> bool:
        """Whether the target is the result of the pass: an earlier run ended when it had been put there."""
        stamp: list[int] | None = self.end["stamp"] if self.end else None
        if stamp is None:
            return False
        staging = self.journal.staging
        return staging.has_result(stamp, self.folder / staging.target.name) and not self._has_changed()

    def _has_changed(self) -> bool:
        return any(map(self.has_changed, self.finished))

    def has_changed(self, address: BundleAddress) -> bool:
        """Return True if a bundle has changed in the cache since an earlier run has finished its unit."""
        return bundle_stamp(self.journal.cache, address) != self.read(address).stamp

    def read(self, address: BundleAddress) -> UnitResult:
        """Return the record of a unit that an earlier run has finished."""
        return self.finished[address][0].read(address)

    def add(self, result: UnitResult) -> None:
        """Add the record of a finished unit, in any thread.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not result.is_taken_over:
            self.journal.append({"pass": self.key, "unit": result.bundle.address, **encode_result(result)})
            self.journal.has_units = True

    def finish(self, size: int, staged: Path) -> None:
        """Record that the result is complete and about to be put in its place. Raises as `add`."""
        self.journal.append({"pass": self.key, "end": {"size": size, "stamp": self.journal.staging.stamp(staged)}})

    def reject(self, size: int | None) -> None:
        """Record that the result is not wanted, and remove its files. Raises as `add`.

        Parameters
        ----------
        size : int or None
            Its bytes; None if it is not complete.
        """
        if not self.is_rejected:
            self.journal.append({"pass": self.key, "end": {"size": size, "stamp": None}})
        system.remove_folder(self.folder)


class Journal:
    """The journal of an export that is running. It is used within the context of its staging.

    Attributes
    ----------
    staging : ResultStaging
    cache : TileCache
    messages : list of Message
        What was found when it was opened.
    has_units : bool
        Whether it has finished units, of earlier runs or this one.

    Parameters
    ----------
    staging : ResultStaging
    cache : TileCache
        The cache that is read.
    fingerprint : str
        See `gptool.export.fingerprint.export_fingerprint`.
    restart : bool
        Whether to discard what earlier runs have left.

    Raises
    ------
    OutputExistsError
        If the output holds parts of an interrupted export.
    OSError
        If the journal cannot be read or written.
    """

    def __init__(self, staging: ResultStaging, cache: TileCache, fingerprint: str, *, restart: bool) -> None:
        self.staging, self.cache, self.messages = staging, cache, list[Message]()
        self._passes: dict[str, Pass] = {}
        header = {"format": FORMAT, "output": output_name(staging.target), "fingerprint": fingerprint}
        parts = LeftParts.read(staging.folder)
        if parts is not None and isinstance(staging, Staging):
            self.messages = parts.discard(staging, restart=restart)
        end = 0 if restart or parts is not None else self._read(header)
        self.has_units = any(each.finished for each in self._passes.values())
        # Also what a run on other machines has left: they stop when its description is gone.
        staging.clear(keep=(JOURNAL, *self._passes) if end else ())
        self._file = JournalFile(staging.folder / JOURNAL, end)
        if not end:
            self.append(header)

    @property
    def has_result_in_place(self) -> bool:
        """Whether the target is the result of an earlier run of the same export."""
        return any(each.is_in_place for each in self._passes.values())

    def _read(self, header: dict[str, Any]) -> int:
        """Read what earlier runs have left; return the end of the valid lines, 0 if it is of another export."""
        path, end = self.staging.folder / JOURNAL, 0
        for value, offset, length in read_lines(path):
            if end == 0:
                is_own = value == header
            elif not is_own:
                self.messages.append(Message("Warning", DISCARDED))
                return 0
            elif "end" in value:
                self._pass(value["pass"]).end = value["end"]
            else:
                found = self._pass(value["pass"])
                sizes = tuple(size for _, size, _ in value["files"])
                found.finished[BundleAddress(*value["unit"])] = RecordPlace(path, offset, length), sizes
            end = offset + length + len(END)
        return end if end and is_own else 0

    def _pass(self, key: str) -> Pass:
        if key not in self._passes:
            self._passes[key] = Pass(self, key, self.staging.folder / key)
        return self._passes[key]

    def start_pass(self, *recompressions: Recompression, writes: bool = True) -> Pass:
        """Return a pass: as earlier runs have left it, or a new one.

        Parameters
        ----------
        recompressions : Recompression
            The one whose bundles are written, and those whose results are counted.
        writes : bool
            Whether bundles are written at all.
        """
        return self._pass(pass_key(*recompressions, writes=writes))

    def append(self, value: dict[str, Any]) -> None:
        """Append a line. Raises OSError if it cannot be written."""
        self._file.append(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        """Close the journal. An interruption keeps what is finished, and gets a note on how to go on."""
        self._file.close()
        if error is not None and self.has_units and is_interruption(error):
            self.staging.keep()
            error.add_note(KEPT.format(place=self.staging.kept_place, option=RESTART_OPTION))


def output_name(target: Location) -> str:
    """Return how journals name an output: the URL, or the name beside the staging folder."""
    return str(target) if isinstance(target, StoreUrl) else target.name


def is_interruption(error: BaseException) -> bool:
    """Return True for what may be over when the export is started again, such as a full disk."""
    if isinstance(error, OutputExistsError | CacheError):
        return isinstance(error, CacheUnavailableError)
    return isinstance(error, KeyboardInterrupt | SystemExit | OSError | ExecutorError | ExportInterruptedError)


@contextmanager
def open_journal(staging: ResultStaging, cache: TileCache, fingerprint: str, *, restart: bool) -> Iterator[Journal]:
    """Open the journal of an export in the context of its staging; see `Journal`.

    Raises
    ------
    OutputError
        If it cannot be read or written.
    OutputExistsError
        If the target exists, must not be replaced, and is not the result of an earlier run of the same export; or if
        it holds parts of an interrupted export.
    """
    with translate_os_errors(staging.place):
        journal = Journal(staging, cache, fingerprint, restart=restart)
    with journal:
        if not journal.has_result_in_place:
            staging.check()
        yield journal
