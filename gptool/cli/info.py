"""`gptool info`: the tiling scheme, format and contents of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gptool.cli.console import print_json, print_table, show_progress
from gptool.cli.options import cache_argument, json_option
from gptool.cli.usage import Command
from gptool.text import format_bytes, format_count

if TYPE_CHECKING:
    from gptool.model import Extent
    from gptool.plan.info import CacheInfo

EPILOG = """\b
Examples:
  gptool info relief
  gptool info relief --levels
"""


@click.command("info", cls=Command, epilog=EPILOG)
@cache_argument
@click.option("--levels", "by_level", is_flag=True, help="Show sizes, formats and qualities of each level's tiles.")
@json_option
def command(cache: str, by_level: bool, as_json: bool) -> None:
    """Show the tiling scheme, format and extent of CACHE, and the tiles and bytes of each level.

    The numbers are exact, formats and qualities those of a sample of the tiles.
    """
    from gptool.plan import count_tiles
    from gptool.plan.info import CacheInfo, info
    from gptool.request import read_request

    with show_progress() as progress:
        if by_level or as_json:
            found = info(cache, progress=progress)
        else:  # the figures of single tiles, for which all bundles are opened once more, are not shown
            found = CacheInfo(count_tiles(cache, read_request({}), progress))
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json(found.to_json())
        return
    for name, fact in _facts(found).items():
        click.echo(f"{name:<10} {fact}")
    (_show_tiles if by_level else _show_scales)(found)
    click.echo(found.summary)


def _show_scales(found: CacheInfo) -> None:
    """Print resolution, scale, tiles and bytes of each level."""
    rows = [
        (str(lod.level), str(lod.resolution), str(lod.scale), f"{level.tiles:,}", format_bytes(level.bytes))
        for level in found.plan.filled_levels
        for lod in [level.lod]
    ]
    total = "All", "", "", f"{found.plan.tiles:,}", format_bytes(found.plan.bytes)
    print_table(("Level", "Resolution", "Scale", "Tiles", "Bytes"), rows, total)


def _show_tiles(found: CacheInfo) -> None:
    """Print sizes, formats and qualities of the tiles of each level."""
    from gptool.plan.info import format_names, format_range

    levels = [level for level in found.levels if level.tiles]
    rows = [
        (
            str(level.lod.level), f"{level.tiles:,}", format_bytes(level.bytes), format_bytes(level.smallest),
            format_bytes(level.average), format_bytes(level.largest),
            format_names(level.formats), format_range(level.qualities),
        )
        for level in levels
    ]  # fmt: skip
    columns = ("Level", "Tiles", "Bytes", "Smallest", "Average", "Largest", "Formats", "Qualities")
    print_table(columns, rows, ("All", f"{found.plan.tiles:,}", format_bytes(found.plan.bytes), *5 * [""]))
    sampled = format_count(sum(level.sampled for level in levels), "tile")
    click.echo(f"Formats and qualities are those of {sampled}, at most 256 of a level; sizes are those of all tiles.")


def _facts(found: CacheInfo) -> dict[str, str]:
    """Return the facts above the table, with numbers as the cache states them."""
    cache, full = found.plan.cache, found.full_extent
    scheme, image, declared = cache.scheme, cache.image, cache.declared_extent
    ids = [f"{name} {id_}" for name, id_ in found.spatial_reference.items() if name != "wkt"]
    quality = f"declared quality {image.compression_quality}"
    if image.sampled is not None:
        quality = f"as {format_count(image.sampled, 'sampled tile')}"
    facts = {
        "Cache": f"{cache.name}, {cache.storage.value}",
        "Tiles": f"{image.format}, {quality}, {scheme.tile_columns} x {scheme.tile_rows} px",
        "Reference": ", ".join(ids) or "only as well-known text",
        "Origin": f"{scheme.origin_x}, {scheme.origin_y}",
        "Extent": _sides(full),
    }
    pixel = scheme.lods[-1].resolution.value
    if declared and full and any(abs(side - other) > pixel for side, other in zip(declared, full, strict=True)):
        facts["Declared"] = _sides(declared)
    facts["Scheme"] = f"{len(scheme.lods)} levels, {scheme.lods[0].level} to {scheme.lods[-1].level}; with tiles:"
    return facts


def _sides(extent: Extent | None) -> str:
    return ", ".join(map(repr, extent)) if extent else "none"
