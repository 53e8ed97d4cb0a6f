"""Results appear whole or not at all: made in a folder beside the target, flushed, renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from gptool.errors import GptoolError, OutputError, OutputExistsError

PREFIX = ".gptool-"
"""How the names of staging folders start, in case a machine stops and leaves one behind."""


def check_target(target: Path, overwrite: bool) -> None:
    """Tell early, before any work, whether a file can go there.

    Raises
    ------
    OutputExistsError
        When there is something, and it is not to be overwritten.
    OutputError
        When there is a folder, or none to put the file in.
    """
    with writing(target):
        if target.is_dir():
            raise OutputExistsError("can't replace a folder by a file", where=target)
        if os.path.lexists(target) and not overwrite:
            raise _exists(target)
        if not target.parent.is_dir():
            raise OutputError("no folder to put the result in", where=target.parent)


def _exists(target: Path) -> OutputExistsError:
    return OutputExistsError("exists already", where=target, expected="a new name, or leave to overwrite it")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is written into an OutputError that names it."""
    try:
        yield
    except GptoolError:
        raise
    except OSError as error:
        raise OutputError(f"can't be written: {error.strerror or error}", where=path) from error


class Staging:
    """A hidden folder beside the target; it goes when the context is left, with all that was not committed."""

    def __init__(self, target: Path, overwrite: bool) -> None:
        check_target(target, overwrite)
        self._target, self._overwrite = target, overwrite

    def __enter__(self) -> Self:
        with writing(self._target):
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, suffix=".part", dir=self._target.parent))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def commit(self, staged: Path) -> None:
        """Put a staged file in the target's place, on disk before it is in sight.

        Raises
        ------
        OutputExistsError
            When the target appeared meanwhile.
        """
        with writing(self._target):
            _flush(staged)
            if self._overwrite:
                staged.replace(self._target)
            else:
                _rename_to_new(staged, self._target)
            _flush(self._target.parent)


def _rename_to_new(staged: Path, target: Path) -> None:
    """Rename where nothing is yet: a link, unlike a rename, never replaces what someone else put there meanwhile."""
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without links
        check_target(target, overwrite=False)
        staged.replace(target)


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
