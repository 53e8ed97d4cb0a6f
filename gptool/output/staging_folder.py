"""The hidden folder in which a result is staged, beside its target: its name, its lock, and an old target in it.

The name follows from that of the target, so that the next run finds what an interrupted one has left. A lock keeps two
runs for one target apart; the system releases it when a process ends, however it ends.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Self

from gptool import system
from gptool.errors import OutputError
from gptool.system.store_url import Location, StoreUrl

PREFIX, SUFFIX = ".gptool-", ".part"
"""Of the names of staging folders, by which those that a killed process has left can be recognised."""

LOCK, OLD = "lock", "old"
"""Names in a staging folder: the lock file, and the folder of the old target while a new one is put in its place."""

UPLOAD = "upload.json"
"""The file in the staging folder that says which objects an upload may have put into a store."""

DIGITS = 16
"""Hexadecimal digits of the name of a staging folder."""

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of file systems that have no locks."""

LOCK_SECONDS, RETRY_SECONDS = 0.3, 0.05
"""How long a locked folder is waited for: `gptool clean` holds a lock for a moment."""

MAX_ATTEMPTS = 100
"""How often a folder is made again that another run removes at the same time."""


def staging_path(target: Location) -> Path:
    """Return the path of the staging folder of a target; that of a URL is in the folder of temporary files."""
    if isinstance(target, StoreUrl):
        folder, name = Path(tempfile.gettempdir()), str(target).encode()
    else:
        folder, name = target.parent, os.fsencode(os.path.normcase(target.name))
    return folder / f"{PREFIX}{hashlib.sha256(name).hexdigest()[:DIGITS]}{SUFFIX}"


def remove_entry(path: Path) -> None:
    """Remove a file, or a folder and what it contains, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        system.remove_folder(path)
    else:
        path.unlink(missing_ok=True)


class StagingFolder:
    """A staging folder that this process has locked.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: Path, lock: int | None) -> None:
        self.path, self._lock = path, lock

    @classmethod
    def open(cls, target: Location) -> Self:
        """Make the staging folder of a target, unless there is one, and lock it.

        On a file system without locks, and if the folder belongs to another user, it is a new folder of another name:
        nothing is found that an earlier run has left.

        Raises
        ------
        OutputError
            If another run has locked it.
        OSError
            If it cannot be made.
        """
        path = staging_path(target)
        for _ in range(MAX_ATTEMPTS):
            path.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):  # another run has just removed it
                if system.is_own(path) and (found := cls._locked(path)):
                    return found
                break
        with suppress(OSError):
            path.rmdir()
        return cls(Path(tempfile.mkdtemp(prefix=PREFIX, suffix=SUFFIX, dir=path.parent)), None)

    @classmethod
    def _locked(cls, path: Path) -> Self | None:
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            while (lock := system.lock_file(path / LOCK)) is None and time.monotonic() < deadline:
                time.sleep(RETRY_SECONDS)
        except OSError as error:
            if error.errno in NO_LOCKS:
                (path / LOCK).unlink(missing_ok=True)
                return None
            raise
        if lock is None:
            raise OutputError("is in use by another run", where=path, expected="one run for an output at a time")
        return cls(path, lock)

    @classmethod
    def open_left(cls, path: Path) -> Self | None:
        """Lock a staging folder that was left behind. Return None if it is in use, or no longer there.

        Raises
        ------
        OSError
            If it cannot be locked.
        """
        try:
            return cls._locked(path)
        except (OutputError, FileNotFoundError):
            return None

    def restore(self, target: Path | None = None) -> None:
        """Move an old target back, unless a new one was put in its place.

        Parameters
        ----------
        target : Path or None
            By default, the path that the old target had.

        Raises
        ------
        OSError
            If it cannot be moved.
        """
        folder = self.path / OLD
        for old in folder.iterdir() if folder.is_dir() else ():
            place = target or self.path.with_name(old.name)
            if not os.path.lexists(place):
                system.rename(old, place)

    def clear(self, keep: Collection[str] = (), *, files_first: bool = False) -> None:
        """Remove all but the lock and entries of these names, as far as possible.

        By default, files go last: they say what is in the folders.
        """
        entries = [entry for entry in self.path.iterdir() if entry.name != LOCK and entry.name not in keep]
        folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
        files = [*set(entries).difference(folders)]
        for entry in (*files, *folders) if files_first else (*folders, *files):
            remove_entry(entry)

    def remove(self, *, files_first: bool = False) -> None:
        """Remove the folder and release the lock, as far as possible; see `clear`."""
        with suppress(OSError):
            self.clear(files_first=files_first)
        if self._lock is not None:
            # Last: while it is there, no other run can begin in the folder.
            system.remove_lock(self._lock, self.path / LOCK)
            self._lock = None
        with suppress(OSError):
            self.path.rmdir()

    def release(self) -> None:
        """Release the lock; the folder stays."""
        if self._lock is not None:
            system.release_lock(self._lock)
            self._lock = None
