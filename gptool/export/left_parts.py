"""The parts that an interrupted export has left: what its journal says about them, and their removal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gptool.errors import OutputExistsError
from gptool.export.file_digest import sha256_of
from gptool.export.journal_file import END, JOURNAL, read_lines
from gptool.model import Message
from gptool.output.manifest import MANIFEST
from gptool.output.staging import OVERWRITE_OPTION, RESTART_OPTION, Staging
from gptool.output.staging_folder import PREFIX, SUFFIX, StagingFolder

DISCARDED = (
    "Parts that an interrupted run had finished were discarded: the request, the cache or the version of gptool has "
    "changed since"
)


@dataclass
class LeftParts:
    """What the journal of an export in parts says.

    Attributes
    ----------
    header : dict
        Its first line: what the export is about.
    finished : dict of str to dict
        The parts that are in their places, by the name of the file: `entry`, that of the manifest, `bundles`, their
        number, and what else the journal says.
    too_large : dict of str to int
        The sizes, as far as they are known, of parts that turned out too large.
    manifest : str or None
        The SHA-256 of the manifest, if all parts are finished.
    end : int
        The end of the valid lines, bytes.
    """

    header: dict[str, Any]
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    too_large: dict[str, int] = field(default_factory=dict)
    manifest: str | None = None
    end: int = 0

    @classmethod
    def read(cls, staging_folder: Path) -> Self | None:
        """Return what the journal in a staging folder says; None if there is none, or it is not of parts.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        lines = read_lines(staging_folder / JOURNAL)
        first = next(lines, None)
        if first is None or "parts" not in first.value:
            return None
        left = cls(first.value, end=first.offset + first.length + len(END))
        for value, offset, length in lines:
            if "part" in value:
                left.finished[value["part"]["entry"]["name"]] = value["part"]
            elif "tooLarge" in value:
                left.too_large[value["tooLarge"]] = value["needed"]
            elif "end" in value:
                left.manifest = value["end"]
            left.end = offset + length + len(END)
        return left

    @property
    def is_in_output(self) -> bool:
        """Whether the parts are in the output, not in a folder that would have replaced it."""
        return not self.header["replaces"]

    def is_complete(self, output: Path) -> bool:
        """Return True if the output is the result: its manifest is in its place."""
        path = output / MANIFEST
        return self.manifest is not None and path.is_file() and sha256_of(path) == self.manifest

    def discard(self, staging: Staging, *, restart: bool) -> list[Message]:
        """Remove the parts before another export of the same output, unless it is complete.

        The messages say so to users.

        Parameters
        ----------
        restart : bool
            Whether that was requested.

        Raises
        ------
        OutputExistsError
            If they are in the output, and must not be replaced.
        OSError
            If a file cannot be removed.
        """
        if self.is_complete(staging.target):
            return []
        if self.is_in_output and self.finished and not (restart or staging.overwrite):
            staging.keep()
            raise OutputExistsError(
                "output holds parts of an interrupted export with another request, cache or version of gptool",
                where=staging.target,
                expected=f"a new name, {RESTART_OPTION} or {OVERWRITE_OPTION}",
            )
        if self.is_in_output:
            self.remove(staging.target)
        return [Message("Warning", DISCARDED)] if self.finished and not restart else []

    def remove(self, folder: Path) -> None:
        """Remove the finished parts, what is left of unfinished ones, and the folder if nothing else is in it."""
        for name, part in self.finished.items():
            path = folder / Path(name).name
            if path.is_file() and path.stat().st_size == part["entry"]["bytes"]:
                path.unlink()
        for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
            remove_leftover(path)
        if folder.is_dir() and not has_entries(folder):
            folder.rmdir()


def remove_leftover(path: Path) -> None:
    """Remove a staging folder that an interrupted run has left, unless another one uses it."""
    staged = StagingFolder.open_left(path)
    if staged is not None:
        staged.remove()


def has_entries(path: Path) -> bool:
    """Return True for a file, and for a folder that is not empty."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))
