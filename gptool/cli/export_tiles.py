"""`gptool export-tiles`: a tile package, another file, or a cache raster dataset of a part of a cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import (
    WIDE,
    output_width,
    print_json,
    print_table,
    running,
    show_messages,
    show_progress,
    with_options,
)
from gptool.cli.options import (
    cache_argument,
    json_option,
    json_progress_option,
    limit_option,
    reject_empty,
    selection_options,
)
from gptool.cli.report_file import prepare_report, write_failure_report
from gptool.cli.usage import Command, Integer, Location, StoreLocation
from gptool.errors import CacheError, translate_os_errors
from gptool.request.limits import MAX_WORKERS
from gptool.system.store_url import OUTPUTS
from gptool.text import format_bytes, format_count

if TYPE_CHECKING:
    from gptool.export.report import ExportResult, LevelReport

EPILOG = """\b
Examples:
  gptool export-tiles relief relief.tpkx --levels 0-6 --compression-quality 50
  gptool export-tiles relief north.tpkx --area-of-interest north.geojson
  gptool export-tiles relief smaller.tpkx --optimize-tiles-for-size
  gptool export-tiles relief small.tpkx --target-size 500MB
  gptool export-tiles relief parts --max-part-size 2GB
  gptool export-tiles relief s3://tiles/relief.tpkx
  gptool export-tiles relief relief.mbtiles
  gptool export-tiles old.tpk dataset --storage-format-type compactV2
"""

MAX_LISTED = 10
"""Damaged tiles that are listed for people; --report and --json list more."""


@click.command("export-tiles", cls=Command, epilog=EPILOG)
@cache_argument
@click.argument("output", type=StoreLocation(OUTPUTS))
@selection_options
@limit_option
@click.option("--overwrite", is_flag=True, help="Replace an existing OUTPUT.")
@click.option(
    "--restart",
    is_flag=True,
    help="Discard what an interrupted run of the same export has finished. By default, it is gone on with.",
)
@click.option(
    "--workers",
    type=Integer(1, MAX_WORKERS),
    metavar="N",
    help="Number of threads, 1 to 1024, or of tasks at once with --dask. By default, the number of processors, or of "
    "the cluster's threads.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    callback=reject_empty,
    help="Export on the Dask cluster with the scheduler at this address, as in tcp://10.0.0.1:8786. Its workers must "
    "see CACHE and the folder of OUTPUT under the same paths.",
)
@click.option(
    "--report",
    type=Location(),
    metavar="FILE",
    help="Write a report, FILE.json, also if the export fails.",
)
@click.option(
    "--fail-on-damaged",
    is_flag=True,
    help="Exit with 1, with the result in place, if it has damaged tiles. Only tiles that are recompressed or "
    "optimised are decoded.",
)
@click.option(
    "--quiet", is_flag=True, help="Print errors only, and what --json and --json-progress print for other programs."
)
@click.option("--no-progress", is_flag=True, help="Show no progress. Excludes --json-progress.")
@json_progress_option
@json_option
def command(
    cache: str,
    output: str,
    report: str | None,
    fail_on_damaged: bool,
    quiet: bool,
    no_progress: bool,
    json_progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Export tiles of CACHE into OUTPUT.

    CACHE is a cache folder, a .tpkx or a .tpk, or the URL of one in an object store; or a .mbtiles. OUTPUT is a tile
    package, x.tpkx or x.tpk, a file for other clients, x.mbtiles, x.pmtiles or x.gpkg, or the name of a folder, without
    suffix, for a cache raster dataset; or the URL of one that begins with s3://, gs:// or az://. With --max-part-size
    or --max-part-tiles, it is the name of a folder for tile packages and their manifest.json. Missing folders above it
    are created.
    """
    if no_progress and json_progress:
        raise click.UsageError("--no-progress and --json-progress exclude each other; expected one of them")
    from gptool.export.calls import run_call
    from gptool.jobs.job import Job
    from gptool.jobs.record import EXPORT_TILES, OUT_SERVICE_URL
    from gptool.jobs.report import write_report
    from gptool.output.registry import is_tile_package

    has_parts = any(options[name] is not None for name in ("max_part_size", "max_part_tiles"))
    job = Job(EXPORT_TILES, {**options, "tilePackage": has_parts or is_tile_package(output)})
    report_path = None if report is None else prepare_report(report, cache, output)
    failure_report = None if report_path is None else partial(write_failure_report, report_path, cache, output)
    progress_shown = show_progress(hidden=no_progress or (quiet and not json_progress), as_json=json_progress)
    with running(job, as_json, failure_report), progress_shown as progress:
        done = run_call(cache, output, progress=progress, **options)
        job.add_messages(done.result.messages)
        if report_path is not None:
            with translate_os_errors(report_path):
                write_report(report_path, job.record, *done, progress)
    result = done.result
    if not quiet:
        show_messages(result.messages)
    if as_json:
        job.results[OUT_SERVICE_URL] = str(result.path)
        job.succeed()
        print_json({**job.to_json(), **result.to_json()})
    elif not quiet:
        show_result(result, report)
    if fail_on_damaged and result.total.tiles_damaged:
        what = f"{format_count(result.total.tiles_damaged, 'damaged tile')} in the result"
        if quiet and result.damaged:
            first = result.damaged[0]
            what += f"; the first is level {first.level}, row {first.row}, column {first.column}: {first.reason}"
        raise CacheError(what, where=result.path)


