"""`gptool info`: the tiling scheme, format and contents of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import print_json, print_table
from gptool.cli.options import cache_argument, json_option
from gptool.text import format_bytes

if TYPE_CHECKING:
    from gptool.plan import Plan

EPILOG = """\b
Example:
  gptool info relief
"""


@click.command("info", epilog=EPILOG)
@cache_argument
@json_option
def command(cache: str, as_json: bool) -> None:
    """Show the tiling scheme, format and extent of CACHE, and the tiles and bytes of each level."""
    from gptool.plan import count_tiles
    from gptool.request import read_request

    plan = count_tiles(cache, read_request({}))
    info = describe(plan)
    empty = [f"level {level.lod.level}: {level.empty:,} tiles are empty files" for level in plan.levels if level.empty]
    none = [] if plan.tiles else [f"{plan.cache.location} has no tiles at any level of its tiling scheme"]
    for warning in (*plan.skipped, *empty, *none):
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json(info)
        return
    for name, fact in _facts(plan, info).items():
        click.echo(f"{name:<10} {fact}")
    rows = [
        (str(lod.level), str(lod.resolution), str(lod.scale), f"{level.tiles:,}", format_bytes(level.bytes))
        for level in plan.filled_levels
        for lod in [level.lod]
    ]
    total = "All", "", "", f"{info['tiles']:,}", format_bytes(info["bytes"])
    print_table(("Level", "Resolution", "Scale", "Tiles", "Bytes"), rows, total)


def _facts(plan: Plan, info: dict[str, Any]) -> dict[str, str]:
    """Return the facts above the table, with numbers as the cache states them."""
    scheme, image = plan.cache.scheme, plan.cache.image
    ids = [f"{name} {id_}" for name, id_ in info["spatialReference"].items() if name != "wkt"]
    return {
        "Cache": f"{info['name']}, {info['storageFormat']}",
        "Tiles": f"{image.format}, declared quality {image.compression_quality}, "
        f"{scheme.tile_columns} x {scheme.tile_rows} px",
        "Reference": ", ".join(ids) or "only as well-known text",
        "Origin": f"{scheme.origin_x}, {scheme.origin_y}",
        "Extent": ", ".join(map(repr, info["fullExtent"].values())) if info["fullExtent"] else "none",
        "Scheme": f"{len(scheme.lods)} levels, {scheme.lods[0].level} to {scheme.lods[-1].level}; with tiles:",
    }


def describe(plan: Plan) -> dict[str, Any]:
    """Return a description of a cache whose tiles were all counted, with Esri's names."""
    from gptool.crs.reference import well_known_id

    cache, scheme = plan.cache, plan.cache.scheme
    extent = plan.extent() if plan.tiles else cache.declared_extent
    stated = scheme.reference
    reference = {"wkid": well_known_id(stated), "latestWkid": stated.latest_wkid, "wkt": stated.wkt}
    return {
        "name": cache.name,
        "storageFormat": cache.storage.value,
        "tileImageInfo": {"format": cache.image.format, "compressionQuality": cache.image.compression_quality},
        "tileInfo": {
            "rows": scheme.tile_rows,
            "cols": scheme.tile_columns,
            "dpi": scheme.dpi.value,
            "origin": {"x": scheme.origin_x.value, "y": scheme.origin_y.value},
        },
        "spatialReference": {name: value for name, value in reference.items() if value is not None},
        "fullExtent": extent._asdict() if extent else None,
        "tiles": plan.tiles,
        "bytes": plan.bytes,
        "levels": [
            {
                "level": level.lod.level,
                "resolution": level.lod.resolution.value,
                "scale": level.lod.scale.value,
                "tiles": level.tiles,
                "bytes": level.bytes,
            }
            for level in plan.levels
        ],
    }
