"""An imaginary world as a JPEG tile cache in compact V2 format and Web Mercator."""

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
from gptool.model import PACKET_SIZE, BundleAddress
from gptool.output.bundle import CompactV2Writer, bundle_regions

TILE_SIDE = 256
"""Rows and columns of a tile, pixels."""

QUALITY = 75
"""JPEG quality of the tiles: the default of Esri software for JPEG caches."""

RESOLUTION, SCALE = 156543.03392800014, 591657527.591555
"""Resolution and scale of level 0 in the tiling scheme of Esri's basemaps; each level halves both."""

ORIGIN = 20037508.342787001
"""Half the width of the world in Web Mercator, metres."""

NAMESPACES = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.3"'
)
CONF_XML = f"""<?xml version="1.0" encoding="utf-8"?>
<CacheInfo xsi:type="typens:CacheInfo" {NAMESPACES}>
  <TileCacheInfo xsi:type="typens:TileCacheInfo">
    <SpatialReference xsi:type="typens:ProjectedCoordinateSystem">
      <WKID>102100</WKID>
      <LatestWKID>3857</LatestWKID>
    </SpatialReference>
    <TileOrigin xsi:type="typens:PointN"><X>-{ORIGIN}</X><Y>{ORIGIN}</Y></TileOrigin>
    <TileCols>{TILE_SIDE}</TileCols>
    <TileRows>{TILE_SIDE}</TileRows>
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
LOD_INFO = """\
      <LODInfo xsi:type="typens:LODInfo">
        <LevelID>%d</LevelID><Scale>%r</Scale><Resolution>%r</Resolution>
      </LODInfo>"""
CONF_CDI = f"""<?xml version="1.0" encoding="utf-8"?>
<EnvelopeN xsi:type="typens:EnvelopeN" {NAMESPACES}>
  <XMin>-{ORIGIN}</XMin><YMin>-{ORIGIN}</YMin><XMax>{ORIGIN}</XMax><YMax>{ORIGIN}</YMax>
  <SpatialReference xsi:type="typens:ProjectedCoordinateSystem">
    <WKID>102100</WKID>
    <LatestWKID>3857</LatestWKID>
  </SpatialReference>
</EnvelopeN>
"""


def make_cache(folder: Path, levels: int = 5) -> None:
    """Draw the world and write it as a cache, which appears complete or not at all.

    Parameters
    ----------
    folder : Path
        The cache folder to create. Its parent must exist.
    levels : int
        Number of levels, 1 to 7, from level 0. The last one has 256 * 2 ** (levels - 1) rows and columns of pixels.

    Raises
    ------
    OutputExistsError
        If `folder` exists.
    """
    if folder.exists():
        raise OutputExistsError("output already exists", where=folder)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as staging:
        staged = Path(staging) / folder.name
        (staged / "_alllayers").mkdir(parents=True)
        lods = "\n".join(LOD_INFO % (level, SCALE / 2**level, RESOLUTION / 2**level) for level in range(levels))
        (staged / "conf.xml").write_text(CONF_XML % lods, encoding="utf-8")
        (staged / "conf.cdi").write_text(CONF_CDI, encoding="utf-8")
        world = draw_shaded_relief(TILE_SIDE << (levels - 1))
        for level in reversed(range(levels)):
            _write_bundle(staged / "_alllayers", BundleAddress(level, 0, 0), world)
            world = halve(world)
        staged.rename(folder)


def _write_bundle(folder: Path, address: BundleAddress, image: NDArray[np.uint8]) -> None:
    """Write the image of a level as one bundle, which has enough tiles for levels up to 7."""
    regions = bundle_regions(folder, CompactV2Writer, address)
    with CompactV2Writer(address, regions) as writer:
        for row, strip in enumerate(np.split(image, len(image) // TILE_SIDE)):
            writer.append(_make_batch(row, list(_encode_tiles(strip))))


def _encode_tiles(strip: NDArray[np.uint8]) -> Iterator[bytes]:
    """Yield the tiles of a row of tiles as JPEG."""
    for tile in np.split(strip, strip.shape[1] // TILE_SIDE, axis=1):
        yield encode(tile, QUALITY)


def _make_batch(row: int, tiles: list[bytes]) -> TileBatch:
    """Return a row of tiles, from column 0, as a batch."""
    sizes = np.array([len(tile) for tile in tiles], np.uint32)
    positions = PACKET_SIZE * row + np.arange(len(tiles))
    return TileBatch.contiguous(positions, np.frombuffer(b"".join(tiles), np.uint8), sizes)
