"""The .tpkx: root.json and iteminfo.json (Esri's tile-package-spec, docs/root.md and docs/iteminfo.md), V2 bundles."""

from __future__ import annotations

from gptool.cache import TileCache
from gptool.crs.reference import esri_unit, well_known_id, wgs84_extent
from gptool.errors import ConfError
from gptool.model import PACKET_SIZE, StorageFormat
from gptool.output.esri_json import band_count, extent_json, layer_json, spatial_reference_json, summary, tile_info_json
from gptool.output.json_text import Json, to_json_bytes
from gptool.output.kind import ResultInfo, pad_metadata
from gptool.output.tile_package import TilePackage
from gptool.plan import Plan

ITEM_TYPE = "Compact Tile Package"


class Tpkx(TilePackage):
    """The kind of a .tpkx."""

    def can_hold(self, cache: TileCache) -> bool:
        """Return True if root.json can state the cache's spatial reference, which it does by its well-known id."""
        return well_known_id(cache.scheme.reference) is not None

    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name; see `TilePackage.metadata`."""
        return {
            "iteminfo.json": pad_metadata(_iteminfo_json, info),
            "root.json": pad_metadata(_root_json, info),
            "thumbnail.png": info.thumbnail,
        }


TPKX = Tpkx(".tpkx", StorageFormat.COMPACT_V2, tiles_folder="tile")


def _root_json(info: ResultInfo) -> bytes:
    plan, name = info.plan, info.name
    scheme, image = plan.cache.scheme, plan.cache.image
    reference = _spatial_reference(plan)
    extent = extent_json(plan.extent(), reference)
    first, last = plan.filled_levels[0].lod, plan.filled_levels[-1].lod
    unit = esri_unit(scheme.reference)
    root: dict[str, Json] = {
        "name": name,
        "version": 1.0,
        # Near the start, since GDAL looks for it in the first kilobyte only.
        "tileBundlesPath": "./tile",
        "serviceDescription": "",
        "spatialReference": reference,
        **({"units": unit} if unit else {}),
        "minLOD": first.level,
        "maxLOD": last.level,
        "minScale": first.scale,
        "maxScale": last.scale,
        "resampling": True,
        "exportTilesAllowed": False,
        "storageInfo": {"storageFormat": StorageFormat.COMPACT_V2.value, "packetSize": PACKET_SIZE},
        "tileImageInfo": {
            "format": image.format,
            "compressionQuality": info.quality,
            "bandCount": band_count(image),
            "lercError": image.lerc_error or 0,
        },
        "initialExtent": extent,
        "fullExtent": extent,
        "tileInfo": tile_info_json(scheme, reference),
        "layers": [layer_json(name)],
    }
    return to_json_bytes(root)


def _iteminfo_json(info: ResultInfo) -> bytes:
    """Return iteminfo.json. `created` is 0, as in Esri's own packages, so that equal requests give equal bytes."""
    plan, name = info.plan, info.name
    wgs84: dict[str, Json] = {"wkid": 4326, "latestWkid": 4326}
    keywords: list[Json] = [ITEM_TYPE, "Tile Package", "tpkx"]
    item: dict[str, Json] = {
        "name": name,
        "guid": info.guid,
        "version": 1.0,
        "created": 0,
        "snippet": summary(plan),
        "description": "",
        "summary": summary(plan),
        "title": name,
        "tags": "",
        "type": ITEM_TYPE,
        "typeKeywords": keywords,
        "thumbnail": "./thumbnail.png",
        "extent": extent_json(wgs84_extent(plan.cache.scheme.reference, plan.extent()), wgs84),
        "spatialReference": _spatial_reference(plan),
    }
    return to_json_bytes(item)


def _spatial_reference(plan: Plan) -> dict[str, Json]:
    """Return the spatial reference by its well-known id. Raises ConfError if it has none."""
    reference = spatial_reference_json(plan.cache.scheme.reference)
    if "wkid" not in reference:
        raise ConfError(
            "spatial reference has no well-known id, which a .tpkx requires",
            where=plan.cache.location,
            found="no WKID, no LatestWKID and no WKT with an id that PROJ knows",
            expected="one of them",
        )
    return reference
