"""The journal of an export in parts: which parts are finished, and which turned out too large.

It is in the staging folder beside the output, as that of any export. The parts themselves appear in the output one by
one; if they replace another result, in a folder that takes its place at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from gptool import system
from gptool.errors import notes
from gptool.export.file_digest import sha256_of
from gptool.export.journal import is_interruption
from gptool.export.journal_file import JOURNAL, JournalFile
from gptool.export.left_parts import LeftParts, has_entries
from gptool.export.report import LevelReport, TakenOver
from gptool.export.unit_record import decode_report, encode_report
from gptool.model import Message, Progress
from gptool.output.manifest import MANIFEST, ManifestEntry
from gptool.output.staging import RESTART_OPTION, Staging
from gptool.output.staging_folder import staging_path

FORMAT = 1
"""The version of the format of journals."""

NEW = "parts"
"""The folder in the staging folder with parts that replace another result."""

KEPT = f"Finished parts are kept: the same export goes on with them, or anew with {RESTART_OPTION}."
"""The note of an interruption."""

COMPLETE = "The result is complete."
"""The note of an interruption that came too late."""


class FinishedPart(NamedTuple):
    """A part that is in its place.

    Attributes
    ----------
    entry : ManifestEntry
    source : str
        A digest of the state of its bundles in the cache.
    bundles : int
    levels : dict of int to LevelReport
        Its figures by level ID.
    resumed : TakenOver
        The bundles that were taken over from a run that was interrupted.
    """

    entry: ManifestEntry
    source: str
    bundles: int
    levels: dict[int, LevelReport]
    resumed: TakenOver = TakenOver()

    def to_json(self) -> dict[str, Any]:
        """Return the part as JSON."""
        levels = {str(level): encode_report(report) for level, report in self.levels.items()}
        return {"entry": self.entry.to_json(), "source": self.source, "bundles": self.bundles, "levels": levels}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FinishedPart:
        """Return the part that `to_json` has returned as JSON."""
        levels = {int(level): decode_report(report) for level, report in values["levels"].items()}
        return cls(ManifestEntry.from_json(values["entry"]), values["source"], values["bundles"], levels)


class PartsJournal:
    """The journal of an export in parts that is running. A context manager, within the context of its staging.

    Attributes
    ----------
    folder : Path
        Where the parts appear.
    finished : dict of str to FinishedPart
        The parts that are in their places, by the name of the file.
    messages : list of Message
        What was found when it was opened.

    Parameters
    ----------
    staging : Staging
    request : dict
        What the export must have in common with an interrupted one to go on with it, as JSON.
    restart : bool
        Whether to discard what earlier runs have left.

    Raises
    ------
    OutputExistsError
        If the output exists and must not be replaced, and is not of an earlier run of the same export.
    OSError
        If the journal cannot be read or written.
    """

    def __init__(self, staging: Staging, request: dict[str, Any], *, restart: bool) -> None:
        self.staging, self.messages = staging, list[Message]()
        own = {"format": FORMAT, "output": staging.target.name, "parts": request}
        left = LeftParts.read(staging.folder)
        if left is not None and (restart or {**left.header, "replaces": None} != {**own, "replaces": None}):
            self.messages = left.discard(staging, restart=restart)
            left = None
        if left is None:
            left = LeftParts({**own, "replaces": has_entries(staging.target)})
            if not left.is_in_output:
                staging.check()
        self._left = left
        self.finished = {name: FinishedPart.from_json(part) for name, part in left.finished.items()}
        self.folder = staging.target if left.is_in_output else staging.folder / NEW / staging.target.name
        staging.clear(keep=(JOURNAL, NEW) if left.end else ())
        self._file = JournalFile(staging.folder / JOURNAL, left.end)
        if not left.end:
            self._file.append(left.header)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def too_large(self) -> dict[str, int]:
        """The sizes, as far as they are known, of parts that turned out too large."""
        return self._left.too_large

    @property
    def is_in_place(self) -> bool:
        """Whether the target is the result of an earlier run."""
        return self._left.is_complete(self.staging.target)

    def find(self, name: str, source: str, progress: Progress | None) -> FinishedPart | None:
        """Return a part that an earlier run has finished; None if it has not, or the file or the cache has changed.

        A file that has changed is removed.

        Raises
        ------
        OSError
            If the file cannot be read or removed.
        """
        part, path = self.finished.pop(name, None), self.folder / name
        if part is None:
            return None
        is_current = path.is_file() and part.source == source and path.stat().st_size == part.entry.size
        if is_current and sha256_of(path, progress) == part.entry.sha256:
            self.finished[name] = part
            return part
        path.unlink(missing_ok=True)
        return None

    @contextmanager
    def unrecorded(self, name: str) -> Iterator[None]:
        """Remove the file of a part if the context ends by an exception between its appearance and its record.

        If its own staging folder is still there, the next run finds out what the file is.
        """
        path = self.folder / name
        try:
            yield
        except BaseException:
            if name not in self.finished and not staging_path(path).is_dir():
                path.unlink(missing_ok=True)
            raise

    def add(self, part: FinishedPart) -> None:
        """Record a part that is in its place. Raises OSError if it cannot be recorded."""
        name, value = part.entry.name, part.to_json()
        self._file.append({"part": value})
        self.finished[name], self._left.finished[name] = part, value

    def reject(self, key: str, needed: int) -> None:
        """Record that the part of a key turned out too large. Raises as `add`."""
        self._file.append({"tooLarge": key, "needed": needed})
        self.too_large[key] = needed

    def finish(self, manifest: bytes) -> None:
        """Put the manifest in its place, and the folder if it replaces another result.

        Raises
        ------
        OutputError
            If another result cannot be replaced.
        OSError
            If the manifest cannot be written.
        """
        staged = self.staging.folder / MANIFEST
        staged.write_bytes(manifest)
        self._left.manifest = _digest(manifest)
        self._file.append({"end": self._left.manifest})
        system.replace(staged, self.folder / MANIFEST)
        if not self._left.is_in_output:
            self.staging.commit(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        """Close the journal. An interruption keeps what is finished; after any other error, nothing is left."""
        self._file.close()
        if error is None:
            return
        if is_interruption(error) and self.is_in_place:
            error.__notes__ = [COMPLETE]
        elif is_interruption(error) and (self.finished or notes(error)):
            self.staging.keep()
            error.__notes__ = [KEPT]
        elif self._left.is_in_output:
            self._left.remove(self.folder)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
