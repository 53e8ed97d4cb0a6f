"""Small caches made in code, never with gptool's own writers."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.bundles import Address, bundle_bytes, bundle_path, bundle_v1_bytes, group_by_bundle

TILE = 64
"""Width and height of a tile in these caches, pixels."""

ORIGIN = "20037508.342787001"
LEVEL_0 = 591657527.591555, 156543.03392800014 * 256
"""Scale, and resolution of a tile of one pixel, at level 0, where one tile covers the world."""

CONF = """<?xml version="1.0" encoding="utf-8"?>
<CacheInfo xsi:type="typens:CacheInfo" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
           xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.3">
  <TileCacheInfo xsi:type="typens:TileCacheInfo">
    <SpatialReference xsi:type="typens:ProjectedCoordinateSystem">{reference}</SpatialReference>
    <TileOrigin xsi:type="typens:PointN"><X>{x}</X><Y>{y}</Y></TileOrigin>
    <TileCols>{tile}</TileCols><TileRows>{tile}</TileRows><DPI>96</DPI>
    <LODInfos xsi:type="typens:ArrayOfLODInfo">{lods}</LODInfos>
  </TileCacheInfo>
  <TileImageInfo xsi:type="typens:TileImageInfo">
    <CacheTileFormat>{format}</CacheTileFormat><CompressionQuality>{quality}</CompressionQuality>
    <Antialiasing>false</Antialiasing><BandCount>3</BandCount><LERCError>0</LERCError>
  </TileImageInfo>
  <CacheStorageInfo xsi:type="typens:CacheStorageInfo">
    <StorageFormat>{storage}</StorageFormat><PacketSize>128</PacketSize>
  </CacheStorageInfo>
</CacheInfo>
"""
CDI = """<?xml version="1.0"?><EnvelopeN xmlns="http://www.esri.com/schemas/ArcGIS/10.1">
<XMin>{}</XMin><YMin>{}</YMin><XMax>{}</XMax><YMax>{}</YMax></EnvelopeN>"""


@cache
def jpeg_tile(seed: int, quality: int = 85, size: int = TILE) -> bytes:
    """Return a JPEG of smooth colours and some texture, a different one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse, np.int16) + rng.integers(-24, 24, (size, size, 3), np.int16)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def large_tile(n: int) -> bytes:
    """Return a JPEG tile with an incompressible comment of 60 KB."""
    tile, comment = jpeg_tile(n), random.Random(n).randbytes(60_000)
    return tile[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + tile[2:]


@cache
def foreign_tile(seed: int, scale: float = 0.5) -> bytes:
    """Return a JPEG whose quantisation tables are not IJG's: flatter ones, as those of other encoders are."""
    luminance = [min(round(scale * (16 + 2 * i)), 255) for i in range(64)]
    file = io.BytesIO()
    with Image.open(io.BytesIO(jpeg_tile(seed, 100))) as image:
        image.save(file, "JPEG", qtables=[luminance, [round(scale * 40)] * 64], quality=-1)
    return file.getvalue()


@cache
def png_tile(seed: int, size: int = TILE) -> bytes:
    """Return a PNG with an alpha channel."""
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 4), np.uint8)).resize((size, size)).save(file, "PNG")
    return file.getvalue()


