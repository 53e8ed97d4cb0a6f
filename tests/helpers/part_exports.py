"""Exports in parts, as tests request and look at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptool.model import Phase
from helpers.bundles import Address
from helpers.caches import square

TILES: dict[str, Any] = {"max_part_tiles": 60}
SIZE: dict[str, Any] = {"max_part_size": "650 kB", "compression_quality": 40}
"""Requests of parts of `pyramid`: copied, and recompressed."""

Progress = Callable[[Phase, int, int], None]


def pyramid() -> dict[Address, bytes]:
    """Return all tiles of levels 0 to 4."""
    tiles: dict[Address, bytes] = {}
    for level in range(5):
        tiles |= square(level, range(2**level), range(2**level))
    return tiles


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files in a folder by their paths."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packages(folder: Path) -> list[str]:
    """Return the names of the packages in a folder."""
    return sorted(path.name for path in folder.glob("*.tpkx"))


def texts(result: Any) -> str:
    """Return the messages of a result."""
    return "\n".join(message.description for message in result.messages)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


def raise_after(tiles: int, error: type[BaseException]) -> Progress:
    """Return a callback that raises an error when so many tiles are exported."""

    def progress(phase: Phase, done: int, _total: int) -> None:
        if phase is Phase.EXPORTING and done >= tiles:
            raise error

    return progress
