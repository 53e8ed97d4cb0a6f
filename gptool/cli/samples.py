"""`gptool samples`: a page of tiles before and after recompression, and the quality that they recommend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptool.cli.console import print_json, print_table, show_messages, show_progress
from gptool.cli.options import (
    cache_argument,
    json_option,
    json_progress_option,
    limit_option,
    sample_options,
    tile_package_option,
)
from gptool.cli.usage import Command, Integer, Location
from gptool.errors import ParameterError
from gptool.samples.defaults import DEFAULT_COUNT, DEFAULT_QUALITIES, MAX_COUNT
from gptool.text import format_bytes

if TYPE_CHECKING:
    from gptool.samples.figures import QualityFigures
    from gptool.samples.report import Samples

EPILOG = """\b
Examples:
  gptool samples relief relief.html --levels 0-6
  gptool samples relief relief.html --area-of-interest north.geojson --qualities 40,50,60,70,80
"""

SUFFIXES = ".html", ".htm"


@click.command("samples", cls=Command, epilog=EPILOG)
@cache_argument
@click.argument("output", type=Location(), metavar="OUTPUT.html")
@click.option(
    "--qualities",
    metavar="LIST",
    default=",".join(map(str, DEFAULT_QUALITIES)),
    show_default=True,
    help="Compression qualities to compare, one to twelve, 0 to 100.",
)
@click.option(
    "--count",
    type=Integer(1, MAX_COUNT),
    metavar="N",
    default=DEFAULT_COUNT,
    show_default=True,
    help="Maximum number of tiles in OUTPUT, 1 to 200. More tiles are scored.",
)
@sample_options
@tile_package_option
@limit_option
@click.option("--overwrite", is_flag=True, help="Replace an existing OUTPUT.")
@json_progress_option
@json_option
def command(cache: str, output: str, overwrite: bool, json_progress: bool, as_json: bool, **options: Any) -> None:
    """Write a page of representative tiles of CACHE as they are and at several compression qualities.

    OUTPUT is one HTML file that needs no network: each tile before and after, with its bytes and its score, the size of
    the whole result at each quality, and the lowest quality whose worst scored tile still looks well.
    """
    from gptool.output.staging import check_target, created_folder
    from gptool.samples.functions import run_samples

    target = Path(output).absolute()
    if target.suffix.lower() not in SUFFIXES:
        raise ParameterError(
            "is not the name of an HTML file", where="OUTPUT", found=output, expected="a name that ends in .html"
        )
    with created_folder(target.parent):
        check_target(target, is_folder=False, overwrite=overwrite)
        with show_progress(as_json=json_progress) as progress:
            samples = run_samples(cache, target=target, progress=progress, **options)
        samples.write_html(target, overwrite=overwrite)
    show_messages(samples.messages)
    if as_json:
        print_json({"path": str(target), **samples.to_json()})
    else:
        _show(samples, target)


def _show(samples: Samples, target: Path) -> None:
    columns = ("Quality", "Result", "From", "To", "Worst score", "Mean score", "PSNR-Y")
    print_table(columns, [_cells(figures) for figures in samples.all_figures])
    click.echo(f"As it is: {format_bytes(samples.copied_size)}; {samples.summary}")
    click.echo(f"{target}: {len(samples.tiles):,} tiles, {format_bytes(target.stat().st_size)}")


def _cells(figures: QualityFigures) -> tuple[str, ...]:
    psnr = "-" if figures.mean_psnr is None else f"{figures.mean_psnr:.1f} dB"
    sizes = map(format_bytes, (figures.total_size, *figures.interval))
    return (str(figures.quality), *sizes, f"{figures.worst_score:.1f}", f"{figures.mean_score:.1f}", psnr)
