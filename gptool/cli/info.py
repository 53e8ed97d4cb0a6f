"""`gptool info`: what a cache is and holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import bytes_text, print_json, print_table
from gptool.cli.options import cache_argument, json_option

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
    from gptool.plan import make_plan

    info = describe(make_plan(cache))
    if as_json:
        print_json(info)
        return
    scheme, image, origin = info["tileInfo"], info["tileImageInfo"], info["tileInfo"]["origin"]
    reference = {name: value for name, value in info["spatialReference"].items() if name != "wkt"}
    facts = {
        "Cache": f"{info['name']}, {info['storageFormat']}",
        "Tiles": "{}, declared quality {}, {} x {} px".format(*image.values(), scheme["cols"], scheme["rows"]),
        "Reference": ", ".join(f"{name} {value}" for name, value in reference.items()) or "by its text only",
        "Origin": f"{origin['x']}, {origin['y']}",
        "Extent": ", ".join(map(repr, info["fullExtent"].values())),
    }
    for name, fact in facts.items():
        click.echo(f"{name:<10} {fact}")
    rows = [
        (
            str(level["level"]),
            str(level["resolution"]),
            str(level["scale"]),
            f"{level['tiles']:,}",
            bytes_text(level["bytes"]),
        )
        for level in info["levels"]
    ]
    total = "All", "", "", f"{info['tiles']:,}", bytes_text(info["bytes"])
    print_table(("Level", "Resolution", "Scale", "Tiles", "Bytes"), rows, total)


def describe(plan: Plan) -> dict[str, Any]:
    """Return what a plan of everything tells of its cache, under the names that Esri uses."""
    cache, scheme = plan.cache, plan.cache.scheme
    reference = {"wkid": scheme.reference.wkid, "latestWkid": scheme.reference.latest_wkid, "wkt": scheme.reference.wkt}
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
        "fullExtent": plan.extent()._asdict(),
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