@cache
def loose_png_tile(seed: int, size: int = TILE) -> bytes:
    """Return a PNG with an alpha channel that is compressed little: its optimisation makes it smaller."""
    y, x = np.mgrid[:size, :size]
    pixels = np.stack([seed + 3 * x, 2 * y, x + seed * y, np.where(x > y, 0, 200)], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def square(level: int, rows: range, columns: range) -> dict[Address, bytes]:
    """Return JPEG tiles for each row and column."""
    return {(level, row, column): jpeg_tile(1000 * row + column) for row in rows for column in columns}


def world() -> dict[Address, bytes]:
    """Return all tiles of levels 0-2, and of level 8 a square of 12 x 12 tiles where four bundles meet."""
    tiles: dict[Address, bytes] = {}
    for level in range(3):
        tiles |= square(level, range(2**level), range(2**level))
    return tiles | square(8, range(122, 134), range(122, 134))


HALF_WAY = 3
"""Batches of the world, which has seven: whichever three they are, they hold 12 % or more of its tiles."""


def lod_text(level: int, tile: int = TILE) -> tuple[str, str]:
    """Return scale and resolution as conf.xml writes them, with more digits than a float keeps."""
    scale, resolution = (number / 2**level for number in LEVEL_0)
    return f"{scale:.17g}", f"{resolution / tile:.17g}"


def conf_text(levels: range | list[int] = range(9), *, tile: int = TILE, **changes: object) -> str:
    """Return a conf.xml of a web Mercator cache; `changes` replace its values."""
    lods = "".join(
        "<LODInfo><LevelID>{}</LevelID><Scale>{}</Scale><Resolution>{}</Resolution></LODInfo>".format(
            level, *lod_text(level, tile or TILE)
        )
        for level in levels
    )
    values: dict[str, object] = {
        "reference": "<WKID>102100</WKID><LatestWKID>3857</LatestWKID>",
        "x": f"-{ORIGIN}",
        "y": ORIGIN,
        "tile": tile,
        "lods": lods,
        "format": "JPEG",
        "quality": 85,
        "storage": "esriMapCacheStorageModeCompactV2",
    }
    return CONF.format_map(values | changes)


def make_cache(
    folder: Path,
    tiles: Mapping[Address, bytes],
    *,
    conf: str | None = None,
    cdi: tuple[float, float, float, float] | None = None,
    arcgis: bool = False,
    empty: int = 0,
    dead: int = 0,
    share: bool = False,
) -> Path:
    """Create a compact V2 cache; the parameters are those of `bundle_bytes`."""
    for path, content in group_by_bundle(folder / "_alllayers", tiles).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bundle_bytes(content, arcgis=arcgis, empty=empty, dead=dead, share=share))
    return write_documents(folder, conf or conf_text(), cdi)


def make_wide_cache(folder: Path, level: int) -> Path:
    """Create a compact V2 cache of one whole level, whose bundles are hard links to one file."""
    places = [(row, column) for row in range(128) for column in range(128)]
    first = bundle_path(folder / "_alllayers", level, 0, 0)
    first.parent.mkdir(parents=True)
    first.write_bytes(bundle_bytes({place: jpeg_tile(i % 61) for i, place in enumerate(places)}))
    for row, column in list(product(range(0, 2**level, 128), repeat=2))[1:]:
        os.link(first, bundle_path(folder / "_alllayers", level, row, column))
    return write_documents(folder, conf_text(range(level + 1)))


def write_documents(folder: Path, conf: str, cdi: tuple[float, float, float, float] | None = None) -> Path:
    """Create the files of a cache folder besides its tiles."""
    (folder / "_alllayers").mkdir(parents=True, exist_ok=True)
    (folder / "conf.xml").write_text(conf, encoding="utf-8")
    if cdi:
        (folder / "conf.cdi").write_text(CDI.format(*cdi), encoding="utf-8")
    return folder


def make_v1_cache(
    folder: Path,
    tiles: Mapping[Address, bytes],
    *,
    conf: str | None = None,
    cdi: tuple[float, float, float, float] | None = None,
) -> Path:
    """Create a compact V1 cache."""
    for path, content in group_by_bundle(folder / "_alllayers", tiles).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        origin = int(path.stem[1:].split("C")[0], 16), int(path.stem.split("C")[1], 16)
        data, index = bundle_v1_bytes(content, origin=origin)
        path.write_bytes(data)
        path.with_suffix(".bundlx").write_bytes(index)
    return write_documents(folder, conf or conf_text(storage="esriMapCacheStorageModeCompact"), cdi)


def make_exploded_cache(
    folder: Path,
    tiles: Mapping[Address, bytes],
    *,
    conf: str | None = None,
    cdi: tuple[float, float, float, float] | None = None,
) -> Path:
    """Create an exploded cache; its conf.xml has no CacheStorageInfo, as those of version 9."""
    for (level, row, column), tile in tiles.items():
        path = folder / "_alllayers" / f"L{level:02d}" / f"R{row:08x}" / f"C{column:08x}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".png" if tile.startswith(b"\x89PNG") else ".jpg").write_bytes(tile)
    text = conf or conf_text()
    start, end = text.index("<CacheStorageInfo"), text.index("</CacheStorageInfo>") + len("</CacheStorageInfo>")
    return write_documents(folder, text[:start] + text[end:], cdi)
