"""What interrupted exports have left in a folder: hidden staging folders that no process uses any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptool.errors import OutputError, translate_os_errors
from gptool.export.journal_file import JOURNAL, read_lines
from gptool.export.left_parts import LeftParts
from gptool.output.staging_folder import LOCK, OLD, PREFIX, SUFFIX, UPLOAD, StagingFolder

NAMES = f"{PREFIX}*{SUFFIX}"


@dataclass(frozen=True)
class Leftover:
    """What an interrupted export has left.

    Attributes
    ----------
    path : Path
    output : str or None
        The name of the output, or its URL in a store; None if it is not known.
    bundles : int
        The finished bundles that the next run of the export could take over.
    size : int
        Bytes of all its files, with those of finished parts in the output.
    modified : float
        When it was changed last, seconds since the epoch.
    is_in_use : bool
        Whether a process uses it.
    """

    path: Path
    output: str | None
    bundles: int
    size: int
    modified: float
    is_in_use: bool

    def to_json(self, *, now: float, is_removed: bool) -> dict[str, Any]:
        """Return the leftover as JSON; its age is in seconds."""
        return {
            "path": str(self.path),
            "output": self.output,
            "bundles": self.bundles,
            "size": self.size,
            "age": round(max(now - self.modified, 0.0)),
            "inUse": self.is_in_use,
            "removed": is_removed,
        }


def list_leftovers(folder: Path) -> list[Leftover]:
    """Return the leftovers in a folder, not in those below it, in the order of their age.

    Raises
    ------
    OutputError
        If the folder cannot be listed.
    """
    if not folder.is_dir():
        raise OutputError("is not a folder", where=folder, expected="the folder of outputs")
    with translate_os_errors(folder):
        found = [path for path in folder.iterdir() if path.match(NAMES)]  # `glob` takes a folder for empty if it fails
        paths = [path for path in found if path.is_dir() and not path.is_symlink()]
        return sorted(map(_describe, paths), key=lambda leftover: leftover.modified)


def remove_leftover(leftover: Leftover, *, before: float) -> bool:
    """Remove a leftover, unless a process uses it or has changed it since; return whether it was removed.

    An old dataset in it, which an overwrite had moved aside, is put back first if there is no new one. Finished parts
    in the output are removed, unless the output is complete, and objects of an unfinished upload in the store.

    Parameters
    ----------
    leftover : Leftover
    before : float
        It is removed if it was changed last before this time, seconds since the epoch.

    Raises
    ------
    OutputError
        If it cannot be locked, the old dataset cannot be put back, or objects in a store cannot be removed; then it
        stays.
    """
    with translate_os_errors(leftover.path):
        staged = StagingFolder.open_left(leftover.path)
        if staged is None:
            return False
        try:
            if _modified(leftover.path) < before:
                _remove_parts(leftover.path)
                _withdraw_upload(leftover.path)
                staged.restore()
                staged.remove()
        finally:
            staged.release()
    return not leftover.path.exists()


def _remove_parts(path: Path) -> None:
    """Remove the finished parts that are in the output of a leftover."""
    parts = LeftParts.read(path)
    if parts is not None and parts.is_in_output:
        output = path.with_name(Path(parts.header["output"]).name)
        if not parts.is_complete(output):
            parts.remove(output)


def _withdraw_upload(path: Path) -> None:
    """Remove the objects of an unfinished upload from the store."""
    if (path / UPLOAD).exists():
        from gptool.output.unfinished_upload import withdraw_upload  # imports NumPy, which others do not need

        withdraw_upload(path)


def _describe(path: Path) -> Leftover:
    output, bundles = None, 0
    with suppress(OSError):
        for line in read_lines(path / JOURNAL):
            output = output or line.value.get("output")
            bundles += "unit" in line.value
    with suppress(OSError):
        output = output or next((entry.name for entry in (path / OLD).iterdir()), None)
    size = sum(state.st_size for state in _states(path))
    with suppress(OSError):
        if parts := LeftParts.read(path):
            bundles += sum(part["bundles"] for part in parts.finished.values())
            size += sum(part["entry"]["bytes"] for part in parts.finished.values()) if parts.is_in_output else 0
    modified = _modified(path) or path.stat().st_mtime
    return Leftover(path, output, bundles, size, modified, _is_in_use(path))


def _modified(path: Path) -> float:
    """Return when the last file of a leftover was changed, besides its lock; 0 if it has none."""
    return max((state.st_mtime for state in _states(path)), default=0.0)


def _states(path: Path) -> Iterator[os.stat_result]:
    """Yield the states of the files of a leftover, besides its lock."""
    for folder, _, names in os.walk(path):
        for name in names:
            if name != LOCK:
                with suppress(OSError):  # it is removed at this moment
                    yield Path(folder, name).lstat()


def _is_in_use(path: Path) -> bool:
    if not (path / LOCK).exists():  # of version 0.1.0, or on a file system without locks
        return False
    staged = StagingFolder.open_left(path)
    if staged is not None:
        staged.release()
    return staged is None
