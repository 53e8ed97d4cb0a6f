"""`gptool demo`: the main job on a machine that has no cache."""

from __future__ import annotations

from pathlib import Path

import click

from gptool.cli.console import show_progress
from gptool.cli.export_tiles import show_result

EPILOG = """\b
Example:
  gptool demo /tmp/demo
"""


@click.command("demo", epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), default="gptool-demo")
@click.option("--overwrite", is_flag=True, help="Export again where FOLDER has a package already.")
def command(folder: Path, overwrite: bool) -> None:
    """Draw a small JPEG cache of an invented world in FOLDER and export it with quality 50.

    The cache, FOLDER/world, is drawn once; the package is FOLDER/world.tpkx.
    """
    from gptool.demo import make_cache
    from gptool.errors import translate_os_errors
    from gptool.export.operation import export_tiles

    cache, package = folder / "world", folder / "world.tpkx"
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not cache.exists():
            click.echo(f"Drawing a world: {cache}", err=True)
            make_cache(cache)
    with show_progress("Exporting") as progress:
        result = export_tiles(cache, package, compression_quality=50, overwrite=overwrite, progress=progress)
    show_result(result)
