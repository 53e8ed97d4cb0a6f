"""Results appear whole or not at all: made in a folder beside the target, renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gptool.errors import OutputError, OutputExistsError, translate_os_errors

PREFIX = ".gptool-"
"""How the names of staging folders start, in case a machine stops and leaves one behind."""


DATASET = {"conf.xml", "conf.cdi", "conf.properties", "_alllayers"}
"""What may be in a folder that is replaced: nobody's files go because of a wrong name."""


def check_target(target: Path, *, is_folder: bool, overwrite: bool) -> None:
    """Tell early, before any work, whether a file, or a folder, can go there.

    Raises
    ------
    OutputExistsError
        When there is something that is not to be overwritten, or must not be.
    OutputError
        When there is no folder to put the result in.
    """
    with translate_os_errors(target):
        if os.path.lexists(target):
            if target.is_dir() != is_folder:
                raise OutputExistsError(
                    "can't replace a file by a folder" if is_folder else "can't replace a folder by a file",
                    where=target,
                )
            if not overwrite:
                raise _exists(target)
            others = (
                sorted(path.name for path in target.iterdir() if path.name.lower() not in DATASET) if is_folder else []
            )
            if others:
                raise OutputExistsError(
                    "can't replace a folder that holds other things", where=target, found=", ".join(others),
                    expected="a cache raster dataset and nothing else",
                )  # fmt: skip
        if not target.parent.is_dir():
            raise OutputError("no folder to put the result in", where=target.parent)


def _exists(target: Path) -> OutputExistsError:
    return OutputExistsError("exists already", where=target, expected="a new name, or leave to overwrite it")


@contextmanager
def created_folder(folder: Path) -> Iterator[None]:
    """Make a folder that is not there; it goes again when what is done within fails.

    Raises
    ------
    OutputError
        When it can't be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # others may have found it useful meanwhile
                path.rmdir()
        raise


class Staging:
    """A hidden folder beside the target; it goes when the context is left, with all that was not committed."""

    def __init__(self, target: Path, *, is_folder: bool, overwrite: bool) -> None:
        check_target(target, is_folder=is_folder, overwrite=overwrite)
        self._target, self._is_folder, self._overwrite = target, is_folder, overwrite
        self._keep = False

    def __enter__(self) -> Self:
        with translate_os_errors(self._target):
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=".part", dir=self._target.parent))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._keep:
            return
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
        except BaseException:  # interrupted once more
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def commit(self, staged: Path) -> None:
        """Put a staged file or folder in the target's place.

        What takes another's place is on the disk before. Else it is not flushed: the system does that within half a
        minute or so, as with what `cp` copied, and to wait for it takes longer than all the rest of a copy.

        Raises
        ------
        OutputExistsError
            When the target appeared meanwhile.
        """
        with translate_os_errors(self._target):
            if self._overwrite and os.path.lexists(self._target):
                _flush_all(staged)
            if self._is_folder:
                self._replace_folder(staged)
            elif self._overwrite:
                staged.replace(self._target)
            else:
                _rename_to_new(staged, self._target)

    def _replace_folder(self, staged: Path) -> None:
        """Put a folder in the target's place. What was there goes with the staging, and comes back when that fails."""
        check_target(self._target, is_folder=True, overwrite=self._overwrite)
        if not self._target.exists():
            staged.rename(self._target)
            return
        old = Path(tempfile.mkdtemp(dir=self.folder)) / "old"
        try:
            self._target.rename(old)
            staged.rename(self._target)
        except BaseException:
            if old.exists() and not self._target.exists():
                self._keep = True  # until it is back in its place
                old.rename(self._target)
                self._keep = False
            raise


def _rename_to_new(staged: Path, target: Path) -> None:
    """Rename where nothing is yet: a link, unlike a rename, never replaces what someone else put there meanwhile."""
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without links
        check_target(target, is_folder=False, overwrite=False)
        staged.replace(target)


def _flush_all(path: Path) -> None:
    """Flush a file, or all in a folder and then itself."""
    if path.is_dir():
        for entry in path.iterdir():
            _flush_all(entry)
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
