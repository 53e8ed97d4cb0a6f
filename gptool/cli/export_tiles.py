"""`gptool export-tiles`: cut a package or dataset out of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import (
    WIDE,
    bytes_text,
    output_width,
    print_json,
    print_table,
    running,
    show_messages,
    show_progress,
)
from gptool.cli.options import cache_argument, json_option, selection_options

if TYPE_CHECKING:
    from gptool.export.report import ExportResult, LevelReport

EPILOG = """\b
Example:
  gptool export-tiles relief relief.tpkx --levels 0-6 --compression-quality 50
  gptool export-tiles relief north.tpkx --area-of-interest north.geojson
  gptool export-tiles old.tpk dataset --storage-format-type compactV2
"""

MOST_LISTED = 10
"""Damaged tiles that are listed for people; --json has more."""


@click.command("export-tiles", epilog=EPILOG)
@cache_argument
@click.argument("output", type=click.Path())
@selection_options
@click.option("--max-export-tiles-count", type=click.IntRange(min=0), metavar="N", help="Refuse above N tiles.")
@click.option("--overwrite", is_flag=True, help="Replace an existing OUTPUT.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Threads; the machine's processors when silent."
)
@json_option
def command(cache: str, output: str, as_json: bool, **options: Any) -> None:
    """Cut tiles out of CACHE into OUTPUT.

    CACHE is a cache folder, a .tpkx or a .tpk. OUTPUT is a tile package, x.tpkx or x.tpk, or the name of a folder for a
    cache raster dataset.
    """
    from gptool.export.operation import export_tiles
    from gptool.jobs.job import Job
    from gptool.jobs.record import OUT
    from gptool.output.registry import is_tile_package

    job = Job("ExportTiles", {**options, "tilePackage": is_tile_package(output)})
    with running(job, as_json), show_progress("Exporting") as progress:
        result = export_tiles(cache, output, progress=progress, **options)
    show_messages(result.messages)
    if as_json:
        job.add_messages(result.messages)
        job.results[OUT] = str(result.path)
        job.succeed()
        print_json({**job.to_json(), **result.to_json()})
    else:
        show_result(result)


def show_result(result: ExportResult) -> None:
    """Print the closing table: what became of the tiles of each level. Where it is narrow, reasons follow below it."""
    total, wide = result.total, output_width() >= WIDE
    columns = ["Level", "Tiles", "Bytes in", "Bytes out", "Out/in", "Quality", "Recompressed", "Damaged"]
    columns.append("Kept, and why<" if wide else "Kept")
    rows = [(str(level), *_cells(report, wide)) for level, report in result.levels.items()]
    print_table(columns, rows, ("All", *_cells(total, wide)))
    if not wide:
        for level, report in result.levels.items():
            for why, count in _kept(report).items():
                click.echo(f"Kept: level {level}, {count:,} {why}")
    for tile in result.damaged[:MOST_LISTED]:
        click.echo(f"Damaged: level {tile.level}, row {tile.row}, column {tile.column}: {tile.reason}")
    if total.tiles_damaged > MOST_LISTED:
        click.echo(f"... and {total.tiles_damaged - MOST_LISTED:,} more; --json lists them")
    click.echo(f"{result.path}: {result.tiles:,} tiles, {bytes_text(result.size)}")


def _kept(report: LevelReport) -> dict[str, int]:
    """Return the tiles that were kept though sound; the damaged have a column of their own."""
    return {why: count for why, count in report.kept.items() if why != "damaged"}


def _cells(report: LevelReport, wide: bool) -> tuple[str, ...]:
    kept = _kept(report)
    return (
        f"{report.tiles:,}",
        bytes_text(report.bytes_read),
        bytes_text(report.bytes_written),
        f"{100 * report.bytes_written / report.bytes_read:.1f} %" if report.bytes_read else "-",
        _quality(report, wide),
        f"{report.tiles_recompressed:,}",
        f"{report.tiles_damaged:,}",
        "; ".join(f"{count:,} {why}" for why, count in kept.items()) or "-" if wide else f"{sum(kept.values()):,}",
    )


def _quality(report: LevelReport, wide: bool) -> str:
    """Return between which qualities a level's JPEG tiles are, and where there is room the most frequent first."""
    if not report.qualities:
        return "-"
    low, high = min(report.qualities), max(report.qualities)
    if low == high:
        return str(low)
    return f"{report.effective_quality} ({low}-{high})" if wide else f"{low}-{high}"
