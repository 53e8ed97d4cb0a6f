"""Results appear whole or not at all: they are staged in a hidden folder beside the target, then renamed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from gptool import system
from gptool.errors import OutputError, OutputExistsError, translate_os_errors

PREFIX, SUFFIX = ".gptool-", ".part"
"""Of the names of staging folders, so that those left behind by a crash of the machine can be recognised."""

DATASET_ENTRIES = {"conf.xml", "conf.cdi", "conf.properties", "_alllayers"}
"""The only entries of a folder that is replaced: a mistaken output name must not delete other files."""

TILE_FILE = re.compile(r"L[0-9]{2,}/R[0-9a-f]{4,}(C[0-9a-f]{4,}\.bundl(?:e|x)|/C[0-9a-f]{4,}\.\w+)", re.IGNORECASE)
"""A bundle, its index, or a single tile of an exploded cache, in the folder of tiles."""

OVERWRITE_OPTION = "the overwrite option"
"""How errors name it; callers put the name that their users write in its place."""

MAX_LISTED = 3
"""Other files that the error names."""


def check_target(target: Path, *, is_folder: bool, overwrite: bool) -> None:
    """Raise an error early, before any work, if a file or folder cannot be put at the target.

    Parameters
    ----------
    target : Path
    is_folder : bool
        True if a folder is to be put there, False if a file is.
    overwrite : bool
        Whether the target may be replaced if it exists.

    Raises
    ------
    OutputExistsError
        If the target exists and must not be replaced.
    OutputError
        If the parent of the target is no folder.
    """
    with translate_os_errors(target):
        if os.path.lexists(target):
            if target.is_dir() != is_folder:
                what = "cannot replace a file with a folder" if is_folder else "cannot replace a folder with a file"
                raise OutputExistsError(what, where=target)
            if not overwrite:
                raise _exists_error(target)
            if is_folder:
                _check_only_dataset(target)
        if not target.parent.is_dir():
            raise OutputError("parent of the output is not a folder", where=target.parent)


def _check_only_dataset(folder: Path) -> None:
    others = sorted(path.name for path in folder.iterdir() if path.name.lower() not in DATASET_ENTRIES)
    others += islice(_other_files(folder), max(MAX_LISTED - len(others), 0))
    if others:
        raise OutputExistsError(
            "cannot replace a folder that holds other files",
            where=folder,
            found=", ".join(others),
            expected="only the files of a cache raster dataset",
        )


def _other_files(folder: Path) -> Iterator[str]:
    """Yield the paths of files in the folder of tiles that are no files of tiles."""
    for tiles in (path for path in folder.iterdir() if path.is_dir()):
        for place, _, names in os.walk(tiles):
            for name in names:
                path = Path(place, name)
                if not TILE_FILE.fullmatch(path.relative_to(tiles).as_posix()):
                    yield path.relative_to(folder).as_posix()


def _exists_error(target: Path) -> OutputExistsError:
    return OutputExistsError("output already exists", where=target, expected=f"a new name, or {OVERWRITE_OPTION}")


@contextmanager
def created_folder(folder: Path) -> Iterator[None]:
    """Create a folder and its missing parents; remove those created if the body of the context raises.

    Raises
    ------
    OutputError
        If a folder cannot be created.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    file = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise OutputError("is not a folder, and so cannot hold the output", where=file)
    try:
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # others may have put files there meanwhile
                path.rmdir()
        raise


class Staging:
    """A hidden folder beside the target, removed with all that was not committed when the context is left.

    Parameters
    ----------
    target : Path
    is_folder : bool
        True if a folder is to be put at the target, False if a file is.
    overwrite : bool
        Whether the target may be replaced if it exists.

    Attributes
    ----------
    target : Path
        Where the result appears.
    folder : Path
        The staging folder; set when the context is entered.

    Raises
    ------
    OutputExistsError
        If the target exists and must not be replaced.
    OutputError
        If the parent of the target is no folder, or the staging folder cannot be created.
    """

    folder: Path

    def __init__(self, target: Path, *, is_folder: bool, overwrite: bool) -> None:
        check_target(target, is_folder=is_folder, overwrite=overwrite)
        self.target, self._is_folder, self._overwrite = target, is_folder, overwrite
        self._keep = False

    def __enter__(self) -> Self:
        with translate_os_errors(self.target):
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=SUFFIX, dir=self.target.parent))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._keep:
            return
        try:
            system.remove_folder(self.folder)
        except BaseException:  # a second interrupt
            system.remove_folder(self.folder)
            raise

    def commit(self, staged: Path) -> None:
        """Move a staged file or folder to the target.

        What replaces another file is flushed to the disk first. Otherwise nothing is flushed: the system does so within
        about half a minute, as for files that `cp` wrote, and waiting for it takes longer than the rest of a copy.

        Raises
        ------
        OutputExistsError
            If the target appeared meanwhile.
        OutputError
            If the target cannot be written.
        """
        with translate_os_errors(self.target):
            if self._overwrite and os.path.lexists(self.target):
                _flush_all(staged)
            if self._is_folder:
                self._replace_folder(staged)
            elif self._overwrite:
                system.replace(staged, self.target)
            else:
                _rename_to_new(staged, self.target)

    def _replace_folder(self, staged: Path) -> None:
        """Move a staged folder to the target; an old target goes to the staging folder, and back on failure."""
        check_target(self.target, is_folder=True, overwrite=self._overwrite)
        if not self.target.exists():
            system.rename(staged, self.target)
            return
        old = Path(tempfile.mkdtemp(dir=self.folder)) / "old"
        try:
            system.rename(self.target, old)
            system.rename(staged, self.target)
        except BaseException:
            if old.exists() and not self.target.exists():
                self._keep = True  # an interrupt here must not delete the old target
                system.rename(old, self.target)
                self._keep = False
            raise


def _rename_to_new(staged: Path, target: Path) -> None:
    """Rename a file to a name that does not exist yet.

    A hard link is created first: unlike a rename, it never replaces a file that another process put there meanwhile.
    """
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise _exists_error(target) from None
    except OSError:  # a file system without hard links
        check_target(target, is_folder=False, overwrite=False)
        system.replace(staged, target)


def _flush_all(path: Path) -> None:
    """Flush a file, or the content of a folder and then the folder itself, to the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _flush_all(entry)
    system.flush(path)
