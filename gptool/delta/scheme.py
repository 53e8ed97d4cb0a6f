"""Whether the tiles of two caches lie on the same grid."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gptool.crs.reprojection import is_same
from gptool.errors import CacheError
from gptool.model import NumberText, SpatialReference, TilingScheme
from gptool.request import reference_text
from gptool.system.store_url import Location

RELATIVE_TOLERANCE = 1e-9
"""By which numbers of the same grid differ: programs write them with 10 digits or more."""


def check_same_scheme(scheme: TilingScheme, where: Location, other: TilingScheme) -> None:
    """Check that a tiling scheme is the grid of another one at the levels that both have.

    Parameters
    ----------
    scheme : TilingScheme
    where : Path or StoreUrl
        Its cache, which the error names.
    other : TilingScheme

    Raises
    ------
    CacheError
        If the spatial reference, the origin, the size of tiles, or the resolution of a level differs.
    """
    for what, found, expected in _differences(scheme, other):
        raise CacheError(f"{what} of the tiling scheme differs", where=where, found=found, expected=expected)


def _differences(scheme: TilingScheme, other: TilingScheme) -> Iterator[tuple[str, str, str]]:
    if not _is_same_reference(scheme.reference, other.reference):
        yield "the spatial reference", reference_text(scheme.reference), reference_text(other.reference)
    for name in ("origin_x", "origin_y"):
        one, two = getattr(scheme, name), getattr(other, name)
        if not _is_close(one, two):
            yield f"the {name[-1]} of the origin", str(one), str(two)
    found, expected = (f"{each.tile_columns} x {each.tile_rows} pixels" for each in (scheme, other))
    if found != expected:
        yield "the size of the tiles", found, expected
    for lod in scheme.lods:
        same = other.lod(lod.level)
        if same and not _is_close(lod.resolution, same.resolution):
            yield f"the resolution of level {lod.level}", str(lod.resolution), str(same.resolution)


def _is_close(a: NumberText, b: NumberText) -> bool:
    return math.isclose(a.value, b.value, rel_tol=RELATIVE_TOLERANCE)


def _is_same_reference(a: SpatialReference, b: SpatialReference) -> bool:
    ids = [{each.wkid, each.latest_wkid} - {None} for each in (a, b)]
    return bool(a == b or ids[0] & ids[1]) or is_same(a, b)
