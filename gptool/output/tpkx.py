"""The .tpkx: root.json, iteminfo.json (Esri's tile-package-spec, docs/iteminfo.md), a thumbnail, and V2 bundles."""

from __future__ import annotations

from gptool.cache import TileCache
from gptool.crs.reference import wgs84_extent
from gptool.model import StorageFormat
from gptool.output.bundle import PackagedV2Writer
from gptool.output.esri_json import extent_json, spatial_reference_json, summary
from gptool.output.json_text import Json, to_json_bytes
from gptool.output.kind import ResultInfo
from gptool.output.root_json import root_json
from gptool.output.tile_package import TilePackage

ITEM_TYPE = "Compact Tile Package"

CREATOR = "ExportTiles gptool"
"""The tool and its product, as in Esri's packages."""


class Tpkx(TilePackage):
    """The kind of a .tpkx."""

    def can_hold(self, cache: TileCache) -> bool:
        """Return True if root.json can state the cache's spatial reference, by well-known id or text."""
        return bool(spatial_reference_json(cache.scheme.reference))

    def metadata(self, info: ResultInfo) -> dict[str, bytes]:
        """Return the members other than bundles by name; see `TilePackage.metadata`."""
        return {
            "iteminfo.json": _iteminfo_json(info),
            "root.json": root_json(info),
            "thumbnail.png": info.thumbnail,
        }


TPKX = Tpkx(".tpkx", StorageFormat.COMPACT_V2, PackagedV2Writer, tiles_folder="tile")


def _iteminfo_json(info: ResultInfo) -> bytes:
    """Return iteminfo.json. `created` is 0, as in Esri's own packages, so that equal requests give equal bytes."""
    plan, name = info.plan, info.name
    wgs84: dict[str, Json] = {"wkid": 4326, "latestWkid": 4326}
    keywords: list[Json] = [ITEM_TYPE, "Tile Package", "tpkx"]
    item: dict[str, Json] = {
        "creator": CREATOR,
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
    }
    return to_json_bytes(item)
