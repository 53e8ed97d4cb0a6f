"""The context in which a result is staged in a folder of this machine, wherever it appears in the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from gptool.errors import OutputExistsError, translate_os_errors
from gptool.model import Progress
from gptool.output.staging_folder import StagingFolder, staging_path
from gptool.system.store_url import Location


class ResultStaging(ABC):
    """A context in which a result is staged in a folder, and put at the target by `commit`.

    All that was not committed is removed when the context is left, unless it is kept for the next run.

    Parameters
    ----------
    target : Path or StoreUrl
    is_folder : bool
        True if a folder is to be put at the target, False if a file is.
    overwrite : bool
        Whether the target may be replaced if it exists.
    resumable : bool
        Whether what an earlier run has left in the folder stays there. Then an existing target is an error only when
        `check` is called, if there is such a folder: the target may be the result of that run.

    Attributes
    ----------
    target : Path or StoreUrl
        Where the result appears.
    overwrite : bool
        Whether it may be replaced if it exists.
    folder : Path
        The staging folder; set when the context is entered.

    Raises
    ------
    OutputExistsError
        If the target exists and must not be replaced.
    OutputError
        If the staging folder cannot be created, or another run uses it.
    """

    folder: Path

    _removes_files_first: ClassVar[bool] = False
    """Whether the journal is removed before the staged result, if the result is recognised by that."""

    def __init__(self, target: Location, *, is_folder: bool, overwrite: bool, resumable: bool = False) -> None:
        self.target, self._is_folder, self.overwrite = target, is_folder, overwrite
        self._resumable, self._keep = resumable, False
        try:
            self.check()
        except OutputExistsError:
            if not (resumable and staging_path(target).is_dir()):
                raise

    def __enter__(self) -> Self:
        with translate_os_errors(self.place):
            self._staged = StagingFolder.open(self.target)
            self.folder = self._staged.path
            try:
                self._staged.restore(self.target if isinstance(self.target, Path) else None)
                if not self._resumable:
                    self._staged.clear()
                    self.check()
            except BaseException:
                self._staged.release()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._keep:
            self._staged.release()
            return
        try:
            self._staged.remove(files_first=self._removes_files_first)
        except BaseException:  # a second interrupt
            self._staged.remove(files_first=self._removes_files_first)
            raise

    @property
    @abstractmethod
    def place(self) -> Path:
        """The file or folder that is written to, which errors name."""

    @property
    def kept_place(self) -> str:
        """Where files are kept for the next run, as notes say."""
        return "beside the output"

    @abstractmethod
    def check(self) -> None:
        """Raise OutputExistsError if the target exists and must not be replaced."""

    def keep(self) -> None:
        """Leave the folder to the next run when the context is left."""
        self._keep = True

    def clear(self, keep: Collection[str] = ()) -> None:
        """Remove what an earlier run has left, except entries of these names."""
        self._staged.clear(keep)

    def stamp(self, result: Path) -> list[int]:
        """Return numbers by which a staged result is recognised.

        They are the inode, size and time of modification of the file, or of each entry of the folder.
        """
        paths = sorted(result.iterdir()) if self._is_folder else [result]
        states = [path.stat() for path in paths]
        return [n for state in states for n in (state.st_ino, state.st_size, state.st_mtime_ns)]

    @abstractmethod
    def has_result(self, stamp: list[int], staged: Path) -> bool:
        """Return True if the target is the result of this stamp, which an earlier run has staged at a path."""

    @abstractmethod
    def commit(self, staged: Path, progress: Progress | None = None) -> None:
        """Put a staged file or folder at the target.

        Parameters
        ----------
        staged : Path
        progress : Progress or None
            Called with `Phase.UPLOADING` and bytes if that takes long.

        Raises
        ------
        OutputExistsError
            If the target appeared meanwhile.
        OutputError
            If the target cannot be written.
        """
