"""The journal of an export in parts: which parts are finished, and which turned out too large.

It is in the staging folder beside the output, as that of any export. The parts themselves appear in the output one by
one; if they replace another result, in a folder that takes its place at the end.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, Self

from gptool import system
from gptool.errors import OutputExistsError, notes
from gptool.export.file_digest import sha256_of
from gptool.export.journal import is_interruption
from gptool.export.journal_file import END, JOURNAL, JournalFile, read_lines
from gptool.export.report import LevelReport, TakenOver
from gptool.export.unit_record import decode_report, encode_report
from gptool.model import Message, Progress
from gptool.output.manifest import MANIFEST, ManifestEntry
from gptool.output.staging import RESTART_OPTION, Staging
from gptool.output.staging_folder import PREFIX, SUFFIX, StagingFolder

FORMAT = 1
"""The version of the format of journals."""

NEW = "parts"
"""The folder in the staging folder with parts that replace another result."""

KEPT = f"Finished parts are kept in the output: the same export goes on with them, or anew with {RESTART_OPTION}."
"""The note of an interruption."""

DISCARDED = (
    "Parts that an interrupted run had finished were discarded: the request, the cache or the version of gptool has "
    "changed since"
)


class FinishedPart(NamedTuple):
    """A part that is in its place.

    Attributes
    ----------
    entry : ManifestEntry
    source : str
        A digest of the state of its bundles in the cache.
    levels : dict of int to LevelReport
        Its figures by level ID.
    resumed : TakenOver
        The bundles that were taken over from a run that was interrupted.
    """

    entry: ManifestEntry
    source: str
    levels: dict[int, LevelReport]
    resumed: TakenOver = TakenOver()

    def to_json(self) -> dict[str, Any]:
        """Return the part as JSON."""
        levels = {str(level): encode_report(report) for level, report in self.levels.items()}
        return {"entry": self.entry.to_json(), "source": self.source, "levels": levels}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FinishedPart:
        """Return the part that `to_json` has returned as JSON."""
        levels = {int(level): decode_report(report) for level, report in values["levels"].items()}
        return cls(ManifestEntry.from_json(values["entry"]), values["source"], levels)


class PartsJournal:
    """The journal of an export in parts that is running. A context manager, within the context of its staging.

    Attributes
    ----------
    folder : Path
        Where the parts appear.
    finished : dict of str to FinishedPart
        By the name of the file.
    too_large : dict of str to int
        The sizes, as far as they are known, of parts that turned out too large.
    messages : list of Message

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
        self.finished: dict[str, FinishedPart] = {}
        self.too_large: dict[str, int] = {}
        self._end: str | None = None
        header, end = self._read()
        own = {"format": FORMAT, "output": staging.target.name, "parts": request}
        if header is not None and (restart or {**header, "replaces": None} != {**own, "replaces": None}):
            self._discard(header, restart=restart)
            header, end = None, 0
        if header is None:
            header = {**own, "replaces": _has_entries(staging.target)}
            if header["replaces"]:
                staging.check()
        self.replaces = bool(header["replaces"])
        self.folder = staging.folder / NEW / staging.target.name if self.replaces else staging.target
        staging.clear(keep=(JOURNAL, NEW) if end else ())
        self._file = JournalFile(staging.folder / JOURNAL, end)
        if not end:
            self._file.append(header)
        self._is_new_folder = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)

    def _read(self) -> tuple[dict[str, Any] | None, int]:
        """Read what an earlier run has left; return the header and the end of the valid lines."""
        header, end = None, 0
        for value, offset, length in read_lines(self.staging.folder / JOURNAL):
            if header is None:
                header = value
            elif "part" in value:
                part = FinishedPart.from_json(value["part"])
                self.finished[part.entry.name] = part
            elif "tooLarge" in value:
                self.too_large[value["tooLarge"]] = value["needed"]
            elif "end" in value:
                self._end = value["end"]
            end = offset + length + len(END)
        return header, end

    def _discard(self, header: dict[str, Any], *, restart: bool) -> None:
        """Remove the parts that an earlier run has left; they are of another request unless `restart`."""
        is_in_output, target = header.get("replaces") is False, self.staging.target
        if is_in_output and self.finished and not (restart or self.staging.overwrite):
            self.staging.keep()
            raise OutputExistsError(
                "output holds parts of an interrupted export of another request",
                where=target,
                expected=f"a new name, or {RESTART_OPTION}",
            )
        if self.finished and not restart:
            self.messages.append(Message("Warning", DISCARDED))
        if is_in_output:
            self._remove_parts(target)
        self.finished, self.too_large, self._end = {}, {}, None

    def _remove_parts(self, folder: Path) -> None:
        """Remove the finished parts, what is left of unfinished ones, and the folder if nothing else is in it."""
        for name, part in self.finished.items():
            path = folder / name
            if path.is_file() and path.stat().st_size == part.entry.size:
                path.unlink()
        for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
            remove_leftover(path)
        if self._end is not None:
            (folder / MANIFEST).unlink(missing_ok=True)
        if folder.is_dir() and not _has_entries(folder):
            folder.rmdir()

    @property
    def is_in_place(self) -> bool:
        """Whether the target is the result of an earlier run."""
        path = self.staging.target / MANIFEST
        return self._end is not None and path.is_file() and _digest(path.read_bytes()) == self._end

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

    def add(self, part: FinishedPart) -> None:
        """Record a part that is in its place. Raises OSError if it cannot be recorded."""
        self._file.append({"part": part.to_json()})
        self.finished[part.entry.name] = part

    def reject(self, name: str, needed: int) -> None:
        """Record that a part turned out too large. Raises as `add`."""
        self._file.append({"tooLarge": name, "needed": needed})
        self.too_large[name] = needed

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
        self._file.append({"end": _digest(manifest)})
        self._end = _digest(manifest)
        system.replace(staged, self.folder / MANIFEST)
        if self.replaces:
            self.staging.commit(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        """Close the journal. An interruption keeps what is finished; after any other error, nothing is left."""
        self._file.close()
        if error is None:
            return
        if is_interruption(error) and (self.finished or notes(error)):
            self.staging.keep()
            error.__notes__ = [KEPT]
        elif not self.replaces:
            self._remove_parts(self.folder)


def remove_leftover(path: Path) -> None:
    """Remove a staging folder that an interrupted run has left, unless another one uses it."""
    staged = StagingFolder.open_left(path)
    if staged is not None:
        staged.remove()


def _has_entries(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
