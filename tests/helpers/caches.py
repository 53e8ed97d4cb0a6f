"""Small caches made in code: bytes laid out by hand, never with the package's own writers."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

Address = tuple[int, int, int]
"""Level, row, column."""

TILE = 64
"""Pixels of a tile's side in these caches."""

ORIGIN = "20037508.342787001"
LEVEL_0 = 591657527.591555, 156543.03392800014 * 256
"""Scale, and resolution of a tile of one pixel: the square world is one tile at level 0."""

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
    """A JPEG of smooth colours and some texture, another for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse, np.int16) + rng.integers(-24, 24, (size, size, 3), np.int16)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


@cache
def png_tile(seed: int, size: int = TILE) -> bytes:
    """A PNG with an alpha channel."""
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 4), np.uint8)).resize((size, size)).save(file, "PNG")
    return file.getvalue()


def square(level: int, rows: range, columns: range) -> dict[Address, bytes]:
    """JPEG tiles for each row and column."""
    return {(level, row, column): jpeg_tile(1000 * row + column) for row in rows for column in columns}


def world() -> dict[Address, bytes]:
    """Levels 0-2 whole, and at level 8 a square of 12 x 12 tiles where four bundles meet."""
    tiles = {}
    for level in range(3):
        tiles |= square(level, range(2**level), range(2**level))
    return tiles | square(8, range(122, 134), range(122, 134))


HALF_WAY = 3
"""Batches of the world, of seven in all: whichever they are, with them 12 % or more of its tiles are done."""


def bundle_bytes(
    tiles: Mapping[tuple[int, int], bytes], *, arcgis: bool = False, empty: int = 0, dead: int = 0, share: bool = False
) -> bytes:
    """A compact V2 bundle of tiles at (row, column) within it.

    `arcgis`: the header family ArcGIS writes; `empty`: what the index holds where there is no tile; `dead`: unused
    bytes in front of each tile; `share`: equal tiles are stored once, which nothing forbids.
    """
    index, body = [empty] * 16384, bytearray()
    stored: dict[bytes, int] = {}
    for (row, column), tile in tiles.items():
        if not share or tile not in stored:
            body += b"\xee" * dead + struct.pack("<I", len(tile))
            stored[tile] = 64 + 131072 + len(body)
            body += tile
        index[128 * row + column] = len(tile) << 40 | stored[tile]
    count, legacy = (0, 0) if arcgis else (16384, 16)
    size, largest = 64 + 131072 + len(body), max(map(len, tiles.values()), default=0)
    head = struct.pack("<4I3Q6I", 3, count, largest, 5, 0, size, 40, 131092, 3, legacy, 16384, 5, 131072)
    return head + struct.pack("<16384Q", *index) + bytes(body)


def bundle_v1_bytes(tiles: Mapping[tuple[int, int], bytes], *, origin: tuple[int, int] = (0, 0)) -> tuple[bytes, bytes]:
    """A compact V1 bundle of tiles at (row, column) within it: .bundle and .bundlx.

    `origin`: the bundle's first row and column. A tile of no bytes is an entry whose size is 0.
    """
    entries, body = [60 + 4 * i for i in range(16384)], bytearray()
    for (row, column), tile in tiles.items():
        entries[128 * column + row] = 60 + 65536 + len(body)
        body += struct.pack("<I", len(tile)) + tile
    size, largest = 60 + 65536 + len(body), max(map(len, tiles.values()), default=0)
    rows_and_columns = origin[0], origin[0] + 127, origin[1], origin[1] + 127
    head = struct.pack("<15I", 3, 16384, largest, 5, 4 * len(tiles), 0, size, 0, 40, 0, 16, *rows_and_columns)
    index = b"".join(entry.to_bytes(5, "little") for entry in entries)
    return head + bytes(65536) + bytes(body), struct.pack("<4I", 3, 16, 16384, 5) + index + struct.pack(
        "<4I", 0, 16, 16, 0
    )


def bundle_path(tiles: Path, level: int, row: int, column: int) -> Path:
    """Where a tile's bundle lies."""
    return tiles / f"L{level:02d}" / f"R{row // 128 * 128:04x}C{column // 128 * 128:04x}.bundle"


def lod_text(level: int, tile: int = TILE) -> tuple[str, str]:
    """Scale and resolution as conf.xml writes them: more digits than a float keeps."""
    scale, resolution = (number / 2**level for number in LEVEL_0)
    return f"{scale:.17g}", f"{resolution / tile:.17g}"


def conf_text(levels: range | list[int] = range(9), *, tile: int = TILE, **changes: object) -> str:
    """A conf.xml of a web Mercator cache."""
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
    """Lay a compact V2 cache into `folder`."""
    for path, content in by_bundle(folder / "_alllayers", tiles).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bundle_bytes(content, arcgis=arcgis, empty=empty, dead=dead, share=share))
    return complete(folder, conf or conf_text(), cdi)


def make_wide_cache(folder: Path, level: int) -> Path:
    """Lay a compact V2 cache of one whole level, large at no expense: its bundles are one file."""
    places = product(range(128), repeat=2)
    first = bundle_path(folder / "_alllayers", level, 0, 0)
    first.parent.mkdir(parents=True)
    first.write_bytes(bundle_bytes({place: jpeg_tile(i % 61) for i, place in enumerate(places)}))
    for row, column in list(product(range(0, 2**level, 128), repeat=2))[1:]:
        os.link(first, bundle_path(folder / "_alllayers", level, row, column))
    return complete(folder, conf_text(range(level + 1)))


