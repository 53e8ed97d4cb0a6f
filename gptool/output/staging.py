"""Results appear whole or not at all: they are staged in a hidden folder beside the target, then renamed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from gptool import system
from gptool.errors import OutputError, OutputExistsError, translate_os_errors
from gptool.model import Progress
from gptool.output.manifest import MANIFEST, listed_files
from gptool.output.result_staging import ResultStaging
from gptool.output.staging_folder import OLD, remove_entry, staging_path
from gptool.system.store_url import Location

DATASET_ENTRIES = {"conf.xml", "conf.cdi", "conf.properties", "_alllayers"}
"""The only entries of a folder that is replaced: a mistaken output name must not delete other files."""

TILE_FILE = re.compile(r"L[0-9]{2,}/R[0-9a-f]{4,}(C[0-9a-f]{4,}\.bundl(?:e|x)|/C[0-9a-f]{4,}\.\w+)", re.IGNORECASE)
"""A bundle, its index, or a single tile of an exploded cache, in the folder of tiles."""

OVERWRITE_OPTION = "the overwrite option"
"""How errors name it; callers put the name that their users write in its place."""

RESTART_OPTION = "the restart option"
"""How messages name the option that discards what an interrupted run has left, as `OVERWRITE_OPTION`."""

MAX_LISTED = 3
"""Other files that the error names."""


def with_option_names(text: str, *, overwrite: str, restart: str) -> str:
    """Return a message with the names of the options to overwrite and to restart that its reader uses."""
    return text.replace(OVERWRITE_OPTION, overwrite).replace(RESTART_OPTION, restart)


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
                raise exists_error(target)
            if is_folder:
                _check_only_result(target)
        if not target.parent.is_dir():
            raise OutputError("parent of the output is not a folder", where=target.parent)


def _check_only_result(folder: Path) -> None:
    """Raise an error if a folder holds anything but a dataset, or but parts with their manifest."""
    parts = {name for name, _ in listed_files(folder)}
    if parts:
        others = sorted(path.name for path in folder.iterdir() if path.name not in {MANIFEST, *parts})
    else:
        others = sorted(path.name for path in folder.iterdir() if path.name.lower() not in DATASET_ENTRIES)
        others += islice(_other_files(folder), max(MAX_LISTED - len(others), 0))
    if others:
        raise OutputExistsError(
            "cannot replace a folder that holds other files",
            where=folder,
            found=", ".join(others),
            expected="only the files of a cache raster dataset, or parts and their manifest",
        )


def _other_files(folder: Path) -> Iterator[str]:
    """Yield the paths of files in the folder of tiles that are no files of tiles."""
    for tiles in (path for path in folder.iterdir() if path.is_dir()):
        for place, _, names in os.walk(tiles):
            for name in names:
                path = Path(place, name)
                if not TILE_FILE.fullmatch(path.relative_to(tiles).as_posix()):
                    yield path.relative_to(folder).as_posix()


def exists_error(target: Location) -> OutputExistsError:
    """Return the error about an output that exists and must not be replaced."""
    return OutputExistsError("output already exists", where=target, expected=f"a new name, or {OVERWRITE_OPTION}")


@contextmanager
def created_folder(folder: Path) -> Iterator[None]:
    """Create a folder and its missing parents; remove those created if the body of the context raises.

    Raises
    ------
    OutputError
        If a folder cannot be created.
    """
    with translate_os_errors(folder):  # a folder above it may not be one that can be entered
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


class Staging(ResultStaging):
    """A context in which a result is staged in a hidden folder beside the target, and moved to it by `commit`.

    See `ResultStaging`. An error is raised, too, if the parent of the target is no folder.
    """

    target: Path

    @property
    def place(self) -> Path:
        """The target."""
        return self.target

    def check(self) -> None:
        """Raise OutputExistsError if the target exists and must not be replaced."""
        check_target(self.target, is_folder=self._is_folder, overwrite=self.overwrite)

    def has_result(self, stamp: list[int], staged: Path) -> bool:
        """Return True if the target is the result of this stamp, which was moved there."""
        try:
            return self.stamp(self.target) == stamp
        except OSError:
            return False

    def commit(self, staged: Path, progress: Progress | None = None) -> None:
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
            if self.overwrite and os.path.lexists(self.target):
                _flush_all(staged)
            if self._is_folder:
                self._replace_folder(staged)
            elif self.overwrite:
                system.replace(staged, self.target)
            else:
                _rename_to_new(staged, self.target)

    def _replace_folder(self, staged: Path) -> None:
        """Move a staged folder to the target; an old target goes to the staging folder, and back on failure."""
        self.check()
        if not self.target.exists():
            system.rename(staged, self.target)
            return
        old = self.folder / OLD / self.target.name
        system.remove_folder(old)  # of an earlier run
        old.parent.mkdir(exist_ok=True)
        try:
            system.rename(self.target, old)
            system.rename(staged, self.target)
        except BaseException:
            if old.exists() and not self.target.exists():
                self._keep = True  # an interrupt here must not delete the old target
                system.rename(old, self.target)
                self._keep = False
            raise


def remove_others(folder: Path, target: Path) -> None:
    """Remove what is in a folder besides a target and its staging folder."""
    for path in folder.iterdir():
        if path not in (target, staging_path(target)):
            remove_entry(path)


def _rename_to_new(staged: Path, target: Path) -> None:
    """Rename a file to a name that does not exist yet.

    A hard link is created first: unlike a rename, it never replaces a file that another process put there meanwhile.
    """
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise exists_error(target) from None
    except OSError:  # a file system without hard links
        check_target(target, is_folder=False, overwrite=False)
        system.replace(staged, target)


def _flush_all(path: Path) -> None:
    """Flush a file, or the content of a folder and then the folder itself, to the disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _flush_all(entry)
    system.flush(path)
