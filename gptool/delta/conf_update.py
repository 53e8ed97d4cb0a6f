"""conf.xml of a cache folder that is brought to a new state: its own one, with what the new state has otherwise.

The new state may be described by a root.json, or by a conf.xml of another program. What such a document must state, or
states besides, such as a number of bands, is no change of the cache.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from gptool.cache import TileCache
from gptool.cache.conf_xml import children, parse_xml
from gptool.model import ImageInfo, TilingScheme
from gptool.output.conf_xml import add_level, set_child
from gptool.output.xml_text import to_xml_bytes


def updated_conf_xml(cache: TileCache, state: TileCache) -> bytes | None:
    """Return the conf.xml of a cache with the levels and the image format of a new state; None if they are its own.

    Parameters
    ----------
    cache : TileCache
        A cache with conf.xml.
    state : TileCache
        The new state, whose tiles lie on the same grid.
    """
    assert cache.conf_xml is not None, "only folders with conf.xml are updated"
    changes = _image_changes(cache.image, state.image)
    has_other_levels = _level_ids(cache.scheme) != _level_ids(state.scheme)
    if not changes and not has_other_levels:
        return None
    root = parse_xml(cache.conf_xml, cache.location, comments=True)
    for tile_image_info in children(root, "TileImageInfo")[:1]:
        for name, text in changes.items():
            set_child(tile_image_info, name, text, after="CacheTileFormat")
    if has_other_levels:
        _update_levels(root, state.scheme)
    return to_xml_bytes(root)


def _image_changes(old: ImageInfo, new: ImageInfo) -> Mapping[str, str]:
    """Return the elements of the image format that change, and their texts.

    A quality of 0 is one that is not known. The number of bands is that of the format if a document does not state it.
    """
    changes = {}
    if new.format != old.format:
        changes["CacheTileFormat"] = new.format
    if new.compression_quality not in (0, old.compression_quality):
        changes["CompressionQuality"] = str(new.compression_quality)
    if old.band_count and new.band_count not in (None, old.band_count):
        changes["BandCount"] = str(new.band_count)
    errors = [image.lerc_error.value if image.lerc_error else 0.0 for image in (old, new)]
    if errors[0] != errors[1]:
        changes["LERCError"] = str(new.lerc_error or 0)
    return changes


def _level_ids(scheme: TilingScheme) -> list[int]:
    return [lod.level for lod in scheme.lods]


def _update_levels(root: etree._Element, scheme: TilingScheme) -> None:
    """Add and remove levels; those that stay keep their elements, as both grids are the same there."""
    [lods] = [each for tile_info in children(root, "TileCacheInfo")[:1] for each in children(tile_info, "LODInfos")[:1]]
    own = {_level_id(element): element for element in children(lods, "LODInfo")}
    for element in own.values():
        lods.remove(element)
    for lod in scheme.lods:
        if lod.level in own:
            lods.append(own[lod.level])
        else:
            add_level(lods, lod)


def _level_id(element: etree._Element) -> int:
    [level] = children(element, "LevelID")[:1]
    return int(level.text or "")
