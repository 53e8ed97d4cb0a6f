"""root.json of a .tpkx (Esri's tile-package-spec, docs/root.md). Numbers keep their text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple, Self

from gptool.cache.files import parts_within
from gptool.cache.scheme import Conf, Fields, Names, read_box, read_image, read_scheme, read_storage
from gptool.errors import CacheError, ConfError
from gptool.model import Extent, StorageFormat

NAMES = Names(
    origin="origin",
    x="x",
    y="y",
    rows="rows",
    columns="cols",
    dpi="dpi",
    level="level",
    resolution="resolution",
    scale="scale",
    wkid="wkid",
    latest_wkid="latestWkid",
    wkt="wkt",
    format="format",
    quality="compressionQuality",
    band_count="bandCount",
    lerc_error="lercError",
    storage="storageFormat",
    packet_size="packetSize",
    box=("xmin", "ymin", "xmax", "ymax"),
)

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Root(NamedTuple):
    """What root.json states.

    Attributes
    ----------
    tiles : str
        The path of the folder of the level folders.
    """

    conf: Conf
    full_extent: Extent | None
    tiles: str


def read_root(data: bytes, where: Path) -> Root:
    """Read a root.json.

    Raises
    ------
    ConfError
        When it is not JSON, or lacks or contradicts what a tile package needs.
    CacheError
        When it is that of a vector tile package.
    """
    root = _Object(_parse(data, where), "", where)
    tiles = root.part("tileInfo", "a tile package's tiling scheme")
    if (tiles.text("format") or "").lower() == "pbf":
        raise vector_tiles(where)
    lods = tiles.children("lods")
    if not lods:
        raise tiles.error("lods", None, "at least one level of detail")
    reference = root.child("spatialReference") or tiles.child("spatialReference")
    scheme = read_scheme(tiles, lods, reference, NAMES)
    image = read_image(root.child("tileImageInfo") or tiles, NAMES)
    storage = read_storage(root.child("storageInfo"), NAMES, StorageFormat.COMPACT_V2)
    box = root.child("fullExtent")
    extent = read_box(box, box.child("spatialReference"), NAMES, scheme) if box else None
    return Root(Conf(scheme, image, storage), extent, _tiles_path(root))


def vector_tiles(where: Path) -> CacheError:
    """Return the error of a vector tile package."""
    return CacheError(
        "a vector tile package: it holds vector tiles and styles, not images, and has nothing that could be cut or "
        "recompressed here",
        where=where,
        expected="an image tile package (.tpkx, .tpk) or cache folder",
    )


def _tiles_path(root: _Object) -> str:
    text = root.text("tileBundlesPath") or "./tile"
    parts = parts_within(text)
    if parts is None or text.startswith("/"):
        raise root.error("tileBundlesPath", text, "a folder of the package")
    return "/".join(parts)


def _parse(data: bytes, where: Path) -> dict[str, Any]:
    try:
        # Numbers keep their text; `Fields` reads those that are needed.
        value = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
        if SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()  # half a character: no text that could be written anywhere
    except (ValueError, RecursionError) as error:
        raise ConfError(f"not JSON: {error}", where=where) from None
    if not isinstance(value, dict):
        raise ConfError("not a JSON object", where=where, found=type(value).__name__, expected="a package's root.json")
    return value


class _Object(Fields):
    """A JSON object; its name is the path to it."""

    def __init__(self, fields: dict[str, Any], name: str, where: Path) -> None:
        self.fields, self.name, self.where = fields, name, where

    def children(self, name: str) -> list[Self]:
        """Return the objects of an array."""
        items = self.fields.get(name)
        if not isinstance(items, list):
            return []
        if not all(isinstance(item, dict) for item in items):
            raise self.error(name, "other values", "an array of objects")
        return [type(self)(item, f"{self.label(name)}[{i}]", self.where) for i, item in enumerate(items)]

    def child(self, name: str) -> Self | None:
        value = self.fields.get(name)
        return type(self)(value, self.label(name), self.where) if isinstance(value, dict) else None

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return (value.strip() or None) if isinstance(value, str) else None

    def label(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name