def show_result(result: ExportResult, listed_in: str | None = None) -> None:
    """Print the figures of each level in a table. Reasons for kept tiles are in its cells, or below it if narrow.

    Parameters
    ----------
    result : ExportResult
    listed_in : str or None
        The report that lists all damaged tiles.
    """
    total, wide = result.total, output_width() >= WIDE
    recompressed, optimised = ("Recompressed", "Optimised") if wide else ("Recom-\npressed", "Opti-\nmised")
    columns = ["Level", "Tiles", "Bytes in", "Bytes out", "Out/in", "Quality", recompressed, optimised, "Damaged"]
    columns.append("Kept, and why<" if wide else "Kept")
    rows = [(str(level), *_cells(report, wide)) for level, report in result.levels.items()]
    print_table(columns, rows, ("All", *_cells(total, wide)))
    if not wide:
        for level, report in result.levels.items():
            for reason, count in _kept(report).items():
                click.echo(f"Kept: level {level}, {count:,} {reason}")
    for tile in result.damaged[:MAX_LISTED]:
        click.echo(f"Damaged: level {tile.level}, row {tile.row}, column {tile.column}: {tile.reason}")
    if total.tiles_damaged > MAX_LISTED:
        where = f"listed in {listed_in}" if listed_in else "--report FILE lists them"
        click.echo(f"... and {total.tiles_damaged - MAX_LISTED:,} more damaged tiles; {where}")
    beside = result.size - result.bytes_written
    click.echo(
        f"{result.path}: {format_count(result.tiles, 'tile')}, {format_bytes(result.size)}: "
        f"{format_bytes(result.bytes_written)} of tiles, "
        + (f"{format_bytes(beside)} of indexes and metadata" if beside > 0 else "equal ones stored once")
        + (f"; {with_options(result.target.text)}" if result.target else "")
        + (f"; {format_count(len(result.parts), 'part')} and manifest.json" if result.parts else "")
    )


def _kept(report: LevelReport) -> dict[str, int]:
    """Return the number of valid tiles that were kept, by reason; damaged ones have a column of their own."""
    from gptool._jpeg import Outcome
    from gptool.export.report import OUTCOME_TEXTS

    return {OUTCOME_TEXTS[outcome]: count for outcome, count in report.kept.items() if outcome is not Outcome.DAMAGED}


def _cells(report: LevelReport, wide: bool) -> tuple[str, ...]:
    kept = _kept(report)
    return (
        f"{report.tiles:,}",
        format_bytes(report.bytes_read),
        format_bytes(report.bytes_written),
        f"{100 * report.bytes_written / report.bytes_read:.1f} %" if report.bytes_read else "-",
        _quality(report, wide),
        f"{report.tiles_recompressed:,}",
        f"{report.tiles_optimised:,}",
        f"{report.tiles_damaged:,}",
        "; ".join(f"{count:,} {reason}" for reason, count in kept.items()) or "-"
        if wide
        else f"{sum(kept.values()):,}",
    )


def _quality(report: LevelReport, wide: bool) -> str:
    """Return the range of the qualities of a level's JPEG tiles; if `wide`, with the most frequent one first."""
    if not report.qualities:
        return "-"
    low, high = min(report.qualities), max(report.qualities)
    if low == high:
        return str(low)
    return f"{report.effective_quality} ({low}-{high})" if wide else f"{low}-{high}"
