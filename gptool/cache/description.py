"""The description of a cache: tiling scheme, image format and storage format.

conf.xml and root.json state the same, under names of their own.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from gptool.crs.reference import metres_per_unit
from gptool.errors import ConfError
from gptool.model import (
    DOMAIN_KEYS,
    MAX_TILE_SIDE,
    PACKET_SIZE,
    Domain,
    Extent,
    ImageInfo,
    Lod,
    NumberText,
    SpatialReference,
    StorageFormat,
    TilingScheme,
)
from gptool.system.store_url import Location

MAX_LEVEL = 99

INCHES_PER_METRE = 39.37
"""As in ArcGIS's scales: 591657527.591555 for 156543.03392800014 m at 96 dpi, whose levels clients compare."""

MAX_MAGNITUDE = 1e15
"""Maximum absolute value of a coordinate, resolution or scale, in map units; its inverse is the minimum of the latter.

No map needs more, and arithmetic stays far from overflow.
"""


@dataclass(frozen=True, slots=True)
class CacheDescription:
    """What a cache states of itself.

    Attributes
    ----------
    conf_xml, root_json : bytes or None
        The unchanged documents, which results repeat; None if the cache has none.
    warnings : tuple of str
        Statements that cannot be true.
    """

    scheme: TilingScheme
    image: ImageInfo
    storage: StorageFormat
    conf_xml: bytes | None = None
    root_json: bytes | None = None
    warnings: tuple[str, ...] = ()

    def with_domain(self, domain: Domain) -> CacheDescription:
        """Return the description with a domain of the spatial reference if it states none itself."""
        scheme = self.scheme
        if scheme.reference.domain:
            return self
        return replace(self, scheme=replace(scheme, reference=replace(scheme.reference, domain=domain)))


class DocumentNode(ABC):
    """A node of a document, whose fields are read and checked by name.

    Attributes
    ----------
    where : Path or StoreUrl
        The document, as stated in error messages.
    """

    where: Location

    @abstractmethod
    def text(self, name: str) -> str | None:
        """Return the text of a field; None if it is absent, empty, or has no text."""

    @abstractmethod
    def child(self, name: str) -> Self | None:
        """Return the child node of that name, None if there is none."""

    @abstractmethod
    def label(self, name: str) -> str:
        """Return the path of a field, as stated in error messages."""

    @abstractmethod
    def describe(self, name: str) -> str | None:
        """Return what a field that has no valid text contains, for error messages; None if the field is absent."""

    def number(self, name: str, default: str | None = None) -> NumberText:
        """Return a field that is a finite number. Raises ConfError if it is not."""
        text = self.text(name) or default
        try:
            return NumberText(text or "")
        except ValueError:
            raise self.error(name, text, "a number") from None

    def positive_number(self, name: str) -> NumberText:
        """Return a field that is a number above 0. Raises ConfError if it is not."""
        number = self.number(name)
        if not 1 / MAX_MAGNITUDE <= number.value <= MAX_MAGNITUDE:
            raise self.error(name, number, f"a number from {1 / MAX_MAGNITUDE:g} to {MAX_MAGNITUDE:g}")
        return number

    def coordinate(self, name: str) -> NumberText:
        """Return a field that is a coordinate. Raises ConfError if it is not."""
        number = self.number(name)
        if abs(number.value) > MAX_MAGNITUDE:
            raise self.error(name, number, f"a coordinate from -{MAX_MAGNITUDE:g} to {MAX_MAGNITUDE:g}")
        return number

    def integer(self, name: str, low: int, high: int, default: str | None = None) -> int:
        """Return a field that is an integer from `low` to `high`. Raises ConfError if it is not."""
        text = self.text(name) or default
        match = re.fullmatch(r"([+-]?[0-9]{1,10})(\.0*)?", text or "")
        if match is None or not low <= int(match[1]) <= high:
            raise self.error(name, text, f"an integer from {low} to {high}")
        return int(match[1])

    def required_child(self, name: str, expected: str) -> Self:
        """Return the child node of that name. Raises ConfError if there is none."""
        node = self.child(name)
        if node is None:
            raise self.error(name, None, expected)
        return node

    def error(self, name: str, found: object, expected: str) -> ConfError:
        """Return the error of a field that is missing or invalid; `found` is None or empty if it has no text."""
        found = found or self.describe(name)
        what = f"{self.label(name)} is {'missing' if found is None else 'invalid'}"
        return ConfError(what, where=self.where, found=found, expected=expected)


class FieldNames(NamedTuple):
    """The names of the fields in one kind of document."""

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
    domain: tuple[str, ...]
    format: str
    default_format: str
    qualities: tuple[str, ...]
    band_count: str
    lerc_error: str
    storage: str
    packet_size: str
    extent: tuple[str, str, str, str]


