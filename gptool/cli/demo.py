"""`gptool demo`: an export of a cache that the command draws itself."""

from __future__ import annotations

from pathlib import Path

import click

from gptool.cli.console import show_progress
from gptool.cli.export_tiles import show_result
from gptool.cli.usage import Command, Location

EPILOG = """\b
Example:
  gptool demo /tmp/demo
"""


@click.command("demo", cls=Command, epilog=EPILOG)
@click.argument("folder", type=Location(Path), default="gptool-demo")
@click.option("--overwrite", is_flag=True, help="Export again if FOLDER holds a package.")
def command(folder: Path, overwrite: bool) -> None:
    """Draw a small JPEG cache of an invented world in FOLDER and export it with quality 50.

    The cache is FOLDER/world; it is drawn if it does not exist. The package is FOLDER/world.tpkx.
    """
    from gptool.demo import make_cache
    from gptool.errors import translate_os_errors
    from gptool.export.calls import run_call
    from gptool.output.staging import created_folder

    cache, package = folder / "world", folder / "world.tpkx"
    with created_folder(folder), translate_os_errors(folder):
        if not cache.exists():
            click.echo(f"Drawing a world: {cache}", err=True)
            make_cache(cache)
    with show_progress() as progress:
        done = run_call(cache, package, compression_quality=50, overwrite=overwrite, progress=progress)
    show_result(done.result)
