"""The manifest of an export in parts: a JSON file that lists them, which appears last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptool.model import Extent

MANIFEST = "manifest.json"
"""The name of the file, in the folder of the parts."""

TYPE, VERSION = "Parts of an export of tiles", 1
"""What a manifest states to be recognised by, and the version of its form."""

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is no manifest."""


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A part of an export.

    Attributes
    ----------
    name : str
        The name of its file.
    is_overview : bool
        Whether it has the coarse levels of the whole selection, and the other parts have the levels below them.
    levels : tuple of int
        The levels that it has tiles of.
    extent : Extent
        Its full extent, in the spatial reference of the cache.
    tiles : int
    size : int
        Bytes of the file.
    sha256 : str
        The digest of the file, hexadecimal.
    """

    name: str
    is_overview: bool
    levels: tuple[int, ...]
    extent: Extent
    tiles: int
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        return {
            "name": self.name,
            "overview": self.is_overview,
            "levels": list(self.levels),
            "extent": self.extent._asdict(),
            "tiles": self.tiles,
            "bytes": self.size,
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ManifestEntry:
        """Return the entry that `to_json` has returned as JSON."""
        levels, extent = tuple(values["levels"]), Extent(**values["extent"])
        name, is_overview, tiles = values["name"], values["overview"], values["tiles"]
        return cls(name, is_overview, levels, extent, tiles, values["bytes"], values["sha256"])


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of an export in parts.

    Attributes
    ----------
    name : str
        The name of the whole.
    spatial_reference : dict
        That of the extents, as Esri's JSON.
    max_part_tiles, max_part_size : int or None
        What no part exceeds; None if there is no such limit.
    parts : tuple of ManifestEntry
        Coarse levels first.
    """

    name: str
    spatial_reference: dict[str, Any]
    max_part_tiles: int | None
    max_part_size: int | None
    parts: tuple[ManifestEntry, ...]

    def to_bytes(self) -> bytes:
        """Return the JSON: the same parts make the same bytes."""
        value = {
            "type": TYPE,
            "version": VERSION,
            "name": self.name,
            "spatialReference": self.spatial_reference,
            "maxPartSize": self.max_part_size,
            "maxPartTiles": self.max_part_tiles,
            "levels": sorted({level for part in self.parts for level in part.levels}),
            "tiles": sum(part.tiles for part in self.parts),
            "bytes": sum(part.size for part in self.parts),
            "parts": [part.to_json() for part in self.parts],
        }
        return json.dumps(value, indent=2).encode() + b"\n"


def listed_files(folder: Path) -> list[tuple[str, int]]:
    """Return the names and sizes, bytes, of the parts that the manifest in a folder lists; none if it has no manifest.

    Raises
    ------
    OSError
        If the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return []
    try:
        value = json.loads(path.read_bytes())
        if value["type"] != TYPE:
            return []
        return [(str(part["name"]), int(part["bytes"])) for part in value["parts"]]
    except (ValueError, TypeError, LookupError, RecursionError):
        return []