def read_scheme(
    tile_info: DocumentNode, lods: Sequence[DocumentNode], reference: DocumentNode | None, names: FieldNames
) -> TilingScheme:
    """Return the tiling scheme.

    Parameters
    ----------
    tile_info : DocumentNode
        The node with origin, tile size and DPI.
    lods : sequence of DocumentNode
        The nodes of the levels of detail, in any order.
    reference : DocumentNode or None
        The node of the spatial reference.
    names : FieldNames
        The names of the fields.

    Raises
    ------
    ConfError
        If a required field is missing, or a field is invalid.
    """
    origin = tile_info.required_child(names.origin, "the origin of the tiling scheme")
    if len(lods) > MAX_LEVEL + 1:
        raise ConfError(
            "too many levels of detail", where=lods[0].where, found=len(lods), expected=f"at most {MAX_LEVEL + 1}"
        )
    spatial, dpi = read_reference(reference, names), tile_info.number(names.dpi, "96")
    levels = tuple(_read_lod(lod, names, spatial, dpi) for lod in lods)
    ids = [lod.level for lod in levels]
    if len(set(ids)) < len(ids):
        raise ConfError(
            f"{lods[0].label(names.level)} is not unique", where=lods[0].where, found=ids, expected="each level once"
        )
    return TilingScheme(
        spatial,
        origin.coordinate(names.x),
        origin.coordinate(names.y),
        tile_info.integer(names.rows, 1, MAX_TILE_SIDE),
        tile_info.integer(names.columns, 1, MAX_TILE_SIDE),
        dpi,
        tuple(sorted(levels, key=lambda lod: lod.level)),
    )


def _read_lod(node: DocumentNode, names: FieldNames, reference: SpatialReference, dpi: NumberText) -> Lod:
    """Return a level of detail. Raises as `read_scheme`.

    If it states no scale, as in the table of the tile package specification, that is computed from its resolution.
    """
    level, resolution = node.integer(names.level, 0, MAX_LEVEL), node.positive_number(names.resolution)
    if node.text(names.scale) is not None:
        return Lod(level, resolution, node.positive_number(names.scale))
    scale = resolution.value * metres_per_unit(reference) * INCHES_PER_METRE * dpi.value
    return Lod(level, resolution, NumberText(repr(scale)))


def read_reference(node: DocumentNode | None, names: FieldNames) -> SpatialReference:
    """Return a spatial reference. Raises as `read_scheme`."""
    if node is None:
        return SpatialReference(None, None, None)
    ids = [node.integer(name, -(2**31), 2**31 - 1, "0") for name in (names.wkid, names.latest_wkid)]
    wkid, latest_wkid = (id_ if id_ > 0 else None for id_ in ids)  # 0 and -1 mean that there is none
    return SpatialReference(wkid, latest_wkid, node.text(names.wkt), _read_domain(node, names))


def _read_domain(node: DocumentNode, names: FieldNames) -> Domain:
    """Return the numbers of a domain that the node states. Raises as `read_scheme`."""
    keys = zip(DOMAIN_KEYS, names.domain, strict=True)
    return tuple((key, node.number(name)) for key, name in keys if node.text(name) is not None)


def stated_ids(reference: SpatialReference) -> set[int]:
    """Return the well-known ids that a spatial reference states."""
    return {wkid for wkid in (reference.wkid, reference.latest_wkid) if wkid is not None}


def read_image(node: DocumentNode, names: FieldNames) -> ImageInfo:
    """Return the image format of the tiles. Raises as `read_scheme`."""
    declared = (node.text(names.format) or names.default_format).upper()
    if not re.fullmatch(r"[A-Z0-9_+-]{1,20}", declared):
        raise node.error(names.format, declared, "JPEG, PNG, PNG8, PNG24, PNG32, MIXED or LERC")
    return ImageInfo(
        "JPEG" if declared == "JPG" else declared,  # 9.3 writes jpg
        node.integer(next(filter(node.text, names.qualities), names.qualities[0]), 0, 100, "0"),
        node.integer(names.band_count, 0, 255, "0") or None,
        node.number(names.lerc_error, "0"),
    )


def read_storage(
    node: DocumentNode | None, names: FieldNames, default: StorageFormat
) -> tuple[StorageFormat, tuple[str, ...]]:
    """Return the storage format, `default` if the document does not state it, and warnings. Raises as `read_scheme`."""
    if node is None:
        return default, ()
    text, formats = node.text(names.storage), {storage.value: storage for storage in StorageFormat if storage.is_esri}
    if text not in formats:
        raise node.error(names.storage, text, " or ".join(formats))
    storage = formats[text]
    if storage is StorageFormat.EXPLODED:
        return storage, ()
    if node.integer(names.packet_size, 0, PACKET_SIZE, str(PACKET_SIZE)) == 0:
        stated = f"{node.where}: {node.label(names.packet_size)} is 0"
        return storage, (f"{stated}, but bundles have {PACKET_SIZE} x {PACKET_SIZE} tiles, and are read so",)
    node.integer(names.packet_size, PACKET_SIZE, PACKET_SIZE, str(PACKET_SIZE))
    return storage, ()


def read_extent(
    node: DocumentNode, reference: DocumentNode | None, names: FieldNames, scheme: TilingScheme
) -> Extent | None:
    """Return an extent; None if it is empty, or in another spatial reference than the scheme.

    Esri software writes an empty extent as four NaN. Raises as `read_scheme`.
    """
    if any((node.text(name) or "").lower() == "nan" for name in names.extent):
        return None
    own, of_scheme = (stated_ids(each) for each in (read_reference(reference, names), scheme.reference))
    if own and of_scheme and not own & of_scheme:
        return None
    extent = Extent(*(node.coordinate(name).value for name in names.extent))
    return extent if extent.xmin < extent.xmax and extent.ymin < extent.ymax else None
