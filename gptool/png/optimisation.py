"""PNG tiles made smaller without loss by oxipng: other filters of rows, and better compression.

The size, bit depth, colour type and palette of an image stay: readers of a cache expect those that it declares.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module, metadata
from typing import NamedTuple

from gptool._jpeg import Outcome
from gptool.errors import ParameterError
from gptool.png.structure import check_png, declared_bytes

PARAMETER = "optimizePng"
EXTRA, PACKAGE = "png", "oxipng-pybind"

EFFORT = 2
"""oxipng's level of effort, 0 to 6. Level 1 takes half of the time and saves about one percent less, level 4 takes
twice the time or more, in most caches for less than one percent."""

MAX_IMAGE_BYTES = 2048 * (1 + 4 * 2048)
"""Maximum size of the decompressed image data of a tile: 2048 x 2048 pixels of 32 bits; larger tiles are kept.

It bounds the time per tile to some seconds, as a clock would, but the same tile always has the same result.
"""

DROPPED_CHUNKS = "tEXt", "zTXt", "iTXt", "tIME", "eXIf"
"""Texts and dates, which no pixel depends on; EXIF, XMP and comments of JPEG tiles are dropped too."""

CACHED_TILES, MAX_CACHED_BYTES = 512, 4096
"""Small tiles of which the results are remembered: caches have many that are equal, of one colour or empty."""


class OptimisedPng(NamedTuple):
    """What became of a PNG tile.

    Attributes
    ----------
    tile : bytes
        The tile as it is written.
    outcome : Outcome
        OPTIMISED, KEPT_NOT_SMALLER, KEPT_UNSUPPORTED or DAMAGED.
    damage : str or None
        What is wrong with a damaged tile.
    """

    tile: bytes
    outcome: Outcome
    damage: str | None = None


def require_oxipng() -> None:
    """Raise ParameterError if the package is not installed that PNG tiles are optimised with."""
    try:
        metadata.version(PACKAGE)  # another package has a module of the same name
        import_module("oxipng")
    except (metadata.PackageNotFoundError, ImportError) as error:
        raise ParameterError(
            f"{PACKAGE}, which makes PNG tiles smaller, is not installed",
            where=PARAMETER,
            expected=f"pip install 'gptool-export-tiles[{EXTRA}]'",
        ) from error


def optimise_png(tile: bytes) -> OptimisedPng:
    """Make a PNG tile smaller without loss. The GIL is released meanwhile.

    Parameters
    ----------
    tile : bytes
        A tile with the signature of a PNG.
    """
    return _optimise_small(tile) if len(tile) <= MAX_CACHED_BYTES else _optimise(tile)


def _optimise(tile: bytes) -> OptimisedPng:
    import oxipng

    size = declared_bytes(tile)
    if size is not None and size > MAX_IMAGE_BYTES:
        return OptimisedPng(tile, Outcome.KEPT_UNSUPPORTED)
    damage = check_png(tile, None)  # first: oxipng sees sound PNGs only
    if damage is not None:
        return OptimisedPng(tile, Outcome.DAMAGED, damage)
    try:
        optimised = oxipng.optimize_from_memory(
            tile,
            level=EFFORT,
            interlace=oxipng.Interlacing.off,
            strip=oxipng.StripChunks.strip(DROPPED_CHUNKS),
            bit_depth_reduction=False,
            color_type_reduction=False,
            palette_reduction=False,
            grayscale_reduction=False,
            optimize_alpha=False,
        )
    except oxipng.PngError:
        return OptimisedPng(tile, Outcome.KEPT_UNSUPPORTED)
    if len(optimised) >= len(tile):
        return OptimisedPng(tile, Outcome.KEPT_NOT_SMALLER)
    return OptimisedPng(optimised, Outcome.OPTIMISED)


_optimise_small = lru_cache(CACHED_TILES)(_optimise)
