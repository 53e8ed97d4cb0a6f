"""Checks of lossless optimisation, by readers that share no code with gptool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from helpers import jpeg_readers
from helpers.bundles import Address


def is_same_image(tile: bytes, other: bytes) -> bool:
    """Return True if two JPEG tiles have the same quantised coefficients and quantisation tables."""
    tables, others = jpeg_readers.read_qtables(tile), jpeg_readers.read_qtables(other)
    planes = jpeg_readers.read_coefficients(tile), jpeg_readers.read_coefficients(other)
    return (
        tables.keys() == others.keys()
        and all(np.array_equal(tables[slot], others[slot]) for slot in tables)
        and len(planes[0]) == len(planes[1])
        and all(map(np.array_equal, *planes))
    )


def check_optimised(tiles: Mapping[Address, bytes], optimised: Mapping[Address, bytes]) -> None:
    """Check that each tile has become smaller without loss."""
    assert optimised.keys() == tiles.keys()
    for address, tile in optimised.items():
        assert len(tile) < len(tiles[address])
        assert is_same_image(tile, tiles[address])
