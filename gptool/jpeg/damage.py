"""The damage of a tile, as a code for programs and as a text for people."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gptool import _jpeg
from gptool._bundle import TileKind
from gptool._jpeg import Damage

SIGNATURE_BYTES = 8
"""Bytes of an unknown image that are shown."""


class TileDamage(StrEnum):
    """A kind of damage, named as reports name it. Those of JPEG tiles: see `gptool._jpeg.Damage`."""

    EMPTY_FILE = "EMPTY_FILE"
    UNKNOWN_FORMAT = "UNKNOWN_FORMAT"
    PNG_TRUNCATED = "PNG_TRUNCATED"
    PNG_CORRUPT = "PNG_CORRUPT"
    LERC_TRUNCATED = "LERC_TRUNCATED"
    JPEG_TRUNCATED = "JPEG_TRUNCATED"
    JPEG_CORRUPT_HEADER = "JPEG_CORRUPT_HEADER"
    JPEG_MISSING_TABLE = "JPEG_MISSING_TABLE"
    JPEG_CORRUPT_DATA = "JPEG_CORRUPT_DATA"
    JPEG_IMPLAUSIBLE = "JPEG_IMPLAUSIBLE"


JPEG_DAMAGE = {
    Damage.TRUNCATED: TileDamage.JPEG_TRUNCATED,
    Damage.CORRUPT_HEADER: TileDamage.JPEG_CORRUPT_HEADER,
    Damage.MISSING_TABLE: TileDamage.JPEG_MISSING_TABLE,
    Damage.CORRUPT_DATA: TileDamage.JPEG_CORRUPT_DATA,
    Damage.IMPLAUSIBLE: TileDamage.JPEG_IMPLAUSIBLE,
}


class DamagedPosition(NamedTuple):
    """A damaged tile of a bundle.

    Attributes
    ----------
    position : int
        The tile's place in the bundle, 0 to 16383, row-major.
    damage : TileDamage
    reason : str
        The damage as text, with the message of libjpeg-turbo.
    """

    position: int
    damage: TileDamage
    reason: str


def diagnose(tile: bytes, kind: TileKind) -> tuple[TileDamage, str]:
    """Return the damage of a damaged tile, and its text for people.

    Parameters
    ----------
    tile : bytes
        The bytes of a tile that is incomplete, that libjpeg-turbo cannot read, or whose format is unknown.
    kind : TileKind
        Its format by its signature.
    """
    if kind is TileKind.UNKNOWN:
        start = tile[:SIGNATURE_BYTES].hex(" ") or "no byte"
        return TileDamage.UNKNOWN_FORMAT, f"unrecognised image format, starts with {start}"
    if kind is TileKind.PNG:
        return TileDamage.PNG_TRUNCATED, "PNG is truncated: it has no IEND chunk"
    if kind is TileKind.LERC:
        return TileDamage.LERC_TRUNCATED, "LERC is truncated: it has fewer bytes than its header states"
    damage, text = _jpeg.diagnose(tile)
    if damage not in JPEG_DAMAGE:
        return TileDamage.JPEG_TRUNCATED, "JPEG is truncated: it has no end-of-image marker"
    return JPEG_DAMAGE[damage], f"damaged JPEG: {text}"
