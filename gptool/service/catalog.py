"""Catalog of the published caches, and their service descriptions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from gptool.cache import TileCache, open_cache
from gptool.cache.byte_source import file_stamp
from gptool.cache.paths import parent_folder
from gptool.errors import CacheError, CacheNotFoundError, ServiceError
from gptool.model import PACKET_SIZE, Extent, Lod, StorageFormat, TileWindow
from gptool.output.esri_json import band_count, extent_json, spatial_reference_json, tile_info_json
from gptool.output.json_text import Json
from gptool.plan import enclosing_window
from gptool.settings import CacheSettings
from gptool.system.store_url import StoreUrl

CURRENT_VERSION = 11.3
"""Version of ArcGIS's REST API that the responses follow."""

CAPABILITIES = {"ImageServer": "Image,Tilemap,TilesOnly", "MapServer": "Map,Tilemap,TilesOnly"}
"""The service types that each cache is published as, and their `capabilities`."""

CHECK_SECONDS = 1.0
"""How long a cache, or a file of one, is used before it is checked whether it was replaced."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CachedService:
    """A published cache.

    Attributes
    ----------
    name : str
        The name of the service, `World` or `Maps/World`.
    settings : CacheSettings
    cache : TileCache
        The open cache.
    levels : tuple of Lod
        The levels that contain tiles, coarsest first.
    extent : Extent
        The extent that the cache declares, by default that of the tiles of the finest level.
    """

    name: str
    settings: CacheSettings
    cache: TileCache
    levels: tuple[Lod, ...]
    extent: Extent

    @property
    def title(self) -> str:
        """The title of the settings, by default the name."""
        return self.settings.title or self.name


MAX_OPENED_AT_ONCE = 8
"""Caches that are opened at once when the service starts: those on network drives keep it waiting."""


class Catalog:
    """The published caches by service name. One that cannot be read is reported, and read again when it is requested.

    Raises
    ------
    CacheError
        If none of them can be read.
    """

    def __init__(self, caches: Mapping[str, CacheSettings]) -> None:
        self._caches = caches
        self._opened: dict[str, tuple[tuple[int, ...], CachedService]] = {}
        self._checked: dict[str, float] = {}
        with ThreadPoolExecutor(min(len(caches), MAX_OPENED_AT_ONCE) or 1) as pool:
            errors = list(filter(None, pool.map(self._open_error, caches)))
        if errors and len(errors) == len(caches):
            raise errors[0]

    def _open_error(self, name: str) -> CacheError | None:
        """Open a cache. Return the error if it cannot be read, which is logged."""
        try:
            self.service(name)
        except CacheError as error:
            LOG.error("service %s is not available until its cache can be read: %s", name, error)  # noqa: TRY400
            return error
        return None

    @property
    def names(self) -> list[str]:
        """Names of all services, sorted."""
        return sorted(self._caches)

    @property
    def exportable(self) -> list[str]:
        """Names of the services that tiles can be exported from, sorted."""
        return [name for name in self.names if self._caches[name].export_tiles_allowed]

    @property
    def folders(self) -> list[str]:
        """Names of the folders of services, sorted."""
        return sorted({name.partition("/")[0] for name in self._caches if "/" in name})

    async def find(self, name: str) -> CachedService:
        """Return a published cache. Every `CHECK_SECONDS`, one caller waits for the disk; the others go on.

        Raises as `service`.
        """
        found, now = self._opened.get(name), time.monotonic()
        if found and now - self._checked[name] < CHECK_SECONDS:
            return found[1]
        if found:
            self._checked[name] = now
        return await asyncio.to_thread(self.service, name)

    def service(self, name: str) -> CachedService:
        """Return a published cache, which is opened again after it has been replaced.

        Raises
        ------
        ServiceError
            If there is no service of this name.
        CacheError
            If the cache cannot be read.
        """
        if name not in self._caches:
            raise ServiceError("service not found", code=404, where=name)
        found = self._opened.get(name)
        try:
            if found is None or found[0] != cache_signature(found[1].cache):
                service = _open_service(name, self._caches[name])
                found = cache_signature(service.cache), service
        except CacheError:
            self._opened.pop(name, None)
            raise
        self._checked[name] = time.monotonic()
        self._opened[name] = found
        return found[1]


def _open_service(name: str, settings: CacheSettings) -> CachedService:
    cache = replace(open_cache(settings.location), name=name.rpartition("/")[2])
    levels = tuple(lod for lod in cache.scheme.lods if cache.bundles(lod))
    return CachedService(name, settings, cache, levels, cache.declared_extent or _tiles_extent(cache, levels))


def _tiles_extent(cache: TileCache, levels: Sequence[Lod]) -> Extent:
    """Return the extent of the tiles of the finest level. Only the outermost bundles are read."""
    for lod in reversed(levels):
        addresses = cache.bundles(lod)
        rows, columns = ([getattr(address, side) for address in addresses] for side in ("row", "column"))
        outer_rows, outer_columns = (min(rows), max(rows)), (min(columns), max(columns))
        window: TileWindow | None = None
        for address in addresses:
            if address.row in outer_rows or address.column in outer_columns:
                with cache.open_bundle(address) as bundle:
                    if bundle.sizes.any():
                        tiles = enclosing_window(bundle.sizes > 0, address)
                        window = tiles if window is None else window.union(tiles)
        if window is not None:
            return cache.scheme.extent(lod, window)
    return Extent(0, 0, 0, 0)


def cache_signature(cache: TileCache) -> tuple[int, ...]:
    """Return numbers that change when a package, a conf.xml or a level is replaced."""
    signature = cache.files.signature(parent_folder(cache.tiles_folder))
    if signature or isinstance(cache.location, StoreUrl):
        return signature
    paths = (cache.location, cache.location / cache.tiles_folder) if cache.location.is_dir() else (cache.location,)
    try:
        return tuple(number for path in paths for number in file_stamp(path.stat()))
    except OSError as error:
        raise CacheNotFoundError(f"cannot be opened: {error.strerror}", where=cache.location) from error


def service_json(service: CachedService, service_type: str) -> dict[str, Any]:
    """Return the JSON description of a cached image service or map service.

    ArcGIS REST API, "Image Service" and "Map Service"; the Maps SDKs check `exportTileCacheCompactV2Allowed`.

    Parameters
    ----------
    service : CachedService
    service_type : str
        `ImageServer` or `MapServer`.
    """
    cache, settings = service.cache, service.settings
    scheme, image = cache.scheme, cache.image
    reference = spatial_reference_json(scheme.reference)
    extent = extent_json(service.extent, reference)
    lods = service.levels or scheme.lods
    storage = cache.storage if cache.storage.is_esri else StorageFormat.COMPACT_V2  # clients know Esri's formats only
    is_elevation = image.format.startswith("LERC")
    pixel_size = scheme.lods[-1].resolution
    lerc: dict[str, Json] = {"lercError": image.lerc_error} if image.lerc_error else {}
    return {
        "currentVersion": CURRENT_VERSION,
        "name": service.name,
        "serviceDescription": settings.description,
        "description": settings.description,
        "copyrightText": settings.copyright,
        **_type_json(service_type, service, is_elevation),
        "spatialReference": reference,
        "extent": extent,
        "initialExtent": extent,
        "fullExtent": extent,
        "pixelSizeX": pixel_size,
        "pixelSizeY": pixel_size,
        "minScale": lods[0].scale,
        "maxScale": lods[-1].scale,
        "minLOD": lods[0].level,
        "maxLOD": lods[-1].level,
        "capabilities": CAPABILITIES[service_type],
        "singleFusedMapCache": True,
        "cacheType": "Elevation" if is_elevation else "Map",
        "tileInfo": {
            "format": image.format,
            "compressionQuality": image.compression_quality,
            **lerc,
            **tile_info_json(scheme, reference),
        },
        "storageInfo": {"storageFormat": storage.value, "packetSize": PACKET_SIZE},
        "exportTilesAllowed": settings.export_tiles_allowed,
        "maxExportTilesCount": settings.max_export_tiles_count,
        "exportTileCacheCompactV2Allowed": settings.export_tiles_allowed,
    }


def _type_json(service_type: str, service: CachedService, is_elevation: bool) -> dict[str, Any]:
    """Return the members of a description that depend on the type of the service."""
    if service_type == "MapServer":
        document = {"Title": service.title, "Comments": service.settings.description, "Keywords": ""}
        return {"mapName": service.cache.name, "layers": [], "tables": [], "documentInfo": document}
    return {
        "serviceDataType": "esriImageServiceDataTypeElevation" if is_elevation else "esriImageServiceDataTypeRGB",
        "bandCount": band_count(service.cache.image),
        "pixelType": "F32" if is_elevation else "U8",
    }
