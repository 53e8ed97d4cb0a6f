"""`gptool register`: the files that publish the tools as a geoprocessing service of ArcGIS Server."""

from __future__ import annotations

import click

from gptool.cli.usage import Command

EPILOG = """\b
Example:
  gptool register --server https://gis.example.com/server --folder Tiles --caches World=/data/World Roads=/data/r.tpkx
"""


@click.command("register", cls=Command, epilog=EPILOG)
@click.option("--server", required=True, metavar="URL", help="The URL of an ArcGIS Server site.")
@click.option("--folder", required=True, metavar="NAME", help="The folder of the site to publish to.")
@click.option(
    "--caches",
    required=True,
    multiple=True,
    metavar="NAME=CACHE ...",
    help="The caches to offer, and their names.",
)
@click.argument("more", nargs=-1, metavar="[OUTPUT]")
@click.option("--overwrite", is_flag=True, help="Replace the files in OUTPUT.")
def command(server: str, folder: str, caches: tuple[str, ...], more: tuple[str, ...], overwrite: bool) -> None:
    r"""Write a Python toolbox, its settings and a script that publishes it to ArcGIS Server, and show the next steps.

    The files are written to the folder OUTPUT, by default ExportTiles. A Windows path of a CACHE, C:\... or
    \\server\..., may be given on any system: it is that of the site.
    """
    from gptool.arcgis.registration import TRIED, register
    from gptool.cli.named_caches import read_named

    output, *others = [argument for argument in more if "=" not in argument] or ["ExportTiles"]
    if others:
        raise click.UsageError(f"more than one OUTPUT: {output} and {others[0]}")
    named = read_named([*caches, *(argument for argument in more if "=" in argument)], "--caches")
    registration = register(server, folder, named, output, overwrite=overwrite)
    click.echo(TRIED)
    click.echo(f"{registration.output}: the toolbox, its settings and the script that publishes it. Next:\n")
    for number, step in enumerate(registration.steps, 1):
        click.echo(f"{number}. {step}")
