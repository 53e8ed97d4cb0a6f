"""The metadata of an MBTiles file (MBTiles 1.3, "Metadata"), and what they state otherwise than its tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from gptool.cache.database import Database
from gptool.cache.mbtiles_sample import JPEG, PNG, UNKNOWN, Sample
from gptool.crs.web_mercator import MAX_LATITUDE, project_degrees
from gptool.model import Extent, TileWindow, TilingScheme

NAMES = ("bounds", "format", "maxzoom", "minzoom", "name", "scheme")
REQUIRED = ("name", "format")
MAX_TEXT = 200
"""Maximum length of a value that is read, characters."""

FORMATS = {"jpg": JPEG, "jpeg": JPEG, "image/jpeg": JPEG, "png": PNG, "png8": PNG, "png24": PNG, "png32": PNG,
           "image/png": PNG}  # fmt: skip
"""Image formats by what metadata state for them: specification and usage."""

UNSUPPORTED = {"pbf": "vector tiles", "mvt": "vector tiles", "webp": "WebP tiles", "image/webp": "WebP tiles"}


def read_metadata(database: Database) -> Mapping[str, str] | None:
    """Return the values that matter; None if the file has no metadata."""
    columns = {name for (name,) in database.rows("SELECT name FROM pragma_table_info('metadata')")}
    if not columns >= {"name", "value"}:
        return None
    statement = f"""
        SELECT name, substr(value, 1, {MAX_TEXT}) FROM metadata
        WHERE name IN ({", ".join("?" * len(NAMES))}) LIMIT 100"""
    found: dict[str, str] = {}
    for name, value in database.rows(statement, *NAMES):
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
        found.setdefault(name, text.strip())
    return {name: text for name, text in found.items() if text}


def compare(metadata: Mapping[str, str] | None, sample: Sample, levels: Sequence[int]) -> Iterator[str]:
    """Yield what the metadata state of formats and levels otherwise than the tiles, and what they do not state.

    Parameters
    ----------
    metadata : mapping of str to str, or None
    sample : Sample
    levels : sequence of int
        The levels that have tiles, ascending.
    """
    if metadata is None:
        yield "there are no metadata; formats, sizes and extent are those of the tiles"
        return
    if missing := [name for name in REQUIRED if name not in metadata]:
        yield f"the metadata state no {' and no '.join(missing)}"
    stated = metadata.get("format")
    if stated is not None and sample.format not in (None, FORMATS.get(stated.lower())):
        yield f"the metadata state the format {stated}, but the tiles are {_formats_text(sample)}, and are read so"
    for name, level in zip(("minzoom", "maxzoom"), (levels[0], levels[-1]) if levels else (None, None), strict=True):
        zoom = metadata.get(name)
        if zoom is not None and level is not None and zoom.removesuffix(".0") != str(level):
            yield f"the metadata state {name} {zoom}, but there are tiles of levels {levels[0]} to {levels[-1]}"
    if metadata.get("scheme", "tms").lower() != "tms":
        yield f"the metadata state the scheme {metadata['scheme']}, but rows of MBTiles count from the south (tms)"


def sample_warnings(sample: Sample) -> Iterator[str]:
    """Yield what is wrong with sampled tiles."""
    if others := sample.formats[UNKNOWN]:
        yield f"{others} of {sample.count} sampled tiles are neither PNG nor JPEG"
    if len(sample.sizes) > 1:
        sizes = ", ".join(f"{count} of {width} x {height}" for (width, height), count in sample.sizes.most_common())
        width, height = sample.side
        yield f"sampled tiles have different sizes ({sizes} pixels); {width} x {height} is taken for all"


def _formats_text(sample: Sample) -> str:
    counts = [f"{sample.formats[name]} {name}" for name in (JPEG, PNG) if sample.formats[name]]
    return f"{sample.format} ({' and '.join(counts)} of {sample.count} sampled)"


def read_bounds(
    metadata: Mapping[str, str] | None, scheme: TilingScheme, deepest: tuple[int, TileWindow] | None
) -> tuple[Extent | None, str | None]:
    """Return the extent that metadata state in degrees, and a warning if it is missing or cannot be true.

    Parameters
    ----------
    metadata : mapping of str to str, or None
    scheme : TilingScheme
    deepest : (int, TileWindow) or None
        The finest level that has tiles, and their window.
    """
    text = (metadata or {}).get("bounds")
    if text is None:
        return None, "the metadata state no bounds: the extent is that of the tiles" if metadata is not None else None
    box = _parse_bounds(text)
    extent = box and project_degrees(box)
    problem = f"bounds {text!r}, which are not west, south, east and north in degrees"
    if extent is not None:
        where = deepest and _outside(extent, scheme, *deepest)
        if not where:
            return extent, None
        problem = f"bounds {text!r}, {where}"
    return None, f"the metadata state {problem}: the extent is that of the tiles instead"


def _outside(extent: Extent, scheme: TilingScheme, level: int, tiles: TileWindow) -> str | None:
    """Return which tiles of a level lie outside an extent, which may cut the outermost tiles off; None if none do."""
    lod = scheme.lod(level)
    assert lod is not None
    stated = scheme.window(lod, extent)
    common = stated.intersection(tiles)
    if common.row_min > common.row_max or common.column_min > common.column_max:
        return f"in which level {level} has no tiles"
    around = TileWindow(stated.row_min - 1, stated.row_max + 1, stated.column_min - 1, stated.column_max + 1)
    return None if around.contains(tiles) else f"beyond which level {level} has tiles"


def _parse_bounds(text: str) -> Extent | None:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return None
    box = Extent(*numbers)
    is_valid = -180.001 <= box.xmin < box.xmax <= 180.001 and -90 <= box.ymin < box.ymax <= 90
    has_area = box.xmin < 180 and box.xmax > -180 and box.ymin < MAX_LATITUDE and box.ymax > -MAX_LATITUDE
    return box if is_valid and has_area else None
