"""Files of accounts that an administrator changes while the service runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from gptool import system
from gptool.errors import SettingsError, translate_os_errors

LOG = logging.getLogger(__name__)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """A file that is read again after it has changed. If it is invalid then, its last valid content stays in force.

    Parameters
    ----------
    path : Path
    read : callable
        Returns the content of the file.

    Raises
    ------
    SettingsError
        If the file cannot be read or is invalid.
    """

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self._path, self._read = path, read
        self._signature = _signature(path)
        self._content = read(path)

    @property
    def content(self) -> T:
        """The last valid content. An invalid one is reported in the log, once for each change of the file.

        Raises
        ------
        SettingsError
            If the file no longer exists: nobody is admitted.
        """
        signature = _signature(self._path)
        if signature != self._signature:
            self._signature = signature
            try:
                self._content = self._read(self._path)
            except SettingsError as error:
                LOG.error("%s; what was valid before the change of the file stays in force", error)  # noqa: TRY400
        return self._content


def read_lines(path: Path, content: str) -> Iterator[tuple[int, str]]:
    """Yield the numbers and texts of the lines of a file that are neither empty nor comments.

    Parameters
    ----------
    path : Path
    content : str
        What the file contains, for the error message.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path) from error
    except ValueError:
        raise SettingsError("is not UTF-8 text", where=path, expected=content) from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def rewrite(path: Path, comment: str, line: str | None, without: str | None = None) -> None:
    """Add a line to a file of accounts or remove lines, in one step: a service reads the old or the new file.

    Parameters
    ----------
    path : Path
        The file; it is created, with a comment, if it does not exist.
    comment : str
    line : str or None
        The line to add.
    without : str or None
        The first word of the lines to remove.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with translate_os_errors(path):
        old = path.read_text(encoding="utf-8").splitlines() if path.exists() else [comment]
        lines = [text for text in old if text.startswith("#") or text.split(maxsplit=1)[:1] != [without]]
        text = "".join(f"{one}\n" for one in [*lines, *([] if line is None else [line])])
        system.replace_private(path, text.encode())


def _signature(path: Path) -> tuple[int, int, int]:
    """Return modification time, size and inode: they change when the file is edited or replaced."""
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path) from error
    return status.st_mtime_ns, status.st_size, status.st_ino
