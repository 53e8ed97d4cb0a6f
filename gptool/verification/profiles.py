"""Profiles of clients: the rules that each is known to need, with the public source of each. Data only.

What a client checks beyond them is not known: no device was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from gptool.verification.rule import FOLDERS, PACKAGES, Kind, Rule

SPECIFICATION = "https://github.com/Esri/tile-package-spec"
STORE = "https://github.com/Esri/tile-package-spec/issues/1"
UNCOMPRESSED = "https://github.com/Esri/java-maven-starter-project/issues/30"
FILE_BASEMAPS = "https://doc.arcgis.com/en/field-maps/latest/prepare-maps/configure-the-map.htm"
SURVEY_MERCATOR = "https://github.com/Esri/Survey123Community/issues/443"
SURVEY_BASEMAPS = "https://github.com/Esri/Survey123Community/issues/555"
HOSTED_TILES = "https://enterprise.arcgis.com/en/portal/10.9.1/use/publish-tiles.htm"
BUNDLE_LIMIT = "https://community.esri.com/thread/217760"
TILE_CACHES = "https://developers.arcgis.com/documentation/glossary/map-tile-package/"
COMPACT_CACHE = "https://github.com/Esri/raster-tiles-compactcache/blob/master/CompactCacheV2.md"
ESRIC = "https://gdal.org/drivers/raster/esric.html"
EARLY_PATH = "https://github.com/OSGeo/gdal/issues/10006"
SINGLE_LEVEL = "https://github.com/OSGeo/gdal/issues/10229"
RECORD_COUNT = "https://github.com/OSGeo/gdal/pull/7799"


@dataclass(frozen=True)
class Profile:
    """What a client is known to need.

    Attributes
    ----------
    title : str
        The name of the client.
    kinds : frozenset of Kind
        The kinds that it opens.
    rules : mapping of str to str
        Names of rules, or patterns of names such as `tiles.*`, and the public source of each. `*` stands for all
        general rules.
    """

    title: str
    kinds: frozenset[Kind]
    rules: Mapping[str, str]

    def contains(self, rule: Rule) -> bool:
        """Return True if the profile contains the rule."""
        if "*" in self.rules and rule.is_general:
            return True
        return any(fnmatchcase(rule.name, pattern) for pattern in self.rules if pattern != "*")


# What a client of Esri rejects is known for a few rules only, so its packages must agree with Esri's in all of them.
GDAL = Profile(
    "GDAL",
    FOLDERS - {Kind.COMPACT, Kind.EXPLODED} | {Kind.TPKX},
    {
        "container.readable": ESRIC,
        "container.missing": ESRIC,
        "container.kind": ESRIC,
        "container.checksums": ESRIC,
        "container.local-headers": ESRIC,
        "metadata.json": ESRIC,
        "metadata.xml": ESRIC,
        "metadata.readable": ESRIC,
        "metadata.storage": ESRIC,
        "metadata.tiles-path": SPECIFICATION,
        "metadata.tiles-path-early": EARLY_PATH,
        "scheme.reference": ESRIC,
        "scheme.reference-id": ESRIC,
        "scheme.levels": ESRIC,
        "scheme.resolutions": ESRIC,
        "scheme.tile-size": ESRIC,
        "scheme.level-range": SINGLE_LEVEL,
        "scheme.levels-with-tiles": SINGLE_LEVEL,
        "scheme.grid-size": ESRIC,
        "scheme.well-known-text": ESRIC,
        "bundles.readable": COMPACT_CACHE,
        "bundles.names": COMPACT_CACHE,
        "bundles.file-length": COMPACT_CACHE,
        "bundles.version": COMPACT_CACHE,
        "bundles.folder-record-count": RECORD_COUNT,
        "bundles.offset-bytes": COMPACT_CACHE,
        "bundles.user-header": COMPACT_CACHE,
        "bundles.index-size": COMPACT_CACHE,
        "bundles.entries": COMPACT_CACHE,
        "tiles.*": COMPACT_CACHE,
        "extent.full": SINGLE_LEVEL,
        "extent.tiles": SINGLE_LEVEL,
    },
)

PROFILES = {
    "fieldmaps": Profile(
        "ArcGIS Field Maps",
        PACKAGES,
        {
            "*": SPECIFICATION,
            "container.kind": FILE_BASEMAPS,
            "scheme.web-mercator-only": FILE_BASEMAPS,
            "scheme.standard-levels": FILE_BASEMAPS,
        },
    ),
    "survey123": Profile(
        "ArcGIS Survey123",
        PACKAGES,
        {
            "*": SPECIFICATION,
            "container.kind": SURVEY_MERCATOR,
            "scheme.web-mercator-only": SURVEY_MERCATOR,
            "scheme.standard-levels": SURVEY_BASEMAPS,
        },
    ),
    "arcgis-online": Profile(
        "ArcGIS Online",
        PACKAGES,
        {
            "*": SPECIFICATION,
            "container.kind": HOSTED_TILES,
            "metadata.name-blanks": HOSTED_TILES,
            "scheme.gaps": HOSTED_TILES,
            "extent.tight": BUNDLE_LIMIT,
            "extent.bundle-count": BUNDLE_LIMIT,
        },
    ),
    "maps-sdk": Profile(
        "ArcGIS Maps SDKs",
        PACKAGES,
        {"*": SPECIFICATION, "container.kind": TILE_CACHES, "container.stored": UNCOMPRESSED},
    ),
    "gdal": GDAL,
    "qgis": replace(GDAL, title="QGIS"),
}
"""The profiles by the name of the client."""
