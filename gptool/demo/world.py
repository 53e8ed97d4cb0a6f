"""An invented world as a JPEG tile cache: compact V2, web Mercator, levels 0-4."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptool.cache import TileBatch
from gptool.demo.relief import draw_shaded_relief, halve
from gptool.errors import OutputExistsError
from gptool.jpeg.pixels import encode
from gptool.model import PACKET_SIZE, BundleAddress, StorageFormat
from gptool.output.bundle import CompactV2Writer, bundle_regions

TILE = 256
QUALITY = 75
"""Esri's default for JPEG caches."""

# Level 0 of the scheme that Esri's basemaps use; each level halves both.
RESOLUTION, SCALE = 156543.03392800014, 591657527.591555
ORIGIN = 20037508.342787001

NAMESPACES = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.3"'
)
CONF = f"""<?xml version="1.0" encoding="utf-8"?>
<CacheInfo xsi:type="typens:CacheInfo" {NAMESPACES}>
  <TileCacheInfo xsi:type="typens:TileCacheInfo">
    <SpatialReference xsi:type="typens:ProjectedCoordinateSystem">
      <WKID>102100</WKID>
      <LatestWKID>3857</LatestWKID>
    </SpatialReference>
    <TileOrigin xsi:type="typens:PointN"><X>-{ORIGIN}</X><Y>{ORIGIN}</Y></TileOrigin>
    <TileCols>{TILE}</TileCols>
    <TileRows>{TILE}</TileRows>
    <DPI>96</DPI>
    <LODInfos xsi:type="typens:ArrayOfLODInfo">
%s
    </LODInfos>
  </TileCacheInfo>
  <TileImageInfo xsi:type="typens:TileImageInfo">
    <CacheTileFormat>JPEG</CacheTileFormat>
    <CompressionQuality>{QUALITY}</CompressionQuality>
    <Antialiasing>false</Antialiasing>
    <BandCount>3</BandCount>
  </TileImageInfo>
  <CacheStorageInfo xsi:type="typens:CacheStorageInfo">
    <StorageFormat>esriMapCacheStorageModeCompactV2</StorageFormat>
    <PacketSize>{PACKET_SIZE}</PacketSize>
  </CacheStorageInfo>
</CacheInfo>
"""
LOD = """\
      <LODInfo xsi:type="typens:LODInfo">
        <LevelID>%d</LevelID><Scale>%r</Scale><Resolution>%r</Resolution>
      </LODInfo>"""
CDI = f"""<?xml version="1.0" encoding="utf-8"?>
<EnvelopeN xsi:type="typens:EnvelopeN" {NAMESPACES}>
  <XMin>-{ORIGIN}</XMin><YMin>-{ORIGIN}</YMin><XMax>{ORIGIN}</XMax><YMax>{ORIGIN}</YMax>
  <SpatialReference xsi:type="typens:ProjectedCoordinateSystem">
    <WKID>102100</WKID>
    <LatestWKID>3857</LatestWKID>
  </SpatialReference>
</EnvelopeN>
"""


def make_cache(folder: Path, levels: int = 5) -> None:
    """Draw the world and cut it into a cache; it appears whole or not at all.

    Parameters
    ----------
    folder : Path
        The cache folder to make. Its parent must exist.
    levels : int
        Levels from 0 on, 1 to 7; the last is drawn with 256 * 2 ** (levels - 1) pixels a side.

    Raises
    ------
    OutputExistsError
        When `folder` exists.
    """
    if folder.exists():
        raise OutputExistsError("output already exists", where=folder)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as staging:
        made = Path(staging) / folder.name
        (made / "_alllayers").mkdir(parents=True)
        lods = "\n".join(LOD % (level, SCALE / 2**level, RESOLUTION / 2**level) for level in range(levels))
        (made / "conf.xml").write_text(CONF % lods, encoding="utf-8")
        (made / "conf.cdi").write_text(CDI, encoding="utf-8")
        world = draw_shaded_relief(TILE << (levels - 1))
        for level in reversed(range(levels)):
            _write_bundle(made / "_alllayers", BundleAddress(level, 0, 0), world)
            world = halve(world)
        made.rename(folder)


def _write_bundle(tiles: Path, address: BundleAddress, world: NDArray[np.uint8]) -> None:
    """Write a level; up to level 7 it fits into one bundle."""
    regions = bundle_regions(tiles, StorageFormat.COMPACT_V2, address)
    with CompactV2Writer(address, regions, checksums=False) as writer:
        for row, strip in enumerate(np.split(world, len(world) // TILE)):
            writer.append(_batch(row, list(_encode(strip))))


def _encode(strip: NDArray[np.uint8]) -> Iterator[bytes]:
    for tile in np.split(strip, strip.shape[1] // TILE, axis=1):
        yield encode(tile, QUALITY)


def _batch(row: int, tiles: list[bytes]) -> TileBatch:
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    positions = PACKET_SIZE * row + np.arange(len(tiles))
    return TileBatch.contiguous(positions, np.frombuffer(b"".join(tiles), np.uint8), sizes)
