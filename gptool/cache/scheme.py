"""Tiling scheme, image format and storage, as conf.xml and root.json alike state them, in names of their own."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from gptool.errors import ConfError
from gptool.model import (
    MAX_TILE_SIDE,
    PACKET_SIZE,
    Extent,
    ImageInfo,
    Lod,
    NumberText,
    SpatialReference,
    StorageFormat,
    TilingScheme,
)

MAX_LEVEL = 99
LARGEST_MEASURE = 1e15
"""Units, and their inverse: nothing on a map is larger or smaller, and arithmetic stays far from overflow."""


@dataclass(frozen=True, slots=True)
class Conf:
    """What a cache states of itself.

    Attributes
    ----------
    document : bytes or None
        conf.xml as it is, for results that repeat it; None where there is none.
    """

    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat
    document: bytes | None = None


class Fields(ABC):
    """A part of a document that looks its fields up by name, checks them, and names itself in errors."""

    where: Path

    @abstractmethod
    def text(self, name: str) -> str | None:
        """Return a field as it is written; None when it is absent or empty."""

    @abstractmethod
    def child(self, name: str) -> Self | None:
        """Return the part of that name, None when there is none."""

    @abstractmethod
    def label(self, name: str) -> str:
        """Return what errors call a field."""

    def number(self, name: str, default: str | None = None) -> NumberText:
        """Return a finite number. Raises ConfError when it is none."""
        text = self.text(name) or default
        try:
            return NumberText(text or "")
        except ValueError:
            raise self.error(name, text, "a number") from None

    def measure(self, name: str) -> NumberText:
        """Return a number above 0. Raises ConfError when it is none."""
        number = self.number(name)
        if not 1 / LARGEST_MEASURE <= number.value <= LARGEST_MEASURE:
            raise self.error(name, number, "a number above 0 that a map can have")
        return number

    def coordinate(self, name: str) -> NumberText:
        """Return a coordinate. Raises ConfError when it is none."""
        number = self.number(name)
        if abs(number.value) > LARGEST_MEASURE:
            raise self.error(name, number, "a coordinate that a map can have")
        return number

    def integer(self, name: str, low: int, high: int, default: str | None = None) -> int:
        """Return a whole number from `low` to `high`. Raises ConfError when it is none."""
        text = self.text(name) or default
        match = re.fullmatch(r"([+-]?[0-9]{1,10})(\.0*)?", text or "")
        if match is None or not low <= int(match[1]) <= high:
            raise self.error(name, text, f"a whole number from {low} to {high}")
        return int(match[1])

    def part(self, name: str, expected: str) -> Self:
        """Return the part of that name. Raises ConfError when there is none."""
        part = self.child(name)
        if part is None:
            raise self.error(name, None, expected)
        return part

    def error(self, name: str, found: object, expected: str) -> ConfError:
        """Return the error of a field."""
        return ConfError(self.label(name), where=self.where, found=found or "none", expected=expected)


class Names(NamedTuple):
    """What a kind of document calls its fields."""

    origin: str
    x: str
    y: str
    rows: str
    columns: str
    dpi: str
    level: str
    resolution: str
    scale: str
    wkid: str
    latest_wkid: str
    wkt: str
    format: str
    quality: str
    band_count: str
    lerc_error: str
    storage: str
    packet_size: str
    box: tuple[str, str, str, str]


def read_scheme(tiles: Fields, lods: Sequence[Fields], reference: Fields | None, names: Names) -> TilingScheme:
    """Return the tiling scheme.

    Raises
    ------
    ConfError
        When it lacks or contradicts what a tile cache needs.
    """
    origin = tiles.part(names.origin, "the origin of the tiles")
    if len(lods) > MAX_LEVEL + 1:
        raise lods[0].error(names.level, f"{len(lods)} levels", "each level once")
    levels = tuple(
        Lod(lod.integer(names.level, 0, MAX_LEVEL), lod.measure(names.resolution), lod.measure(names.scale))
        for lod in lods
    )
    if len({lod.level for lod in levels}) < len(levels):
        raise lods[0].error(names.level, [lod.level for lod in levels], "each level once")
    return TilingScheme(
        read_reference(reference, names),
        origin.coordinate(names.x),
        origin.coordinate(names.y),
        tiles.integer(names.rows, 1, MAX_TILE_SIDE),
        tiles.integer(names.columns, 1, MAX_TILE_SIDE),
        tiles.number(names.dpi, "96"),
        tuple(sorted(levels, key=lambda lod: lod.level)),
    )


def read_reference(fields: Fields | None, names: Names) -> SpatialReference:
    """Return a spatial reference. Raises as `read_scheme`."""
    if fields is None:
        return SpatialReference(None, None, None)
    ids = [fields.integer(name, -(2**31), 2**31 - 1, "0") for name in (names.wkid, names.latest_wkid)]
    wkid, latest_wkid = (id_ if id_ > 0 else None for id_ in ids)  # 0 and -1 stand for none
    return SpatialReference(wkid, latest_wkid, fields.text(names.wkt))


def known_ids(reference: SpatialReference) -> set[int]:
    """Return the ids that a reference states."""
    return {wkid for wkid in (reference.wkid, reference.latest_wkid) if wkid is not None}


def read_image(fields: Fields, names: Names) -> ImageInfo:
    """Return what is said of the tiles as images. Raises as `read_scheme`."""
    declared = (fields.text(names.format) or "").upper()
    if not re.fullmatch(r"[A-Z0-9_+-]{1,20}", declared):
        raise fields.error(names.format, declared, "JPEG, PNG, PNG8, PNG24, PNG32, MIXED or LERC")
    return ImageInfo(
        "JPEG" if declared == "JPG" else declared,  # 9.3 writes jpg
        fields.integer(names.quality, 0, 100, "0"),
        fields.integer(names.band_count, 0, 255, "0") or None,
        fields.number(names.lerc_error, "0"),
    )


def read_storage(fields: Fields | None, names: Names, default: StorageFormat) -> StorageFormat:
    """Return how tiles are stored; `default` where nothing says it. Raises as `read_scheme`."""
    if fields is None:
        return default
    text = fields.text(names.storage)
    try:
        storage = StorageFormat(text or "")
    except ValueError:
        raise fields.error(names.storage, text, " or ".join(StorageFormat)) from None
    if storage is not StorageFormat.EXPLODED:
        fields.integer(names.packet_size, PACKET_SIZE, PACKET_SIZE, str(PACKET_SIZE))
    return storage


def read_box(fields: Fields, reference: Fields | None, names: Names, scheme: TilingScheme) -> Extent | None:
    """Return a box, None for an empty one, which Esri writes as four NaN, and for one in another reference.

    Raises as `read_scheme`.
    """
    if any((fields.text(name) or "").lower() == "nan" for name in names.box):
        return None
    own, of_scheme = (known_ids(each) for each in (read_reference(reference, names), scheme.reference))
    if own and of_scheme and not own & of_scheme:
        return None
    extent = Extent(*(fields.coordinate(name).value for name in names.box))
    return extent if extent.xmin < extent.xmax and extent.ymin < extent.ymax else None