def complete(folder: Path, conf: str, cdi: tuple[float, float, float, float] | None = None) -> Path:
    """Lay what a cache folder has besides its tiles."""
    (folder / "_alllayers").mkdir(parents=True, exist_ok=True)
    (folder / "conf.xml").write_text(conf, encoding="utf-8")
    if cdi:
        (folder / "conf.cdi").write_text(CDI.format(*cdi), encoding="utf-8")
    return folder


def by_bundle(folder: Path, tiles: Mapping[Address, bytes]) -> dict[Path, dict[tuple[int, int], bytes]]:
    """The tiles of each bundle below the folder of the level folders, at (row, column) within it."""
    bundles: dict[Path, dict[tuple[int, int], bytes]] = defaultdict(dict)
    for (level, row, column), tile in tiles.items():
        bundles[bundle_path(folder, level, row, column)][row % 128, column % 128] = tile
    return bundles


def make_v1_cache(
    folder: Path,
    tiles: Mapping[Address, bytes],
    *,
    conf: str | None = None,
    cdi: tuple[float, float, float, float] | None = None,
) -> Path:
    """Lay a compact V1 cache into `folder`."""
    for path, content in by_bundle(folder / "_alllayers", tiles).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        origin = int(path.stem[1:].split("C")[0], 16), int(path.stem.split("C")[1], 16)
        data, index = bundle_v1_bytes(content, origin=origin)
        path.write_bytes(data)
        path.with_suffix(".bundlx").write_bytes(index)
    return complete(folder, conf or conf_text(storage="esriMapCacheStorageModeCompact"), cdi)


def make_exploded_cache(
    folder: Path,
    tiles: Mapping[Address, bytes],
    *,
    conf: str | None = None,
    cdi: tuple[float, float, float, float] | None = None,
) -> Path:
    """Lay an exploded cache into `folder`; its conf.xml, as those of 9.x, does not speak of storage."""
    for (level, row, column), tile in tiles.items():
        path = folder / "_alllayers" / f"L{level:02d}" / f"R{row:08x}" / f"C{column:08x}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".png" if tile.startswith(b"\x89PNG") else ".jpg").write_bytes(tile)
    text = conf or conf_text()
    start, end = text.index("<CacheStorageInfo"), text.index("</CacheStorageInfo>") + len("</CacheStorageInfo>")
    return complete(folder, text[:start] + text[end:], cdi)


def root_text(levels: range | list[int] = range(9), *, tile: int = TILE, **changes: object) -> str:
    """A root.json of a web Mercator package; `changes` replace its fields, None removes one."""
    lods = ",".join(
        f'{{"level":{level},"resolution":{resolution},"scale":{scale}}}'
        for level, (scale, resolution) in ((level, lod_text(level, tile)) for level in levels)
    )
    reference = '{"wkid":102100,"latestWkid":3857}'
    fields = {
        "name": '"world"',
        "version": "1.0",
        "tileBundlesPath": '"./tile"',
        "minLOD": str(min(levels, default=0)),
        "maxLOD": str(max(levels, default=0)),
        "tileInfo": f'{{"rows":{tile},"cols":{tile},"dpi":96,"origin":{{"x":-{ORIGIN},"y":{ORIGIN}}},'
        f'"spatialReference":{reference},"lods":[{lods}]}}',
        "spatialReference": reference,
        "tileImageInfo": '{"format":"JPEG","compressionQuality":85,"bandCount":3,"lercError":0}',
        "storageInfo": '{"storageFormat":"esriMapCacheStorageModeCompactV2","packetSize":128}',
    }
    fields |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in changes.items()}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value != "null") + "}"


def make_tpkx(
    path: Path,
    tiles: Mapping[Address, bytes],
    *,
    root: str | None = None,
    compression: int = zipfile.ZIP_STORED,
    arcgis: bool = True,
) -> Path:
    """Pack a .tpkx as one finds them: bundles first, folders as members of their own, macOS' litter."""
    with zipfile.ZipFile(path, "w", compression) as package:
        bundles = by_bundle(Path("tile"), tiles)
        for folder in {bundle.parent for bundle in bundles}:
            package.writestr(f"{folder.as_posix()}/", b"")
        for bundle, content in bundles.items():
            package.writestr(bundle.as_posix(), bundle_bytes(content, arcgis=arcgis, dead=10))
        package.writestr("tile/.DS_Store", b"litter")
        package.writestr("root.json", root or root_text())
        package.writestr("iteminfo.json", "{}")
    return path


def make_tpk(
    path: Path,
    tiles: Mapping[Address, bytes],
    *,
    name: str = "TPK Root Name",
    conf_name: str = "Conf.XML",
    conf: str | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Pack a .tpk as one finds them."""
    with zipfile.ZipFile(path, "w", compression) as package:
        package.writestr("esriinfo/", b"")
        package.writestr("v101/.DS_Store", b"litter")
        package.writestr(f"v101/{name}.lyr", b"a layer")
        for bundle, content in by_bundle(Path(f"v101/{name}/_alllayers"), tiles).items():
            data, index = bundle_v1_bytes(content)
            package.writestr(bundle.as_posix(), data)
            package.writestr(bundle.with_suffix(".bundlx").as_posix(), index)
        package.writestr(f"v101/{name}/{conf_name}", conf or conf_text(storage="esriMapCacheStorageModeCompact"))
    return path
