"""The caches that a service offers, open, and what it says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gptool.cache import TileCache, open_cache
from gptool.errors import CacheNotFoundError, ServiceError
from gptool.model import PACKET_SIZE, Extent, Lod, TileWindow
from gptool.output.esri_json import band_count, extent_json, reference_json, tile_info_json
from gptool.output.json_text import Json
from gptool.plan.plan import window_around
from gptool.settings import CacheSettings

CURRENT_VERSION = 11.3
"""Of ArcGIS's REST API: what is answered is what clients expect of it."""

KINDS = {"ImageServer": "Image,TilesOnly", "MapServer": "Map,TilesOnly"}
"""The types of services that each cache is offered as, and what they say they can."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A cache that is offered.

    Attributes
    ----------
    name : str
        `World`, or `Maps/World`.
    levels : tuple of Lod
        Those that hold tiles, coarsest first.
    extent : Extent
        The box that the cache declares, else that of the deepest level's tiles.
    """

    name: str
    settings: CacheSettings
    cache: TileCache
    levels: tuple[Lod, ...]
    extent: Extent


def _offer(name: str, settings: CacheSettings) -> Offer:
    cache = replace(open_cache(settings.location), name=name.rpartition("/")[2])
    levels = tuple(lod for lod in cache.scheme.lods if cache.bundles(lod))
    return Offer(name, settings, cache, levels, cache.declared_extent or _extent(cache, levels))


def _extent(cache: TileCache, levels: Sequence[Lod]) -> Extent:
    """Return the box of the deepest level's tiles, of the bundles at its edges: the others are within those."""
    for lod in reversed(levels):
        addresses = cache.bundles(lod)
        rows, columns = ([getattr(address, side) for address in addresses] for side in ("row", "column"))
        edges, sides = (min(rows), max(rows)), (min(columns), max(columns))
        box: TileWindow | None = None
        for address in addresses:
            if address.row in edges or address.column in sides:
                with cache.open_bundle(address) as bundle:
                    if bundle.sizes.any():
                        here = window_around(bundle.sizes > 0, address)
                        box = here if box is None else box.union(here)
        if box is not None:
            return cache.scheme.extent(lod, box)
    return Extent(0, 0, 0, 0)


class Catalog:
    """The caches of a service, by the names of their services.

    Raises
    ------
    CacheError
        When one can't be read.
    """

    def __init__(self, caches: Mapping[str, CacheSettings]) -> None:
        self._caches = caches
        self._opened: dict[str, tuple[tuple[int, ...], Offer]] = {}
        for name in caches:
            self.offer(name)

    @property
    def names(self) -> list[str]:
        """The names of all services, sorted."""
        return sorted(self._caches)

    @property
    def exported(self) -> list[str]:
        """The names of those that tiles may be exported of, sorted."""
        return [name for name in self.names if self._caches[name].export_tiles_allowed]

    @property
    def folders(self) -> list[str]:
        """The folders that services are in, sorted."""
        return sorted({name.partition("/")[0] for name in self._caches if "/" in name})

    def offer(self, name: str) -> Offer:
        """Return a cache, opened anew where another was put in its place.

        Raises
        ------
        ServiceError
            When there is none of this name.
        CacheError
            When it can't be read.
        """
        if name not in self._caches:
            raise ServiceError("no such service", code=404, found=name)
        if name not in self._opened or self._opened[name][0] != _state(self._opened[name][1].cache):
            offer = _offer(name, self._caches[name])
            self._opened[name] = _state(offer.cache), offer
        return self._opened[name][1]


def _state(cache: TileCache) -> tuple[int, ...]:
    """Return what changes when a package, conf.xml or a level is put in another's place."""
    parts = (cache.location, cache.location / cache.tiles) if cache.location.is_dir() else (cache.location,)
    try:
        found = [part.stat() for part in parts]
    except OSError as error:
        raise CacheNotFoundError(f"can't be opened: {error.strerror}", where=cache.location) from error
    return tuple(number for status in found for number in (status.st_mtime_ns, status.st_size, status.st_ino))


def service_json(offer: Offer, kind: str) -> dict[str, Any]:
    """Return what a cached image service, or map service, says of itself.

    ArcGIS REST API, "Image Service" and "Map Service"; `exportTileCacheCompactV2Allowed` is what the Maps SDKs ask for.
    """
    cache, settings = offer.cache, offer.settings
    scheme, image = cache.scheme, cache.image
    reference = reference_json(scheme.reference)
    extent = extent_json(offer.extent, reference)
    lods = offer.levels or scheme.lods
    elevation = image.format.startswith("LERC")
    pixel = scheme.lods[-1].resolution
    lerc: dict[str, Json] = {"lercError": image.lerc_error} if image.lerc_error else {}
    return {
        "currentVersion": CURRENT_VERSION,
        "name": offer.name,
        "serviceDescription": "",
        **_kind_json(kind, cache.name, elevation, band_count(image)),
        "spatialReference": reference,
        "extent": extent,
        "initialExtent": extent,
        "fullExtent": extent,
        "pixelSizeX": pixel,
        "pixelSizeY": pixel,
        "minScale": lods[0].scale,
        "maxScale": lods[-1].scale,
        "minLOD": lods[0].level,
        "maxLOD": lods[-1].level,
        "capabilities": KINDS[kind],
        "singleFusedMapCache": True,
        "cacheType": "Elevation" if elevation else "Map",
        "tileInfo": {
            "format": image.format,
            "compressionQuality": image.compression_quality,
            **lerc,
            **tile_info_json(scheme, reference),
        },
        "storageInfo": {"storageFormat": cache.storage.value, "packetSize": PACKET_SIZE},
        "exportTilesAllowed": settings.export_tiles_allowed,
        "maxExportTilesCount": settings.max_export_tiles_count,
        "exportTileCacheCompactV2Allowed": settings.export_tiles_allowed,
    }


def _kind_json(kind: str, name: str, elevation: bool, bands: int) -> dict[str, Any]:
    if kind == "MapServer":
        return {"mapName": name, "layers": [], "tables": []}
    return {
        "serviceDataType": "esriImageServiceDataTypeElevation" if elevation else "esriImageServiceDataTypeRGB",
        "bandCount": bands,
        "pixelType": "F32" if elevation else "U8",
    }
